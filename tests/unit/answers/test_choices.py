"""The letter that a text chooses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightrouter.answers import announced
from lightrouter.answers import choices as choices_module
from lightrouter.answers.choices import answer_letter

FORMS = [
    "B",
    "b",
    "(B)",
    "(b)",
    "[B]",
    "B.",
    "B)",
    "**B**",
    "`B`",
    '"B"',
    "$B$",
    "\\textbf{B}",
    "\\text{B}",
    "\uff22",
    "\u24b7",
    "\U0001d401",
    "\\boxed{B}",
    "\\boxed{\\text{(B)}}",
    "Option B",
    "option (b)",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        "Answer: {}",
        "answer: {}",
        "**Answer**: {}\nA is wrong.",
        "The answer is {}",
        "The correct answer is: {}",
        "So the final answer is {}.",
        "The best option is {}.",
        "First, A looks good. But the answer is {}.",
        "Antwort: {}",
        "Die richtige Antwort ist {}.",
        "La r\u00e9ponse est {}.",
        "La r\u00e9ponse correcte est : {}",
        "La respuesta correcta es {}.",
        "A resposta correta \u00e9 {}.",
        "La risposta corretta \u00e8 {}.",
        "\u041e\u0442\u0432\u0435\u0442: {}",
        "\u041f\u0440\u0430\u0432\u0438\u043b\u044c\u043d\u044b\u0439 \u043e\u0442\u0432\u0435\u0442 \u2014 {}",
        "\u7b54\u6848\u662f{}\u3002",
        "\u7b54\u6848\uff1a{}",
        "\u6b63\u786e\u7b54\u6848\u662f {}",
        "\u7b54\u3048\u306f{}\u3067\u3059\u3002",
        "\u6b63\u89e3\u306f\u300c{}\u300d",
        "\uc815\ub2f5: {}",
        "\uc815\ub2f5\uc740 {}\uc785\ub2c8\ub2e4.",
        "\u0627\u0644\u0625\u062c\u0627\u0628\u0629 \u0627\u0644\u0635\u062d\u064a\u062d\u0629 \u0647\u064a {}",
        "\u0909\u0924\u094d\u0924\u0930: {}",
        "\u0110\u00e1p \u00e1n: {}",
        "Jawaban: {}",
    ],
)
def test_a_letter_is_read_however_it_is_written(frame: str, form: str) -> None:
    assert answer_letter(frame.format(form), 4) == "B"


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B) because I know it", "B"),
        ("B. Paris is the capital", "B"),
        ("(B) Paris", "B"),
        ("B: Paris, and not A", "B"),
        ("B is correct.", "B"),
        ("B is the right answer; A is not.", "B"),
        ("Both A and C are tempting, so B", "B"),
        ("A is wrong. C is incorrect. B fits", "B"),
        ("It is not A but B", "B"),
        ("The answer is not A but B", "B"),
        ("The answer is not A. It is B.", "B"),
        ("The answer is B, not A", "B"),
        ("The answer is B because A is wrong", "B"),
        ("**Answer**: B\n\nExplanation: A is wrong, since C is.", "B"),
        ('{"answer": "B"}', "B"),
        ('{"answer": "b"}', "B"),
        ('{"answer": "B) Paris", "why": "A is not"}', "B"),
        ('{"Answer": "B", "confidence": 0.9}', "B"),
        ('{"reasoning": "A, C and D are wrong", "choice": "B"}', "B"),
        ('It is:\n```json\n{"answer": "B"}\n```\n', "B"),
        ("Answer: A. No, wait. Answer: B", "B"),
        ("I choose B.", "B"),
        ("I would go with option B", "B"),
        ("I'd say A at first. Therefore, B", "B"),
        ("\u043e\u0442\u0432\u0435\u0442: \u0412", "B"),
        ("\u0391\u03c0\u03ac\u03bd\u03c4\u03b7\u03c3\u03b7: \u0392", "B"),
        ("The answer is A", "A"),
        ("The answer is A because it is", "A"),
        ("Answer: A\nB is wrong", "A"),
        ("The answer is (a)", "A"),
        ("A", "A"),
        ("A.", "A"),
        ("Vitamin C is in B", "B"),
        ("I don't know", None),
        ("I am not sure", None),
        ("I", None),
        ("I'm sorry, but I can't help with that.", None),
        ("A good question.", None),
        ("The answer is a matter of taste.", None),
        ("The answer is A new approach", None),
        ("Answer: K", None),
        ("Let's think step by step. The answer is", None),
        ("Vitamin C", None),
        ("Plan B", None),
        ("C\n\nExplanation: A is wrong because B", "C"),
        ("**C**\n\nA is wrong; B too.", "C"),
        ("c) Paris", "C"),
        ("c. Paris", "C"),
        ("A and C", None),
        ("A, C", None),
        ("Both A and C are correct", None),
        ("The answer is A and C", None),
        ("The answer is either A or B", None),
        ("Answer: A/B", None),
        ("A und C", None),
        ("A\u3001C", None),
        ("\u7b54\u6848\u662fA\u548cC", None),
        ("The answer cannot be A. So C.", "C"),
        ("A resposta n\u00e3o \u00e9 A, mas C.", "C"),
        ("\u7b54\u6848\u4e0d\u662fA\uff0c\u800c\u662fC\u3002", "C"),
        ("\u7b54\u3048\u306fA\u3067\u306f\u306a\u304fC\u3067\u3059\u3002", "C"),
        ("\uc815\ub2f5\uc740 A\uac00 \uc544\ub2c8\ub77c C\uc785\ub2c8\ub2e4.", "C"),
        ("Do\u011fru cevap C'dir", "C"),
        ("\u041f\u0440\u0430\u0432\u0438\u043b\u044c\u043d\u044b\u0439 \u043e\u0442\u0432\u0435\u0442 - \u0421", "C"),
        ('{"correctAnswer":"C","why":"A"}', "C"),
        ("{'answer': 'C'}", "C"),
        ('{"answer": "A and C"}', None),
        ("\U0001f172", "C"),
        ("\U0001f132", "C"),
        ("\u2102", "C"),
        ("Answer \u2013 C", "C"),
        ("<answer>C</answer>\nA is wrong", "C"),
        ("Therefore, the correct option is **C. Paris**", "C"),
        ("a) is false\nb) is false\nc) is true\nThe answer is c)", "C"),
        ("C is the correct choice.", "C"),
        ("A and B are wrong, so C", "C"),
        ("The answer is A, B is wrong", "A"),
        ("The answer is A or B. Since A fails, it is B.", "B"),
        ("A\nB\nC", "C"),
        ("(A) and (C)", None),
        ("A + C", None),
        ("A C", None),
        ("A; C", None),
        ("A as well as C", None),
        ("not A, B", "B"),
        ("B instead of A", "B"),
        ("anything but B", None),
        ("everything except B", None),
        ("all but B", None),
        ("A because", "A"),
        ("C++", None),
        ("C#", None),
        ("C is a programming language", None),
        ("\u043e\u0442\u0432\u0435\u0442 \u0412", "B"),
        ("\u9009B\u4e0d\u9009A", "B"),
        ("\u4e0d\u9009B", None),
        ("<answer> b </answer>", "B"),
        ("The answer is A? No, B.", "B"),
        ("The answer is A... no wait, B", "B"),
        ("A: wrong\nB: right\nC: wrong", "B"),
        ("A) wrong B) right C) wrong", "B"),
        ("A. No\nB. Yes\nC. No", "B"),
        ("A \u274c\nB \u2705\nC \u274c", "B"),
        ("I doubt B", None),
        ("I don't think it's B", None),
        ("I do not believe B is correct", None),
        ("I don't think B is right", None),
        ("A? B? C?", None),
        ("Options: A) x B) y C) z D) w", None),
        ("A) x\nB) y\nC) z\nD) w", None),
        ("Answer: N/A", None),
        ("B C", None),
        ("B+C", None),
        ("B. C.", None),
        ("B > C", None),
        ("B ist falsch", None),
        ("B ist nicht richtig", None),
        ("B est faux", None),
        ("B est fausse", None),
        ("B n'est pas correct", None),
        ("B es incorrecta", None),
        ("B no es correcta", None),
        ("B \xe9 incorreta", None),
        ("B non \xe8 corretta", None),
        ("B \u043d\u0435\u0432\u0435\u0440\u043d\u043e", None),
        ("B \u043d\u0435 \u043f\u043e\u0434\u0445\u043e\u0434\u0438\u0442", None),
        ("\u041d\u0435 B", None),
        ("B\u662f\u9519\u7684", None),
        ("B\u306f\u9593\u9055\u3044\u3067\u3059", None),
        ("B\u3067\u306f\u306a\u3044", None),
        ("B\u3067\u306f\u3042\u308a\u307e\u305b\u3093", None),
        ("B\uac00 \uc544\ub2d9\ub2c8\ub2e4", None),
        ("B\ub294 \ud2c0\ub838\uc2b5\ub2c8\ub2e4", None),
        ("B de\u011fil", None),
        ("B yanl\u0131\u015f", None),
        ("B \u0928\u0939\u0940\u0902", None),
        ("B \u0917\u0932\u0924 \u0939\u0948", None),
        ("B \u062e\u0637\u0623", None),
        ("\u0644\u064a\u0633 B", None),
        ("niet B", None),
        ("inte B", None),
        ("nie B", None),
        ("weder A noch B", None),
        ("ni A ni B", None),
        ("\u043d\u0438 A \u043d\u0438 B", None),
        ("n\xe9 A n\xe9 B", None),
        ("nem A nem B", None),
        ("A\u3067\u3082B\u3067\u3082\u306a\u3044", None),
        ("A\ub3c4 B\ub3c4 \uc544\ub2c8\ub2e4", None),
        ("A\u307e\u305f\u306fB", None),
        ("A v\xe0 C", None),
        ("A dan C", None),
        ("A ve C", None),
        ("A veya B", None),
        ("A i C", None),
        ("A eller B", None),
        ("A \u0442\u0430 C", None),
        ("Answer: anything but B", None),
        ("Answer: b, not a", "B"),
        ("The answer is B or possibly C", None),
        ("The answer is B, or maybe C", None),
        ("A - false; B - true; C - false", "B"),
        ("A: False, B: True", "B"),
        ("[ ] A\n[x] B\n[ ] C", "B"),
        ("'B. Paris'", "B"),
        ("B, B", "B"),
        ("A to D", None),
        ("A through D", None),
        ("From A to B", None),
        ("A\u2192B", None),
        ("A->B", None),
        ("A=B", None),
        ("A<B", None),
        ("A vs B", None),
        ("A vs. B", None),
        ("A x B", None),
        ("A \xd7 B", None),
        ("A\u2229B", None),
        ("f(A)", None),
        ("", None),
    ],
)
def test_the_letter_that_a_text_chooses(text: str, letter: str | None) -> None:
    assert answer_letter(text, 4) == letter


def test_i_is_a_letter_where_it_is_one_of_the_options() -> None:
    assert answer_letter("I", 10) == "I"
    assert answer_letter("The answer is I.", 10) == "I"
    assert answer_letter("(I)", 10) == "I"
    assert answer_letter("I don't know", 10) is None
    assert answer_letter("I think, therefore I am. So I cannot say", 10) is None


def test_letters_beyond_the_options_are_none() -> None:
    assert answer_letter("The answer is E", 4) is None
    assert answer_letter("E", 4) is None
    assert answer_letter("The answer is E", 5) == "E"


@given(st.text(max_size=300))
def test_any_text_chooses_a_letter_or_none(text: str) -> None:
    assert answer_letter(text, 4) in {None, *"ABCD"}


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from([*"ABabcxI()[]\"'-_. ,:{}^=\n10", "X(s)", "isn't", "A-bomb", "A.B"]), max_size=20).map(
        "".join
    )
)
def test_letters_that_stand_alone_are_found_by_a_short_way(text: str) -> None:
    found = [(each.span(), each.groups()) for each in choices_module._alone(text)]
    assert found == [(each.span(), each.groups()) for each in choices_module._STANDING.finditer(text)]


PIECES = [
    "A",
    "B",
    "(C)",
    "[d]",
    "I",
    "is ",
    "the ",
    "my ",
    "first ",
    "our\n",
    "not ",
    "**",
    "_",
    "`",
    "\\text{B}",
    " ",
    "42 is ",
]
WRITTEN = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)


@given(WRITTEN)
def test_a_quick_look_before_a_search_changes_nothing(text: str) -> None:
    searched = announced._SAID_BEFORE.search(text)
    assert announced._said_before(text) == (searched[1] if searched else None)
    assert announced.unmarked(text) == announced._MARKS.sub(announced._mark, text)


@given(WRITTEN)
def test_the_last_standing_letter_is_the_last_of_all_that_could_be_chosen(text: str) -> None:
    letters = frozenset("ABCD")
    single = list(choices_module._alone(text))
    standing = list(choices_module._standing(text, single, letters))
    joined = {place for each in single for place in choices_module._joined(text, *each.span(), letters)}
    chosen = [
        letter
        for letter, begin, end in standing
        if not choices_module._denied(text, begin, end)
        and joined.isdisjoint(range(begin, end))
        and choices_module._ENDED.match(text, end)
    ]
    assert choices_module._last_standing(text, single, standing, letters) == (chosen[-1] if chosen else None)
