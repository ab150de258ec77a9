"""Requests of the OpenAI API: chat completions, and completions for raw prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lightrouter.adapter.exchange import ProviderRequest
from lightrouter.adapter.providers.api import Written
from lightrouter.adapter.providers.asked import options
from lightrouter.adapter.providers.openai_messages import output_members, turn_of
from lightrouter.adapter.providers.openai_state import with_own_state, with_stand_ins
from lightrouter.adapter.providers.refusals import MAX_TOKENS
from lightrouter.adapter.providers.turns import Turn, alternating, with_text_before, without_system
from lightrouter.adapter.templates import ChatTemplate, chat_template
from lightrouter.pool.choices import ContinuationStyle, MaxTokensField
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.enums import label
from lightrouter.runtime.messages import text_of
from lightrouter.v1.chat_pb2 import ChatMessage, Role

_ASSISTANT: Final = "assistant"
_SAMPLING: Final = ("temperature", "top_p", "seed", "stop", "reasoning_effort")
# The completions endpoint has no members for tools and forms.
_LACKING_RAW: Final = frozenset({"tools", "tool_choice", "parallel_tool_calls", "response_format"})


class RequestWriter:
    """Writes the JSON of requests for one candidate.

    Attributes:
        path: The path of the requests, under the provider's root.
    """

    def __init__(self, entry: CandidateEntry) -> None:
        """Prepares the members that all requests of the candidate share.

        Raises:
            ChatTemplateError: The entry uses raw prompts and its chat template cannot be used.
        """
        self._style = entry.continuation
        self._system_prompt = entry.system_prompt
        raw = entry.continuation is ContinuationStyle.RAW
        self._template: ChatTemplate | None = chat_template(entry.chat_template) if raw else None
        self.path = "/completions" if raw else "/chat/completions"
        # The completions endpoint has only this name.
        self._max_tokens = MaxTokensField.MAX_TOKENS.value if raw else entry.max_tokens_field.value
        self._entry = entry

    def write(self, request: ProviderRequest, *, streamed: bool) -> Written:
        """Returns the request to send, by its quirks.

        Raises:
            ChatTemplateError: The chat template refuses the conversation.
        """
        lacking = _LACKING_RAW if self._template else ()
        asked, left_out = options(self._entry, request, lacking)
        body: dict[str, object] = {"model": self._entry.model, **self._sampled(request, asked)}
        turns: list[Turn] = self._turns(request.messages)
        if self._template:
            body["prompt"] = self._template.render(turns) + request.prefill
        else:
            if request.quirks.merges_system:
                turns = without_system(turns)
            turns = [with_stand_ins(turn, request.quirks.fills) for turn in turns]
            if request.has_prefill:
                turns.append(self._prefill(request, body))
            body["messages"] = alternating(turns) if request.quirks.merges_turns else turns
            members = output_members(request.output)
            body |= {name: value for name, value in members.items() if name not in left_out}
        # Some providers stream by default.
        body["stream"] = streamed
        usage: dict[str, object] = {"include_usage": True}
        if streamed and not request.quirks.leaves_out("stream_options", usage):
            body["stream_options"] = usage
        return Written(body, body, left_out)

    def _turns(self, messages: Sequence[ChatMessage]) -> list[Turn]:
        if self._template:
            turns: list[Turn] = [
                {"role": label(Role, message.role), "content": text_of(message)} for message in messages
            ]
        else:
            turns = [with_own_state(turn_of(message), message, self._entry) for message in messages]
        if self._system_prompt:
            # Both go into one system message: many chat templates refuse a second one.
            if turns and turns[0]["role"] == "system":
                turns[0] = with_text_before(turns[0], self._system_prompt)
            else:
                turns.insert(0, {"role": "system", "content": self._system_prompt})
        return turns

    def _prefill(self, request: ProviderRequest, body: dict[str, object]) -> dict[str, object]:
        """Returns the message with the prefill; adds the members to `body` that mark it as one."""
        prefill: dict[str, object] = {"role": _ASSISTANT, "content": request.prefill}
        if self._style is ContinuationStyle.PREFIX:
            prefill["prefix"] = True
            if request.prefill_reasoning:
                prefill["reasoning_content"] = request.prefill_reasoning
        elif self._style is ContinuationStyle.CONTINUE_FINAL_MESSAGE:
            body["continue_final_message"] = True
            body["add_generation_prompt"] = False
        return prefill

    def _sampled(self, request: ProviderRequest, asked: Mapping[str, Any]) -> dict[str, object]:
        """Returns the members that steer the sampling, and the entry's further ones."""
        extra, refuses = self._entry.extra_body, request.quirks.leaves_out
        members: dict[str, object] = {name: value for name, value in extra.items() if not refuses(name, value)}
        members |= {name: asked[name] for name in _SAMPLING if name in asked}
        if self._template and not refuses("stop", self._template.stops):
            stops = [*asked.get("stop", ()), *self._template.stops]
            members |= {"stop": stops} if stops else {}
        if "max_tokens" in asked:
            name = self._max_tokens
            if request.quirks.other_max_tokens and not self._template:
                name = next(other for other in MAX_TOKENS if other != name)
            members[name] = asked["max_tokens"]
        return members
