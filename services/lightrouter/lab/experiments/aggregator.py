"""Conflicting drafts: which side an aggregator takes, and whether it invents a third answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, NamedTuple

import numpy as np

from lightrouter.aggregator.aggregator import Aggregator
from lightrouter.aggregator.assemble import build_aggregator
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.answers.agreement import similarity
from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.lab.dataset.questions import LabelledData, Questions
from lightrouter.lab.policies.engine import Engine, opened, to_prompt
from lightrouter.lab.policies.routed import entries
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import INTERVALS, Figure, Findings
from lightrouter.lab.report.table import tabulate
from lightrouter.lab.results.bootstrap import share
from lightrouter.lab.study import Study
from lightrouter.recording.recording import pool_names
from lightrouter.router.rules import Defaults
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_BEST,
    AGGREGATOR_STRATEGY_SYNTHESIZE,
    AGGREGATOR_STRATEGY_VOTE,
    HOLD_NEVER,
    SELECTOR_STRATEGY_PRIOR,
    AggregatorStrategy,
    Policy,
)
from lightrouter.v1.router_pb2 import Prompt

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
_COLUMNS: Final = {
    "drafts": "drafts",
    "merged by": "merged_by",
    "conflicts": "conflicts",
    **{outcome: outcome.replace(" ", "_") for outcome in _OUTCOMES},
    "the better model's side": "better_models_side",
}
_NOTES: Final = (
    (
        "Conflicts are drafts of one prompt that come to different answers, one right and one wrong; without "
        f"comparable answers, drafts whose qualities are {_APART} or more apart. One pair and one triple of each "
        "prompt are drawn by the seed."
    ),
    "Scores are the priors of the training prompts, so that the merging is measured, not the ranking.",
    (
        f"A synthesis may be {_ROOM_TOKENS} tokens longer than the longest of its drafts. It failed if no model "
        "finished it; the best draft would then be the answer. Intervals are Wilson's, 95 %."
    ),
)


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
    test, priors = study.data.test, [float(prior) for prior in study.first_train.quality.mean(axis=0)]
    kinds = {
        "two drafts": _conflicts(test, priors, 2, study.seed, _are_pair),
        "two against one": _conflicts(test, priors, 3, study.seed, _are_triple),
    }
    merges = {"best": AGGREGATOR_STRATEGY_BEST, "vote": AGGREGATOR_STRATEGY_VOTE}
    if study.helpers.synthesizer:
        merges["synthesize"] = AGGREGATOR_STRATEGY_SYNTHESIZE
    rows = [
        _row(kind, name, asyncio.run(_merge(study, priors, kind, conflicts, name, strategy)))
        for kind, conflicts in kinds.items()
        for name, strategy in merges.items()
    ]
    met = [row for row in rows if row["conflicts"]]
    sentences = [_sentence(row) for row in met]
    if not study.helpers.synthesizer:
        sentences.append("No synthesizer is configured: `synthesize` is not measured; --local-model or --models does.")
    right = {f"{row['merged_by']}, {row['drafts']}": row["right_share"] for row in met}
    plot = [Figure("right", plots.intervals(right, "share right", "Which side is taken"), INTERVALS)] if right else []
    return Findings(
        title="Drafts that conflict",
        sentences=sentences,
        figures=plot,
        tables=[
            tabulate("What became of the conflicts", _COLUMNS, rows, "A third answer is one that no draft gave."),
        ],
        report={"merges": rows},
        notes=[*_NOTES, *study.helpers.about],
    )


def _row(kind: str, name: str, outcomes: Sequence[_Outcome]) -> dict[str, Any]:
    counts = Counter(each.side for each in outcomes)
    shares = {f"{side}_share": share(counts[side], len(outcomes)) if outcomes else None for side in (_RIGHT, _THIRD)}
    return {
        "drafts": kind,
        "merged_by": name,
        "conflicts": len(outcomes),
        **{outcome.replace(" ", "_"): counts[outcome] for outcome in _OUTCOMES},
        "better_models_side": sum(each.better for each in outcomes),
        **shares,
    }


def _sentence(row: dict[str, Any]) -> str:
    better = share(row["better_models_side"], row["conflicts"])
    return (
        f"{row['merged_by']}, {row['drafts']}, {row['conflicts']} conflicts: it takes the right side in "
        f"{row['right_share'].percent}, the better model's in {better.percent}; a third answer comes in "
        f"{row['third_share'].percent}, none in {row['no_answer']}, and {row['failed']} failed."
    )


def _conflicts(
    test: LabelledData,
    priors: Sequence[float],
    size: int,
    seed: int,
    conflict: Callable[[LabelledData, int, Sequence[int]], bool],
) -> list[Conflict]:
    """Returns `size` drafts that `conflict`, drawn by the seed, for each prompt that has them."""
    rng = np.random.default_rng(seed)
    found = []
    for index in range(len(test)):
        drafts = [each for each in combinations(range(len(priors)), size) if conflict(test, index, each)]
        if drafts:
            models = sorted(drafts[int(rng.integers(len(drafts)))], key=lambda model: -priors[model])
            best = max(test.quality[index, model] for model in models)
            right = frozenset(model for model in models if test.quality[index, model] == best)
            found.append(Conflict(index, tuple(models), right))
    return found


def _are_pair(test: LabelledData, index: int, models: Sequence[int]) -> bool:
    """Returns whether one of two drafts is right and the other is wrong."""
    quality = [test.quality[index, model] for model in models]
    if test.questions.pattern is None:
        return bool(abs(quality[0] - quality[1]) >= _APART)
    answers = {test.questions.answers[index][model] for model in models}
    return None not in answers and len(answers) == 2 and set(quality) == {0.0, 1.0}


def _are_triple(test: LabelledData, index: int, models: Sequence[int]) -> bool:
    """Returns whether two drafts agree against a third, and some but not all are right."""
    answers = [test.questions.answers[index][model] for model in models]
    right = sum(test.quality[index, model] == 1 for model in models)
    return None not in answers and len(set(answers)) == 2 and 0 < right < len(models)


async def _merge(
    study: Study,
    priors: Sequence[float],
    kind: str,
    conflicts: Sequence[Conflict],
    name: str,
    strategy: AggregatorStrategy.ValueType,
) -> list[_Outcome]:
    """Returns the outcome of each conflict; of a real model at most `study.asked`, each of them kept at once."""
    questions = study.data.test.questions
    engine = Engine(
        questions.recording,
        [*entries(questions.models, priors, study.prices), *study.helpers.entries],
        defaults=Defaults(Policy(quorum=1, hold=HOLD_NEVER), int(questions.output_tokens.max()) + _ROOM_TOKENS),
        aggregator=_patient_aggregator,
        synthesizer=study.helpers.synthesizer,
        seconds=_SECONDS,
    )
    async with opened(engine):
        if strategy != AGGREGATOR_STRATEGY_SYNTHESIZE:
            study.progress.expect(1)
            with study.progress.step(f"{name}, {kind}"):
                return [await _merged(engine, questions, conflict, strategy) for conflict in conflicts]
        order = np.sort(np.random.default_rng(study.seed).permutation(len(conflicts))[: study.asked])
        study.progress.expect(len(order))
        found = []
        for conflict in (conflicts[index] for index in order):
            part = f"{name}-{kind}-{conflict.index}"
            with study.progress.step(f"{name}, {kind}"):
                kept = study.parts.recall(part)
                found.append(_Outcome(*kept) if kept else await _merged(engine, questions, conflict, strategy))
                study.parts.keep(part, found[-1])
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
    if questions.pattern is None:
        texts = [questions.texts[conflict.index][model] for model in conflict.models]
        likeness = [similarity(text, each) for each in texts]
        return sides[likeness.index(max(likeness))] if max(likeness) >= _ALIKE else _THIRD
    answer = extract(text, questions.pattern)
    if answer is None:
        return _NONE
    answers = [questions.answers[conflict.index][model] for model in conflict.models]
    return sides[answers.index(canonical(answer))] if canonical(answer) in answers else _THIRD
