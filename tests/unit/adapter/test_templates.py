"""Chat templates for raw prompts."""

from __future__ import annotations

import pytest

from lightrouter.adapter.templates import NAMED, ChatTemplateError, chat_template

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Why?"},
]
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        (
            "chatml",
            (
                "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
                "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
            ),
        ),
        (
            "llama3",
            (
                "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
                "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\nHello<|eot_id|>"
                "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\n"
            ),
        ),
        ("mistral", "[INST] Be brief.\n\nHi[/INST] Hello</s>[INST] Why?[/INST]"),
        (
            "gemma",
            (
                "<start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello<end_of_turn>\n"
                "<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n"
            ),
        ),
        (
            "phi3",
            (
                "<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello<|end|>\n"
                "<|user|>\nWhy?<|end|>\n<|assistant|>\n"
            ),
        ),
        ("plain", "System: Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\nUser: Why?\n\nAssistant:"),
    ],
)
def test_named(name: str, prompt: str) -> None:
    assert chat_template(name).render(TURNS) == prompt


def test_jinja_says_the_same() -> None:
    assert chat_template(CHATML).render(TURNS) == chat_template("chatml").render(TURNS)


def test_a_system_message_alone_becomes_the_users() -> None:
    assert chat_template("mistral").render(TURNS[:1]) == "[INST] Be brief.[/INST]"


@pytest.mark.parametrize("template", [None, "chatlm", "{% for %}", "{{ unclosed"])
def test_a_template_that_cannot_be_used_names_why(template: str | None) -> None:
    with pytest.raises(ChatTemplateError, match="chat_template"):
        chat_template(template)


def test_every_name_is_told() -> None:
    with pytest.raises(ChatTemplateError) as caught:
        chat_template("x")
    assert all(name in str(caught.value) for name in NAMED)


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('roles must alternate') }}",
        "{{ messages[9].content }}",
        "{{ messages.append(1) }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ 1 / 0 }}",
    ],
)
def test_a_template_that_refuses_or_reaches_out_is_a_fault(template: str) -> None:
    with pytest.raises(ChatTemplateError, match="refuses the conversation"):
        chat_template(template).render(TURNS)
