"""The opening of a reply to a prefill."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.text.opening import Opening, PrefillUse

PREFILL = "The capital of France is Paris. It lies on the river"
CODE = "Here it is:\n```python\ndef get"


def replied(opening: Opening, reply: str, size: int = 1, *, cut: bool = False) -> tuple[str, PrefillUse | None]:
    out = "".join(opening.feed(reply[at : at + size]) for at in range(0, len(reply), size)) + opening.end(cut=cut)
    return out, opening.prefill_use


GOES_ON = [
    (PREFILL, " Seine."),
    (PREFILL, "s Seine and Marne."),
    (PREFILL, " The Seine is long."),
    (PREFILL, "\n\nThe Seine is long."),
    (PREFILL, ", the Seine"),
    (PREFILL, "THE END"),
    (PREFILL, ""),
    ("It is written in Java", "Script"),
    ("It is written in Java", "Script and runs in"),
    ("It was bought on e", "Bay for little"),
    ("My new i", "Phone"),
    ("My new iPhone", "Pro Max is"),
    ("my card of nVIDIA", "Corp is"),
    ("The bank is called Électro", "Bank is it"),
    ("The bank is called E\u0301lectro", "Bank is it"),
    ("It was bought on é", "Bay for little"),
    ("00000\x80À", "Aa"),
    ("Это ВКонтакте или Теле", "Gram is"),
    ("Это Яндекс", "Music is"),
    ("it runs on x86_64a", "Linux is"),
    ("call self.get", "Name to read it"),
    ("call $get", "Name to read it"),
    ("我喜欢用", "Google Chrome 浏览器"),
    ("使用", "Python is nice"),
    ("これは", "Windows XP です"),
    ("カタカナ", "Windows XP です"),
    ("한국어로", "Google Chrome"),
    ("ภาษา", "Google Chrome"),
    ("اللغة", "Google Chrome"),
    ("我用v", "Google Chrome"),
    ("Hello wor", "ld"),
    ("ha", "ha ha"),
    ("aaaaaaaa", "aaaaaaaaaaaa"),
    ("abcdabcd", "abcdabcdabcd"),
    ("12", "12 and 13"),
    ("I love you.", " I love you. Truly."),
    (CODE, "User = 5"),
    (CODE, "User for me"),
    ("call the my", "Name = 5"),
    ("**Note", "**The"),
    ("法国的首都是", "巴黎。"),
]
ECHOED = [
    (PREFILL, PREFILL + " Seine.", " Seine."),
    (PREFILL, PREFILL, ""),
    (PREFILL, " " + PREFILL + " Seine.", " Seine."),
    (PREFILL, PREFILL.replace(" It", "\n\nIt") + " Seine.", " Seine."),
    (PREFILL, PREFILL.replace(" ", "") + " Seine.", " Seine."),
    ("Hello wor", "Hello world", "ld"),
    ("Hello", "Hello world", " world"),
    ("Yes", "Yes, because", ", because"),
    ("法国的首都是", "法国的首都是巴黎。", "巴黎。"),
]
RESTARTED = [
    (PREFILL, "The capital of France is Lyon."),
    (PREFILL, "The capital of France is Paris."),
    (PREFILL, "Paris is the capital of France."),
    (PREFILL, "I think that it is Paris"),
    ("La première idé", "The answer is"),
    ("La première ide\u0301e", "The answer is"),
    ("Die größt", "The largest is"),
    ("Это правильный отве", "The answer is"),
    (PREFILL, "Sure, here it is: Paris"),
    (PREFILL, "Paris."),
    (PREFILL, "**Paris** is it"),
    (PREFILL, "## Answer\nParis"),
    (PREFILL, "<think>hm</think>Paris"),
    ("Hello wor", "Hello there, friend"),
]
REPLIES = [
    *((prefill, reply, reply, PrefillUse.CONTINUED) for prefill, reply in GOES_ON),
    *((prefill, reply, new, PrefillUse.ECHOED) for prefill, reply, new in ECHOED),
    *((prefill, reply, reply, PrefillUse.RESTARTED) for prefill, reply in RESTARTED),
]


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize(("prefill", "reply", "new", "prefill_use"), REPLIES)
def test_replies(prefill: str, reply: str, new: str, prefill_use: PrefillUse, size: int) -> None:
    assert replied(Opening(prefill, think="<think>"), reply, size) == (new, prefill_use)


@pytest.mark.parametrize(
    ("prefill", "reply"), [("1", "10"), ("ha", "ha ha"), ("aaaa", "aaaab"), (PREFILL, PREFILL + " S")]
)
def test_a_provider_that_is_known_to_repeat_is_believed(prefill: str, reply: str) -> None:
    assert replied(Opening(prefill, echoes=True), reply) == (reply.removeprefix(prefill), PrefillUse.ECHOED)


def test_an_echo_that_the_limit_cut_brings_nothing() -> None:
    assert replied(Opening(PREFILL), PREFILL[:30], cut=True) == ("", PrefillUse.ECHOED)


def test_a_text_that_cannot_start_anew_does_not() -> None:
    assert replied(Opening(PREFILL, may_restart=False), "Paris is it") == ("Paris is it", PrefillUse.CONTINUED)


def test_an_empty_prefill() -> None:
    assert replied(Opening(""), "Paris is it") == ("Paris is it", PrefillUse.CONTINUED)


def test_only_the_text_that_decides_is_held_back() -> None:
    opening = Opening(PREFILL)
    assert opening.feed(" Sei") == " Sei"
    opening = Opening(PREFILL)
    assert opening.feed("The ca") == ""
    assert opening.feed("t sleeps") == "The cat sleeps"


TEXT = st.text(st.sampled_from("abc \n<") | st.characters(exclude_categories=["Cs"]), max_size=60)


@given(TEXT, TEXT, st.integers(1, 9), st.booleans(), st.booleans())
def test_pieces_do_not_matter_and_nothing_is_invented(
    prefill: str, reply: str, size: int, echoes: bool, cut: bool
) -> None:
    out, prefill_use = replied(Opening(prefill, echoes=echoes), reply, size, cut=cut)
    assert (out, prefill_use) == replied(Opening(prefill, echoes=echoes), reply, len(reply) or 1, cut=cut)
    assert reply.endswith(out)
    if prefill_use is not PrefillUse.ECHOED:
        assert out == reply


@given(TEXT, TEXT, st.integers(1, 9))
def test_a_text_is_never_given_twice(begun: str, rest: str, size: int) -> None:
    prefill = begun + "Of 16 words."
    assert replied(Opening(prefill), prefill + rest, size)[0] == rest


# New texts, put so that nothing of them tells.
NEW = [
    "paris it is, on the seine",
    "sure! paris",
    "on the seine lies paris",
    "ver",
    "the city of light",
    "seine",
    "42",
    "- paris",
    "`paris`",
    "Париж стоит на Сене.",
    "париж",
    "巴黎位于塞纳河畔",
    "パリです",
    "ปารีส",
    "باريس",
    "파리",
    "Paris lies on the Seine.",
    "PARIS",
    '{"city": "Paris"}',
    ".NET runs there",
    "",
]
BEGUN = [
    PREFILL,
    PREFILL + ".",
    "1. one\n2. two\n3",
    "Это Сена, и на н",
    "巴黎是法国的首都。它位于",
    "```\ndef get",
    "**bold",
    "x",
]


SAID_AGAIN = [" The river of the capital, Paris, is the Seine.", "\n\nThe French capital Paris lies on the Seine."]


@pytest.mark.parametrize(("prefill", "reply"), [*product(BEGUN, NEW), *product(BEGUN[:2], SAID_AGAIN)])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_provider_that_is_not_known_to_go_on_must_show_it(prefill: str, reply: str, size: int) -> None:
    opening = Opening(prefill, trusted=False)
    out, prefill_use = replied(opening, reply, size)
    assert (out, prefill_use) in {("", None), (reply, PrefillUse.RESTARTED)}
    assert opening.is_doubtful == (prefill_use is None)


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("reply", [" Seine.", ", the Seine.", ". It is long.", ".", "。这", "\n\nThe Seine"])
def test_a_reply_that_shows_that_it_goes_on_is_given_at_once(reply: str, size: int) -> None:
    opening = Opening(PREFILL, trusted=False)
    assert replied(opening, reply, size) == (reply, PrefillUse.CONTINUED)


@pytest.mark.parametrize(
    ("read", "prefill_use"), [(True, PrefillUse.CONTINUED), (False, PrefillUse.RESTARTED), (None, None)]
)
def test_counts_end_a_doubt(read: bool | None, prefill_use: PrefillUse | None) -> None:
    opening = Opening(PREFILL, trusted=False)
    assert opening.feed("s Seine") == opening.feed(" and Marne") == ""
    assert opening.end(cut=False, read=read) == ("" if read is None else "s Seine and Marne")
    assert (opening.prefill_use, opening.is_doubtful) == (prefill_use, read is None)
