"""A whole reply to a prefill: does it continue, or was it written anew?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.text.anew import clearly_continues, has_its_words, is_read, is_unread, is_written_anew

PREFILL = "The capital of France is Paris. It lies on the river"
PROMPT = "What is the capital of France? Which river flows through it?"

# The same letters in full width.
WIDE = "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in PREFILL)

# Answers in many scripts, each with the request.
ANSWERS = {
    "Latin": (PROMPT, PREFILL + " Seine, and more than two million people live in the city today."),
    "German": (
        "Warum ist der Himmel blau?",
        "Der Himmel erscheint blau, weil die Luftmoleküle das kurzwellige Licht stärker streuen als das rote.",
    ),
    "Vietnamese": (
        "Thủ đô của Việt Nam là gì?",
        "Thủ đô của Việt Nam là Hà Nội, một thành phố có hơn tám triệu dân nằm bên bờ sông Hồng.",
    ),
    "Cyrillic": (
        "Какой город столица Франции?",
        "Столица Франции - город Париж. Он стоит на реке Сене, и в нём живёт больше двух миллионов человек.",
    ),
    "Greek": (
        "Ποια είναι η πρωτεύουσα της Γαλλίας;",
        "Πρωτεύουσα της Γαλλίας είναι το Παρίσι. Βρίσκεται πάνω στον ποταμό Σηκουάνα και είναι πολύ μεγάλη πόλη.",
    ),
    "Arabic": (
        "ما هي عاصمة فرنسا؟",
        "عاصمة فرنسا هي باريس، وهي مدينة كبيرة تقع على نهر السين ويسكنها أكثر من مليوني شخص.",
    ),
    "Hebrew": (
        "מהי בירת צרפת?",
        "בירת צרפת היא פריז, עיר גדולה השוכנת על גדות נהר הסן וגרים בה יותר משני מיליון תושבים.",
    ),
    "Devanagari": (
        "फ्रांस की राजधानी क्या है?",
        "फ्रांस की राजधानी पेरिस है। यह सीन नदी के किनारे बसा हुआ है और यहाँ बीस लाख से अधिक लोग रहते हैं।",
    ),
    "Tamil": (
        "பிரான்சின் தலைநகரம் எது?",
        "பிரான்சின் தலைநகரம் பாரிஸ். இது சீன் ஆற்றின் கரையில் அமைந்துள்ள ஒரு பெரிய நகரம் ஆகும்.",
    ),
    "Georgian": (
        "რომელია საფრანგეთის დედაქალაქი?",
        "საფრანგეთის დედაქალაქი არის პარიზი. ის მდებარეობს მდინარე სენაზე და ორ მილიონზე მეტი მცხოვრები ჰყავს.",
    ),
    "Korean": (
        "프랑스의 수도는 어디입니까?",
        "프랑스의 수도는 파리입니다. 센강 변에 자리 잡은 큰 도시이며 이백만 명이 넘는 사람이 살고 있습니다.",
    ),
    "Chinese": (
        "法国的首都是哪里\uff1f",
        "法国的首都是巴黎。这座城市位于塞纳河畔\uff0c有两百多万人口\uff0c也是全国的经济和文化中心。",
    ),
    "Japanese": (
        "フランスの首都はどこですか\uff1f",
        "フランスの首都はパリです。セーヌ川のほとりにある大きな都市で、二百万人以上が暮らしています。",
    ),
    "Thai": (
        "เมืองหลวงของฝรั่งเศสคืออะไร",
        "เมืองหลวงของฝรั่งเศสคือปารีส ซึ่งตั้งอยู่ริมแม่น้ำแซนและมีประชากรมากกว่าสองล้านคน",
    ),
    "list": (
        "Name three fruits with their colours.",
        "1. apple: red or green\n2. banana: yellow\n3. cherry: red\n4. plum: blue\n5. pear: green or yellow",
    ),
    "code": (
        "Write a function that adds the numbers of a list.",
        "Here it is:\n```python\ndef add(all):\n    for number in all:\n        total += number\n```\nThe sum.",
    ),
    "poem": (
        "Write a refrain.",
        "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life is but a dream.",
    ),
}
CUTS = [(text[:cut], text[cut:]) for _, text in ANSWERS.values() for cut in range(1, len(text))]


def test_the_rest_of_an_answer_is_never_called_new() -> None:
    assert [(prefill, rest) for prefill, rest in CUTS if is_written_anew(prefill, rest)] == []


@pytest.mark.parametrize("script", ANSWERS)
@pytest.mark.parametrize(
    "put",
    [
        str,
        str.lower,
        str.upper,
        lambda text: f"**{text}**",
        lambda text: f"## {text}",
        lambda text: f"> {text}",
        lambda text: "\u201c" + text,
        lambda text: text.replace(" ", "\n"),
        lambda text: text.replace(".", "!").replace(",", ";"),
        # Another word in the middle.
        lambda text: text[:20] + text[22:],
    ],
)
def test_the_same_answer_once_more_is_new(script: str, put: type[str]) -> None:
    _, text = ANSWERS[script]
    for cut in range(len(text) // 2, len(text) - 5):
        assert is_written_anew(text[:cut], put(text)), text[:cut]


@pytest.mark.parametrize(
    ("prefill", "reply"),
    [
        (PREFILL, "Sure, here it is:\n\n" + PREFILL + " Seine."),
        (PREFILL, WIDE),
        ("法国的首都是巴黎。这座城", "法国首都是巴黎。这座城市很大。"),
        ("フランスの首都はパリです。", "フランスの首都は、パリです\uff01"),
        ("프랑스의 수도는 파리", "프랑스의 수도는 파리입니다"),
        ("เมืองหลวงของฝรั่งเศสคือปา", "เมืองหลวงของฝรั่งเศส คือปารีส"),
    ],
)
def test_other_words_than_a_continuation_has(prefill: str, reply: str) -> None:
    assert is_written_anew(prefill, reply)


@pytest.mark.parametrize(
    ("prefill", "reply"),
    [
        (PREFILL, "bed of the Seine"),
        (PREFILL, " the capital of france is paris"),
        (PREFILL, ", the capital of France."),
        ("It is written in Java", "script and runs"),
        ("Yes", "Yes. Yes. Yes."),
        ("ha ha ha ha ha ha ha ha ha ha ha ha ha ha", "ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha"),
        ("", "Hello"),
        (PREFILL, ""),
    ],
)
def test_texts_that_continue(prefill: str, reply: str) -> None:
    assert not is_written_anew(prefill, reply)


@pytest.mark.parametrize(
    ("tokens", "before", "now", "unread"),
    [
        (200, 40, 40, True),
        (200, 40, 43, True),
        (200, 40, 38, True),
        (16, 40, 44, True),
        (200, 40, 240, False),
        # The turn was read and closed by some tokens more.
        (200, 40, 247, False),
        # Nothing is known, or the counts do not compare: cached tokens are left out.
        (200, 0, 40, False),
        (200, 4000, 52, False),
        # A short prefill may be a few tokens.
        (15, 40, 44, False),
        (200, 40, 45, False),
    ],
)
def test_the_counts_of_a_prefill_that_nobody_read(tokens: int, before: int, now: int, unread: bool) -> None:
    assert is_unread(tokens, before, now) == unread


@pytest.mark.parametrize(
    ("tokens", "before", "now", "read"),
    [
        (8, 40, 48, True),
        (200, 40, 240, True),
        # An empty turn stands in its place.
        (5, 40, 45, False),
        # The turn was closed, and a new one begun.
        (200, 40, 241, False),
        (200, 40, 245, False),
        (200, 40, 40, False),
        (200, 0, 200, False),
        (200, 4000, 52, False),
    ],
)
def test_the_counts_of_a_prefill_that_the_model_went_on_from(tokens: int, before: int, now: int, read: bool) -> None:
    assert is_read(tokens, before, now) == read


@pytest.mark.parametrize(
    ("prefill", "reply", "clear"),
    [
        *((PREFILL, reply, True) for reply in (" seine.", ", the", "。这", "।", "؟", "\n)", ". It", "). It", "?\nNo")),
        # So many words tell, if they are others.
        (PREFILL, " Seine, which has thirty-seven bridges there and many boats on it.", True),
        (PREFILL, " Paris is the capital of France, and it lies on the Seine, of course.", False),
        *((PREFILL, reply, False) for reply in ("the", "法国", "**The", "# A", "- a", "\u201cthe", "1", "¿Qué")),
        # Names begin so, and code does.
        *((PREFILL, reply, False) for reply in (".NET is", "...well", ":root", "}else", "!important")),
        *((PREFILL, reply, None) for reply in ("", ".", ")", "),", "\n", " Seine.")),
        # Each text of this provider begins so.
        *((begun + PREFILL, " paris is it", False) for begun in (" ", "\n\n")),
        (" ", " Seine.", False),
        ("", " Seine.", False),
    ],
)
def test_a_reply_that_clearly_continues(prefill: str, reply: str, clear: bool | None) -> None:
    assert clearly_continues(prefill, reply) is clear


@pytest.mark.parametrize(
    ("prefill", "reply", "same"),
    [
        (PREFILL, "\n\nThe French capital, Paris, lies on the river Seine.", True),
        (PREFILL, " CAPITAL of FRANCE: Paris", True),
        ("巴黎是法国的首都。它位于", "\n法国的首都是巴黎。", True),
        ("巴黎是法国的首都。它位于", " 塞纳河畔\uff0c那里有三十七座桥。", False),
        ("Столица Франции - город Париж. Он стоит", " Париж - столица Франции.", True),
        ("Столица Франции - город Париж. Он стоит", " Сена разделяет Париж, и мостов много.", False),
        (PREFILL, " Seine.", False),
        (PREFILL, " Paris, France.", False),
        ("x is", " The capital of France is Paris", False),
        ("", "", False),
    ],
)
def test_a_start_with_the_words_of_the_prefill(prefill: str, reply: str, same: bool) -> None:
    assert has_its_words(prefill, reply) == same


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_judged(prefill: str, text: str) -> None:
    assert is_written_anew(prefill, text) in {False, True}
    assert clearly_continues(prefill, text) in {False, True, None}
