"""Which texts answer nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.answers.evasions import Evasions
from lightrouter.answers.tokens import read
from tests.unit.answers import evasion_texts

_PROMPT = "What is the tallest mountain in the solar system, and how high is it above its base?"
_ON_PROMPT = Evasions(["You are a helpful guide to the planets and their moons.", _PROMPT])


def evades(text: str, evasions: Evasions = _ON_PROMPT) -> bool:
    return evasions.evades(text, read(text).words)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, but I can\u2019t assist with that request.",
        "I cannot answer this question.",
        "Sorry, I am unable to provide that information.",
        "I am not able to discuss this topic.",
        "I won't continue with this.",
        "As an AI language model, I don't have an opinion on it.",
        "I must decline to answer.",
        "We're unable to process this request.",
        "This request violates our usage policies.",
        "I don't know.",
        "Es tut mir leid, aber dabei kann ich nicht helfen.",
        "Ich kann Ihnen dabei leider nicht helfen.",
        "Het spijt me, ik kan je daar niet mee helpen.",
        "Tyvärr kan jag inte hjälpa dig med det.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "Desculpe, não posso ajudar com isso.",
        "Mi dispiace, non posso aiutarti.",
        "Przykro mi, nie mogę pomóc.",
        "Извините, но я не могу помочь.",
        "Üzgünüm, bu konuda yard\u0131mc\u0131 olamam.",
        "عذراً\u060c لا أستطيع مساعدتك في ذلك.",
        "मुझे खेद है, मैं इसमें मदद नहीं कर सकता\u0964",
        "抱歉\uff0c我无法回答这个问题\u3002",
        "对不起\uff0c我不能帮助您\u3002",
        "申し訳ありませんが\u3001その質問にはお答えできません\u3002",
        "죄송하지만 도와드릴 수 없습니다.",
        "Xin lỗi, tôi không thể giúp bạn.",
        "ขออภัย ฉันไม่สามารถช่วยได้",
        "Maaf, saya tidak dapat membantu.",
        "I'd rather not answer that.",
        "I would prefer not to discuss this topic.",
        "I respectfully decline.",
        "It's against my programming to answer.",
        "Unfortunately, I can't share that.",
        "Content blocked by the safety filter.",
        "Your request was refused.",
        "The response was filtered.",
        "Ich darf diese Frage nicht beantworten.",
        "Ich bin nicht in der Lage, darauf zu antworten.",
    ],
)
def test_refusals(text: str) -> None:
    assert evades(text)
    # A long text says more than that.
    assert not evades(text + " But here is what you can do. " * 50)


@pytest.mark.parametrize(
    "text",
    [
        _PROMPT,
        _PROMPT.lower().rstrip("?"),
        f"Question: {_PROMPT}\n\nAnswer:",
        f"User: {_PROMPT}",
        f"> {_PROMPT}",
        "What is the tallest mountain in the solar system, and how",
        "You asked: what is the tallest mountain in the solar system",
        "The tallest mountain in the solar system, and how high is it above its base?",
        "You are a helpful guide to the planets and their moons.",
    ],
)
def test_the_prompt_again(text: str) -> None:
    assert evades(text)


@pytest.mark.parametrize(
    "text",
    [
        "Sure!",
        "Sure! Let me think.",
        "Let's think step by step. The answer is",
        "Okay, let me think about this step by step.",
        "Great question!\n\nSo the final answer is:",
        "Answer:",
        "Final answer:",
        "Antwort:",
        "Die Antwort ist",
        "La réponse est",
        "La respuesta es",
        "Ответ:",
        "Let us think",
        "Let me work through this.",
        "First,",
        "Step 1:",
        "To answer this question,",
        "...",
        "<think>",
        "I have no idea.",
        "I'm not sure.",
        "Could you please provide more details?",
        "Please provide the question.",
        "Hello! How can I assist you today?",
        "Keine Ahnung.",
        "Das weiß ich nicht.",
        "No sé.",
        "Non so rispondere.",
        "Nie wiem.",
        "Bilmiyorum.",
        "Saya tidak tahu.",
        "\u7b54\u6848\u662f",
        "\u7b54\u3048\uff1a",
        "\u041d\u0435 \u0437\u043d\u0430\u044e.",
        "\u308f\u304b\u308a\u307e\u305b\u3093\u3002",
        "\ubaa8\ub974\uaca0\uc2b5\ub2c8\ub2e4.",
        "\u0644\u0627 \u0623\u0639\u0631\u0641.",
        "\u092e\u0941\u091d\u0947 \u0928\u0939\u0940\u0902 \u092a\u0924\u093e\u0964",
        "\u0e09\u0e31\u0e19\u0e44\u0e21\u0e48\u0e17\u0e23\u0e32\u0e1a",
    ],
)
def test_openings_without_more(text: str) -> None:
    assert evades(text)


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
        "<html>\n<head><title>Access denied</title></head></html>",
        '{"error": {"message": "try later", "code": 1}}',
        "503 Service Unavailable",
        "HTTP 429: too many requests",
        "upstream connect error or disconnect/reset before headers",
        '{"detail": "Not authenticated"}',
        '{"message": "Internal server error"}',
        "no healthy upstream",
        "An error occurred. Please try again later.",
        "Something went wrong.",
        "The server is currently overloaded.",
    ],
)
def test_error_pages(text: str) -> None:
    assert evades(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Olympus Mons",
        "The tallest mountain in the solar system is Olympus Mons, 22 km above its base.",
        f"{_PROMPT} Olympus Mons, 22 km.",
        "the tallest mountain",
        "Sure! It is Olympus Mons.",
        "I'm sorry for the delay; it is Olympus Mons.",
        "Lo siento.",
        "One cannot see it from Earth, but Olympus Mons is 22 km high.",
        "We cannot write it as a fraction, so x = 2.",
        "I am able to answer that: Olympus Mons.",
        "Let's think step by step. Mars has volcanoes.",
        "The answer is 4",
        "<html><title>Olympus Mons</title></html>",
        '{"answer": "Olympus Mons"}',
        "最高的是奥林帕斯山\u3002",
        "No.",
        "Hello, Olympus Mons!",
        "I have no idea why, but it is Olympus Mons.",
        "The answer was removed from the list: Olympus Mons.",
        '{"message": "Olympus Mons"}',
        "First, Olympus Mons.",
        "null",
        "404",
    ],
)
def test_answers(text: str) -> None:
    assert not evades(text)


def test_a_text_that_answers_first_is_no_refusal() -> None:
    assert not evades("It is Olympus Mons. " * 12 + "I can't help with that.")


def test_a_text_that_announces_its_answer_is_no_refusal() -> None:
    assert not evades("Without a telescope we cannot see it well. The answer is Olympus Mons.")
    assert not evades("I cannot provide an answer to the second question. The answer to the first is Olympus Mons.")
    assert not evades("I cannot provide a picture, but the tallest mountain is Olympus Mons.")
    assert evades("I cannot answer this question. The answer is")


def test_an_error_that_was_asked_about_is_an_answer() -> None:
    assert not evades("404 Not Found", Evasions(["What does the web server say with status 404?"]))


def test_a_quotation_from_the_prompt_is_an_answer() -> None:
    evasions = Evasions(["Read this: the red fox met an old grey wolf by the river at dawn. Whom did the fox meet?"])
    assert not evades("an old grey wolf", evasions)
    # Most of the prompt is none, but for a word; with more words of its own, or half of the prompt, it may be.
    assert evades("the red fox met an old grey wolf by the river at dawn", evasions)
    assert not evades("the red fox met an old gray wolf by the river at dawn", evasions)
    assert not evades("an old grey wolf by the river at dawn", evasions)
    assert not evades("Hello", Evasions(["Hello"]))


@pytest.mark.parametrize("text", [*evasion_texts.REFUSALS, *evasion_texts.REFUSALS_THAT_TURN])
def test_a_text_of_nothing_but_a_refusal(text: str) -> None:
    assert evades(text)
    assert evades(f"**{text}**")


@pytest.mark.parametrize(
    "text",
    [*evasion_texts.ANSWERS, *evasion_texts.ANSWERS_BESIDE_A_REFUSAL, *evasion_texts.ANSWERS_BEHIND_REFUSALS],
)
def test_an_answer_that_looks_like_a_refusal(text: str) -> None:
    assert not evades(text)


@given(st.text(max_size=300), st.lists(st.text(max_size=300), max_size=3))
def test_any_text_and_prompt_can_be_told(text: str, messages: list[str]) -> None:
    evades(text, Evasions(messages))
