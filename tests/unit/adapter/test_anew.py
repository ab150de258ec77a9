"""A whole reply to a prefill: does it continue, or was it written anew?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.text.anew import begins_with_word, can_be_judged, clearly_continues, is_unread, is_written_anew

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
CUTS = [(prompt, text[:cut], text[cut:]) for prompt, text in ANSWERS.values() for cut in range(1, len(text))]


def is_anew(prompt: str, prefill: str, reply: str) -> bool:
    return is_written_anew(prefill, reply) or begins_with_word(prefill, reply, prompt)


def test_no_rest_of_an_answer_is_called_new_wherever_it_was_cut() -> None:
    assert [(prefill, rest) for prompt, prefill, rest in CUTS if is_anew(prompt, prefill, rest)] == []


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
    ("prompt", "prefill", "reply"),
    [
        (PROMPT, PREFILL, "paris is the capital of france"),
        (PROMPT, PREFILL, "the capital is paris, on the seine"),
        (PROMPT, PREFILL, "Sure, here it is:\n\n" + PREFILL + " Seine."),
        (PROMPT, PREFILL, WIDE),
        ("Почему небо синее?", "Потому что воздух рассея", "небо синее, потому что"),
        ("Ποια είναι η πρωτεύουσα;", "Πρωτεύουσα είναι η Αθή", "πρωτεύουσα είναι η Αθήνα"),
        ("ما هي عاصمة فرنسا؟", "المدينة الكبرى هي باري", "عاصمة فرنسا هي باريس"),
        ("מהי בירת צרפת?", "העיר הגדולה היא פרי", "בירת צרפת היא פריז"),
        ("फ्रांस की राजधानी क्या है?", "उत्तर है पेरि", "फ्रांस की राजधानी पेरिस है"),
        ("რომელია საფრანგეთის დედაქალაქი?", "ეს არის პარ", "საფრანგეთის დედაქალაქი პარიზია"),
        ("法国的首都是哪里\uff1f", "法国的首都是巴黎。这座城", "法国首都是巴黎。这座城市很大。"),
        ("フランスの首都は\uff1f", "フランスの首都はパリです。", "フランスの首都は、パリです\uff01"),
        ("", "프랑스의 수도는 파리", "프랑스의 수도는 파리입니다"),
        ("", "เมืองหลวงของฝรั่งเศสคือปา", "เมืองหลวงของฝรั่งเศส คือปารีส"),
    ],
)
def test_other_words_than_a_continuation_has(prompt: str, prefill: str, reply: str) -> None:
    assert is_anew(prompt, prefill, reply)


@pytest.mark.parametrize(
    ("prompt", "prefill", "reply"),
    [
        (PROMPT, PREFILL, "bed of the Seine"),
        (PROMPT, PREFILL, "s Seine and Marne."),
        (PROMPT, PREFILL, " the capital of france is paris"),
        (PROMPT, PREFILL, ", the capital of France."),
        ("Write a script in JavaScript", "It is written in Java", "script and runs"),
        ("Is the phone good?", "My iPho", "ne is a phone"),
        ("Give me the name", "call self.get", "name to read it"),
        ("Give me the name", "call the my_", "name to read it"),
        ("Read the name", "```\nuser", "name = 1\n```"),
        ("", "Yes", "Yes. Yes. Yes."),
        ("", "ha ha ha ha ha ha ha ha ha ha ha ha ha ha", "ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha"),
        ("", "", "Hello"),
        (PROMPT, PREFILL, ""),
        (PROMPT, "Its streets have many tr", "is a part of a word that the prompt has"),
    ],
)
def test_what_continues(prompt: str, prefill: str, reply: str) -> None:
    assert not is_anew(prompt, prefill, reply)


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
    ("reply", "clear"),
    [
        *((reply, True) for reply in (" Seine.", ", the", "。这", "।", "؟", "\n")),
        *((reply, False) for reply in ("the", "法国", "**The", "", "# A", "- a")),
    ],
)
def test_a_reply_that_clearly_continues(reply: str, clear: bool) -> None:
    assert clearly_continues(PREFILL, reply) == clear
    assert not clearly_continues(" ", reply)


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=50))
def test_any_text_is_judged(prefill: str, text: str, prompt: str) -> None:
    assert is_anew(prompt, prefill, text) in {False, True}


@pytest.mark.parametrize(
    ("prefill", "tokens", "before", "told"),
    [
        ("巴黎位于", 4, 0, False),
        ("Paris 位于。\n", 40, 0, False),
        ("巴黎位于", 15, 30, False),
        ("巴黎位于", 16, 30, True),
        ("巴黎 is on the", 4, 0, True),
        ("paris ist die", 4, 0, True),
        ("...", 4, 0, True),
        ("", 0, 0, True),
    ],
)
def test_in_scripts_without_spaces_only_counts_show_an_ignored_prefill(
    prefill: str, tokens: int, before: int, told: bool
) -> None:
    assert can_be_judged(prefill, tokens, before) is told
