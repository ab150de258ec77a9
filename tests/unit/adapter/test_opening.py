"""How a reply begins that was to go on from a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.text.opening import Joint, Opening, gives_twice

LEAD = "The capital of France is Paris. It lies on the river"
CODE = "Here it is:\n```python\ndef get"


def replied(opening: Opening, reply: str, size: int = 1, *, cut: bool = False) -> tuple[str, Joint | None]:
    out = "".join(opening.feed(reply[at : at + size]) for at in range(0, len(reply), size)) + opening.end(cut=cut)
    return out, opening.joint


GOES_ON = [
    (LEAD, " Seine."),
    (LEAD, "s Seine and Marne."),
    (LEAD, " The Seine is long."),
    (LEAD, "\n\nThe Seine is long."),
    (LEAD, ", the Seine"),
    (LEAD, "THE END"),
    (LEAD, ""),
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
    (LEAD, LEAD + " Seine.", " Seine."),
    (LEAD, LEAD, ""),
    (LEAD, " " + LEAD + " Seine.", " Seine."),
    (LEAD, LEAD.replace(" It", "\n\nIt") + " Seine.", " Seine."),
    (LEAD, LEAD.replace(" ", "") + " Seine.", " Seine."),
    ("Hello wor", "Hello world", "ld"),
    ("Hello", "Hello world", " world"),
    ("Yes", "Yes, because", ", because"),
    ("法国的首都是", "法国的首都是巴黎。", "巴黎。"),
]
ANEW = [
    (LEAD, "The capital of France is Lyon."),
    (LEAD, "The capital of France is Paris."),
    (LEAD, "Paris is the capital of France."),
    (LEAD, "I think that it is Paris"),
    ("La première idé", "The answer is"),
    ("La première ide\u0301e", "The answer is"),
    ("Die größt", "The largest is"),
    ("Это правильный отве", "The answer is"),
    (LEAD, "Sure, here it is: Paris"),
    (LEAD, "Paris."),
    (LEAD, "**Paris** is it"),
    (LEAD, "## Answer\nParis"),
    (LEAD, "<think>hm</think>Paris"),
    ("Hello wor", "Hello there, friend"),
]
REPLIES = [
    *((lead, reply, reply, Joint.GOES_ON) for lead, reply in GOES_ON),
    *((lead, reply, new, Joint.ECHOED) for lead, reply, new in ECHOED),
    *((lead, reply, reply, Joint.ANEW) for lead, reply in ANEW),
]


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize(("lead", "reply", "new", "joint"), REPLIES)
def test_replies(lead: str, reply: str, new: str, joint: Joint, size: int) -> None:
    assert replied(Opening(lead, think="<think>"), reply, size) == (new, joint)


@pytest.mark.parametrize(("lead", "reply"), [("1", "10"), ("ha", "ha ha"), ("aaaa", "aaaab"), (LEAD, LEAD + " S")])
def test_a_provider_that_is_known_to_repeat_is_believed(lead: str, reply: str) -> None:
    assert replied(Opening(lead, echoes=True), reply) == (reply.removeprefix(lead), Joint.ECHOED)


def test_an_echo_that_the_limit_cut_brings_nothing() -> None:
    assert replied(Opening(LEAD), LEAD[:30], cut=True) == ("", Joint.ECHOED)


def test_what_cannot_start_anew_does_not() -> None:
    assert replied(Opening(LEAD, may_start_anew=False), "Paris is it") == ("Paris is it", Joint.GOES_ON)


def test_nothing_to_go_on_from() -> None:
    assert replied(Opening(""), "Paris is it") == ("Paris is it", Joint.GOES_ON)


def test_no_more_is_held_back_than_tells() -> None:
    opening = Opening(LEAD)
    assert opening.feed(" Sei") == " Sei"
    opening = Opening(LEAD)
    assert opening.feed("The ca") == ""
    assert opening.feed("t sleeps") == "The cat sleeps"


TEXT = st.text(st.sampled_from("abc \n<") | st.characters(exclude_categories=["Cs"]), max_size=60)


@given(TEXT, TEXT, st.integers(1, 9), st.booleans(), st.booleans())
def test_pieces_do_not_matter_and_nothing_is_invented(
    lead: str, reply: str, size: int, echoes: bool, cut: bool
) -> None:
    out, joint = replied(Opening(lead, echoes=echoes), reply, size, cut=cut)
    assert (out, joint) == replied(Opening(lead, echoes=echoes), reply, len(reply) or 1, cut=cut)
    assert reply.endswith(out)
    if joint is not Joint.ECHOED:
        assert out == reply


@given(TEXT, TEXT, st.integers(1, 9))
def test_no_text_is_given_twice(begun: str, rest: str, size: int) -> None:
    lead = begun + "Of 16 words."
    assert replied(Opening(lead), lead + rest, size)[0] == rest


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        (" Seine.", False),
        ("Sure, here it is:\n\n" + LEAD + " Seine.", True),
        ("Sure: " + LEAD.replace(" ", "\n"), True),
        ("The capital of France is Lyon.", False),
    ],
)
def test_a_text_that_comes_later_is_seen_too(text: str, twice: bool) -> None:
    assert gives_twice(LEAD, text) == twice


def test_a_short_text_says_nothing_later() -> None:
    assert not gives_twice("Yes", "Yes. Yes. Yes.")
