"""Sentences on the steps that a route under worth did not take."""

from __future__ import annotations

from lightrouter.router.stages.plan import Step
from lightrouter.v1.candidate_pb2 import ACTION_BOOT, ActionValue
from lightrouter.v1.router_pb2 import (
    SELECTION_REASON_COST_CEILING,
    SELECTION_REASON_POLICY,
    SELECTION_REASON_TIME,
    SELECTION_REASON_WORTH,
    Alternative,
    Selection,
)

_WHY_NOT = {
    SELECTION_REASON_COST_CEILING: "the cost ceiling pays for no further answer that is worth its cost",
    SELECTION_REASON_POLICY: "k lets no further candidate be asked",
    SELECTION_REASON_TIME: "the time for a further answer is over",
    SELECTION_REASON_WORTH: "a further answer is not worth its cost",
}


def instead(other: Step, first: Step) -> Alternative:
    """Returns the step that was the next best in place of the first one."""
    quality = other.value.gain - first.value.gain
    expected = f"{abs(quality):.3f} {'better' if quality > 0 else 'worse'}"
    name = other.candidate.name
    how = " asked outright" if first.value.action == ACTION_BOOT else ""
    sentence = f"{name}{how} would have {_compared(other.value, first.value)} and was expected to be {expected}"
    return Alternative(candidate=name, value=other.value, explanation=sentence)


def further(step: Step, worth: int) -> Alternative:
    """Returns the step that was the most valuable further one.

    Args:
        step: The step.
        worth: What a right answer is worth, in nano-dollars.
    """
    value, name = step.value, step.candidate.name
    cost = dollars(value.cost_nanousd) if value.cost_nanousd else f"{value.output_tokens:.0f} tokens"
    sentence = (
        f"{name} too would have cost {cost} and was expected to add {value.gain:.3f}, "
        f"which is worth {dollars(value.gain * worth)}"
    )
    return Alternative(candidate=name, value=value, explanation=sentence)


def why_not(selection: Selection) -> str:
    """Returns why no further candidate was asked."""
    return _WHY_NOT.get(selection.reason, "the selector did not say what a further answer gains")


def dollars(nanousd: float) -> str:
    """Returns nano-dollars as US dollars to the millionth, or to the last digit if they are less."""
    sign, amount = "-" if nanousd < 0 else "", abs(nanousd) / 1e9
    return f"{sign}${amount:.6f}" if not 0 < amount < 1e-6 else f"{sign}${amount:.9f}"


def _compared(value: ActionValue, other: ActionValue) -> str:
    """Returns how the cost of a step compares with that of another one; tokens if no price is known."""
    if value.cost_nanousd or other.cost_nanousd:
        cost = value.cost_nanousd - other.cost_nanousd
        return f"cost {dollars(abs(cost))} {'more' if cost > 0 else 'less'}" if cost else "cost as much"
    tokens = value.output_tokens - other.output_tokens
    return f"written {abs(tokens):.0f} tokens {'more' if tokens > 0 else 'less'}"
