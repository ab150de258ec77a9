import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.runtime import tokens
from lightrouter.runtime.tokens import (
    count,
    cut,
    estimate_tokens,
    messages_tokens,
    most_messages_tokens,
    most_tokens,
)
from lightrouter.v1.chat_pb2 import ROLE_USER, ChatMessage, OutputSpec, Tool

TEXT = st.text() | st.lists(
    st.sampled_from(["word ", "immeasurably", " 12345", "\n\n", "**", " \t", "日本", "é", "\x00"])
).map("".join)


@given(TEXT, st.integers(0, 40))
def test_a_cut_text_and_its_rest_are_the_whole_text_and_have_its_tokens(text: str, most: int) -> None:
    first = cut(text, most)
    assert text.startswith(first)
    assert count(first) == min(most, count(text))
    assert count(first) + count(text[len(first) :]) == count(text)


@given(TEXT)
def test_every_character_is_in_a_token(text: str) -> None:
    assert cut(text, count(text)) == text
    assert count(text) <= len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("The capital of France is Paris.", 7),
        ("internationalization", 3),
        ("1234567", 3),
        ("x = a[0] + 2", 8),
        ("one\n\n  two", 3),
        ("日本語", 3),
        ("привет", 3),
    ],
)
def test_tokens_are_about_those_of_a_byte_pair_encoding(text: str, expected: int) -> None:
    assert count(text) == expected


def test_a_long_text_is_cut_where_it_is_asked_to() -> None:
    text = "ab, " * 100_000
    assert count(cut(text, 150_000)) == 150_000


# The tokens that cl100k, Qwen, DeepSeek, Mistral (SentencePiece) and Claude 2 make of each, fewest and most.
@pytest.mark.parametrize(
    ("text", "fewest", "most"),
    [
        ("人工智能是研究、开发用于模拟、延伸和扩展人的智能的理论。" * 20, 300, 740),
        ("인공지능은 인간의 학습능력, 추론능력을 인공적으로 구현하려는 분야이다. " * 20, 501, 861),
        ("ปัญญาประดิษฐ์ หมายถึงความฉลาดเทียมที่สร้างขึ้นให้กับสิ่งที่ไม่มีชีวิต " * 20, 481, 2461),
        ("Artificial intelligence is a field of research in computer science. " * 20, 221, 241),
    ],
)
def test_estimates_are_among_those_of_real_vocabularies(text: str, fewest: int, most: int) -> None:
    assert 0.9 * fewest <= estimate_tokens(text) <= 1.1 * most


@given(TEXT)
def test_a_text_has_at_most_a_token_for_each_byte(text: str) -> None:
    assert count(text) <= most_tokens(text) == len(text.encode())


@pytest.mark.parametrize("piece", ["word ", "日本", "! a", "\n\n  x"])
def test_an_estimate_of_a_long_text_is_that_of_its_pieces(piece: str) -> None:
    text = piece * 100_000
    assert estimate_tokens(text) == pytest.approx(count(text), rel=0.02)


def test_an_estimate_looks_at_the_whole_text() -> None:
    text = "word " * 100_000 + "日本語" * 100_000
    assert estimate_tokens(text) == pytest.approx(count(text), rel=0.02)


def test_the_work_of_an_estimate_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def counting(text: str) -> int:
        counted.append(len(text))
        return count(text)

    monkeypatch.setattr(tokens, "count", counting)
    messages = [ChatMessage(role=ROLE_USER, content="word " * 2_000) for _ in range(400)]
    messages.append(ChatMessage(role=ROLE_USER, content="word " * 200_000))
    messages += [ChatMessage(role=ROLE_USER, content="a") for _ in range(500)]
    found = messages_tokens(messages)
    assert sum(counted) <= 2**15
    assert found == pytest.approx(sum(count(message.content) + 4 for message in messages), rel=0.02)


def test_the_work_of_an_estimate_of_many_tools_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def counting(text: str) -> int:
        counted.append(len(text))
        return count(text)

    monkeypatch.setattr(tokens, "count", counting)
    tools = [Tool(name=f"t{index}", description="word " * 5_000, parameters="{}") for index in range(128)]
    found = tokens.output_tokens(OutputSpec(tools=tools))
    assert sum(counted) <= 2**15
    assert found == pytest.approx(128 * (5_000 + 8), rel=0.02)


def test_a_conversation_has_more_tokens_than_its_texts() -> None:
    messages = [ChatMessage(role=ROLE_USER, content="Hello, you.")] * 3
    assert messages_tokens(messages) == 3 * (4 + 4)
    assert most_messages_tokens(messages) == 3 * (11 + 16)
