"""Numbers in words of other languages than English and Chinese."""

from __future__ import annotations

import pytest

from lightrouter.answers.numbers import answer_number, written
from lightrouter.answers.numerals import numeral

TEXTS = {
    "42": [
        "Die Antwort ist zweiundvierzig.", "Zweiundvierzig", "Zweiundvierzig.",
        "Die Antwort lautet: zweiundvierzig Euro.", "Antwort: zweiundvierzig", "Ergebnis: Zweiundvierzig Äpfel",
        "La réponse est quarante-deux.", "Quarante-deux.", "Réponse : quarante-deux euros", "quarante deux",
        "La respuesta es cuarenta y dos.", "Cuarenta y dos manzanas.", "Respuesta: cuarenta y dos",
        "La risposta è quarantadue.", "Quarantadue", "A resposta é quarenta e dois.", "Quarenta e dois",
        "Resposta: quarenta e duas maçãs", "Het antwoord is tweeënveertig.", "Tweeënveertig", "Ответ: сорок два.",
        "Сорок два", "Ответ — сорок два рубля", "정답은 사십이입니다.", "사십이", "정답: 사십이개",
        "答えは四十二です。", "답은 42입니다", "उत्तर: ४२", "الجواب: ٤٢",
        "Die Antwort ist zweiundvierzig, denn 6 mal 7 ist das.", "**Zweiundvierzig**",
        "Die Antwort ist **zweiundvierzig**.",
    ],
    "-3": [
        "Die Antwort ist minus drei.", "La réponse est moins trois.", "La respuesta es menos tres.",
        "Ответ: минус три",
    ],
    "0.5": [
        "Die Antwort ist fünfzig Prozent.", "La réponse est cinquante pour cent.",
        "La respuesta es cincuenta por ciento.", "Ответ: пятьдесят процентов",
    ],
    "1200000": [
        "Die Antwort ist eine Million zweihunderttausend.", "La réponse est un million deux cent mille.",
        "La respuesta es un millón doscientos mil.", "Un milione duecentomila", "Ответ: один миллион двести тысяч",
    ],
    "97": [
        "quatre-vingt-dix-sept", "La réponse est nonante-sept", "siebenundneunzig", "noventa y siete",
        "девяносто семь",
    ],
    "11": [
        "La respuesta es once.", "La réponse est onze", "Die Antwort ist elf.", "Ответ: одиннадцать",
        "La risposta è undici",
    ],
    "1": [
        "Die Antwort ist eins.", "La réponse est un.", "La respuesta es uno.", "Ответ: один",
    ],
    "1000": [
        "La réponse est mille.", "La respuesta es mil.", "Die Antwort ist tausend.", "A resposta é mil.",
        "La risposta è mille",
    ],
    None: [
        "Die Antwort ist eine Primzahl.", "La réponse est un nombre premier.", "La respuesta es una función.",
        "A resposta é um número primo.", "The answer is due to gravity.", "Once.", "Elf", "once upon a time",
        "Die Antwort ist zwei oder drei.", "La réponse est deux ou trois.", "La respuesta es dos o tres.",
        "Ответ: два или три", "Ein Apfel", "Un chat", "Una casa", "Die Antwort ist unbekannt.",
        "정답은 이것입니다.", "오이입니다", "정답은 없습니다", "Sechs mal sieben", "um", "The cat sat on the mat",
        "La réponse est dix fois plus", "Vierecke sind schön", "Drei Viertel der Leute", "Dos and don'ts",
        "Sei gegrüßt", "tres chic", "Acht geben", "Siete locos", "Mille grazie",
    ],
    "843572378": [
        "ochocientos cuarenta y tres millones quinientos setenta y dos mil trescientos setenta y ocho",
        "oitocentos e quarenta e três milhões, quinhentos e setenta e dois mil, trezentos e setenta e oito",
        "achthundertdreiundvierzig Millionen fünfhundertzweiundsiebzigtausenddreihundertachtundsiebzig",
        "huit cent quarante-trois millions cinq cent soixante-douze mille trois cent soixante-dix-huit",
        "восемьсот сорок три миллиона пятьсот семьдесят две тысячи триста семьдесят восемь",
    ],
    "106": [
        "Das Ergebnis ist hundertsechs.", "cent six", "ciento seis", "cento e seis", "La risposta è centosei",
        "сто шесть", "백육",
    ],
    "118": [
        "cent dix-huit", "centodiciotto", "La risposta è centodiciotto.",
    ],
    "12345": [
        "정답은 일만 이천삼백사십오입니다", "zwölftausenddreihundertfünfundvierzig",
        "douze mille trois cent quarante-cinq",
    ],
    "3000": [
        "Die Antwort ist 3 tausend.", "La risposta è 3 mila",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("number", "text"), [(number, text) for number, texts in TEXTS.items() for text in texts])
def test_the_number_that_a_text_answers_with(number: str | None, text: str) -> None:
    found = answer_number(text)
    assert (found and written(found)) == number


@pytest.mark.parametrize("word", ["cent", "mille ", "mil e ", "zwei und ", "dixsept ", "ein", "이"])
def test_words_without_end_are_no_number(word: str) -> None:
    assert numeral(word * 10_000, f"La respuesta es, die Antwort, la réponse est: {word}") is None
