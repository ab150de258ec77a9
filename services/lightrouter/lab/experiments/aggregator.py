"""Conflicting drafts: which side an aggregator takes, and whether it invents a third answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np

from lightrouter.aggregator.aggregator import Aggregator
from lightrouter.aggregator.assemble import build_aggregator
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.answers.agreement import similarity
from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.lab.dataset.questions import LabelledData, Questions
from lightrouter.lab.experiments.study import Findings, Study
from lightrouter.lab.policies.engine import Engine, opened, to_prompt
from lightrouter.lab.policies.routed import entries
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Table
from lightrouter.lab.results.bootstrap import Estimate, share
from lightrouter.recording.recording import pool_names
from lightrouter.router.rules import Defaults
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_BEST,
    AGGREGATOR_STRATEGY_SYNTHESIZE,
    AGGREGATOR_STRATEGY_VOTE,
    SELECTOR_STRATEGY_PRIOR,
    AggregatorStrategy,
    Policy,
)
from lightrouter.v1.router_pb2 import Prompt

ABOUT = "Which side of conflicting drafts is taken, by whom, and whether a third answer is invented."

# A choice: without comparable answers, qualities this far apart count as right and wrong.
_APART: Final = 0.5
# A choice: tokens that a synthesis may exceed its longest draft by; a model that rambles is cut off.
_ROOM_TOKENS: Final = 128
# A choice: no synthesis times out, however slow the model is.
_SECONDS: Final = 3600.0
_BOOT_TOKENS: Final = 4096
# A choice: a text that is less similar to every draft takes none of their sides.
_ALIKE: Final = 0.3
_RIGHT, _WRONG, _THIRD, _NONE, _FAILED = "right", "wrong", "third", "no answer", "failed"
_OUTCOMES: Final = (_RIGHT, _WRONG, _THIRD, _NONE, _FAILED)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Drafts of one prompt that take two sides, of which one is right.

    Attributes:
        index: Index of the prompt.
        models: Models of the drafts, the best one on the training prompts first.
        right: The models that are right.
    """

    index: int
    models: tuple[int, ...]
    right: frozenset[int]


class _Outcome(NamedTuple):
    """The outcome of a conflict: the side of the answer, and whether that is the better model's side."""

    side: str
    better: bool


def run(study: Study) -> Findings:
    """Merges conflicting drafts with each strategy."""
    train = study.first_train
    priors = [float(prior) for prior in train.quality.mean(axis=0)]
    test = study.data.test
    kinds = {"two drafts": _conflicts(test, priors, 2, study.seed), "two against one": _majorities(test, priors, study)}
    merges = [("best", AGGREGATOR_STRATEGY_BEST), ("vote", AGGREGATOR_STRATEGY_VOTE)]
    if study.helpers.synthesizer:
        merges.append(("synthesize", AGGREGATOR_STRATEGY_SYNTHESIZE))
    tallies = [
        _Tally(kind, name, asyncio.run(_merge(study, priors, kind, conflicts, name, strategy)))
        for kind, conflicts in kinds.items()
        for name, strategy in merges
    ]
    sentences = [tally.sentence() for tally in tallies if tally.conflicts]
    if not study.helpers.synthesizer:
        sentences.append("No synthesizer is configured: `synthesize` is not measured; --local-model or --models does.")
    right = {f"{tally.name}, {tally.kind}": tally.right for tally in tallies if tally.right is not None}
    return Findings(
        title="Drafts that conflict",
        sentences=sentences,
        figures=[Figure("right", plots.intervals(right, "share right", "Which side is taken"), "With 95 % intervals.")]
        if right
        else [],
        tables=[
            Table(
                "What became of the conflicts",
                ("drafts", "merged by", "conflicts", *_OUTCOMES, "the better model's side"),
                [tally.row() for tally in tallies],
                "A third answer is one that no draft gave.",
            )
        ],
        report={"merges": [tally.report() for tally in tallies]},
        notes=(
            (
                "Conflicts are drafts of one prompt that come to different answers, one right and one wrong; where "
                f"there is no comparable answer, drafts whose qualities are {_APART} or more apart. One pair "
                "and one triple "
                "a prompt are drawn by the seed."
            ),
            "Scores are the priors of the training prompts, so that what is seen is the merging, not the ranking.",
            (
                f"A synthesis may be {_ROOM_TOKENS} tokens longer than the longest of its drafts. It failed where no "
                "model finished it; the best draft would then be the answer. Intervals are Wilson's, 95 %."
            ),
            *study.helpers.about,
        ),
    )


def _conflicts(test: LabelledData, priors: Sequence[float], size: int, seed: int) -> list[Conflict]:
    """Returns one pair of conflicting drafts for each prompt that has one."""
    rng = np.random.default_rng(seed)
    found = []
    for index in range(len(test)):
        pairs = [pair for pair in combinations(range(len(priors)), size) if _conflict(test, index, pair)]
        if pairs:
            found.append(_of(test, index, pairs[int(rng.integers(len(pairs)))], priors))
    return found


def _majorities(test: LabelledData, priors: Sequence[float], study: Study) -> list[Conflict]:
    """Returns three drafts, two of which agree against the third, for each prompt that has them."""
    if test.questions.pattern is None:
        return []
    rng = np.random.default_rng(study.seed)
    found = []
    for index in range(len(test)):
        answers = test.questions.answers[index]
        triples = [
            triple
            for triple in combinations(range(len(priors)), 3)
            if sorted(Counter(answers[model] for model in triple).values()) == [1, 2]
            and all(answers[model] is not None for model in triple)
            and 0 < sum(test.quality[index, model] == 1 for model in triple) < 3
        ]
        if triples:
            found.append(_of(test, index, triples[int(rng.integers(len(triples)))], priors))
    return found


def _drawn(conflicts: Sequence[Conflict], study: Study) -> list[Conflict]:
    """Returns at most `study.asked` of the conflicts, drawn by the seed."""
    order = np.random.default_rng(study.seed).permutation(len(conflicts))[: study.asked]
    return [conflicts[index] for index in np.sort(order)]


def _conflict(test: LabelledData, index: int, pair: Sequence[int]) -> bool:
    first, second = (test.quality[index, model] for model in pair)
    if test.questions.pattern is None:
        return bool(abs(first - second) >= _APART)
    one, other = (test.questions.answers[index][model] for model in pair)
    return one is not None and other is not None and one != other and {first, second} == {0.0, 1.0}


def _of(test: LabelledData, index: int, models: Sequence[int], priors: Sequence[float]) -> Conflict:
    ordered = tuple(sorted(models, key=lambda model: -priors[model]))
    best = max(test.quality[index, model] for model in ordered)
    return Conflict(index, ordered, frozenset(model for model in ordered if test.quality[index, model] == best))


async def _merge(
    study: Study,
    priors: Sequence[float],
    kind: str,
    conflicts: Sequence[Conflict],
    name: str,
    strategy: AggregatorStrategy.ValueType,
) -> list[_Outcome]:
    """Returns the outcome of each conflict; outcomes of a real model are kept at once."""
    questions = study.data.test.questions
    engine = Engine(
        questions.recording,
        [*entries(questions.models, priors, study.prices), *study.helpers.entries],
        defaults=Defaults(Policy(quorum=1), int(questions.output_tokens.max()) + _ROOM_TOKENS),
        aggregator=_patient_aggregator,
        synthesizer=study.helpers.synthesizer,
        seconds=_SECONDS,
    )
    async with opened(engine):
        if strategy != AGGREGATOR_STRATEGY_SYNTHESIZE:
            study.progress.expect(1)
            with study.progress.step(f"{name}, {kind}"):
                return [await _merged(engine, questions, conflict, strategy) for conflict in conflicts]
        drawn = _drawn(conflicts, study)
        study.progress.expect(len(drawn))
        found = []
        for conflict in drawn:
            part = f"{name}-{kind}-{conflict.index}"
            with study.progress.step(f"{name}, {kind}"):
                kept = study.parts.recall(part)
                outcome = _Outcome(*kept) if kept else await _merged(engine, questions, conflict, strategy)
                study.parts.keep(part, outcome)
            found.append(outcome)
        return found


async def _merged(
    engine: Engine, questions: Questions, conflict: Conflict, strategy: AggregatorStrategy.ValueType
) -> _Outcome:
    names = list(pool_names(questions.models).values())
    policy = Policy(
        boot_tokens=_BOOT_TOKENS,
        k=len(conflict.models),
        selector=SELECTOR_STRATEGY_PRIOR,
        aggregator=strategy,
        candidates=[names[model] for model in conflict.models],
        margin=1,
        agreement=1,
        answer_pattern=questions.pattern,
    )
    try:
        answer = await engine.route(_prompt(questions, conflict), policy)
    except ServiceError:
        return _Outcome(_FAILED, better=False)
    # The best draft replaces a failed synthesis; it is not an outcome of the synthesis.
    if strategy == AGGREGATOR_STRATEGY_SYNTHESIZE and answer.aggregator != strategy:
        return _Outcome(_FAILED, better=False)
    side = _side(questions, conflict, answer.text)
    return _Outcome(side, better=side == (_RIGHT if conflict.models[0] in conflict.right else _WRONG))


def _prompt(questions: Questions, conflict: Conflict) -> Prompt:
    """Returns the prompt with a token limit for its drafts and a slightly longer synthesis."""
    prompt = to_prompt(questions.recording.prompts[conflict.index], None)
    longest = max(int(questions.output_tokens[conflict.index, model]) for model in conflict.models)
    prompt.sampling.max_output_tokens = longest + _ROOM_TOKENS
    return prompt


def _patient_aggregator(models: Models) -> Aggregator:
    """Returns the service's aggregator, without time limits for synthesizers."""
    settings = AggregatorSettings.model_construct(first_piece_seconds=_SECONDS, stall_seconds=_SECONDS)
    return build_aggregator(settings, models)


def _side(questions: Questions, conflict: Conflict, text: str) -> str:
    """Returns the side of a text: by its answer, or by the draft with the most similar words."""
    sides = [_RIGHT if model in conflict.right else _WRONG for model in conflict.models]
    texts = [questions.texts[conflict.index][model] for model in conflict.models]
    if questions.pattern is None:
        likeness = [similarity(text, each) for each in texts]
        return sides[likeness.index(max(likeness))] if max(likeness) >= _ALIKE else _THIRD
    answer = extract(text, questions.pattern)
    if answer is None:
        return _NONE
    answers = [questions.answers[conflict.index][model] for model in conflict.models]
    return sides[answers.index(canonical(answer))] if canonical(answer) in answers else _THIRD


class _Tally:
    """The outcomes of one strategy on one kind of conflict."""

    def __init__(self, kind: str, name: str, outcomes: Sequence[_Outcome]) -> None:
        self.kind = kind
        self.name = name
        self.conflicts = len(outcomes)
        self.counts = Counter(each.side for each in outcomes)
        self.better = sum(each.better for each in outcomes)
        self.right = self._share(self.counts[_RIGHT])
        self.third = self._share(self.counts[_THIRD])

    def _share(self, count: int) -> Estimate | None:
        return share(count, self.conflicts) if self.conflicts else None

    def sentence(self) -> str:
        """Returns its finding."""
        return (
            f"{self.name}, {self.kind}, {self.conflicts} conflicts: it takes the right side in {_text(self.right)}, "
            f"the better model's in {_text(self._share(self.better))}; a third answer comes in {_text(self.third)}, "
            f"none in {self.counts[_NONE]}, and {self.counts[_FAILED]} failed."
        )

    def row(self) -> tuple[str, ...]:
        """Returns its row of the table."""
        counts = (f"{self.counts[outcome]}" for outcome in _OUTCOMES)
        return (self.kind, self.name, f"{self.conflicts}", *counts, f"{self.better}")

    def report(self) -> dict[str, object]:
        """Returns the figures for programs."""
        return {
            "drafts": self.kind,
            "merged_by": self.name,
            "conflicts": self.conflicts,
            **{outcome.replace(" ", "_"): self.counts[outcome] for outcome in _OUTCOMES},
            "better_models_side": self.better,
            "right_share": self.right and self.right._asdict(),
            "third_share": self.third and self.third._asdict(),
        }


def _text(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.mean:.0%} ({estimate.low:.0%} to {estimate.high:.0%})"
