"""A real judge on some of the prompts: quality of its ranking, and whether its verdicts depend on the order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.policies.routed import Routed
from lightrouter.lab.policies.selectors import BothOrders, Reading, Sitting, Strategies, with_strategy
from lightrouter.lab.report.page import Findings
from lightrouter.lab.report.table import tabulate
from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate, share
from lightrouter.lab.study import Study
from lightrouter.selector.llm import Judge
from lightrouter.selector.strategy import Strategy
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_LLM

_WHY: Final = {
    "DEGRADED_REASON_VERDICT_UNREADABLE": "could not be read",
    "DEGRADED_REASON_SELECTOR_SLOW": "came too late",
    "DEGRADED_REASON_SELECTOR_FAILED": "failed",
}
_JUDGE: Final = "llm"
_BESIDE: Final = ("prior", "consensus")
_COLUMNS: Final = {
    "ranked by": "name",
    "quality": "quality",
    "output tokens": "output_tokens",
    "input tokens": "input_tokens",
}


def run(study: Study) -> Findings:
    """Asks the judge about `study.asked` prompts of the first split."""
    if not study.helpers.judge:
        missing = "No judge is configured: `llm` and its order bias are not measured; --local-model or --models does."
        return Findings(sentences=[missing])
    ((train, test), *_) = study.data.parts()
    indices = np.sort(np.random.default_rng(study.seed).permutation(len(test))[: study.asked])
    part, boot = test.take(indices), study.boot(train)
    study.progress.expect(len(_BESIDE) + len(part))
    outcomes: dict[str, Outcomes] = {}
    for kind in _BESIDE:
        with study.progress.step(kind):
            outcomes[kind] = _outcomes(study, study.ranker(kind, boot, 0, train), train, part)
    judge = study.ranker(_JUDGE, boot, 0, train)
    asked = [_asked(study, judge, train, part.take(np.array([row])), row) for row in range(len(part))]
    outcomes[_JUDGE] = Outcomes.joined([each for each, _ in asked])
    sittings = [sitting for _, each in asked for sitting in each]
    quality = Bootstrap(part.questions.prompts, study.seed).means(
        {name: each.quality for name, each in outcomes.items()}
    )
    rows = [
        {
            "name": name,
            "quality": quality[name],
            "output_tokens": float(each.output_tokens.mean()),
            "input_tokens": float(each.input_tokens.mean()),
        }
        for name, each in outcomes.items()
    ]
    order = _order(sittings)
    why = ", ".join(f"{count} {_WHY[reason]}" for reason, count in order["unread"].items())
    note = "Tokens per prompt of all calls: boots, the judge's in both orders, and the completion."
    return Findings(
        sentences=[
            (
                f"The judge was asked about {len(sittings)} prompts; {order['read']} verdicts could be read"
                f"{f', {why}; prior ranked there' if why else ''}. Quality with its ranking: {quality[_JUDGE]}; on "
                f"the same prompts {', '.join(f'{kind}: {quality[kind]}' for kind in _BESIDE)}."
            ),
            *_on_order(sittings, order),
        ],
        tables=[tabulate(f"A real judge, {len(part)} prompts", _COLUMNS, rows, note)],
        report={"llm": {"prompts": len(part), **order, "quality": quality}},
        notes=(
            (
                f"The judge reads partials of {boot} tokens of all candidates in two orders, one the reverse of the "
                f"other, on {len(part)} prompts drawn by the seed; --asked says how many."
            ),
            *study.helpers.about,
        ),
    )


def _asked(
    study: Study, judge: Routed, train: LabelledData, prompt: LabelledData, row: int
) -> tuple[Outcomes, list[Sitting]]:
    """Returns the judge's result on one prompt; it takes seconds, so that it is kept at once."""
    part = f"judged-{row}"
    with study.progress.step(f"{_JUDGE}, {study.asked} prompts"):
        outcomes, kept = study.parts.load(part), study.parts.recall(part)
        if outcomes is None or kept is None:
            watched: list[BothOrders] = []

            def watch(built: Strategies) -> Strategy:
                found = built[SELECTOR_STRATEGY_LLM]
                if not isinstance(found, Judge):
                    raise TypeError(f"{found} is no judge")
                watched.append(BothOrders(found))
                return watched[-1]

            judge.selector = with_strategy(SELECTOR_STRATEGY_LLM, watch)
            outcomes = _outcomes(study, judge, train, prompt)
            kept = [asdict(sitting) for each in watched for sitting in each.sittings]
            study.parts.save(part, outcomes)
            study.parts.keep(part, kept)
    return outcomes, [Sitting([Reading(**each) for each in one["readings"]], one["unread"]) for one in kept]


def _outcomes(study: Study, policy: Policy, train: LabelledData, part: LabelledData) -> Outcomes:
    policy.fit(train)
    return study.accounts.outcomes(part.questions, part.quality, policy.decide(part.questions))


def _order(sittings: Sequence[Sitting]) -> dict[str, Any]:
    """Returns how far the verdicts depend on the order in which the judge reads the partials."""
    read = [sitting for sitting in sittings if sitting.readings]
    readings = [reading for sitting in read for reading in sitting.readings]
    return {
        "read": len(read),
        "unread": Counter(sitting.unread for sitting in sittings if sitting.unread),
        "flipped": sum(sitting.flipped for sitting in read),
        "flipped_share": _share([sitting.flipped for sitting in read]),
        "tied": sum(sitting.tied for sitting in read),
        "readings": len(readings),
        "alike": sum(len(reading.best) == len(reading.candidates) for reading in readings),
        "decided_readings": sum(reading.decided for reading in readings),
        "first_share": _share([reading.first for reading in readings if reading.decided]),
    }


def _on_order(sittings: Sequence[Sitting], order: Mapping[str, Any]) -> Iterator[str]:
    """Yields the findings on the order bias."""
    if order["flipped_share"]:
        yield (
            f"Order bias: {order['flipped']} of {order['read']} verdicts flip with the order, "
            f"{order['flipped_share'].percent}: no candidate is among the best in all orders. {order['tied']} have "
            f"no single best candidate in some order; {order['alike']} of {order['readings']} readings give all "
            "candidates the same points."
        )
    if order["first_share"]:
        decided = [reading for sitting in sittings for reading in sitting.readings if reading.decided]
        chance = sum(1 / len(reading.candidates) for reading in decided) / len(decided)
        yield (
            f"Of {len(decided)} readings with a single best candidate, it is the one read first in "
            f"{order['first_share'].percent}; without a bias it would be in {chance:.0%}."
        )


def _share(cases: Sequence[bool]) -> Estimate | None:
    return share(sum(cases), len(cases)) if cases else None
