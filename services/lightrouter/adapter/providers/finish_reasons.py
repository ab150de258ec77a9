"""Finish reasons: what the words of the known providers mean.

Only words that are known to mean a good end mean one. They are from the references of OpenAI, Azure, Anthropic, Gemini,
Bedrock, Mistral, Cohere, DeepSeek, OpenRouter, Together, watsonx, Zhipu, Baidu, vLLM, SGLang, TGI, llama.cpp, Ollama.
"""

from __future__ import annotations

import re
from typing import Final

from lightrouter.v1.chat_pb2 import FinishReason

NOT_GIVEN: Final = FinishReason.FINISH_REASON_UNSPECIFIED
STOP: Final = FinishReason.FINISH_REASON_STOP
LENGTH: Final = FinishReason.FINISH_REASON_LENGTH
FILTER: Final = FinishReason.FINISH_REASON_CONTENT_FILTER
UNKNOWN: Final = FinishReason.FINISH_REASON_UNKNOWN
TOOL_CALLS: Final = FinishReason.FINISH_REASON_TOOL_CALLS

_WORDS: Final = {
    NOT_GIVEN: "null none unspecified not_finished in_progress",
    STOP: "stop stop_sequence stop_token end_turn end eos eos_token eos_found endoftext end_of_text complete completed"
    " finished normal stop_criteria_met stop_word stopped_eos stopped_word",
    TOOL_CALLS: "tool_calls tool_call tool_use function_call function_calls",
    LENGTH: "length max_tokens max_length max_output_tokens max_completion_tokens max_new_tokens max_tokens_reached"
    " model_length limit token_limit token_limit_reached length_limit max_tokens_exceeded"
    " model_context_window_exceeded context_length_exceeded context_window_exceeded error_limit continuation"
    " stopped_limit length_exceeded",
    FILTER: "content_filter content_filtered content_filter_error safety refusal recitation language blocklist"
    " prohibited_content spii image_safety image_prohibited_content image_recitation sensitive error_toxic"
    " escalation pup_limited_disabled model_armor"
    " guardrail guardrail_intervened guardrails moderation blocked filtered policy_violation content_policy_violation",
}
_MEANINGS: Final = {word: reason for reason, words in _WORDS.items() for word in words.split()}
_FAILED: Final = (
    "abort aborted cancel cancelled canceled user_cancel disconnected load unload timeout timed_out time_limit failed"
    " failure network_error insufficient_system_resource server_error internal_error malformed_function_call"
    " malformed_response malformed_model_output malformed_tool_use unexpected_tool_call too_many_tool_calls"
    " missing_thought_signature"
)
_FAILURES: Final = frozenset(_FAILED.split())
_LEAST_WHOLE_LAST: Final = (NOT_GIVEN, STOP, TOOL_CALLS, UNKNOWN, LENGTH, FILTER)
_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def meaning(given: object) -> FinishReason.ValueType | None:
    """Returns the meaning of a provider's finish reason; None if it says that the model or the provider failed.

    An unknown reason, or a number, is UNKNOWN, and so is a good one in an object. An empty one is NOT_GIVEN.
    """
    if given is None:
        return NOT_GIVEN
    if isinstance(given, dict):
        inner = meaning(str(given.get("type")))
        return None if inner is None else less_whole(inner, UNKNOWN)
    if not isinstance(given, str):
        return UNKNOWN
    word = _word(given)
    if not word:
        return NOT_GIVEN
    if word in _MEANINGS:
        return _MEANINGS[word]
    return None if word in _FAILURES or word.split("_")[0] == "error" else UNKNOWN


def less_whole(one: FinishReason.ValueType, other: FinishReason.ValueType) -> FinishReason.ValueType:
    """Returns the reason that leaves less of the text: a text is whole only if both say so."""
    return max(one, other, key=_LEAST_WHOLE_LAST.index)


def _word(given: str) -> str:
    """Returns a reason in the form of the tables: `FinishReason.MAX_TOKENS` and `maxTokens` become `max_tokens`."""
    last = given.strip()[:100].rpartition(".")[2]
    words = _CAPITAL.sub("_", last).lower().replace("-", "_").replace(" ", "_")
    return words.removeprefix("finish_reason_")
