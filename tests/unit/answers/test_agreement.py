from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lightrouter.answers.agreement import agreement, compare, mean, pairwise, similarity
from lightrouter.answers.pieces import MOST_CHARACTERS, PIECE, of_reading
from lightrouter.v1.policy_pb2 import AnswerPattern

_WORDS = st.sampled_from(["the", "answer", "is", "not", "4", "5", "yes", "no,", "Paris.", "false", "-", "don't", "\n"])
TEXTS = st.one_of(st.text(max_size=200), st.lists(_WORDS, max_size=120).map(" ".join))
NUMBER = AnswerPattern(re2=r"answer is (\d+)")


@given(TEXTS, TEXTS, st.booleans(), st.booleans())
def test_similarity_is_symmetric_and_bounded(left: str, right: str, left_complete: bool, right_complete: bool) -> None:
    forward = similarity(left, right, left_complete=left_complete, right_complete=right_complete)
    backward = similarity(right, left, left_complete=right_complete, right_complete=left_complete)
    assert forward == backward
    assert 0.0 <= forward <= 1.0


@given(TEXTS, st.booleans())
def test_equal_texts_are_the_same(text: str, complete: bool) -> None:
    assert similarity(text, text, left_complete=complete, right_complete=complete) == 1.0


@given(st.lists(st.tuples(TEXTS, st.booleans()), max_size=6), st.booleans())
def test_agreement_of_any_texts_is_bounded(texts: list[tuple[str, bool]], with_pattern: bool) -> None:
    whole = [complete for _, complete in texts]
    matrix = pairwise([text for text, _ in texts], whole, NUMBER if with_pattern else None)
    assert all(matrix[i][j] == matrix[j][i] for i in range(len(texts)) for j in range(len(texts)))
    assert all(matrix[i][i] == 1.0 for i in range(len(texts)))
    assert 0.0 <= mean(matrix) <= 1.0


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("The answer is 4", "The answer is 5"),
        ("It is safe to eat.", "It is not safe to eat."),
        ("It is possible.", "It is impossible."),
        ("No, 91 is not prime.", "Yes, 91 is prime."),
        ("The capital of Australia is Sydney.", "The capital of Australia is Canberra."),
        ("It opened on 3 May 1999.", "It opened on 3 May 1998."),
        ("The meeting is on Monday.", "The meeting is on Tuesday."),
        ("x is -4", "x is 4"),
        ("return a + b", "return a - b"),
        ("x < 5", "x > 5"),
        ("It costs 5% more", "It costs €5 more"),
        ("dog bites man", "man bites dog"),
        ("Paris", ""),
        ("$5", "\u20ac5"),
        ("12:30", "12.30"),
        ("10%", "10\u2030"),
        ("5\u00b0C", "5\u00b0F"),
        ("Take 5 mg.", "Take 5 g."),
        ("10 m\u00b2", "10 m\u00b3"),
        ("He was born on 3/4/1999.", "He was born on 4/3/1999."),
        ("Maria wrote it.", "Mario wrote it."),
        ("\u0939\u0948 \u096b", "\u0939\u0948 \u096c"),
        ("\u0665 \u0643\u064a\u0644\u0648", "\u0666 \u0643\u064a\u0644\u0648"),
        ("\u4e09\u767e", "\u4e09\u5343"),
        # Modal verbs, prepositions, quantifiers, opposites.
        ("You may leave.", "You must leave."),
        ("You can leave it on.", "You should leave it on."),
        ("Keep it over 5 degrees.", "Keep it under 5 degrees."),
        ("Wash your hands before the meal.", "Wash your hands after the meal."),
        ("It will always work.", "It will never work."),
        ("All of them passed.", "Some of them passed."),
        ("Take more of it.", "Take less of it."),
        ("Turn left at the church.", "Turn right at the church."),
        ("Prices increase.", "Prices decrease."),
        ("Buy the shares.", "Sell the shares."),
        ("Only Bob came.", "Even Bob came."),
        ("This is useful.", "This is useless."),
        ("He is happy.", "He is unhappy."),
        ("It is a cat.", "It is the cat."),
        # The same words in another order.
        ("Fly from Paris to Rome.", "Fly to Paris from Rome."),
        ("Ajax beats Porto.", "Porto beats Ajax."),
        ("Add the acid to the water.", "Add the water to the acid."),
        # Negation in any language.
        ("他是医生。", "他不是医生。"),
        ("他有钱。", "他没有钱。"),
        ("यह सही है।", "यह सही नहीं है।"),
        ("Это верно.", "Это не верно."),
        ("C'est vrai.", "Ce n'est pas vrai."),
        ("Das ist richtig.", "Das ist nicht richtig."),
        ("هذا صحيح", "هذا ليس صحيح"),
        ("正しいです", "正しくないです"),
        ("ถูก", "ไม่ถูก"),
        # Numerals, numbers, units, money, dates, names.
        ("\u7b54\u6848\u662f\u4e09\u3002", "\u7b54\u6848\u662f\u56db\u3002"),
        ("\u0664 apples", "\u0665 apples"),
        ("It took one hour.", "It took two hours."),
        ("Add 5 kg.", "Add 5 g."),
        ("It has 5 mW.", "It has 5 MW."),
        ("It costs $5.", "It costs \u20b95."),
        ("It was in May.", "It was in June."),
        ("Use Python 3.1", "Use Python 3.10"),
        ("It is 10\u00b2", "It is 102"),
        ("It is 5!", "It is 5"),
        ("It is 1.234", "It is 1,234"),
        ("Ask Anna.", "Ask Anne."),
        ("We sell to the US.", "We sell to the us."),
        # Signs, symbols, code.
        ("if !ready: stop", "if ready: stop"),
        ("x > y", "x < y"),
        ("It is \u00b15", "It is 5"),
        ("Do it \U0001f44d", "Do it \U0001f44e"),
        ("if a:\n    b()\nc()", "if a:\n    b()\n    c()"),
        ("if a:\n b()\nc()", "if a:\n b()\n c()"),
        ("```\na  b\n```", "```\na b\n```"),
        ("re-sign the form", "resign the form"),
        ("You did it?", "You did it."),
        ("a\u0308rger", "arger"),
    ],
)
def test_contradicting_texts_are_not_the_same(left: str, right: str) -> None:
    assert similarity(left, right) <= 0.75
    # Not even if everything around it is the same.
    padding = " ".join(f"and step {word} follows from what was said before." for word in "abcdefghijklmnopqrstuvwxyz")
    if right:
        assert similarity(f"{padding} {left}", f"{padding} {right}") <= 0.6


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("The answer is 4.", "the answer is four"),
        ("It costs 1,000 euros.", "It costs 1000.0 euros!"),
        ("It isn't possible.", "It is not possible"),
        ("It is not possible.", "It is impossible."),
        ("- Paris\n- London", "* Paris\n* London"),
        ("\uff14 apples", "4 apples"),
        ("\u0664 apples", "4 apples"),
        ("You don\u2019t go.", "You do not go."),
        ("You cannot go.", "You can't go."),
        ("It **is** safe", "It is safe"),
        ("It is  safe.\n\nGo on.", "It is safe. Go on!"),
        ("He said \u201cno\u201d.", 'He said "no".'),
        ("cafe\u0301", "caf\u00e9"),
        ("\u7b54\u6848\u662f\u56db\u3002", "\u7b54\u6848\u662f\u56db"),
        ("\ufeffYes", "yes."),
        ("To be!", "to be"),
        (" It is\nsafe. ", "It is safe"),
        # A number and no more, in any notation of it.
        ("1/2", "50 %"),
        ("\u00bd", "0,5"),
        ("\\boxed{7}", "7"),
        ("$7$", "7.0"),
        ("1e3", "1'000"),
        ("3.5 \u00d7 10^3", "3500"),
        ("\u0663\u066b\u0665", "3.5"),
        ("10 \u20ac", "EUR 10"),
    ],
)
def test_spelling_makes_no_difference(left: str, right: str) -> None:
    assert similarity(left, right) == pytest.approx(1.0)


_LONG = " ".join(f"Sentence {letter} says what the one before it did not mention yet." for letter in "abcdefghij")


def test_a_shorter_cut_of_the_same_text_agrees() -> None:
    for end in range(60, len(_LONG), 7):
        assert similarity(_LONG[:end], _LONG, left_complete=False, right_complete=False) == pytest.approx(1.0)
        assert similarity(_LONG[:end], _LONG, left_complete=False) == pytest.approx(1.0)


def test_a_cut_through_a_number_is_no_contradiction() -> None:
    assert similarity("It happened in 19", "It happened in 1945", left_complete=False) == pytest.approx(1.0)


def test_a_cut_in_a_script_without_spaces_leaves_the_rest_to_decide() -> None:
    said = "\u7b54\u6848\u662f\u4e09\u56e0\u4e3a\u4e00\u52a0\u4e8c"
    other = said.replace("\u4e09", "\u56db", 1)
    assert similarity(said, said + "\u662f\u4e09", left_complete=False) == 1.0
    assert similarity(said, other + "\u662f\u4e09", left_complete=False) <= 0.6
    assert similarity("We see the internationalisat", "We see the international team", left_complete=False) == 1.0
    assert similarity("I see the cat s", "I see the category", left_complete=False) <= 0.6


_CONTENT = st.sampled_from(
    [
        *(
            "may",
            "must",
            "over",
            "under",
            "not",
            "cat",
            "dog",
            "Paris",
            "4",
            "5",
            "kg",
            "g",
            "yes",
            "no",
            "all",
            "some",
        ),
        *(">", "<", "+", "!x", "不", "是", "नहीं", "не", "\U0001f44d"),
    ]
)


@given(st.lists(_CONTENT, min_size=1, max_size=30), st.data())
def test_the_differing_words_decide(words: list[str], data: st.DataObject) -> None:
    other = list(words)
    place = data.draw(st.integers(0, len(words) - 1))
    match data.draw(st.sampled_from(["substitute", "delete", "insert", "swap"])):
        case "substitute":
            other[place] = data.draw(_CONTENT)
        case "delete":
            del other[place]
        case "insert":
            other.insert(place, data.draw(_CONTENT))
        case _:
            another = data.draw(st.integers(0, len(words) - 1))
            other[place], other[another] = other[another], other[place]
    assume(other != words)
    texts = [f"x {' '.join(each)} z" for each in (words, other)]
    assert similarity(*texts) <= 0.6
    assert agreement(texts, [True, True]) <= 0.6


@pytest.mark.parametrize(
    ("texts", "complete", "expected"),
    [
        (["Let's think step by step. The answer is"] * 3, [False] * 3, 0.0),
        (["It is safe because"] * 3, [False] * 3, 0.0),
        (["It is safe."] * 3, [True] * 3, 1.0),
        (["It is safe."] * 3, [True, True, False], 1 / 3),
        (["So the answer is 4"] * 3, [False] * 3, 0.0),
        (["So the answer is 4."] * 3, [False] * 3, 0.0),
        (["So the answer is 4"] * 3, [True] * 3, 1.0),
        (
            ["The answer is 4, because 2 and", "Hence answer is 4 which", "I say: answer is 4"],
            [False, False, True],
            1.0,
        ),
        (["The answer is 4, because 2 and", "Hence answer is 42"], [False, False], 0.0),
        (["The answer is 4 and", "It may be many"], [False, True], 0.0),
    ],
)
def test_agreement_of_fragments_is_no_agreement(texts: list[str], complete: list[bool], expected: float) -> None:
    assert agreement(texts, complete, NUMBER) == pytest.approx(expected)


def test_an_answer_that_may_go_on_is_compared_by_its_words() -> None:
    cut, other = "After all this the answer is 4", "After all this the answer is 42"
    assert pairwise([cut, other], [True, True], NUMBER)[0][1] == 0.0
    assert pairwise([cut, other], [False, True], NUMBER)[0][1] > 0.9
    assert pairwise([cut, other], [False, True], NUMBER)[0][1] == similarity(cut, other, left_complete=False)


def test_equal_texts_are_read_once_and_all_get_their_place() -> None:
    matrix = pairwise(["It is 4", "It is 5", "It is 4", "It is 5"], [True] * 4)
    assert matrix[0][2] == matrix[1][3] == 1.0
    assert matrix[0][1] == matrix[0][3] == matrix[2][1] == matrix[2][3] <= 0.6
    assert agreement(["a", "a", "b", "a"], [True] * 4) == pytest.approx(0.5)


_WORK = {
    "long": [f"{' '.join(f'w{(i * k) % 997}' for k in range(1000))} {i}" for i in range(40)],
    "nearly equal": [f"{' '.join(f'w{k}' for k in range(500))} {i}" for i in range(40)],
    "Chinese": ["".join(chr(0x4E00 + (i * k) % 2999) for k in range(4000)) for i in range(10)],
    "short": [f"It is {i}" for i in range(80)],
}


def test_texts_are_searched_by_a_pattern_that_matches_everywhere_in_small_pieces() -> None:
    texts = [f"{number} " + "abc " * 800 for number in range(64)]
    work = list(compare(texts, [True] * len(texts), AnswerPattern(re2="[a-z]+")))
    assert len(work) >= len(texts) // 2


@pytest.mark.parametrize("texts", _WORK.values(), ids=_WORK.keys())
@pytest.mark.parametrize("complete", [True, False])
def test_many_texts_are_compared_in_small_pieces(texts: list[str], complete: bool) -> None:
    work = list(compare(texts, [complete] * len(texts), None, ["What is it?"]))
    assert len(work) >= 5
    # A piece ends with the step that fills it: reading a text, or two whose wording is worked out, whole and cut.
    assert max(work) <= PIECE + 4 * of_reading(texts[0])


def test_the_time_of_all_comparisons_does_not_depend_on_the_length_of_texts() -> None:
    texts = [f"It is {i} " + "and so on " * 400 for i in range(100)]
    longer = [text + "and so on " * 100_000 for text in texts]
    assert sum(compare(longer, [False] * 100)) == sum(compare(texts, [False] * 100))


def test_the_more_texts_there_are_the_less_of_each_is_compared() -> None:
    def nearly_equal(count: int) -> list[str]:
        return ["same " * 500 + f"{i} other{i} word{i} " * 20 for i in range(count)]

    assert pairwise(nearly_equal(2), [True] * 2)[0][1] < 0.5
    assert pairwise(nearly_equal(100), [True] * 100)[0][1] == 0.6
    assert agreement(nearly_equal(100), [True] * 100) <= 0.6


def test_texts_beyond_the_limit_are_the_same_only_where_they_are_equal() -> None:
    long = "word " * (MOST_CHARACTERS // 5)
    assert similarity(long + "a", long + "a") == 1.0
    assert similarity(long + "a", long + "b") <= 0.6
    assert agreement([long + "a", long + "b"], [True, True]) <= 0.6


def test_a_finished_text_is_compared_whole() -> None:
    assert similarity("Sentence a says.", _LONG) < 0.5
    assert similarity("Sentence a says.", _LONG, right_complete=False) < 0.5


def test_the_order_of_words_is_a_part_of_what_texts_share() -> None:
    said = "red green blue cyan pink gray gold teal"
    moved = " ".join(sorted(said.split()))
    longer = f"{said} and elm oak ash fir yew pine palm rose lily fern moss reed"
    assert similarity(said, longer) - similarity(moved, longer) > 0.05
    assert similarity(said, moved) == 0.6


def test_texts_that_contradict_each_other_share_less_than_their_words() -> None:
    said = "red green blue cyan pink gray gold teal"
    longer = f"{said} and elm oak ash fir yew pine palm rose lily fern moss reed"
    assert similarity(f"{said} 4", f"{longer} 5") == pytest.approx(0.6 * similarity(f"{said} ivy", f"{longer} hay"))


def test_extracted_answers_decide_where_both_are_found() -> None:
    same = [
        "Long talk about it. The answer is 4",
        "Quite another text, but the answer is 04? The answer is 4.",
        "I do not know",
    ]
    assert pairwise(same, [True] * 3, NUMBER)[0][1] == 1.0
    assert agreement(["the answer is 4 of them", "the answer is 5 of them"], [True, True], NUMBER) == 0.0
    assert 0.0 <= agreement(same, [True] * 3, NUMBER) < 1.0


@pytest.mark.parametrize("texts", [[], ["alone"]])
def test_texts_without_anything_to_compare_agree_fully(texts: list[str]) -> None:
    assert agreement(texts, [False] * len(texts)) == 1.0
