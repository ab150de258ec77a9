"""Runs policies over splits, part by part, so that an interrupted run can continue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


def run(data: Data, policies: Policies, accounts: Accounts, parts: Parts, progress: Progress) -> dict[str, Outcomes]:
    """Returns the outcomes of each policy and of the oracle, in the order of the test prompts.

    Parts that are done already are not run again.
    """
    # On matrices this small threads only wait, and the figures would depend on the number of threads.
    with threadpool_limits(1, user_api="blas"):
        return _in_order(data, _done(data, policies, accounts, parts, progress))


def _done(
    data: Data, policies: Policies, accounts: Accounts, parts: Parts, progress: Progress
) -> list[dict[str, Outcomes]]:
    """Returns the outcomes of each policy, split by split."""
    splits = list(data.parts())
    named = [policies(number, train) for number, (train, _) in enumerate(splits)]
    progress.expect(sum(len(each) + 1 for each in named))
    done: list[dict[str, Outcomes]] = []
    for number, (train, test) in enumerate(splits):
        outcomes = {each.name: _part(each, train, test, accounts, parts, number, progress) for each in named[number]}
        with progress.step(oracle.NAME):
            decisions = oracle.decide(test.questions, test.quality)
            outcomes[oracle.NAME] = accounts.outcomes(test.questions, test.quality, decisions)
        done.append(outcomes)
    return done


def _part(
    policy: Policy,
    train: LabelledData,
    test: LabelledData,
    accounts: Accounts,
    parts: Parts,
    number: int,
    progress: Progress,
) -> Outcomes:
    name = f"{number}-{policy.name}"
    with progress.step(policy.name):
        outcomes = parts.load(name)
        if outcomes is None:
            policy.fit(train)
            outcomes = accounts.outcomes(test.questions, test.quality, policy.decide(test.questions))
            parts.save(name, outcomes)
    return outcomes


def _in_order(data: Data, done: Sequence[Mapping[str, Outcomes]]) -> dict[str, Outcomes]:
    indices = np.concatenate([split.test for split in data.splits])
    order = np.argsort(indices, kind="stable")
    return {name: Outcomes.joined([outcomes[name] for outcomes in done]).take(order) for name in done[0]}
