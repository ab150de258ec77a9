"""A real judge on some of the prompts: quality of its ranking, and whether its verdicts depend on the order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import numpy as np

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.experiments.study import Study
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.policies.routed import Routed
from lightrouter.lab.policies.selectors import BothOrders, Reading, Sitting, Strategies, with_strategy
from lightrouter.lab.report.page import Table
from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate, share
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


class JudgedPrompts:
    """The judge's results on some of the prompts; each result is kept at once, because it takes seconds."""

    def __init__(self, study: Study) -> None:
        """Asks the judge about as many prompts as the study allows."""
        ((train, test), *_) = study.data.parts()
        indices = np.sort(np.random.default_rng(study.seed).permutation(len(test))[: study.asked])
        part = test.take(indices)
        boot = study.boot(train)
        study.progress.expect(len(_BESIDE) + len(part))
        self._about = study.helpers.about
        self._boot_tokens = boot
        self._prompts = len(part)
        self._sittings: list[Sitting] = []
        self._outcomes: dict[str, Outcomes] = {}
        for kind in _BESIDE:
            with study.progress.step(kind):
                self._outcomes[kind] = _outcomes(study, study.ranker(kind, boot, 0, train), train, part)
        judge = study.ranker(_JUDGE, boot, 0, train)
        asked = [self._asked(study, judge, train, test.take(indices[[row]]), row) for row in range(len(part))]
        self._outcomes[_JUDGE] = Outcomes.joined(asked)
        bootstrap = Bootstrap(part.questions.prompts, study.seed)
        self._quality = bootstrap.means({name: each.quality for name, each in self._outcomes.items()})
        self._read = [sitting for sitting in self._sittings if sitting.readings]
        self._unread = Counter(sitting.unread for sitting in self._sittings if sitting.unread)
        self._readings = [reading for sitting in self._read for reading in sitting.readings]
        self._decided = [reading for reading in self._readings if reading.decided]
        self._flipped = _share([sitting.flipped for sitting in self._read])
        self._first = _share([reading.first for reading in self._decided])

    def _asked(self, study: Study, judge: Routed, train: LabelledData, prompt: LabelledData, row: int) -> Outcomes:
        part = f"judged-{row}"
        with study.progress.step(f"{_JUDGE}, {self._prompts} prompts"):
            outcomes, sittings = study.parts.load(part), study.parts.recall(part)
            if outcomes is None or sittings is None:
                watched = _Watched()
                judge.selector = with_strategy(SELECTOR_STRATEGY_LLM, watched.watch)
                outcomes = _outcomes(study, judge, train, prompt)
                sittings = [asdict(sitting) for sitting in watched.sittings()]
                study.parts.save(part, outcomes)
                study.parts.keep(part, sittings)
        self._sittings += [
            Sitting([Reading(**reading) for reading in each["readings"]], each["unread"]) for each in sittings
        ]
        return outcomes

    def sentences(self) -> list[str]:
        """Returns the findings."""
        read, tied = len(self._read), sum(sitting.tied for sitting in self._read)
        why = ", ".join(f"{count} {_WHY[reason]}" for reason, count in self._unread.items())
        sentences = [
            (
                f"The judge was asked about {len(self._sittings)} prompts; {read} verdicts could be read"
                f"{f', {why}: prior ranked there' if why else ''}. Quality where it ranks: "
                f"{self._quality[_JUDGE]}; on the same prompts "
                f"{', '.join(f'{kind}: {self._quality[kind]}' for kind in _BESIDE)}."
            )
        ]
        if self._flipped:
            alike = sum(len(reading.best) == len(reading.candidates) for reading in self._readings)
            flips = sum(sitting.flipped for sitting in self._read)
            sentences.append(
                f"Order bias: {flips} of {read} verdicts flip with the order ({_percent(self._flipped)}): no "
                f"candidate is among the best in all orders. {tied} have no single best candidate in some order; "
                f"{alike} of {len(self._readings)} readings give all candidates the same points."
            )
        if self._first:
            chance = sum(1 / len(reading.candidates) for reading in self._decided) / len(self._decided)
            sentences.append(
                f"Of {len(self._decided)} readings with a single best candidate, that is the one read first in "
                f"{_percent(self._first)}; without a bias it would be in {chance:.0%}."
            )
        return sentences

    def notes(self) -> Sequence[str]:
        """Returns what the figures are based on."""
        return (
            (
                f"The judge reads partials of {self._boot_tokens} tokens of all candidates in two orders, one the "
                f"reverse of the other, on {self._prompts} prompts drawn by the seed; --asked says how many."
            ),
            *self._about,
        )

    def table(self) -> Table:
        """Returns the table of all figures."""
        rows = [
            (
                name,
                *each.cells,
                f"{self._outcomes[name].output_tokens.mean():,.0f}",
                f"{self._outcomes[name].input_tokens.mean():,.0f}",
            )
            for name, each in self._quality.items()
        ]
        return Table(
            f"A real judge, {self._prompts} prompts",
            ("ranked by", "quality", "95 %", "output tokens", "input tokens"),
            rows,
            "Tokens a prompt, all calls: boots, the judge's in both orders, and the completion.",
        )

    def report(self) -> dict[str, object]:
        """Returns the figures for programs."""
        return {
            "prompts": self._prompts,
            "read": len(self._read),
            "unread": dict(self._unread),
            "flipped": sum(sitting.flipped for sitting in self._read),
            "flipped_share": self._flipped and self._flipped._asdict(),
            "tied": sum(sitting.tied for sitting in self._read),
            "readings": len(self._readings),
            "alike": sum(len(reading.best) == len(reading.candidates) for reading in self._readings),
            "decided_readings": len(self._decided),
            "first_share": self._first and self._first._asdict(),
            "quality": {name: each._asdict() for name, each in self._quality.items()},
        }


class _Watched:
    """Records the sittings of the judge of one route."""

    def __init__(self) -> None:
        self._watched: list[BothOrders] = []

    def watch(self, built: Strategies) -> Strategy:
        judge = built[SELECTOR_STRATEGY_LLM]
        if not isinstance(judge, Judge):
            raise TypeError(f"{judge} is no judge")
        self._watched.append(BothOrders(judge))
        return self._watched[-1]

    def sittings(self) -> list[Sitting]:
        return [sitting for watched in self._watched for sitting in watched.sittings]


def _outcomes(study: Study, policy: Policy, train: LabelledData, part: LabelledData) -> Outcomes:
    policy.fit(train)
    return study.accounts.outcomes(part.questions, part.quality, policy.decide(part.questions))


def _share(cases: Sequence[bool]) -> Estimate | None:
    return share(sum(cases), len(cases)) if cases else None


def _percent(estimate: Estimate) -> str:
    return f"{estimate.mean:.0%}, {estimate.low:.0%} to {estimate.high:.0%}"
