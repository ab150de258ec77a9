"""How far candidates make the same errors, and what their vote would gain if they did not."""

from __future__ import annotations

import numpy as np

from lightrouter.lab.dataset.questions import Floats


def shared(quality: Floats) -> Floats:
    """Returns for each prompt the mean product of two candidates' errors in standard deviations.

    Its mean over the prompts is the mean correlation.
    """
    spread = quality.std(axis=0)
    errors = (quality - quality.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    count = quality.shape[1]
    products = errors.sum(axis=1) ** 2 - (errors**2).sum(axis=1)
    return np.asarray(products / (count * (count - 1)), dtype=float)


def independent_vote(dealt: Floats, wrong: int, rng: np.random.Generator) -> Floats:
    """Returns the quality of the vote if errors are independent and spread evenly over the wrong answers.

    `dealt` tells whether each candidate is right, one row per prompt; `wrong` is the number of wrong answers.
    """
    given = np.where(dealt == 1, 0, rng.integers(1, wrong + 1, size=dealt.shape))
    votes = (given[:, :, None] == given[:, None, :]).sum(axis=2)
    # A tie goes to the candidate with the better mean, as among the recorded answers.
    order = np.argsort(-dealt.mean(axis=0), kind="stable")
    first = order[np.argmax(votes[:, order] == votes.max(axis=1)[:, None], axis=1)]
    return np.asarray(given[np.arange(len(given)), first] == 0, dtype=float)
