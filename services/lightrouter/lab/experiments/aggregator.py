"""Conflicting drafts: which side an aggregator takes, and whether it invents a third answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np

from lightrouter.aggregator.aggregator import Aggregator
from lightrouter.aggregator.assemble import build_aggregator
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.answers.agreement import similarity
from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.lab.dataset.questions import LabelledData, Questions
from lightrouter.lab.policies.engine import Engine, opened, to_prompt
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import INTERVALS, Figure, Findings
from lightrouter.lab.report.table import tabulate
from lightrouter.lab.results.bootstrap import share
from lightrouter.lab.study import Study
from lightrouter.runtime import enums
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.aggregator_pb2 import AggregateRequest
from lightrouter.v1.candidate_pb2 import Draft, ModelTarget
from lightrouter.v1.chat_pb2 import FINISH_REASON_STOP
from lightrouter.v1.policy_pb2 import AggregatorStrategy

# A choice: without comparable answers, qualities this far apart count as right and wrong.
_APART: Final = 0.5
# A choice: tokens that a synthesis may exceed its longest draft by; a model that rambles is cut off.
_ROOM_TOKENS: Final = 128
# A choice: no synthesis times out, however slow the model is.
_SECONDS: Final = 3600.0
# A choice: a text that is less similar to every draft takes none of their sides.
_ALIKE: Final = 0.3
_SYNTHESIZE: Final = "synthesize"
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
        "Conflicts are drafts of one prompt with different answers, one right and one wrong; without "
        f"comparable answers, drafts whose qualities are {_APART} or more apart. One pair and one triple of each "
        "prompt are drawn with the seed."
    ),
    "Scores are the priors of the training prompts, so that the figures measure merging, not ranking.",
    (
        f"A synthesis may be {_ROOM_TOKENS} tokens longer than the longest of its drafts. It failed if no model "
        "finished it; the best draft would then be the answer. Intervals are Wilson's, 95 %."
    ),
)


@dataclass(frozen=True, slots=True)
class _Conflict:
    """Drafts of one prompt that take two sides, of which one is right.

    Attributes:
        index: Index of the prompt.
        models: Models of the drafts, the best one on the training prompts first.
        sides: The side of each draft.
    """

    index: int
    models: Sequence[int]
    sides: Sequence[str]


def run(study: Study) -> Findings:
    """Merges conflicting drafts with each strategy."""
    strategies = ("best", "vote", *([_SYNTHESIZE] if study.helpers.synthesizer else []))
    rows = []
    for kind, size in (("two drafts", 2), ("two against one", 3)):
        found = _conflicts(study, size)
        for strategy in strategies:
            conflicts = _drawn(study, found) if strategy == _SYNTHESIZE else found
            taken = asyncio.run(_sides(study, f"{strategy}, {kind}", conflicts, strategy))
            rows.append(_row(kind, strategy, conflicts, taken))
    met = [row for row in rows if row["conflicts"]]
    sentences = [_sentence(row) for row in met]
    if not study.helpers.synthesizer:
        sentences.append("No synthesizer: `synthesize` is not measured; give --local-model or --models.")
    right = {f"{row['merged_by']}, {row['drafts']}": row["right_share"] for row in met}
    plot = [Figure("right", plots.intervals(right, "share right", "Which side is taken"), INTERVALS)] if right else []
    note = "No draft gave the third answer."
    return Findings(
        title="Drafts that conflict",
        sentences=sentences,
        figures=plot,
        tables=[tabulate("Outcomes of the conflicts", _COLUMNS, rows, note)],
        report={"merges": rows},
        notes=[*_NOTES, *study.helpers.about],
    )


def _row(kind: str, name: str, conflicts: Sequence[_Conflict], taken: Sequence[str]) -> dict[str, Any]:
    counts = Counter(taken)
    shares = {f"{side}_share": share(counts[side], len(taken)) if taken else None for side in (_RIGHT, _THIRD)}
    return {
        "drafts": kind,
        "merged_by": name,
        "conflicts": len(taken),
        **{side.replace(" ", "_"): counts[side] for side in _OUTCOMES},
        "better_models_side": sum(side == each.sides[0] for side, each in zip(taken, conflicts, strict=True)),
        **shares,
    }


def _sentence(row: dict[str, Any]) -> str:
    better = share(row["better_models_side"], row["conflicts"])
    return (
        f"{row['merged_by']}, {row['drafts']}, {row['conflicts']} conflicts: it takes the right side in "
        f"{row['right_share'].percent}, the better model's in {better.percent}; a third answer comes in "
        f"{row['third_share'].percent}, none in {row['no_answer']}, and {row['failed']} failed."
    )


def _conflicts(study: Study, size: int) -> list[_Conflict]:
    """Returns `size` drafts that conflict, drawn with the seed, for each prompt that has them."""
    test, priors = study.data.test, study.priors
    rng = np.random.default_rng(study.seed)
    found = []
    for index, quality in enumerate(test.quality):
        drafts = [each for each in combinations(range(len(priors)), size) if _conflict(test, index, each)]
        if drafts:
            models = sorted(drafts[int(rng.integers(len(drafts)))], key=lambda model: -priors[model])
            best = max(quality[models])
            found.append(_Conflict(index, models, [_RIGHT if quality[model] == best else _WRONG for model in models]))
    return found


def _conflict(test: LabelledData, index: int, models: Sequence[int]) -> bool:
    """Returns whether one of two drafts is right and the other is wrong, or two drafts agree against a third."""
    quality, answers = test.quality[index, models], [test.questions.answers[index][model] for model in models]
    if test.questions.pattern is None and len(models) == 2:
        return bool(abs(quality[0] - quality[1]) >= _APART)
    return None not in answers and len(set(answers)) == 2 and 0 < sum(quality == 1) < len(models)


def _drawn(study: Study, conflicts: Sequence[_Conflict]) -> list[_Conflict]:
    """Returns the conflicts that a real model merges."""
    order = np.random.default_rng(study.seed).permutation(len(conflicts))[: study.asked]
    return [conflicts[index] for index in sorted(order)]


async def _sides(study: Study, part: str, conflicts: Sequence[_Conflict], strategy: str) -> list[str]:
    """Returns the side that is taken in each conflict; sides of a real model are kept at once under the name `part`."""
    engine = Engine(study.data.test.questions.recording, study.helpers.entries)
    # No synthesizer times out.
    settings = AggregatorSettings.model_construct(first_piece_seconds=_SECONDS, stall_seconds=_SECONDS)
    aggregator = build_aggregator(settings, engine.models)
    taken: list[str] = study.parts.recall(part) or []
    study.progress.expect(len(conflicts) - len(taken))
    async with opened(engine):
        for conflict in conflicts[len(taken) :]:
            with study.progress.step(part):
                text = await _merged(study, aggregator, conflict, strategy)
                taken.append(_FAILED if text is None else _side(study.data.test.questions, conflict, text))
                if strategy == _SYNTHESIZE:
                    study.parts.keep(part, taken)
    return taken


async def _merged(study: Study, aggregator: Aggregator, conflict: _Conflict, strategy: str) -> str | None:
    """Returns the text that the drafts are merged into; None if a synthesis failed."""
    questions, priors = study.data.test.questions, study.priors
    prompt = to_prompt(questions.recording.prompts[conflict.index], None)
    longest = max(int(questions.output_tokens[conflict.index, model]) for model in conflict.models)
    prompt.sampling.max_output_tokens = longest + _ROOM_TOKENS
    drafts = [
        Draft(
            candidate=study.models[model],
            text=questions.texts[conflict.index][model],
            score=priors[model],
            finish_reason=FINISH_REASON_STOP,
        )
        for model in conflict.models
    ]
    synthesizer = study.helpers.synthesizer
    request = AggregateRequest(
        messages=prompt.messages,
        drafts=drafts,
        strategy=enums.value(AggregatorStrategy, strategy),
        answer_pattern=questions.pattern,
        synthesizers=[ModelTarget(candidate=synthesizer)] if synthesizer else [],
        sampling=prompt.sampling,
    )
    text = ""
    async for event in aggregator.aggregate(request, Deadline.after(_SECONDS)):
        text = event.chunk.text if event.chunk.restart else text + event.chunk.text
    result = event.result
    if strategy == _SYNTHESIZE:
        whole = result.finish_reason == FINISH_REASON_STOP and text.strip()
        # The best draft replaces a failed synthesis; it is not an outcome of the synthesis.
        return text if result.strategy == request.strategy and whole else None
    return text


def _side(questions: Questions, conflict: _Conflict, text: str) -> str:
    """Returns the side of a text: by its answer, or by the draft with the most similar words."""
    if questions.pattern is None:
        likeness = [similarity(text, questions.texts[conflict.index][model]) for model in conflict.models]
        return conflict.sides[likeness.index(max(likeness))] if max(likeness) >= _ALIKE else _THIRD
    answer = extract(text, questions.pattern)
    if answer is None:
        return _NONE
    answers = [questions.answers[conflict.index][model] for model in conflict.models]
    return conflict.sides[answers.index(canonical(answer))] if canonical(answer) in answers else _THIRD
