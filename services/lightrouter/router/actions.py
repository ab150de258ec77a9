"""Actions: how many candidates finish whose partials call tools, and the vote on the calls of their drafts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lightrouter.answers.actions import Action, action, names, vote
from lightrouter.router.candidates import BootResult
from lightrouter.router.context import Merged, RouteContext
from lightrouter.router.finish import complete_first
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_ACTION_DISPUTED
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST, AGGREGATOR_STRATEGY_VOTE
from lightrouter.v1.router_pb2 import SELECTION_REASON_ACTION, SELECTION_REASON_ACTION_DISPUTED, SelectionReason

# Two are needed for a vote, and three for one without a tie; more are rarely worth their price.
_FEWEST_VOTERS: Final = 2
_MOST_VOTERS: Final = 3


def wanted(boots: Sequence[BootResult], k: int) -> tuple[int, SelectionReason.ValueType] | None:
    """Returns how many of the ranked boots go on, and why, if one of them calls a tool; None if none does.

    One is enough if all call the same tools. Else 2 or 3 finish and vote: a call against text is a difference.
    """
    said = [boot for boot in boots if not boot.is_blank]
    if not any(boot.partial.tool_calls for boot in said):
        return None
    if len({names(boot.partial.tool_calls) for boot in said}) == 1:
        return 1, SELECTION_REASON_ACTION
    voters = min(max(k, _FEWEST_VOTERS), _MOST_VOTERS, len(said))
    return voters, SELECTION_REASON_ACTION_DISPUTED


def acts(drafts: Sequence[Draft]) -> bool:
    """Returns whether a draft calls a tool."""
    return any(draft.tool_calls for draft in drafts)


def voted(route: RouteContext, drafts: Sequence[Draft]) -> Merged:
    """Sends the draft with the action that most drafts want and returns it; of equals, the best-ranked one.

    Args:
        route: The route.
        drafts: The drafts, best-ranked first; at least one.
    """
    drafts = complete_first(drafts)
    actions: list[Action] = [action(draft.tool_calls) for draft in drafts]
    chosen, agreed = vote(actions)
    with_it = [draft for draft, wants in zip(drafts, actions, strict=True) if wants == chosen]
    best = with_it[0]
    strategy = AGGREGATOR_STRATEGY_VOTE if len(with_it) > 1 else AGGREGATOR_STRATEGY_BEST
    if not agreed:
        other = next(draft for draft, wants in zip(drafts, actions, strict=True) if wants != chosen)
        message = f"{best.candidate} {_said(best)} and {other.candidate} {_said(other)}; no action has the most votes"
        route.ledger.degrade(DEGRADED_REASON_ACTION_DISPUTED, message)
    route.events.chunk(best.text, calls=best.tool_calls)
    # The others want the same, but only one has written it and can go on from it.
    return Merged(best.text, best.finish_reason, [best.candidate], strategy, tool_calls=tuple(best.tool_calls))


def _said(draft: Draft) -> str:
    called = ", ".join(names(draft.tool_calls))
    return f"calls {called}" if called else "calls no tool"
