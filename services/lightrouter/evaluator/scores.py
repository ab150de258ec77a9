"""The scores of one candidate, failed calls included.

A prompt that the candidate failed to answer scores 0, because a caller gets no answer either. Outages are an exception:
temporary failures (the provider is down, too slow, or at its rate limit) are held back and count only when the
candidate answers again. After many in a row the provider is down: the candidate is not decided and keeps its state,
and the router's circuit keeps callers away from it. A refusal (wrong key, unknown model, prompt not accepted) is not
temporary and counts at once.

Scores that are held back leave a tally that an earlier look has seen, so the always-valid bounds still hold.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from lightrouter.evaluator.confidence import Tally
from lightrouter.evaluator.journal import CallResult
from lightrouter.recording.prompts import Asked

_DOWN: Final = 8
"""Failures from the start, without any answer, after which a provider is down. A choice: one round of prompts."""
_GONE_DOWN: Final = 16
"""Failures in a row after which a provider that has answered is down. A choice: a provider that answers 40% of its
calls reaches them with a probability of 0.6^16, 1 in 3,500."""


@dataclass(slots=True)
class Scores:
    """The scores of one candidate.

    Attributes:
        by_prompt: The score by prompt id; None: no score.
        categories: The tally by kind of prompt.
        tally: The tally of all scores.
        failed: Prompts that score 0 because the candidate failed to answer them.
        failure: The reason of the last failure; empty: none.
        held: The present row of failures that may be an outage and do not count yet.
        answered: Whether the provider has answered or refused any prompt.
        over: Whether no prompt is left.
    """

    by_prompt: dict[str, float | None] = field(default_factory=dict)
    categories: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    tally: Tally = field(default_factory=Tally)
    failed: int = 0
    failure: str = ""
    held: list[Asked] = field(default_factory=list)
    answered: bool = False
    over: bool = False

    @property
    def asked(self) -> int:
        """The number of finished prompts."""
        return len(self.by_prompt) + len(self.held)

    @property
    def down(self) -> bool:
        """Whether the provider is down, so that the candidate is not decided."""
        if not self.answered:
            return len(self.held) >= _DOWN or (self.over and bool(self.held))
        return len(self.held) >= _GONE_DOWN

    def add(self, item: Asked, done: CallResult, score: float | None) -> None:
        """Adds the score of an answer or of a failure."""
        if not done.failure:
            self.answered = True
            self._count_held()
            self._count(item, score)
            return
        self.failure = done.failure
        if done.passing:
            self.held.append(item)
        else:
            self.answered = True
            self._count_held()
            self._fail(item)

    def settle(self) -> None:
        """Records that no prompt is left, and counts the held failures unless the provider is down."""
        self.over = True
        if not self.down:
            self._count_held()

    def _count_held(self) -> None:
        for item in self.held:
            self._fail(item)
        self.held.clear()

    def _fail(self, item: Asked) -> None:
        self.failed += 1
        self._count(item, 0.0)

    def _count(self, item: Asked, score: float | None) -> None:
        self.by_prompt[item.id] = score
        if score is not None:
            self.tally = self.tally.and_(score)
            if item.category:
                self.categories[item.category] = self.categories[item.category].and_(score)
