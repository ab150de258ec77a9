"""A real judge on some of the prompts: quality of its ranking, and whether its verdicts depend on the order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from statistics import fmean
from typing import Any, Final

import numpy as np

from lightrouter.lab.dataset.data import Data
from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.dataset.splits import Split
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.policies.selectors import BothOrders, Reading, with_strategy
from lightrouter.lab.report.page import Findings
from lightrouter.lab.report.table import TOKENS, tabulate
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate, share
from lightrouter.lab.study import Study
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_LLM

_WHY: Final = {
    "DEGRADED_REASON_VERDICT_UNREADABLE": "could not be read",
    "DEGRADED_REASON_SELECTOR_SLOW": "came too late",
    "DEGRADED_REASON_SELECTOR_FAILED": "failed",
}
_JUDGE: Final = "llm"
_BESIDE: Final = ("prior", "consensus")
# The routes of the same rankings over all prompts have the names without it.
_SUFFIX: Final = ", judged"
_COLUMNS: Final = {"ranked by": "name", "quality": "quality", **TOKENS}


def run(study: Study) -> Findings:
    """Asks the judge about `study.asked` prompts of the first split."""
    if not study.helpers.judge:
        missing = "No judge: `llm` and its order bias are not measured; give --local-model or --models."
        return Findings(sentences=[missing])
    (_, test), *_ = study.data.parts()
    indices = np.sort(np.random.default_rng(study.seed).permutation(len(test))[: study.asked])
    part, boot = test.take(indices), study.boot(study.first_train)

    def policies(number: int, train: LabelledData) -> list[Policy]:
        def record(readings: Sequence[Reading], unread: str) -> None:
            study.parts.keep(f"judged-{number}", {"readings": readings, "unread": unread})

        judge = study.ranker(_JUDGE, boot, 0, train, _SUFFIX)
        judge.selector = with_strategy(
            SELECTOR_STRATEGY_LLM, lambda built: BothOrders(built[SELECTOR_STRATEGY_LLM], record)
        )
        return [*(study.ranker(kind, boot, 0, train, _SUFFIX) for kind in _BESIDE), judge]

    # A verdict takes seconds: each prompt is a split of its own, so that its result is kept at once.
    learned = np.arange(len(study.first_train))
    splits = [Split(learned, np.array([row])) for row in range(len(part))]
    judged = study.outcomes(policies, Data(part, study.first_train, splits, []))
    outcomes = {kind: judged[kind + _SUFFIX] for kind in (*_BESIDE, _JUDGE)}
    quality = Bootstrap(part.questions.prompts, study.seed).means(
        {name: each.quality for name, each in outcomes.items()}
    )
    rows = [
        {"name": name, "quality": quality[name], **{key: float(getattr(each, key).mean()) for key in TOKENS.values()}}
        for name, each in outcomes.items()
    ]
    kept = [found for row in range(len(part)) if (found := study.parts.recall(f"judged-{row}"))]
    verdicts = [[Reading(*reading) for reading in each["readings"]] for each in kept if each["readings"]]
    unread = Counter(each["unread"] for each in kept if each["unread"])
    order = {"read": len(verdicts), "unread": unread, **_order(verdicts)}
    why = ", ".join(f"{count} {_WHY[reason]}" for reason, count in unread.items())
    note = "Tokens per prompt of all calls: boots, the judge's in both orders, and the completion."
    return Findings(
        sentences=[
            (
                f"The judge was asked about {len(kept)} prompts; {len(verdicts)} verdicts could be read"
                f"{f', {why}; the prior ranked instead' if why else ''}. Quality with its ranking: {quality[_JUDGE]}; "
                f"on the same prompts {', '.join(f'{kind}: {quality[kind]}' for kind in _BESIDE)}."
            ),
            *_on_order(order),
        ],
        tables=[tabulate(f"A real judge, {len(part)} prompts", _COLUMNS, rows, note)],
        report={"llm": {"prompts": len(part), **order, "quality": quality}},
        notes=(
            (
                f"The judge reads partials of {boot} tokens of all candidates in two orders, one the reverse of the "
                f"other, on {len(part)} prompts drawn with the seed; --asked sets their number."
            ),
            *study.helpers.about,
        ),
    )


def _order(verdicts: Sequence[Sequence[Reading]]) -> dict[str, Any]:
    """Returns how far the verdicts depend on the order in which the judge reads the partials."""
    flipped = [not set.intersection(*(set(reading.best) for reading in verdict)) for verdict in verdicts]
    readings = list(chain.from_iterable(verdicts))
    decided = [reading for reading in readings if len(reading.best) == 1]
    return {
        "flipped": sum(flipped),
        "flipped_share": _share(flipped),
        "tied": sum(any(len(reading.best) > 1 for reading in verdict) for verdict in verdicts),
        "readings": len(readings),
        "alike": sum(len(reading.best) == len(reading.candidates) for reading in readings),
        "decided_readings": len(decided),
        "first_share": _share([reading.candidates[0] in reading.best for reading in decided]),
        "first_share_by_chance": fmean(1 / len(reading.candidates) for reading in decided) if decided else None,
    }


def _on_order(order: Mapping[str, Any]) -> Iterator[str]:
    """Yields the findings on the order bias."""
    if order["flipped_share"]:
        yield (
            f"Order bias: {order['flipped']} of {order['read']} verdicts flip with the order, "
            f"{order['flipped_share'].percent}: no candidate is among the best in all orders. {order['tied']} have "
            f"no single best candidate in some order; {order['alike']} of {order['readings']} readings give all "
            "candidates the same points."
        )
    if order["first_share"]:
        yield (
            f"In {order['first_share'].percent} of {order['decided_readings']} readings with a single best candidate, "
            f"that candidate was read first; without a bias it would be {order['first_share_by_chance']:.0%}."
        )


def _share(cases: Sequence[bool]) -> Estimate | None:
    return share(sum(cases), len(cases)) if cases else None
