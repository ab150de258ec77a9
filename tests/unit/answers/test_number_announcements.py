"""Where models announce a number, and what they write around it."""

# Letters of other scripts are meant where they look like Latin ones.
# ruff: noqa: RUF001
from __future__ import annotations

import pytest

from lightrouter.answers.extract import extract
from lightrouter.v1.policy_pb2 import AnswerPattern

TEXTS = {
    "18": [
        "#### $18", "#### 18 dollars", "####18", "So she makes **$18** every day at the farmers' market.",
        "Therefore, Janet makes $\\boxed{18}$ dollars every day at the farmers' market.",
    ],
    "1200000": [
        "#### 1,200,000",
    ],
    "-5": [
        "#### -5",
    ],
    "0.25": [
        "#### 25%",
    ],
    "0.75": [
        "#### 3/4",
    ],
    "70000": [
        "The total is $70,000.\n\n#### 70000", "Josh made a profit of **$70,000**.", "**Answer: $70,000**",
        "**Final Answer:** The profit is $70,000 (i.e. 200,000 - 130,000).",
        "Thus, the final answer is $\\boxed{\\$70{,}000}$.",
        "Thus, the final answer is \\(\\boxed{\\$70,\\!000}\\).",
    ],
    "540": [
        "The final answer is: $\\boxed{540}$", "The final answer is: $\\boxed{540}$. I hope it is correct.",
        "Final answer: 540 meters/week",
    ],
    "20": [
        "Final Answer: 20 cups of feed", "The answer is 20 cups.",
        "Answer: She needs 20 cups in the final meal",
    ],
    "64": [
        "Kylar needs to pay $64 for 16 glasses. The answer is $64.",
        "Total cost = 8 × $5 + 8 × $3 = $40 + $24 = **$64**",
    ],
    "260": [
        "Toulouse has 80 sheep, so together they have 20+80+160 = 260 sheep.",
    ],
    "160": [
        "It takes **160 minutes** in total.",
        "It will take Carla 160 minutes (2 hours and 40 minutes) to download the file.\n\n\\boxed{160}",
    ],
    "45": [
        "The final answer is 45 miles.",
    ],
    "460": [
        "Eliza's earnings for this week are $460.00.", "Eliza's earnings for this week: **$460.00**",
    ],
    "366.6": [
        "Total: $366.60",
    ],
    "0.4": [
        "So he lost 2/5 of it: **\\( \\frac{2}{5} \\)**",
    ],
    "7/12": [
        "Answer: \\(\\frac{7}{12}\\)", "Answer: $\\dfrac{7}{12}$", "Answer: $\\tfrac{7}{12}$",
        "\\boxed{\\frac{7}{12}}", "\\boxed{\\dfrac{7}{12}}",
    ],
    "-7/12": [
        "Answer: $-\\dfrac{7}{12}$", "Answer: $\\frac{-7}{12}$", "Answer: $\\frac{7}{-12}$",
    ],
    "1000/3": [
        "\\boxed{\\frac{1,000}{3}}", "\\boxed{\\frac{1000}{3} \\text{ km}}",
    ],
    "0.5": [
        "\\boxed{\\tfrac{1}{2}}", "\\boxed{\\frac12}", "\\boxed{1/2}", "\\boxed{0.5}", "\\boxed{.5}",
        "\\boxed{50\\%}", "\\boxed{50 \\%}", "\\boxed{50\\,\\%}", "\\boxed{\\text{50\\%}}",
        "\\boxed{50 \\text{ percent}}", "\\boxed{\\displaystyle\\frac{1}{2}}",
    ],
    "-3": [
        "\\boxed{-3}", "\\boxed{ -3 }", "\\boxed{\\text{-3}}", "\\boxed{−3}", "\\boxed{(-3)}",
    ],
    "3.5": [
        "\\boxed{\\$3.50}", "\\boxed{\\$ 3.50}", "\\boxed{\\textdollar 3.50}",
        "\\boxed{3.50\\text{ dollars}}", "\\boxed{3.50 \\text{ USD}}", "\\boxed{\\text{€}3.50}",
        "\\boxed{3{,}50\\,\\text{€}}",
    ],
    "42": [
        "\\boxed{42^\\circ}", "\\boxed{42^{\\circ}}", "\\boxed{42^\\circ \\text{C}}",
        "\\boxed{42\\text{ cm}^2}", "\\boxed{42 \\, \\text{cm}^2}", "\\boxed{42 \\mathrm{~cm}^{2}}",
        "\\boxed{42\\ \\mathrm{m/s}}", "\\boxed{42\\;\\mathrm{m\\,s^{-1}}}", "\\boxed{x=42}",
        "\\boxed{n=42}", "\\boxed{f(3)=42}", "\\boxed{f(3) = 42}", "\\boxed{a_{10}=42}",
        "\\boxed{S_{10} = 42}", "\\boxed{\\text{Area} = 42}", "\\boxed{\\text{The answer is } 42}",
        "\\boxed{\\mathbf{42}}", "\\boxed{\\textbf{42}}", "\\boxed{\\boxed{42}}",
        "\\boxed{\\displaystyle 42}", "\\boxed{\\left(42\\right)}", "\\boxed{{42}}", "\\boxed {42}",
        "\\boxed 42", "\\fbox{42}", "$$\\boxed{42}$$", "\\[\n\\boxed{42}\n\\]", "\\[ \\boxed{42} \\]",
        "First we find \\boxed{6}. Then the answer is \\boxed{42}.",
        "\\boxed{6} and then $6 \\cdot 7 = \\boxed{42}$ as required", "\\boxed{\\approx 42}",
        "\\boxed{\\sim 42}", "The answer is 42.", "the answer is: 42", "The answer: 42", "Answer = 42",
        "answer=42", "ANSWER: 42", "Ans: 42", "Ans = 42", "A: 42", "Final answer - 42", "Final answer → 42",
        "Final answer => 42", "**Final Answer**\n\n42", "### Final Answer\n**42**",
        "## Final answer\n\n$$42$$", "**Final Answer**\n\\boxed{42}\n",
        "### Final Answer:\n\n\\[\n42\n\\]\n\nThis uses 3 facts.", "# Answer\n\n- 42\n- derived in 3 steps",
        "**Answer**\n> 42\n\n(2 steps)",
        "| Step | Value |\n|---|---|\n| 1 | 6 |\n| 2 | 7 |\n| **Answer** | **42** |\n",
        "| Answer | 42 |\n| Steps | 3 |",
        "| Quantity | Value |\n|---|---|\n| Speed | 5 |\n| Final answer | 42 km |\n| Steps | 3 |",
        "The final result is 42. (Steps: 3)", "The correct answer is therefore 42; 43 is too big.",
        "The correct answer would be 42, not 43.", "The answer should be 42, not 43.",
        "The answer must be 42 since 43 is prime.", "The answer comes out to 42. It took 3 steps.",
        "The answer works out to be 42, in 3 steps", "The answer turns out to be 42 after 3 steps",
        "The answer to the problem is 42, with 3 steps", "The answer I get is 42 with 3 steps",
        "My answer is 42. Confidence: 90%", "My final answer: 42\nConfidence: 0.9",
        "Answer: 42\nConfidence: 95%", "Answer: 42\n\nConfidence: 9/10",
        "I believe the answer is 42, with 90% confidence.", "So the answer's 42. I used 3 steps.",
        "The value is 42.", "So x equals 42.", "The solution is x = 42. Check: 42 / 2 = 21.",
        "The solution is \\(x = 42\\). Check: \\(42/2 = 21\\).", "Result: 42 (rounded from 41.97)",
        "Answer: about 42", "Answer: roughly 42 km", "Answer: around 42", "Answer: exactly 42",
        "Answer: at least 42", "Answer: less than 42", "The answer is 42!", "The answer is **42**.",
        "The answer is __42__.", "The answer is `42`.", "The answer is *42*.", "The answer is '42'.",
        "The answer is \"42\".", "The answer is “42”.", "The answer is $42$.", "The answer is \\(42\\).",
        "The answer is \\[42\\].", "The answer is $$42$$.", "The answer is ==42==",
        "The answer is ~~41~~ 42", "The answer is ~~41~~ **42**.", "The answer is <b>42</b>. 3 steps",
        "The answer is <strong>42</strong>", "<answer>42</answer>", "<answer> 42 </answer> in 3 steps",
        "<Answer>42</Answer> 3", "<ans>42</ans> 3", "<final>42</final> 3", "<result>42</result> 3",
        "<solution>42</solution> 3", "<final_answer>\n42\n</final_answer>\n3",
        "<finalAnswer>42</finalAnswer> 3", "<think>6*7 = 42, or 43?</think>\n42",
        "<think>Let me see 43</think>\n\nThe answer is 42. 3 steps.", "{\"answer\": 42, \"steps\": 3}",
        "{\"steps\": 3, \"answer\": 42}", "{\"steps\": [1,2], \"final_answer\": \"42 km\", \"n\": 3}",
        "{\"result\": 42, \"n\": 3}",
        "```json\n{\n  \"reasoning\": \"6*7\",\n  \"answer\": 42,\n  \"confidence\": 0.95\n}\n```",
        "answer: 42\nconfidence: 0.9\n", "reasoning: 6*7\nfinal_answer: 42\nsteps: 3\n",
        "final_answer = 42\nsteps = 3", "{\"value\": 42}",
        "{\"answer\": {\"value\": 42, \"unit\": \"km\"}, \"n\": 3}", "{\"answer\": [42], \"n\": 3}",
        "print(42)", "```\n42\n```", "```python\nanswer = 42\n```\nsteps 3", "Output:\n```\n42\n```",
    ],
    "9.8": [
        "\\boxed{9.8 \\, \\text{m/s}^2}", "\\boxed{9.8\\,\\mathrm{m\\,s^{-2}}}",
    ],
    "-42": [
        "\\boxed{x = -42}",
    ],
    "1234": [
        "\\boxed{1{,}234}", "\\boxed{1\\,234}", "\\boxed{1\\;234}", "\\boxed{1\\:234}", "\\boxed{1\\ 234}",
        "\\boxed{1,\\!234}", "\\boxed{1,\\! 234}", "\\boxed{1\\text{,}234}",
    ],
    "1234567": [
        "\\boxed{1\\,234\\,567}",
    ],
    "1234.5": [
        "\\boxed{1\\,234{,}5}",
    ],
    "300000000": [
        "\\boxed{3 \\times 10^{8}}", "\\boxed{3 \\times 10^8 \\text{ m/s}}",
        "\\boxed{3\\times10^{8}\\,\\mathrm{m/s}}",
    ],
    "0.0003": [
        "\\boxed{3.0 \\times 10^{-4}}", "\\boxed{3.0 \\cdot 10^{-4}}",
    ],
    "-0.0003": [
        "\\boxed{-3.0 \\times 10^{-4}}",
    ],
    "0.0001": [
        "\\boxed{10^{-4}}",
    ],
    "1000000": [
        "\\boxed{10^{6}}", "{\"answer\": 1e6, \"n\": 3}",
    ],
    "1024": [
        "\\boxed{2^{10}}", "\\boxed{2^{10} = 1024}", "\\boxed{1024 = 2^{10}}",
    ],
    "42.5": [
        "\\boxed{\\approx 42.5\\text{ kg}}",
    ],
    "2.5": [
        "\\boxed{2\\frac{1}{2}}", "\\boxed{2 \\frac{1}{2}}", "\\boxed{2\\dfrac{1}{2}}",
        "\\boxed{2\\tfrac12}", "\\boxed{2\\,\\frac{1}{2}}",
    ],
    "-2.5": [
        "\\boxed{-2\\frac{1}{2}}",
    ],
    None: [
        "\\boxed{5\\text{ or }7}", "\\boxed{5, 7}", "\\boxed{5\\text{ and }7}", "\\boxed{(5,7)}",
        "\\boxed{[5,7]}", "\\boxed{\\{5,7\\}}", "\\boxed{5 < x < 7}", "\\boxed{5 \\leq x \\leq 7}",
        "\\boxed{\\sqrt{5}}", "\\boxed{5\\sqrt{7}}", "\\boxed{5+\\sqrt{7}}", "\\boxed{5 + 7i}",
        "\\boxed{5i}", "\\boxed{\\frac{\\sqrt{5}}{7}}", "\\boxed{5\\pi}", "\\boxed{5 \\pi}",
        "\\boxed{5\\pi \\text{ cm}^2}", "\\boxed{5e}", "\\boxed{5x}", "\\boxed{5x+7}", "\\boxed{x^2+5}",
        "\\boxed{5\\ln 7}", "\\boxed{\\ln 5}", "\\boxed{\\log_2 5}", "\\boxed{5:7}", "\\boxed{5 : 7}",
        "\\boxed{\\pm 5}", "\\boxed{x=5, y=7}", "\\boxed{x = 5 \\text{ and } y = 7}",
        "\\boxed{\\binom{5}{2}}", "\\boxed{\\begin{pmatrix} 5 \\\\ 7 \\end{pmatrix}}",
    ],
    "-7": [
        "Solution: x = -7",
    ],
    "42.3": [
        "The result is approximately 42.3, from 3 terms", "The result is ~42.3 from 3 terms",
        "Answer: ≈ 42.3", "Answer: ~42.3",
    ],
    "-42.5": [
        "{\"answer\": -42.5, \"confidence\": 0.9}",
    ],
    "0.42": [
        "{\"answer\": \"42%\", \"confidence\": 0.9}",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("number", "text"), [(number, text) for number, texts in TEXTS.items() for text in texts])
def test_the_number_that_a_text_answers_with(text: str, number: str | None) -> None:
    assert extract(text, AnswerPattern(number=True)) == number
