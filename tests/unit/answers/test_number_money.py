"""Amounts of money: groups by the currency's language, short scales beside it, and what looks alike."""

from __future__ import annotations

import pytest

from lightrouter.answers.numbers import answer_number, written

# What is read from each text.
AMOUNTS = {
    "500000": [
        "500.000 đồng", "Giá là 500.000 đồng.", "500.000đ", "500.000 VND", "500.000 VNĐ", "500.000 ₫",
        "₫500.000", "VND 500.000", "Rp500.000", "Rp 500.000", "Rp. 500.000", "Harganya Rp500.000.", "IDR 500.000",
        "500.000 rupiah", "R$ 500.000", "R$500.000", "500.000 reais", "500.000 TL", "₺500.000", "500.000 lira",
        "500.000 kr.", "500.000 kroner", "DKK 500.000", "€500.000", "€ 500.000", "500.000 €", "500.000€",
        "500.000 Euro", "500.000 euros", "EUR 500.000", "500.000 EUR", "The answer is 500.000 €.",
        "500,000 đồng", "Rp500,000", "€500,000", "500.000,00 €", "Rp500.000,00", "500 nghìn đồng",
        "Es kostet 500.000 Euro, nicht 12,50 Euro.\n\n500.000 Euro",
    ],
    "1500000": ["1.500 nghìn đồng", "1.500 ribu rupiah", "1.500.000 đồng", "Rp1.500.000", "€1.500.000"],
    # Neither the currency nor the digits decide, or the text writes points before decimals.
    "1.5": [
        "$1.500", "1.500 dollars", "1.500 kg", "£1.500", "CHF 1.500", "1.500", "€1.5", "€1.50", "€1.500/l",
        "1.500 €/kWh", "€1.500 per litre", "1.500 Euro pro Liter", "1.500 euros a litre",
        "It rose from €1.25 to €1.500", "He had €1,200 and now has €1.500",
    ],
    "0.5": ["€0.500", "0.500 €", "Rp0.500"],
    "1.2345": ["€1.2345", "1.2345 VND"],
    "1200000": [
        "$1.2M", "$1.2 M", "It cost $1.2 M.", "The answer is $1.2 M in cash.", "US$1.2 M", "€1.2 M", "1.2M USD",
        "1.2 M USD",
        "1.2M€", "1.2 M€", "1.2M euros", "1.2 M EUR", "$1.2mn", "$1.2 mn", "$1.2 Mn", "$1.2MM", "1.2 mn dollars",
        "1.2m euros", "USD 1.2 M", "USD 1.2M",
    ],
    "3000000000": [
        "$3B", "$3 B", "€3 bn", "€3bn", "3B USD", "3 B USD", "3 bn euros", "$3 bln", "$3 billion", "3 Mrd. Euro",
    ],
    "2000000000000": ["$2T", "$2 T", "It cost $2T.", "$2tn", "$2 tn", "US$2 trn", "2T USD", "2 T€", "$2 trillion"],
    "5000": ["$5k", "$5K", "$5 K", "5K USD", "5k dollars", "5 k euros", "5k"],
    # A space before a small letter, too.
    "4500000": [
        "£4.5 m", "The total is £4.5 m", "Answer: £4.5 m.", "£4.5 m (approx.)", "**£4.5 m**", "(£4.5 m)", "£ 4.5 m",
        "£4.5 m and rising", "a budget of £4.5 m", "\\$4.5 m", "$4.5 m", "US$ 4.5 m", "USD 4.5 m", "4.5 m £",
        "\\boxed{\\$4.5 \\text{ m}}", "€4.5 m", "4.5 m euros", "£4.5 mn", "4,5 Mio. Euro",
    ],
    "-4500000": ["-£4.5 m", "£-4.5 m"],
    "10000": ["$10 k", "€10 k.", "The cost is $10 k per month.", "USD 10 k", "10 k €", "CHF 10 k"],
    "7000000000": ["about $7 b", "€7 bn", "7 bn EUR"],
    "250000": ["₹2.5 L", "₹2.5L", "Rs 2.5 L", "₹2.5 lakh"],
    "50000000": ["₹5 cr", "₹5 Cr", "Rs 5 cr", "₹5 crore"],
    # Units, names and formulas.
    "5": [
        "5 m", "5 k", "$5 m$", "The distance is $5 m$.", "The length is $5 \\text{ m}$", "5 L", "$5 m/s",
        "$5 b-sides", "5 M", "5 K", "5 T", "5T", "5M", "5K", "5B", "$5 CR", "$5 T-shirt", "$5 T shirts",
        "$5 B-side", "$5 tip", "$5 bonus",
        "$5 per person", "The solution is $5 M$.", "The answer is $5 K$", "It gives us 5 K", "$5T$",
        "The answer is $5 \\mathrm{M} \\mathrm{HCl}$.",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("value", "text"), [(value, text) for value, texts in AMOUNTS.items() for text in texts])
def test_amounts(value: str, text: str) -> None:
    number = answer_number(text)
    assert number
    assert written(number) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # An exclamation.
        ("3!", "3"),
        ("It is 3!", "3"),
        ("The answer is 120! I hope that helps.", "120"),
        ("**5!**", "5"),
        ("5! (exactly)", "5"),
        # A factorial.
        ("5! = 120", "120"),
        ("There are 5! ways", "120"),
        ("There are 3! arrangements.", "6"),
        ("120 = 5!*1", "1"),
        ("It is 4! permutations", "24"),
    ],
)
def test_an_exclamation_is_no_factorial(text: str, value: str) -> None:
    number = answer_number(text)
    assert number
    assert written(number) == value
