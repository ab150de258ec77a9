"""Accounts that are the same for every policy: tokens, money and time of its calls, and the quality of its answer.

Decisions with a boot stage are booked in two ways: with cut calls, and as if each boot call had been held open until
the selection. Both are also priced as if each provider cached every prefix that it has read before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from lightrouter.lab.dataset.questions import Floats, Questions
from lightrouter.lab.policies.decision import Call, Decision
from lightrouter.recording.prices import PriceList
from lightrouter.runtime.ledger import cost_nanousd
from lightrouter.v1.chat_pb2 import Usage


@dataclass(frozen=True, slots=True)
class Pace:
    """Assumed speed of a model if the recording has no times.

    The assumed overshoot is a choice: what the router expects of a candidate that it has not observed, half a second at
    60 tokens a second (`router.call_times`).

    Attributes:
        first_token_s: Seconds from a call to its first token.
        tokens_per_second: Tokens per second after that.
        overshoot_tokens: Tokens that a held candidate writes while the slowest one boots.
    """

    first_token_s: float = 0.5
    tokens_per_second: float = 60.0
    overshoot_tokens: float = 30.0


# Arrays and no frame: polars would save some twenty lines here, take 175 MB, and add up in another order, so that
# reports could not be compared with earlier ones to the last digit.
@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of a policy, one figure per prompt.

    Attributes:
        quality: Quality of the answer, 0 to 1; NaN if it is not measured.
        output_tokens: Tokens that all calls wrote.
        input_tokens: Tokens that all calls read.
        cost_usd: US dollars of all calls.
        cached_usd: US dollars of all calls if every prefix that a model has read before were cached.
        boot_output_tokens: Tokens that the boot stage wrote.
        k: Drafts that were finished.
        seconds: Simulated time from prompt to answer.
        answer: Index of the model whose text is the answer; NaN if no recorded model wrote it.
        planned_usd: US dollars that all calls were expected to cost; 0 if nobody planned.
        held_output_tokens: Tokens that all calls would write if boot calls were held.
        held_input_tokens: Tokens that all calls would read then.
        held_cost_usd: US dollars of all calls then.
        held_cached_usd: US dollars of all calls then, if prefixes were cached.
        held_seconds: Simulated time from prompt to answer then.
    """

    quality: Floats
    output_tokens: Floats
    input_tokens: Floats
    cost_usd: Floats
    cached_usd: Floats
    boot_output_tokens: Floats
    k: Floats
    seconds: Floats
    answer: Floats
    planned_usd: Floats
    held_output_tokens: Floats
    held_input_tokens: Floats
    held_cost_usd: Floats
    held_cached_usd: Floats
    held_seconds: Floats

    @classmethod
    def joined(cls, parts: Sequence[Outcomes]) -> Outcomes:
        """Returns these outcomes one after the other."""
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))

    def take(self, indices: npt.NDArray[np.intp]) -> Outcomes:
        """Returns the outcomes at these indices."""
        return Outcomes(*(getattr(self, each.name)[indices] for each in fields(self)))


class Accounts:
    """Computes the outcomes of decisions, at recorded costs or list prices, and at one assumed speed."""

    def __init__(self, prices: PriceList, pace: Pace) -> None:
        self._prices = prices
        self._pace = pace

    def outcomes(self, questions: Questions, quality: Floats, decisions: Sequence[Decision]) -> Outcomes:
        """Returns the outcomes of the decisions.

        Only the accounts read `quality`, that of each model's answer, one row per prompt.
        """
        rows = [self._row(questions, index, quality[index], decision) for index, decision in enumerate(decisions)]
        return Outcomes(*np.array(rows, dtype=float).reshape(len(rows), len(fields(Outcomes))).T)

    def _row(self, questions: Questions, index: int, quality: Floats, decision: Decision) -> tuple[float, ...]:
        calls = [call for stage in decision.stages for call in stage]
        cut = self._totals(questions, index, calls)
        seconds = sum(self._longest(questions, index, stage) for stage in decision.stages)
        held, held_seconds = cut, seconds
        if decision.boot_output_tokens:
            calls, held_seconds = self._held(questions, index, decision.stages)
            held = self._totals(questions, index, calls)
        if decision.held:
            cut, seconds = held, held_seconds
        return (
            np.nan if decision.answer is None else quality[decision.answer],
            *cut,
            decision.boot_output_tokens,
            decision.k,
            seconds,
            np.nan if decision.answer is None else decision.answer,
            decision.planned_usd,
            *held,
            held_seconds,
        )

    def _totals(self, questions: Questions, index: int, calls: Sequence[Call]) -> tuple[float, ...]:
        """Returns the tokens that calls write, the tokens that they read, and their US dollars without and with caches.

        A model's first call finds the prefix in its cache that other prompts have too, its next call what it has read.
        """
        cached: list[Call] = []
        read: dict[int | str, int] = {}
        for call in calls:
            known = read.get(call.model, int(questions.repeated_tokens[index]) if isinstance(call.model, int) else 0)
            cached.append(call._replace(cached_tokens=max(call.cached_tokens, min(known, call.input_tokens))))
            read[call.model] = max(known, call.input_tokens)
        return (
            sum(call.output_tokens for call in calls),
            sum(call.input_tokens for call in calls),
            sum(self._usd(questions, index, call) for call in calls),
            sum(self._usd(questions, index, call) for call in cached),
        )

    def _held(self, questions: Questions, index: int, stages: Sequence[Sequence[Call]]) -> tuple[list[Call], float]:
        """Returns the calls of a route that holds its boot calls, and its seconds.

        The first completions are the rest of their boot calls. The other boot calls write on until the selection.
        """
        boots, selection, completions, *later = stages
        chosen_at = self._longest(questions, index, boots) + self._longest(questions, index, selection)
        rests = {call.model: call.output_tokens for call in completions}
        calls: list[Call] = []
        drafted_at = chosen_at
        for boot in boots:
            goes_on = boot.model in rests
            wait = chosen_at - self._seconds(questions, index, boot)
            more = rests[boot.model] if goes_on else self._overshoot(questions, index, boot, wait)
            call = boot._replace(output_tokens=boot.output_tokens + more)
            calls.append(call)
            if goes_on:
                drafted_at = max(drafted_at, self._seconds(questions, index, call))
        calls += [call for stage in (selection, *later) for call in stage]
        return calls, drafted_at + sum(self._longest(questions, index, stage) for stage in later)

    def _overshoot(self, questions: Questions, index: int, boot: Call, wait: float) -> int:
        """Returns the tokens that a boot call still writes until it is dropped, `wait` seconds after its boot."""
        if not isinstance(boot.model, int):
            return 0
        whole, recorded = questions.output_tokens[index, boot.model], questions.latency_s[index, boot.model]
        if math.isnan(recorded):
            tokens = self._pace.overshoot_tokens + wait * self._pace.tokens_per_second
        else:
            tokens = wait * whole / recorded if recorded else whole
        return int(min(max(0, whole - boot.output_tokens), round(tokens)))

    def _longest(self, questions: Questions, index: int, stage: Sequence[Call]) -> float:
        return max((self._seconds(questions, index, call) for call in stage), default=0.0)

    def _usd(self, questions: Questions, index: int, call: Call) -> float:
        if not isinstance(call.model, int):
            return self._listed(call.model, call)
        model = questions.models[call.model]
        listed, recorded = self._listed(model, call), float(questions.cost_usd[index, call.model])
        if math.isnan(recorded) or self._prices.given(model):
            return listed
        # The recorded cost is for the whole answer. Another call costs a share of it, in proportion to list prices.
        read, written = (int(tokens[index, call.model]) for tokens in (questions.input_tokens, questions.output_tokens))
        whole = self._listed(model, Call(call.model, read, written))
        if whole:
            return recorded * listed / whole
        return recorded * (call.input_tokens + call.output_tokens) / max(1, read + written)

    def _listed(self, model: str, call: Call) -> float:
        """Returns the cost of a call at list prices, in US dollars."""
        usage = Usage(
            input_tokens=call.input_tokens, cached_input_tokens=call.cached_tokens, output_tokens=call.output_tokens
        )
        return cost_nanousd(self._prices.message(model), usage) / 1e9

    def _seconds(self, questions: Questions, index: int, call: Call) -> float:
        pace = self._pace
        if isinstance(call.model, int) and (recorded := questions.latency_s[index, call.model]) == recorded:
            # The recorded time is for the whole text. A part of the text takes its share of the tokens.
            whole = questions.output_tokens[index, call.model]
            return float(recorded) * min(1.0, call.output_tokens / whole) if whole else float(recorded)
        return pace.first_token_s + call.output_tokens / pace.tokens_per_second
