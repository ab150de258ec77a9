"""Amounts, scales and numbers in words, and digits of other scripts."""

# Letters of other scripts are meant where they look like Latin ones.
# ruff: noqa: RUF001
from __future__ import annotations

import pytest

from lightrouter.answers.extract import extract
from lightrouter.v1.policy_pb2 import AnswerPattern

TEXTS = {
    "42": [
        "答案是四十二。共3步", "答えは四十二です。3回", "উত্তর: ৪২", "The answer is forty-two dollars",
        "The answer is forty two.", "答案是四十二。", "الإجابة هي ٤٢", "पاسخ: ۴۲", "پاسخ: ۴۲",
        "پاسخ ۴۲ است. ۳ مرحله", "उत्तर: ४२", "उत्तर ४२ है", "คำตอบคือ ๔๒", "คำตอบ: ๔๒ บาท", "答案是４２",
        "உத்தரம்: ௪௨", "ответ — 42", "Итак, ответ: 42. Шагов: 3",
        "Таким образом, правильный ответ — 42 (3 шага)", "Окончательный ответ: 42. Шаг 3",
        "Получаем 42 яблока. Ответ: 42 яблока.", "Відповідь: 42. Кроків 3", "Отговор: 42. Стъпки 3",
    ],
    "1234.5": [
        "The answer is €1.234,50.", "The answer is 1.234,50€", "The answer is 1 234,50 €",
        "The answer is £1,234.50", "The answer is CHF 1'234.50", "The answer is 1'234.50 CHF",
        "The answer is R$ 1.234,50", "A resposta é R$ 1.234,50. São 3 passos", "Odpowiedź: 1 234,50 zł",
        "Ответ: 1 234,5 руб.",
    ],
    "123456": [
        "The answer is ₹1,23,456", "The answer is Rs. 1,23,456.",
    ],
    "500": [
        "The answer is Rs 500", "The answer is 500 Rs", "The answer is 500/- rupees",
        "The answer is Rs. 500/-", "The answer is kr 500", "The answer is 500 kr", "The answer is zł 500",
        "The answer is ₺500", "Cevap: 500 TL", "The answer is 500 USD", "The answer is USD 500",
        "The answer is US$500", "The answer is $500 USD", "The answer is 500$", "The answer is $ 500",
        "The answer is ( $500 )", "The answer is ($500)", "The answer is (500)", "The answer is ฿500",
        "The answer is ₦500", "The answer is ₱500", "The answer is ₪500", "The answer is ₴500",
        "The answer is AED 500", "The answer is NT$500", "The answer is MX$500", "The answer is 500 euros.",
        "La réponse est 500 euros. 3 étapes", "答案是5百",
    ],
    "1234": [
        "The answer is ¥1,234", "The answer is 1,234円", "The answer is 1,234 yen", "答案是1,234元。共3步",
        "答案是¥1,234。共3步", "答案：人民币1,234元", "Net loss: ($1,234)", "الإجابة: ١٬٢٣٤",
    ],
    "12000": [
        "The answer is ₩12,000", "정답은 12,000원입니다.", "答えは1万2千です",
    ],
    "-500": [
        "The answer is -$500", "The answer is $-500", "The answer is –$500", "The answer is −$500",
        "The answer is - $500", "The answer is −€500", "The answer is -500€",
    ],
    "0.75": [
        "The answer is $0.75", "The answer is three quarters", "The answer is three-fourths", "答案是3/4",
        "答案是4分之3", "정답은 4분의 3입니다",
    ],
    "75": [
        "The answer is 75¢", "The answer is 75 cents",
    ],
    "0.5": [
        "The answer is ₿0.5", "The answer is one half", "The answer is one-half", "The answer is a half",
        "The answer is half", "The answer is fifty percent", "答案是百分之五十", "答案是二分之一",
        "답은 50퍼센트입니다", "الإجابة: ٥٠٪",
    ],
    "1200000": [
        "The answer is $1.2 million", "The answer is 1.2 million dollars", "The answer is $1.2M",
        "The answer is $1.2m", "The answer is one million two hundred thousand",
    ],
    "3400000000": [
        "The answer is $3.4 billion", "The answer is 3.4bn",
    ],
    "3.4": [
        "The answer is 3.4B",
    ],
    "2000000000000": [
        "The answer is $2 trillion",
    ],
    "2500": [
        "The answer is 2.5 thousand", "The answer is two thousand five hundred.",
    ],
    "25000": [
        "The answer is 25k",
    ],
    "84": [
        "The answer is 7 dozen", "Answer: eighty-four", "Answer: Eighty four apples",
    ],
    "24": [
        "The answer is two dozen",
    ],
    "12": [
        "The answer is a dozen", "The answer is twelve (12).", "The answer is twelve (12) eggs, in 3 steps",
        "The answer is 12 (twelve).", "答案是十二",
    ],
    "6": [
        "The answer is half a dozen",
    ],
    "150000": [
        "The answer is 1.5 lakh", "The answer is 1.5 lakhs",
    ],
    "20000000": [
        "The answer is 2 crore", "The answer is ₹2 crore", "उत्तर 2 करोड़ है",
    ],
    "25000000": [
        "The answer is 2.5 crores",
    ],
    "700": [
        "The answer is 7 hundred", "Answer: Seven hundred",
    ],
    "700000": [
        "The answer is 7 hundred thousand",
    ],
    "300000000": [
        "The answer is 3 hundred million", "答案是3亿",
    ],
    "2000000000": [
        "The answer is 2 thousand million", "Die Antwort ist 2 Mrd. €", "Ответ: 2 млрд рублей",
        "Cevap: 2 milyar", "Odpowiedź: 2 mld", "Đáp án: 2 tỷ", "Jawaban: 2 miliar",
    ],
    "3000000": [
        "Die Antwort ist 3 Mio.", "Die Antwort ist 3 Mio. Euro", "La réponse est 3 millions",
        "A resposta é 3 milhões", "La risposta è 3 milioni", "Ответ: 3 млн", "Ответ: 3 млн.",
        "Cevap: 3 milyon", "Odpowiedź: 3 miliony", "Odpowiedź: 3 mln", "Đáp án: 3 triệu", "Jawaban: 3 juta",
        "คำตอบคือ 3 ล้าน", "الإجابة هي 3 مليون", "الإجابة هي 3 ملايين", "الإجابة هي ٣ مليون",
    ],
    "3500000": [
        "Die Antwort ist 3,5 Millionen Euro", "La respuesta es 3,5 millones de euros",
        "Ответ: 3,5 миллиона",
    ],
    "3000000000": [
        "La réponse est 3 milliards d'euros", "La respuesta es 3 mil millones", "A resposta é 3 bilhões",
        "La risposta è 3 miliardi",
    ],
    "3000": [
        "La respuesta es 3 mil", "A resposta é 3 mil", "La risposta è 3 mila", "Ответ: 3 тыс.",
        "Ответ: 3 тысячи", "Cevap: 3 bin", "Odpowiedź: 3 tysiące", "Odpowiedź: 3 tys.", "Đáp án: 3 nghìn",
        "Jawaban: 3 ribu", "คำตอบคือ 3 พัน", "الإجابة هي 3 آلاف", "答案是3千",
    ],
    "5000": [
        "Ответ: 5 тысяч", "Odpowiedź: 5 tysięcy", "उत्तर: 5 हजार",
    ],
    "5000000": [
        "Odpowiedź: 5 milionów",
    ],
    "30000": [
        "คำตอบคือ 3 หมื่น", "答案是3万",
    ],
    "200000": [
        "คำตอบคือ 2 แสน",
    ],
    "50000": [
        "الإجابة هي 50 ألف",
    ],
    "300000": [
        "उत्तर 3 लाख है",
    ],
    "35000": [
        "答案是3.5万", "答案是3万5千", "정답은 3만 5천입니다", "答案是三万五千",
    ],
    "120000000": [
        "答案是1.2亿元", "정답은 1억 2천만 원입니다", "答案是一亿两千万",
    ],
    "350000": [
        "答案是35万元",
    ],
    "350000000": [
        "答えは3億5000万円です",
    ],
    "200000000": [
        "정답은 2억 원입니다",
    ],
    "30000000": [
        "答案是3千万",
    ],
    "100000": [
        "答案是10万",
    ],
    "2000": [
        "The answer is two thousand.", "Two thousand", "答案是两千",
    ],
    "2005": [
        "The answer is two thousand and five",
    ],
    "1000000": [
        "The answer is one million", "The answer is a million",
    ],
    "325": [
        "The answer is three hundred and twenty-five", "答案是三百二十五元",
    ],
    "300": [
        "The answer is three hundred", "答案是三百",
    ],
    "100": [
        "The answer is a hundred",
    ],
    "1000": [
        "The answer is a thousand",
    ],
    "19000": [
        "The answer is nineteen thousand",
    ],
    "2/3": [
        "The answer is two thirds", "The answer is two-thirds", "答案是三分之二。共5步",
    ],
    "1/3": [
        "The answer is one third", "答案是三分之一", "Ответ: 1/3", "Ответ: $\\frac{1}{3}$.",
    ],
    "0.25": [
        "The answer is a quarter", "The answer is twenty-five percent", "答案是百分之二十五。",
        "Ответ: 25%", "Ответ: 25 %.", "Ответ: 25 процентов",
    ],
    "0.4": [
        "The answer is two fifths",
    ],
    "2.5": [
        "The answer is two and a half",
    ],
    "3.5": [
        "The answer is three and a half", "The answer is three point five", "答案是三点五", "الإجابة: ٣٫٥",
    ],
    "1.5": [
        "The answer is one and a half hours",
    ],
    "0": [
        "The answer is zero.", "答案是零",
    ],
    None: [
        "The answer is nil", "The answer is two or three", "The answer is two to three",
        "The answer is two and three", "The answer is one of the following",
        "The answer is one that nobody knows", "The answer is unknown", "The answer is infinity",
        "The answer is undefined", "答案是一个谜", "答案是一样的", "答案是一般的", "정답은 마흔둘입니다",
        "Ответ: 5 и 7", "Ответ: 5; 7",
    ],
    "-12": [
        "The answer is minus twelve",
    ],
    "-100": [
        "The answer is negative one hundred",
    ],
    "2.25": [
        "The answer is two point two five",
    ],
    "17": [
        "Seventeen",
    ],
    "1200": [
        "答案是一千二百",
    ],
    "20": [
        "答案是二十",
    ],
    "15": [
        "答えは十五です", "答案：十五个",
    ],
    "120": [
        "答えは百二十円です",
    ],
    "3500": [
        "答えは三千五百です",
    ],
    "-5": [
        "答案是负五", "الإجابة: -٥", "答えは－５です",
    ],
    "42.5": [
        "答えは４２．５です",
    ],
    "4200": [
        "答えは４，２００円です",
    ],
    "-42": [
        "ответ — −42",
    ],
    "-3.5": [
        "Ответ: −3,5",
    ],
    "1500": [
        "Ответ: 1,5·10^3", "Ответ: 1,5 · 10³ м",
    ],
    "5": [
        "Ответ: x = 5", "Ответ: 5 км/ч. За 3 часа",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("number", "text"), [(number, text) for number, texts in TEXTS.items() for text in texts])
def test_the_number_that_a_text_answers_with(text: str, number: str | None) -> None:
    assert extract(text, AnswerPattern(number=True)) == number
