"""Requests of the OpenAI API: chat completions, and completions for raw prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lightrouter.adapter.exchange import ProviderRequest
from lightrouter.adapter.providers.asked import text_of
from lightrouter.adapter.providers.efforts import nearest_effort
from lightrouter.adapter.providers.openai_messages import output_members, turn_of
from lightrouter.adapter.providers.refusals import MAX_TOKENS, OPTIONAL
from lightrouter.adapter.providers.turns import Turn, alternating, with_text_before, without_system
from lightrouter.adapter.quirks import BOTH
from lightrouter.adapter.templates import ChatTemplate, chat_template
from lightrouter.pool.choices import ContinuationStyle, MaxTokensField
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.enums import label
from lightrouter.v1.chat_pb2 import ChatMessage, Role

_ASSISTANT: Final = "assistant"


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
        defaults = entry.sampling
        self._stops = list(defaults.stop)
        self._efforts = entry.reasoning_efforts
        self._base: dict[str, object] = {"model": entry.model}
        for name in ("temperature", "top_p", "seed"):
            value = getattr(defaults, name)
            if value is not None:
                self._base[name] = value
        self._base |= entry.extra_body

    def write(self, request: ProviderRequest, *, streamed: bool) -> dict[str, object]:
        """Returns the members of the body for `request`, by its quirks.

        Raises:
            ChatTemplateError: The chat template refuses the conversation.
        """
        body = self._base.copy()
        turns: list[Turn] = self._turns(request.messages)
        if self._template:
            body["prompt"] = self._template.render(turns) + request.prefill
        else:
            if request.quirks.merges_system:
                turns = without_system(turns)
            if request.has_prefill:
                turns.append(self._prefill(request, body))
            body["messages"] = alternating(turns) if request.quirks.merges_turns else turns
            body |= output_members(request.output)
        self._sample(request, body)
        # Some providers stream by default.
        body["stream"] = streamed
        if streamed:
            body["stream_options"] = {"include_usage": True}
        self._leave_out(request, body)
        return body

    def _leave_out(self, request: ProviderRequest, body: dict[str, object]) -> None:
        for name in OPTIONAL:
            if name in body and request.quirks.leaves_out(name, body[name]):
                del body[name]
        if BOTH in request.quirks.refused and "temperature" in body:
            body.pop("top_p", None)

    def _turns(self, messages: Sequence[ChatMessage]) -> list[Turn]:
        if self._template:
            turns: list[Turn] = [
                {"role": label(Role, message.role), "content": text_of(message)} for message in messages
            ]
        else:
            turns = [turn_of(message) for message in messages]
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

    def _sample(self, request: ProviderRequest, body: dict[str, object]) -> None:
        sampling = request.sampling
        if sampling.HasField("temperature"):
            body["temperature"] = sampling.temperature
        if sampling.HasField("top_p"):
            body["top_p"] = sampling.top_p
        if sampling.HasField("seed"):
            body["seed"] = sampling.seed
        if sampling.reasoning_effort:
            effort = nearest_effort(sampling.reasoning_effort, self._efforts)
            if effort:
                body["reasoning_effort"] = effort
        stops = list(sampling.stop) or self._stops
        if self._template:
            stops = [*stops, *self._template.stops]
        if stops:
            body["stop"] = stops
        if request.sent_max_tokens is not None:
            name = self._max_tokens
            if request.quirks.other_max_tokens and not self._template:
                name = next(other for other in MAX_TOKENS if other != name)
            body[name] = request.sent_max_tokens
