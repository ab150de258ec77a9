"""The scores of one candidate, and what a call that failed counts for.

A candidate is judged on what a caller gets, so a prompt that it failed to answer scores 0. An outage is the exception:
failures of a kind that passes (the provider is down, too slow, or has reached a rate limit) are held back until the
candidate answers again, and count then. Where so many come in a row that the provider is plainly down, nothing is said
of the candidate: it keeps its state, and the router's circuit keeps callers away from it meanwhile. A refusal (a wrong
key, an unknown model, a prompt that it does not take) does not pass, and counts at once.

Scores that are held back leave a tally that was looked at before, so that the bounds, which hold at all looks, hold.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from lightrouter.evaluator.confidence import Tally
from lightrouter.evaluator.journal import CallResult
from lightrouter.evaluator.validation import Item

_DOWN: Final = 8
"""Failures from the begin on, without any answer, after which a provider is down."""
_GONE_DOWN: Final = 16
"""Failures in a row after which a provider that has answered is down: one that answers 40 % comes to them once in
three thousand times."""


@dataclass(slots=True)
class Scores:
    """What one candidate got.

    Attributes:
        by_prompt: Its score by the prompt's id; None where it led to none.
        categories: The same added up by kind of prompt.
        tally: All added up.
        failed: Prompts that count 0 because it failed to answer them.
        failure: Why it failed last; empty where it never did.
        held: Failures in a row that may be an outage, and count for nothing yet.
        answered: Whether its provider has answered or refused any prompt.
        over: Whether there is nothing more to ask.
    """

    by_prompt: dict[str, float | None] = field(default_factory=dict)
    categories: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    tally: Tally = field(default_factory=Tally)
    failed: int = 0
    failure: str = ""
    held: list[Item] = field(default_factory=list)
    answered: bool = False
    over: bool = False

    @property
    def asked(self) -> int:
        """How many prompts of the set are through."""
        return len(self.by_prompt) + len(self.held)

    @property
    def down(self) -> bool:
        """Whether its provider is plainly down, so that nothing is said of it."""
        if not self.answered:
            return len(self.held) >= _DOWN or (self.over and bool(self.held))
        return len(self.held) >= _GONE_DOWN

    def add(self, item: Item, done: CallResult, score: float | None) -> None:
        """Adds what an answer, or the failure to give one, led to."""
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
        """Notes that there is nothing more to ask, and counts what is held back unless the provider is down."""
        self.over = True
        if not self.down:
            self._count_held()

    def _count_held(self) -> None:
        for item in self.held:
            self._fail(item)
        self.held.clear()

    def _fail(self, item: Item) -> None:
        self.failed += 1
        self._count(item, 0.0)

    def _count(self, item: Item, score: float | None) -> None:
        self.by_prompt[item.id] = score
        if score is not None:
            self.tally = self.tally.and_(score)
            if item.category:
                self.categories[item.category] = self.categories[item.category].and_(score)
