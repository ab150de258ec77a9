"""Every way of ranking on the same partials; a judge's order bias where one is configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from lightrouter.lab import plots
from lightrouter.lab.accounts import Outcomes
from lightrouter.lab.boots import boot_tokens
from lightrouter.lab.bootstrap import Bootstrap, Estimate, share
from lightrouter.lab.decision import Policy
from lightrouter.lab.page import Figure, Table
from lightrouter.lab.questions import Judged
from lightrouter.lab.rivals.single import BestSingle
from lightrouter.lab.selectors import BothOrders, Strategies, with_strategy
from lightrouter.lab.study import Findings, Study
from lightrouter.lab.summary import BEST_SINGLE
from lightrouter.selector.llm import Judge
from lightrouter.selector.strategy import Strategy
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_SELECTOR_FAILED,
    DEGRADED_REASON_SELECTOR_SLOW,
    DEGRADED_REASON_VERDICT_UNREADABLE,
    DegradedReason,
)
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_LLM

ABOUT = (
    "Quality and cost of every way of ranking, all else equal, and how often a judge's verdict flips with the order."
)

KINDS: Final = ("learned", "consensus", "prior", "knn", "random")
_WHY: Final = {
    DEGRADED_REASON_VERDICT_UNREADABLE: "could not be read",
    DEGRADED_REASON_SELECTOR_SLOW: "came too late",
    DEGRADED_REASON_SELECTOR_FAILED: "failed",
}


def run(study: Study) -> Findings:
    """Routes every prompt, ranked in each way; asks the judge for some of them."""

    def policies(number: int, train: Judged) -> list[Policy]:
        boot = study.boot_tokens or boot_tokens(train)
        return [BestSingle(), *(study.ranker(kind, boot, number, train) for kind in KINDS)]

    outcomes = study.outcomes(policies)
    judged = _Judged(study) if study.helpers.judge else None
    names = list(outcomes)
    columns = [each.quality for each in outcomes.values()]
    columns += [each.quality - outcomes[BEST_SINGLE].quality for each in outcomes.values()]
    estimates = study.bootstrap.estimate(np.stack(columns, axis=1))
    quality = dict(zip(names, estimates, strict=False))
    gain = dict(zip(names, estimates[len(names) :], strict=True))
    ranked = {name: quality[name] for name in names if name != "oracle"}
    best = max((name for name in KINDS), key=lambda name: quality[name].mean)
    sentences = [
        (
            f"Best ranks {best}: {quality[best].mean:.4f}, {gain[best].mean:+.4f} to best-single "
            f"({gain[best].low:+.4f} to {gain[best].high:+.4f}); chance gives {quality['random'].mean:.4f}, "
            "whoever knows the "
            f"labels {quality['oracle'].mean:.4f}."
        )
    ]
    tables = [
        Table(
            "One goes on, ranked by",
            ("ranked by", "quality", "95 %", "to best-single", "95 %", "output tokens", "$ / 1,000"),
            [
                (
                    name,
                    f"{quality[name].mean:.4f}",
                    f"{quality[name].low:.3f} to {quality[name].high:.3f}",
                    f"{gain[name].mean:+.4f}",
                    f"{gain[name].low:+.4f} to {gain[name].high:+.4f}",
                    f"{outcomes[name].output_tokens.mean():,.0f}",
                    f"{1000 * outcomes[name].cost_usd.mean():.4f}",
                )
                for name in names
            ],
        )
    ]
    report: dict[str, object] = {
        "rankings": [_report(name, outcomes, quality[name]._asdict(), gain[name]._asdict()) for name in names]
    }
    if judged is None:
        sentences.append(
            "No judge is configured: `llm` and its order bias are not measured; --local-model or --models does."
        )
    else:
        sentences += judged.sentences()
        tables.append(judged.table())
        report["llm"] = judged.report()
    return Findings(
        title="Ways of ranking",
        sentences=sentences,
        figures=[
            Figure("quality", plots.intervals(ranked, "quality", "One goes on, ranked by"), "With 95 % intervals.")
        ],
        tables=tables,
        report=report,
        notes=(
            "All candidates boot equally long, and the best-ranked one alone goes on.",
            *(judged.notes() if judged else ()),
        ),
    )


def _report(
    name: str, outcomes: Mapping[str, Outcomes], quality: Mapping[str, float], gain: Mapping[str, float]
) -> dict[str, object]:
    each = outcomes[name]
    return {
        "name": name,
        "quality": quality,
        "gain_best_single": gain,
        "output_tokens": float(each.output_tokens.mean()),
        "cost_usd": float(each.cost_usd.mean()),
    }


class _Judged:
    """What the judge makes of some of the prompts."""

    def __init__(self, study: Study) -> None:
        ((train, test), *_) = study.data.parts()
        places = np.random.default_rng(study.seed).permutation(len(test))[: study.asked]
        part = test.take(np.sort(places))
        watched: list[BothOrders] = []
        boot = study.boot_tokens or boot_tokens(train)

        def watch(built: Strategies) -> Strategy:
            judge = built[SELECTOR_STRATEGY_LLM]
            if not isinstance(judge, Judge):
                raise TypeError(f"{judge} is no judge")
            watched.append(BothOrders(judge))
            return watched[0]

        policies = [study.ranker(kind, boot, 0, train) for kind in ("prior", "consensus")]
        asked = study.ranker("llm", boot, 0, train)
        asked.selector = with_strategy(SELECTOR_STRATEGY_LLM, watch)
        self.about = study.helpers.about
        self.boot_tokens = boot
        self.prompts = len(part)
        self.outcomes: dict[str, Outcomes] = {}
        study.progress.expect(len(policies) + 1)
        for policy in (*policies, asked):
            with study.progress.step(f"{policy.name}, {len(part)} prompts"):
                policy.fit(train)
                decisions = policy.decide(part.questions)
                self.outcomes[policy.name] = study.accounts.outcomes(part.questions, part.quality, decisions)
        self.bias = watched[0]
        self.flipped = _share(self.bias.flips)
        self.first = _share(self.bias.firsts)
        self.quality = dict(
            zip(
                self.outcomes,
                Bootstrap(part.questions.prompts, study.seed).estimate(
                    np.stack([each.quality for each in self.outcomes.values()], axis=1)
                ),
                strict=True,
            )
        )

    def sentences(self) -> list[str]:
        """Returns what was found."""
        bias, read = self.bias, len(self.bias.flips)
        why = ", ".join(f"{count} {_WHY[reason]}" for reason, count in bias.unread.items())
        sentences = [
            (
                f"The judge was asked about {read + sum(bias.unread.values())} prompts; {read} verdicts could be read"
                f"{f', {why}: prior ranked there' if why else ''}. Quality where it ranks: "
                f"{_told(self.quality['llm'])}; prior on the same prompts: {_told(self.quality['prior'])}, consensus: "
                f"{_told(self.quality['consensus'])}."
            )
        ]
        if self.flipped:
            sentences.append(
                f"Order bias: {sum(bias.flips)} of {read} verdicts flip with the order ({_percent(self.flipped)}): no "
                f"candidate is among the best in all orders. {bias.tied} have no single best candidate in some order; "
                f"{bias.alike} of {bias.readings} readings give all candidates the same points."
            )
        if self.first:
            chance = sum(1 / count for count in bias.candidates) / len(bias.candidates)
            sentences.append(
                f"Of {len(bias.firsts)} readings with a single best candidate, that is the one read first in "
                f"{_percent(self.first)}; without a bias it would be in {chance:.0%}."
            )
        return sentences

    def notes(self) -> Sequence[str]:
        """Returns what the figures rest on."""
        return (
            (
                f"The judge reads partials of {self.boot_tokens} tokens of all candidates in two orders, one the "
                f"reverse of the other, on {self.prompts} prompts drawn by the seed; --asked says how many."
            ),
            *self.about,
        )

    def table(self) -> Table:
        """Returns all figures."""
        rows = [
            (
                name,
                f"{each.mean:.4f}",
                f"{each.low:.3f} to {each.high:.3f}",
                f"{self.outcomes[name].output_tokens.mean():,.0f}",
                f"{self.outcomes[name].input_tokens.mean():,.0f}",
            )
            for name, each in self.quality.items()
        ]
        return Table(
            f"A real judge, {self.prompts} prompts",
            ("ranked by", "quality", "95 %", "output tokens", "input tokens"),
            rows,
            "Tokens a prompt, all calls: boots, the judge's in both orders, and the completion.",
        )

    def report(self) -> dict[str, object]:
        """Returns it for programs."""
        bias = self.bias
        return {
            "prompts": self.prompts,
            "read": len(bias.flips),
            "unread": {DegradedReason.Name(reason): count for reason, count in bias.unread.items()},
            "flipped": sum(bias.flips),
            "flipped_share": self.flipped and self.flipped._asdict(),
            "tied": bias.tied,
            "readings": bias.readings,
            "alike": bias.alike,
            "decided_readings": len(bias.firsts),
            "first_share": self.first and self.first._asdict(),
            "quality": {name: each._asdict() for name, each in self.quality.items()},
        }


def _share(cases: Sequence[bool]) -> Estimate | None:
    return share(sum(cases), len(cases)) if cases else None


def _told(estimate: Estimate) -> str:
    return f"{estimate.mean:.4f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _percent(estimate: Estimate) -> str:
    return f"{estimate.mean:.0%}, {estimate.low:.0%} to {estimate.high:.0%}"
