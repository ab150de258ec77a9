"""Chat templates: render a conversation as one text, for providers that go on only from a raw prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from lightrouter.adapter.faults import EntryError

Turn = Mapping[str, object]
"""One message: its `role` (system, user or assistant) and its `content`."""


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A chat template."""

    render: Callable[[Sequence[Turn]], str]
    """Returns the prompt, up to the start of the assistant's answer."""
    stops: tuple[str, ...] = ()
    """The texts that end the answer, in addition to the model's end token."""


class ChatTemplateError(EntryError):
    """A chat template cannot be used; the text says why."""


def chat_template(template: str | None) -> ChatTemplate:
    """Returns the named template, or `template` as Jinja, as in Hugging Face's tokenizers.

    Raises:
        ChatTemplateError: `template` is None, no known name, or no valid Jinja.
    """
    if template is None:
        raise ChatTemplateError(f"continuation raw needs a chat_template: Jinja, or one of {', '.join(NAMED)}")
    if template in NAMED:
        return NAMED[template]
    if "{{" not in template and "{%" not in template:
        raise ChatTemplateError(f"chat_template {template[:40]!r} is neither Jinja nor one of {', '.join(NAMED)}")
    return _jinja(template)


def _chatml(turns: Sequence[Turn]) -> str:
    text = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in turns)
    return f"{text}<|im_start|>assistant\n"


def _llama3(turns: Sequence[Turn]) -> str:
    head = "<|start_header_id|>{}<|end_header_id|>\n\n"
    text = "".join(f"{head.format(turn['role'])}{str(turn['content']).strip()}<|eot_id|>" for turn in turns)
    return text + head.format("assistant")


def _mistral(turns: Sequence[Turn]) -> str:
    text = ""
    for turn in _system_into_user(turns):
        text += f"[INST] {turn['content']}[/INST]" if turn["role"] == "user" else f" {turn['content']}</s>"
    return text


def _gemma(turns: Sequence[Turn]) -> str:
    text = ""
    for turn in _system_into_user(turns):
        role = "model" if turn["role"] == "assistant" else turn["role"]
        text += f"<start_of_turn>{role}\n{str(turn['content']).strip()}<end_of_turn>\n"
    return f"{text}<start_of_turn>model\n"


def _phi3(turns: Sequence[Turn]) -> str:
    text = "".join(f"<|{turn['role']}|>\n{turn['content']}<|end|>\n" for turn in turns)
    return f"{text}<|assistant|>\n"


def _plain(turns: Sequence[Turn]) -> str:
    text = "".join(f"{str(turn['role']).capitalize()}: {turn['content']}\n\n" for turn in turns)
    return f"{text}Assistant:"


def _system_into_user(turns: Sequence[Turn]) -> list[Turn]:
    """Returns the turns with each system message joined to the next user message, for templates without that role."""
    found: list[Turn] = []
    instructions = ""
    for turn in turns:
        if turn["role"] == "system":
            instructions += f"{turn['content']}\n\n"
        elif turn["role"] == "user":
            found.append({"role": "user", "content": f"{instructions}{turn['content']}"})
            instructions = ""
        else:
            found.append(turn)
    return [*found, {"role": "user", "content": instructions.rstrip()}] if instructions else found


NAMED: Final[Mapping[str, ChatTemplate]] = {
    "chatml": ChatTemplate(_chatml, ("<|im_end|>",)),
    "llama3": ChatTemplate(_llama3, ("<|eot_id|>",)),
    "mistral": ChatTemplate(_mistral, ("</s>",)),
    "gemma": ChatTemplate(_gemma, ("<end_of_turn>",)),
    "phi3": ChatTemplate(_phi3, ("<|end|>",)),
    "plain": ChatTemplate(_plain, ("\nUser:",)),
}
"""The named templates, without the begin-of-text token, which completion servers add."""


def _jinja(source: str) -> ChatTemplate:
    # Imported here to save memory: most candidates have no template.
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> NoReturn:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.globals["raise_exception"] = refuse
    try:
        template = environment.from_string(source)
    except TemplateError as error:
        raise ChatTemplateError(f"chat_template is no Jinja: {error}") from None

    def render(turns: Sequence[Turn]) -> str:
        try:
            return template.render(messages=turns, add_generation_prompt=True, bos_token="", eos_token="")
        except (TemplateError, TypeError, ArithmeticError, LookupError, ValueError) as error:
            raise ChatTemplateError(f"chat_template refuses the conversation: {error}") from None

    return ChatTemplate(render)
