"""Boxed and announced numbers with units, in formulas and in words."""

# Letters of other scripts are meant where they look like Latin ones.
# ruff: noqa: RUF001
from __future__ import annotations

import pytest

from lightrouter.answers.extract import extract
from lightrouter.v1.policy_pb2 import AnswerPattern

TEXTS = {
    "12": [
        "So, the total number of apples is **12**.", "Therefore, there are $12$ apples left.",
        "Thus, she has \\$12 left.", "Hence, the perimeter is 12 cm.",
        "Let's compute:\n$$3 \\times 4 = 12$$\nSo the answer is 12.", "$$\n\\boxed{12}\n$$",
        "Thus,\n\n$$x = \\boxed{12}.$$", "\\(\\boxed{12}\\)", "$x=\\boxed{12}$ and we used 3 lemmas",
        "**$\\boxed{12}$**", "Answer: $\\boxed{12\\text{ apples}}$", "\\boxed{12.0}", "\\boxed{012}",
        "\\boxed{12.}", "\\boxed{+12}", "\\boxed{12\\ \\text{apples}}", "\\boxed{12~\\text{cm}}",
        "\\boxed{12\\,\\text{cm}^3}", "\\boxed{12 \\text{ units}^2}", "\\boxed{12\\text{ square units}}",
        "\\boxed{\\text{12 apples}}", "\\boxed{\\text{Twelve}}", "\\boxed{\\text{\\$12}}",
        "\\boxed{\\mathdollar 12}", "\\boxed{12\\cent}", "\\boxed{12\\text{¢}}",
        "The final answer is $12$.\n\n**Confidence**: 95%", "Answer: 12\nExplanation: 3*4",
        "Answer: 12\n\nExplanation: 3 × 4 = 12, and 5 is ignored.", "Answer: **12** (since 3 × 4 = 12)",
        "answer: 12 # 3*4", "Answer:12", "Answer：12", "Answer 12", "ANSWER IS 12. 3 steps",
        "The answer was 12 in 3 steps", "The answer will be 12 in 3 steps",
        "The answer would be 12 in 3 steps", "The answer has to be 12 after 3 steps",
        "Total: 12\nPer person: 3\nAnswer: 12", "The sum is 12", "= 12", "x = 12", "=> 12", "→ 12", "⇒ 12",
        "∴ x = 12", "so 12", "12 apples", "12.", "**12**", "`12`", "$12$", "\\(12\\)", "12\n", "# 12",
        "(12)", "[12]", "{12}", "\"12\"", "'12'", "12!", "12…", "~12", "≈12", "> 12", "12+", "12 (twelve)",
        "twelve", "Twelve.", "TWELVE", "Twelve apples", "a dozen", "Answer: x<sub>1</sub> = 12",
        "**Answer:** 12 cm²", "**Answer:** 12 m³", "**Answer:** 12 m/s²", "**Answer:** 12 kg/m³",
        "**Answer:** 12 ft²", "**Answer:** 12 sq ft", "**Answer:** 12 in.", "**Answer:** 12″",
        "**Answer:** 12\"", "**Answer:** 12'", "**Answer:** 12 °", "**Answer:** 12 percentage points",
        "**Answer:** 12 pp", "**Answer:** 12 times", "**Answer:** 12-fold", "**Answer:** #12",
        "**Answer:** 12/hour", "**Answer:** $12/hour", "**Answer:** $12 per hour", "**Answer:** $12 each",
        "答案：12个苹果", "答案是 12 元", "答案是$12$", "答案：$\\boxed{12}$", "答案是12平方厘米",
        "答え：12cm", "答えは約12です", "정답은 약 12입니다",
    ],
    "12.5": [
        "He will have $12.50 in 3 weeks.\n\nAnswer: $12.50",
    ],
    "14": [
        "**Solution**\n1. 3 + 4 = 7\n2. 7 * 2 = 14\n\n**Answer: 14**",
        "Step 1: 3+4=7\nStep 2: 7*2=14\nFinal Answer: 14",
    ],
    "-12": [
        "\\[\nx = \\boxed{-12}\n\\]",
    ],
    None: [
        "\\boxed{12:00}", "\\boxed{3:30\\text{ PM}}", "\\boxed{e^2}", "\\boxed{\\frac{1}{x}}",
        "\\boxed{\\frac{n(n+1)}{2}}", "\\boxed{n^2}", "\\boxed{2n}", "\\boxed{k+1}", "\\boxed{a+b}",
        "\\boxed{\\text{No solution}}", "\\boxed{\\text{undefined}}", "\\boxed{\\infty}",
        "\\boxed{\\emptyset}", "\\boxed{(-\\infty, 3)}", "\\boxed{(-\\infty, 3) \\cup (5, \\infty)}",
        "\\boxed{[3, \\infty)}", "\\boxed{x \\in [3,5]}", "\\boxed{x \\neq 3}", "\\boxed{\\text{(3, 4)}}",
        "\\boxed{3\\mathbf{i} + 4\\mathbf{j}}", "\\boxed{\\langle 3, 4\\rangle}", "\\boxed{y = 3x + 4}",
        "\\boxed{\\sin 30^\\circ}", "\\boxed{3^{\\circ}15'}",
        "\\boxed{3 \\text{ hours } 15 \\text{ minutes}}", "\\boxed{\\text{B}}", "The answer is one in four",
        "The answer is four out of five", "The answer is one to four", "The answer is no apples",
        "The answer is none", "The answer is both", "The answer is double that", "The answer is Monday",
        "The answer is the third", "The answer is third", "The answer is first", "The answer is yes",
        "**Answer:** 12th", "**Answer:** the 12th", "**Answer:** $12-$15", "**Answer:** 12 to 15",
        "**Answer:** 12–15 kg", "**Answer:** 12 < x < 15", "**Answer:** 12 and 15",
        "**Answer:** 12, 15, and 18", "**Answer:** 12; 15", "**Answer:** 12 & 15", "**Answer:** 12 vs 15",
        "**Answer:** 12, or 15", "**Answer:** either 12 or 15", "**Answer:** A = 12, B = 15",
        "**Answer:** Alice: 12, Bob: 15", "**Answer:** 12 boys and 15 girls",
        "**Answer:** 12 boys, 15 girls", "**Answer:** a) 12 b) 15", "**Answer:** 12 by 15",
        "**Answer:** 12 × 15", "**Answer:** 12x15", "**Answer:** 12 remainder 3", "**Answer:** 12/15/2024",
        "**Answer:** 12:15", "**Answer:** 12.15.2024", "**Answer:** 12h15m", "**Answer:** May 12, 2024",
        "答案是3或4", "答案是3到4", "答案是3~4", "答案是3:4", "答案是下午3:30", "答案是5月1日",
        "答案是星期三", "答案是第三", "答案不确定", "答えは3時30分です", "答えは3:4です",
        "답은 3시 30분입니다", "정답은 3:4입니다",
    ],
    "0.75": [
        "\\boxed{\\frac{3}{4}\\text{ cup}}", "\\boxed{3/4\\text{ cup}}", "\\boxed{75\\%}",
        "\\boxed{75\\text{%}}", "\\boxed{0.75\\text{ or }75\\%}", "\\boxed{\\frac{3}{4} = 0.75}",
        "\\boxed{\\frac{3}{4} = 75\\%}", "\\boxed{\\approx 0.75}", "\\boxed{x \\approx 0.75}",
        "\\boxed{0.75 \\text{ (approx.)}}", "\\boxed{\\text{approximately } 0.75}", "Answer: .75",
    ],
    "17.32": [
        "\\boxed{10\\sqrt{3} \\approx 17.32}",
    ],
    "6.28": [
        "\\boxed{2\\pi \\approx 6.28}",
    ],
    "3": [
        "\\boxed{\\{3\\}}", "\\boxed{3 \\pmod{7}}",
    ],
    "12.3": [
        "≈ 12.3",
    ],
    "24": [
        "Two dozen",
    ],
    "500000": [
        "half a million",
    ],
    "1500000": [
        "one and a half million", "The answer is one and a half million", "Answer: 1.5e+6", "Answer: 1.5E6",
        "Answer: 1.5·10^6", "Answer: 1.5•10^6", "Answer: 1.5∙10⁶", "Answer: 1.5⋅10⁶",
        "Answer: 1.5 × 10⁶ m/s", "Answer: 1.5×10^(6)", "Answer: 1.5×10^{+6}", "Answer: 1.5 x 10^6",
        "Answer: 1.5X10^6", "Answer: 1.5 × 10 ^ 6", "Answer: 1.5 \\cdot 10^6",
        "Answer: 1.5 \\times 10^{6}\\text{ J}", "Answer: ≈1.5×10^6", "Answer: 1.5 × 10<sup>6</sup>",
    ],
    "2500": [
        "The answer is two and a half thousand",
    ],
    "250000": [
        "The answer is two hundred and fifty thousand",
    ],
    "3400000": [
        "The answer is three million, four hundred thousand",
    ],
    "56.2": [
        "The answer is fifty-six point two",
    ],
    "99": [
        "The answer is ninety-nine",
    ],
    "101": [
        "The answer is one hundred and one",
    ],
    "1100": [
        "The answer is eleven hundred",
    ],
    "42": [
        "The answer is Forty-Two.", "The answer is FORTY-TWO",
    ],
    "0.2": [
        "The answer is twenty percent.",
    ],
    "0": [
        "The answer is zero apples", "Answer: 00", "Answer: -0",
    ],
    "1000000.5": [
        "Answer: 1,000,000.50", "Answer: 1.000.000,50", "Answer: 1 000 000.50",
    ],
    "100000": [
        "Answer: 1,00,000", "答案是十万",
    ],
    "1000000": [
        "Answer: 10,00,000", "Answer: 1’000’000", "Answer: 1٬000٬000", "Answer: 10⁶",
        "Answer: 10<sup>6</sup>", "答案是一百万",
    ],
    "1000.5": [
        "Answer: 1'000.50",
    ],
    "1.5": [
        "Answer: 1٫5",
    ],
    "0.5": [
        "Answer: 0,5",
    ],
    "0.05": [
        "Answer: 0,05",
    ],
    "-0.5": [
        "Answer: -.5", "Answer: −0,5",
    ],
    "1000": [
        "Answer: 1e3", "Answer: 1E+03", "答えは千円です",
    ],
    "0.0000015": [
        "Answer: 1.5×10⁻⁶",
    ],
    "-0.0000015": [
        "Answer: −1.5×10⁻⁶",
    ],
    "0.000001": [
        "Answer: 10^-6 m",
    ],
    "602214076000000000000000": [
        "Answer: 6.02214076×10²³ mol⁻¹",
    ],
    "0.12": [
        "**Answer:** 12%", "**Answer:** 12 ％", "**Answer:** 12 per cent", "答案是12%", "答えは12%です",
        "정답: 12%",
    ],
    "125000": [
        "答案是12.5万元",
    ],
    "12000000": [
        "答案是1200万",
    ],
    "2.4": [
        "答案是12/5",
    ],
    "120000": [
        "答案是十二万",
    ],
    "250": [
        "答案是二百五十",
    ],
    "105": [
        "答案是一百零五",
    ],
    "1001": [
        "答案是一千零一",
    ],
    "200": [
        "答案是两百",
    ],
    "3333": [
        "答案是三千三百三十三",
    ],
    "2024": [
        "答案是二〇二四",
    ],
    "0.125": [
        "答案是百分之十二点五",
    ],
    "0.6": [
        "答案是五分之三",
    ],
    "1/3": [
        "答えは1/3です", "정답은 1/3입니다",
    ],
    "20": [
        "答えは二十です",
    ],
    "10000": [
        "答えは一万円です",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("number", "text"), [(number, text) for number, texts in TEXTS.items() for text in texts])
def test_the_number_that_a_text_answers_with(text: str, number: str | None) -> None:
    assert extract(text, AnswerPattern(number=True)) == number
