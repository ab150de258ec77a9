"""The observed times, tokens and choices of calls, from which the router expects what a call costs."""

from __future__ import annotations

from math import inf
from typing import Final, TypeVar

from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.chat_pb2 import FINISH_REASON_STOP, Usage
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_LLM, SelectorStrategy

# Choices, until there are observations: the pace of hosted models, 30 to 150 tokens a second, and the time from a
# checkpoint to the choice. A judge writes a verdict; the other selectors answer in milliseconds, and the slowest of
# the other boots takes the most of the time.
_TOKENS_A_SECOND: Final = 60.0
_WAIT_S: Final = 0.5
_JUDGE_WAIT_S: Final = 2.0
# A choice: the weight of a new observation, so that some ten of them decide.
_WEIGHT: Final = 0.1
_Key = TypeVar("_Key")


class CallTimes:
    """What was observed of each candidate's calls: pace, waits for the choice, choices, tokens. Routes share it."""

    def __init__(self) -> None:
        self._paces: dict[str, float] = {}
        self._waits: dict[tuple[str, int], float] = {}
        self._cached: dict[str, float] = {}
        self._cached_at_first: dict[str, float] = {}
        self._cache_write_at_first: dict[str, float] = {}
        self._reasoning: dict[str, float] = {}
        self._chosen: dict[str, float] = {}

    def note_call(self, candidate: str, result: GenerationResult) -> None:
        """Takes a call that ended well, for its candidate's pace and its tokens of hidden reasoning."""
        if result.finish_reason == FINISH_REASON_STOP:
            _note(self._reasoning, candidate, float(result.usage.reasoning_tokens))
        if not result.HasField("time_to_first_token"):
            return
        seconds = (result.elapsed.ToNanoseconds() - result.time_to_first_token.ToNanoseconds()) / 1e9
        if seconds > 0 and result.usage.output_tokens > 1:
            _note(self._paces, candidate, result.usage.output_tokens / seconds)

    def reasoning_tokens(self, candidate: str) -> float:
        """Returns the tokens of hidden reasoning that a whole answer is expected to take."""
        return self._reasoning.get(candidate, 0.0)

    def seconds_for(self, candidate: str, tokens: float) -> float:
        """Returns the seconds in which a candidate is expected to write this many tokens; infinite if unknown."""
        return tokens / self._paces[candidate] if candidate in self._paces else inf

    def note_first_call(self, candidate: str, usage: Usage) -> None:
        """Takes the tokens of a call that read a prompt first, for the shares that the cache had and got."""
        if usage.input_tokens:
            _note(self._cached_at_first, candidate, usage.cached_input_tokens / usage.input_tokens)
            _note(self._cache_write_at_first, candidate, usage.cache_write_tokens / usage.input_tokens)

    def cached_share_at_first(self, candidate: str) -> float:
        """Returns the share of a new prompt, 0 to 1, that is expected to be in the provider's cache."""
        return self._cached_at_first.get(candidate, 0.0)

    def cache_write_share_at_first(self, candidate: str) -> float:
        """Returns the share of a new prompt, 0 to 1, that the provider is expected to put into its cache."""
        return self._cache_write_at_first.get(candidate, 0.0)

    def note_second_call(self, candidate: str, usage: Usage) -> None:
        """Takes the tokens of a call that read a prompt again, for the share that the provider had in its cache."""
        if usage.input_tokens:
            _note(self._cached, candidate, usage.cached_input_tokens / usage.input_tokens)

    def cached_share(self, candidate: str) -> float:
        """Returns the share of a prompt, 0 to 1, that a second call is expected to find in the provider's cache."""
        return self._cached.get(candidate, 0.0)

    def note_choice(self, candidate: str, *, chosen: bool, usual: float) -> None:
        """Takes whether a candidate that had booted was chosen; `usual` is the share of the candidates that are."""
        self._chosen.setdefault(candidate, usual)
        _note(self._chosen, candidate, float(chosen))

    def chance(self, candidate: str, usual: float) -> float:
        """Returns the probability that a candidate that has booted goes on; `usual` if nothing was observed of it."""
        return self._chosen.get(candidate, usual)

    def note_wait(self, candidate: str, strategy: SelectorStrategy.ValueType, seconds: float) -> None:
        """Takes the seconds from the end of a candidate's boot to the choice by a selector strategy.

        They are a candidate's own: a fast one waits for the boots of the others.
        """
        _note(self._waits, (candidate, strategy), seconds)

    def overshoot_tokens(self, candidate: str, strategy: SelectorStrategy.ValueType) -> float:
        """Returns the tokens that a candidate is expected to write between its checkpoint and the choice."""
        usual = _JUDGE_WAIT_S if strategy == SELECTOR_STRATEGY_LLM else _WAIT_S
        return self._paces.get(candidate, _TOKENS_A_SECOND) * self._waits.get((candidate, strategy), usual)


def _note(means: dict[_Key, float], key: _Key, value: float) -> None:
    means[key] = means[key] + _WEIGHT * (value - means[key]) if key in means else value
