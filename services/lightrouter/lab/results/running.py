"""Runs policies over splits, part by part, so that an interrupted run can continue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from lightrouter.lab.dataset.data import Data
from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies import oracle
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.results.accounts import Accounts, Outcomes
from lightrouter.lab.results.parts import Parts


class Progress(Protocol):
    """Shows the progress of a run."""

    def expect(self, steps: int) -> None:
        """Adds `steps` to the expected number of steps."""

    def step(self, name: str) -> AbstractContextManager[None]:
        """Returns the context of one step; the step is done when the context ends without an error."""


Policies = Callable[[int, LabelledData], Sequence[Policy]]
"""Returns new policies for a split, from its number and its training prompts; the names are the same for all splits."""


class Runner:
    """Runs policies; parts that are done already are not run again."""

    def __init__(self, accounts: Accounts, parts: Parts, progress: Progress) -> None:
        self._accounts = accounts
        self._parts = parts
        self._progress = progress

    def run(self, data: Data, policies: Policies) -> dict[str, Outcomes]:
        """Returns the outcomes of each policy and of the oracle, in the order of the test prompts."""
        # On matrices this small threads only wait, and the figures would depend on the number of threads.
        with threadpool_limits(1, user_api="blas"):
            splits = list(data.parts())
            named = [policies(number, train) for number, (train, _) in enumerate(splits)]
            self._progress.expect(sum(len(each) + 1 for each in named))
            done = [self._of_split(number, *split, named[number]) for number, split in enumerate(splits)]
        order = np.argsort(np.concatenate([split.test for split in data.splits]), kind="stable")
        return {name: Outcomes.joined([outcomes[name] for outcomes in done]).take(order) for name in done[0]}

    def _of_split(
        self, number: int, train: LabelledData, test: LabelledData, policies: Sequence[Policy]
    ) -> dict[str, Outcomes]:
        outcomes: dict[str, Outcomes] = {}
        for policy in policies:
            with self._progress.step(policy.name):
                outcomes[policy.name] = self._kept(f"{number}-{policy.name}", policy, train, test)
        with self._progress.step(oracle.NAME):
            decisions = oracle.decide(test.questions, test.quality)
            outcomes[oracle.NAME] = self._accounts.outcomes(test.questions, test.quality, decisions)
        return outcomes

    def _kept(self, part: str, policy: Policy, train: LabelledData, test: LabelledData) -> Outcomes:
        outcomes = self._parts.load(part)
        if outcomes is None:
            policy.fit(train)
            outcomes = self._accounts.outcomes(test.questions, test.quality, policy.decide(test.questions))
            self._parts.save(part, outcomes)
        return outcomes
