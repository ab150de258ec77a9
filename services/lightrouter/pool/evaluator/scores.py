"""The scores of one candidate, failed calls included.

A candidate is scored on what a caller gets, so a prompt that it failed to answer scores 0. An outage is the exception:
temporary failures (the provider is down, too slow, or at its rate limit) are held back until the candidate answers
again, and count then. After many in a row the provider is clearly down, and there is no decision: the candidate keeps
its state, and the router's circuit keeps callers away from it meanwhile. A refusal (a wrong key, an unknown model, a
refused prompt) is not temporary, and counts at once.

Held-back scores do not change an earlier tally, so the bounds stay valid at all looks.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from lightrouter.pool.evaluator.bounds import Tally
from lightrouter.pool.evaluator.journal import Done
from lightrouter.pool.evaluator.validation import Item

_DOWN: Final = 8
"""Failures from the start, without any answer, after which a provider counts as down."""
_GONE_DOWN: Final = 16
"""Consecutive failures after which a provider that has answered counts as down: one that answers 40 % reaches them once
in three thousand times."""


@dataclass(slots=True)
class Scores:
    """The scores of one candidate.

    Attributes:
        by_prompt: Its score by the prompt's id; None if it has none.
        categories: The tally of each kind of prompt.
        tally: The tally of all prompts.
        failed: Number of prompts that score 0 because it failed to answer them.
        failure: Its last failure; empty if it never failed.
        held: Consecutive failures that may be an outage, and do not count yet.
        answered: Whether its provider has answered or refused any prompt.
        over: Whether all prompts were asked.
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
        """Number of finished prompts."""
        return len(self.by_prompt) + len(self.held)

    @property
    def down(self) -> bool:
        """Whether its provider is clearly down, so that there is no decision on it."""
        if not self.answered:
            return len(self.held) >= _DOWN or (self.over and bool(self.held))
        return len(self.held) >= _GONE_DOWN

    def add(self, item: Item, done: Done, score: float | None) -> None:
        """Adds the result of an answer or of a failure."""
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
        """Notes that all prompts were asked, and counts held-back failures unless the provider is down."""
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
