"""The plan to boot: some candidates begin, the one that began best finishes, and the others end.

It is weighed against asking one candidate outright by the same sums: expected quality times worth, less money.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from lightrouter.learned.boots import BootShare, room
from lightrouter.learned.followups import Followups
from lightrouter.learned.steps import Step
from lightrouter.runtime.ledger import MOST_NANOUSD
from lightrouter.selector.costs import expected_cost
from lightrouter.v1.candidate_pb2 import ACTION_BOOT, ActionValue, CallTerms


class Starter(NamedTuple):
    """A candidate that may boot.

    Attributes:
        terms: The terms of its call.
        quality: Expected quality of its answer, 0 to 1.
        tokens: Expected tokens of its answer, hidden reasoning included.
    """

    terms: CallTerms
    quality: float
    tokens: float

    def can_write(self, tokens: int) -> bool:
        """Returns whether a boot of this length shows text, and is less than half of the longest answer.

        A longer one is the whole answer, and what it hides tells nothing.
        """
        terms = self.terms
        allowed = terms.boot_tokens - terms.overshoot_tokens
        return terms.reasoning_tokens < tokens <= allowed and 2 * tokens < terms.max_output_tokens

    def boot_cost(self, tokens: int) -> int:
        """Returns the expected cost of its boot, with what it writes while it waits for the choice."""
        return expected_cost(self.terms, min(tokens + self.terms.overshoot_tokens, self.tokens))

    def finish_cost(self, tokens: int) -> int:
        """Returns the expected cost of the rest of its answer, after a boot of this length."""
        if self.tokens <= tokens:
            return 0
        if self.terms.boot_is_cut:
            return expected_cost(self.terms, self.tokens - tokens, tokens)
        return expected_cost(self.terms, self.tokens) - self.boot_cost(tokens)


class BootPlan(NamedTuple):
    """A plan to boot.

    Attributes:
        share: What was learned of such boots.
        value: What the plan is expected to give and to cost, up to its first answer.
    """

    share: BootShare
    value: ActionValue

    def followups(self, outright: Followups) -> Followups:
        """Returns what the answers after it are expected to come to, from those after an answer asked outright."""
        return Followups(self.share.further_gain * outright.gain, self.share.further_cost * outright.cost)

    def is_better(self, ask: ActionValue, further: Followups, worth: int) -> bool:
        """Returns whether the plan is worth more than an answer asked outright, each with the answers after it.

        Args:
            ask: The action of asking outright for the first answer.
            further: What the answers after it are expected to come to.
            worth: What a right answer is worth, in nano-dollars.
        """
        whole = ask.net_value + further.value(worth)
        return (
            self.value.net_value > ask.net_value and self.value.net_value + self.followups(further).value(worth) > whole
        )


def best_boots(shares: Sequence[BootShare], starters: Sequence[Starter], worth: int) -> BootPlan | None:
    """Returns the most valuable plan to boot; None if there is none from which a rise is expected.

    Args:
        shares: What was learned of boots on prompts of this kind.
        starters: The candidates, the one that is most worth asking outright first.
        worth: What a right answer is worth, in nano-dollars, 0 or more.
    """
    plans = [
        _plan(each, starters[: each.candidates], worth)
        for each in shares
        if each.share > 0
        and each.candidates <= len(starters)
        and all(starter.can_write(each.tokens) for starter in starters[: each.candidates])
    ]
    return max(plans, key=lambda plan: plan.value.net_value, default=None)


def _plan(share: BootShare, booting: Sequence[Starter], worth: int) -> BootPlan:
    qualities = [each.quality for each in booting]
    quality = max(qualities) + share.share * room(qualities)
    # Nobody knows yet who finishes.
    finishing = fmean(each.finish_cost(share.tokens) for each in booting)
    step = Step(quality, sum(each.boot_cost(share.tokens) for each in booting) + round(finishing))
    priced = any(each.terms.HasField("prices") for each in booting)
    value = ActionValue(
        action=ACTION_BOOT,
        gain=step.gain,
        cost_nanousd=min(step.cost, MOST_NANOUSD) if priced else 0,
        output_tokens=share.tokens,
        net_value=step.value(worth),
    )
    return BootPlan(share, value)
