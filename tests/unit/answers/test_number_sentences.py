"""Numbers that are corrected, explained or announced in other languages, and what is no number."""

# Letters of other scripts are meant where they look like Latin ones.
# ruff: noqa: RUF001
from __future__ import annotations

import pytest

from lightrouter.answers.extract import extract
from lightrouter.v1.policy_pb2 import AnswerPattern

TEXTS = {
    "17": [
        "The answer is 15. Wait, I forgot 2, so 17.", "wait, 15 … so 17",
        "The answer is 15. Wait, that's wrong. The answer is 17.", "The answer is 15. Actually, it's 17.",
        "The answer is 15. Actually 17.", "The answer is 15. Hmm, actually, 17.",
        "The answer is 15. Correction: 17.", "The answer is 15. Sorry, 17.",
        "The answer is 15. Sorry, I meant 17.", "The answer is 15. Oops, 17.", "The answer is 15, no, 17.",
        "The answer is 15 — no, 17.", "The answer is 15... no, 17.",
        "The answer is 15. Let me recheck. 8 + 9 = 17. So the answer is 17.",
        "Answer: 15\n\nWait, let me recalculate. 8+9=17.\n\nAnswer: 17",
        "At first I got 15, but the correct value is 17.", "The answer is not 15, it's 17.",
        "The answer is not 15; it is 17.", "The answer isn't 15 but 17.", "The answer is 17, not 15.",
        "The answer is 17 rather than 15.", "The answer is 17 instead of 15.", "The answer is 17 (not 15).",
        "It's 17, not 15.", "17, not 15", "Not 15, but 17.", "Die Antwort ist nicht 15, sondern 17.",
        "La réponse n'est pas 15 mais 17.", "La respuesta no es 15, es 17.", "A resposta não é 15, mas 17.",
        "La risposta non è 15 ma 17.", "Ответ не 15, а 17.", "答案不是15，是17。",
        "答案是15。不对，应该是17。", "答案是15。等等，应该是17。", "答えは15ではなく17です。",
        "答えは15です。いや、17です。", "정답은 15가 아니라 17입니다.", "Die Antwort ist 15. Nein, 17.",
        "La réponse est 15. Non, 17.", "La respuesta es 15. No, 17.", "Ответ: 15. Нет, 17.",
        "Cevap 15 değil, 17.",
    ],
    "15": [
        "The answer is 15. Let me double-check: 8 + 9 = 17.",
    ],
    "42": [
        "The answer is 42. Check: 42 / 6 = 7.", "The answer is 42.\n\nVerification: 42 - 40 = 2 ✓",
        "**Answer: 42**\n\nNote: the problem had 3 parts.", "The answer is 42 (see step 3).",
        "The answer is 42 (Eq. 3)", "The answer is 42 [1].", "The answer is 42 [2, 3].",
        "The answer is 42 as of 2024.", "In 2024, the answer is 42.", "The answer is 42 km/h.",
        "The answer is 42 m/s² in 3 s", "The answer is 42 m/s^2", "The answer is 42 m3",
        "The answer is 42 CO2 molecules", "The answer is 42°", "The answer is 42 °C", "The answer is 42°F",
        "The answer is 42 kg·m²/s²", "The answer is 42 N·m", "The answer is 42mm.", "The answer is 42cm.",
        "The answer is 42ft.", "The answer is 42 sq. ft.", "The answer is 42 mph", "The answer is 42 kWh",
        "The answer is 42 GB", "The answer is 42 dB", "The answer is 42 eV", "The answer is 42 ± 3",
        "Die Antwort ist 42. Es sind 3 Schritte.", "Die Antwort lautet: 42 (3 Schritte)",
        "Das Ergebnis ist 42. 3 Schritte", "Ergebnis: 42 km in 3 h", "Endergebnis: 42. 3 Schritte",
        "Lösung: x = 42. 3 Schritte", "La réponse est 42. Il y a 3 étapes.", "Réponse : 42 (en 3 étapes)",
        "Réponse finale : **42**. 3 étapes", "Le résultat est 42. 3 étapes", "La solution est 42. 3 étapes",
        "Donc, il faut 42 jours.", "La respuesta es 42. Son 3 pasos.", "Respuesta final: 42. 3 pasos",
        "El resultado es 42. 3 pasos", "Resultado: 42. 3 pasos", "La solución es 42. 3 pasos",
        "A resposta final é 42. São 3 passos", "O resultado é 42. 3 passos", "La risposta è 42. 3 passi",
        "Risposta: 42. 3 passi", "Il risultato è 42. 3 passi", "Risultato finale: 42. 3 passi",
        "Het antwoord is 42. 3 stappen", "Antwoord: 42. 3 stappen", "Svaret är 42. 3 steg",
        "Svar: 42. 3 steg", "Vastaus on 42. 3 vaihetta", "Svaret er 42. 3 trin", "Odpowiedź: 42. 3 kroki",
        "Odpowiedź to 42 w 3 krokach", "Wynik to 42. 3 kroki", "Wynik: 42. 3 kroki", "Odpověď: 42. 3 kroky",
        "Odpověď je 42. 3 kroky", "Výsledek: 42. 3 kroky", "Výsledek je 42. 3 kroky",
        "A válasz: 42. 3 lépés", "A válasz 42. 3 lépés", "Răspunsul este 42. 3 pași", "Răspuns: 42. 3 pași",
        "Η απάντηση είναι 42. 3 βήματα", "Απάντηση: 42. 3 βήματα", "Cevap: 42. 3 adım", "Cevap 42. 3 adım",
        "Sonuç: 42. 3 adım", "Sonuç 42'dir. 3 adım", "Đáp án: 42. 3 bước", "Đáp án là 42. 3 bước",
        "Kết quả là 42. 3 bước", "Kết quả: 42. 3 bước", "Vậy đáp số là 42. 3 bước",
        "Câu trả lời là 42. 3 bước", "Jawabannya adalah 42. 3 langkah", "Jawaban: 42. 3 langkah",
        "Hasilnya adalah 42. 3 langkah", "Hasil: 42. 3 langkah", "คำตอบคือ 42 ใน 3 ขั้น",
        "คำตอบ: 42 ใน 3 ขั้น", "ดังนั้นคำตอบคือ 42 บาท 3 ขั้น", "ตอบ 42 บาท 3 ขั้น",
        "الإجابة هي 42. 3 خطوات", "الجواب: 42. 3 خطوات", "الجواب هو 42. 3 خطوات", "النتيجة هي 42. 3 خطوات",
        "الناتج هو 42. 3 خطوات", "الإجابة النهائية هي ٤٢. ٣ خطوات", "پاسخ: ۴۲. ۳ مرحله",
        "پاسخ برابر ۴۲ است. ۳", "התשובה היא 42. 3 שלבים", "תשובה: 42. 3 שלבים", "उत्तर: 42। 3 चरण",
        "उत्तर है 42। 3 चरण", "अंतिम उत्तर: 42। 3 चरण", "सही उत्तर 42 है। 3 चरण", "परिणाम 42 है। 3 चरण",
        "উত্তর: 42। 3 ধাপ", "விடை: 42. 3 படிகள்", "答案：42。共3步", "答：42元。共3步",
        "答：他一共有42个苹果。共3步", "答案为42。共3步", "答案等于42。共3步", "最终答案是42。共3步",
        "最终答案：$\\boxed{42}$。共3步", "结果是42。共3步", "结果为42。共3步", "所以，结果等于42。共3步",
        "故答案为：42。共3步", "所以答案就是42，共3步", "因此，小明有42个苹果。", "綜上，答案是42。共3步",
        "答えは42です。3ステップ", "答え：42個。3ステップ", "答え: 42。3ステップ",
        "正解は42です。3ステップ", "したがって、答えは42円です。3ステップ", "よって答えは 42 。3ステップ",
        "最終的な答えは42です。3ステップ", "結果は42です。3ステップ", "解は x = 42 です。3ステップ",
        "정답: 42. 3단계", "정답은 42이다. 3단계", "답은 42입니다. 3단계", "답: 42개. 3단계",
        "최종 답은 42입니다. 3단계", "따라서 답은 42원입니다. 3단계", "Итак, ответ 42. 3 шага",
        "Результат: 42. 3 шага", "Результат равен 42. 3 шага", "Окончательный ответ — 42 рубля. 3 шага",
        "Відповідь: 42. 3 кроки", "Результат: 42. 3 кроки", "Jibu ni 42. Hatua 3",
        "Ang sagot ay 42. 3 hakbang",
    ],
    "-40": [
        "The answer is -40°C",
    ],
    "0.0042": [
        "The answer is 4.2e-3 mol", "The answer is 4.2 × 10^{-3} M", "The answer is 4.2 x 10^-3",
        "The answer is 4.2 X 10^-3", "The answer is 4.2x10^-3", "The answer is 4.2×10^-3",
        "The answer is 4.2 * 10^-3", "The answer is 4.2*10^(-3)", "The answer is 4.2 * 10**-3",
        "The answer is 4.2·10⁻³", "The answer is 4,2·10⁻³", "The answer is 4.2 \\times 10^{-3}",
        "The answer is $4.2\\times 10^{-3}$ m",
    ],
    "4200": [
        "The answer is 4.2E+3", "The answer is 4.2×10³", "The answer is 4.2 times 10^3",
    ],
    "100000": [
        "The answer is 10^5", "The answer is 10⁵",
    ],
    "-100000": [
        "The answer is -10^5",
    ],
    "0.00001": [
        "The answer is 10^-5", "The answer is 1e-5", "The answer is 1.0E-05",
    ],
    "602200000000000000000000": [
        "The answer is 6.022e23",
    ],
    "5000000": [
        "The answer is 5 × 10^6 cells/mL",
    ],
    None: [
        "The answer is 2^31 - 1", "The answer is 3-1/2", "The answer is 0.\\overline{3}",
        "The answer is $0.\\overline{3}$", "The answer is 3:45 PM", "The answer is 3:45 p.m.",
        "The answer is 15:45", "The answer is 15h45", "The answer is March 14, 2024",
        "The answer is 14 March 2024", "The answer is 14/03/2024", "The answer is 2024-03-14",
        "The answer is 14.03.2024", "The answer is March 14th", "The answer is 5-7",
        "The answer is 5–7 days", "The answer is 5 to 7 days", "The answer is 5~7",
        "The answer is between 5 and 7", "The answer is either 5 or 7", "The answer is 5 or 7",
        "The answer is 5 and 7", "The answer is 5, 7", "The answer is 5, 7 and 9",
        "The answers are 5 and 7", "The answer is (5, 7)", "The answer is [5, 7]", "The answer is {5, 7}",
        "The answer is x = 5 or x = 7", "The answer is x = 5, y = 7", "The answer is x=5 and y=7",
        "The solutions are x = 5 and x = 7", "The answer is 2:3", "The ratio is 2:3. The answer is 2:3",
        "The answer is 2 : 3", "The answer is 192.168.0.1", "The answer is version 3.11.4",
        "The answer is 555-0199", "The answer is H2O", "The answer is C6H12O6",
        "The answer is x^2 + 3x + 2", "The answer is 3x + 2", "The answer is y = 3x + 2",
        "The answer is 2π", "The answer is 2\\pi", "The answer is √2", "The answer is \\sqrt{2}",
        "The answer is 2√3", "The answer is 3i", "The answer is 2+3i", "The answer is 2 + 3i",
        "The answer is sin(30)", "The answer is log 5", "The answer is not known.",
        "The answer is undefined.", "The answer is x > 5", "The answer is x ≥ 5", "The answer is 5 < x < 7",
        "The answer is 3 hours and 20 minutes", "The answer is 3 h 20 min", "The answer is 3h20",
        "The answer is 5 ft 7 in", "The answer is 5'7\"", "The answer is 5 lbs 7 oz",
        "The answer is 2 kg 300 g", "The answer is 3 dollars and 50 cents", "The answer is 5 remainder 3",
        "The answer is 17 remainder 2",
    ],
    "32": [
        "The answer is 2^5 = 32",
    ],
    "25": [
        "The answer is 5^2", "The answer is 5²",
    ],
    "5": [
        "The answer is 5 m²", "The answer is +5", "The answer is 5!",
    ],
    "3.5": [
        "The answer is 3 1/2", "The answer is 3½", "The answer is 3 ½", "Also kostet es 3,50 €.",
    ],
    "3.75": [
        "The answer is 3¾ cups",
    ],
    "0.75": [
        "The answer is ¾",
    ],
    "1/3": [
        "The answer is ⅓",
    ],
    "2/3": [
        "The answer is ⅔ of a cup", "The answer is 2/3 of a cup", "The answer is 2/3 (or about 0.67)",
        "The answer is 2/3 ≈ 0.67", "The answer is 2/3, or about 67%",
    ],
    "0.67": [
        "The answer is 0.67 (2/3)",
    ],
    "0.5": [
        "The answer is 50%, or 1/2", "The answer is 1/2, i.e., 50%.", "The answer is 1/2 = 0.5",
        "The answer is 1/2 = 50%",
    ],
    "22/7": [
        "The answer is \\frac{22}{7} \\approx 3.14", "The answer is $\\frac{22}{7}$, approximately 3.14.",
    ],
    "3.14": [
        "The answer is approximately 3.14 (π)", "The answer is 3.14 ± 0.02", "The answer is 3.14 +/- 0.02",
    ],
    "3.1416": [
        "The answer is 3.1416...", "The answer is 3.1416…",
    ],
    "0.333": [
        "The answer is 0.333...",
    ],
    "-5": [
        "The answer is (−5)", "The answer is (-5)", "The answer is: -5", "The answer is:-5", "Answer:-5",
        "Answer: - 5", "Answer: −5", "Answer: –5", "Answer -5", "x=-5", "Answer: minus 5",
        "Antwort: minus 5", "Réponse : moins 5", "Respuesta: menos 5", "Ответ: минус 5", "答案：负5",
        "答えはマイナス5です", "정답은 마이너스 5입니다", "정답은 -5입니다", "Cevap: eksi 5",
    ],
    "3": [
        "The answer is 3 PM",
    ],
    "2024": [
        "The answer is 2024", "The answer is the year 2024",
    ],
    "1776": [
        "The answer is 1776.",
    ],
    "1234.5": [
        "Insgesamt sind es 1.234,5 Meter.",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("number", "text"), [(number, text) for number, texts in TEXTS.items() for text in texts])
def test_the_number_that_a_text_answers_with(text: str, number: str | None) -> None:
    assert extract(text, AnswerPattern(number=True)) == number
