"""Merges recorded drafts with the real aggregator, and says which side its text takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lightrouter.aggregator.aggregator import Aggregator
from lightrouter.aggregator.assemble import build_aggregator
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.answers.agreement import similarity
from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.lab.dataset.conflicts import Conflict
from lightrouter.lab.dataset.questions import Floats, Questions
from lightrouter.lab.policies.engine import Engine, to_prompt
from lightrouter.lab.policies.helpers import Helpers
from lightrouter.runtime import enums
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.aggregator_pb2 import AggregateRequest
from lightrouter.v1.candidate_pb2 import Draft, ModelTarget
from lightrouter.v1.chat_pb2 import FINISH_REASON_STOP
from lightrouter.v1.policy_pb2 import AggregatorStrategy

SYNTHESIZE: Final = "synthesize"
THIRD: Final = "third"
NONE: Final = "no answer"
FAILED: Final = "failed"
ROOM_TOKENS: Final = 128
"""A choice: tokens that a synthesis may exceed its longest draft by; a model that rambles is cut off."""
# A choice: no synthesis times out, however slow the model is.
_SECONDS: Final = 3600.0
# A choice: a text that is less similar to every draft takes none of their sides.
_ALIKE: Final = 0.3


def unhurried(engine: Engine) -> Aggregator:
    """Returns an aggregator whose synthesizer, one of the engine's models, never times out."""
    settings = AggregatorSettings.model_construct(first_piece_seconds=_SECONDS, stall_seconds=_SECONDS)
    return build_aggregator(settings, engine.models)


async def side(
    aggregator: Aggregator, questions: Questions, priors: Floats, helpers: Helpers, conflict: Conflict, strategy: str
) -> str:
    """Returns the side that a strategy takes in a conflict; the priors are the drafts' scores."""
    prompt = to_prompt(questions.recording.prompts[conflict.index], None)
    longest = max(int(questions.output_tokens[conflict.index, model]) for model in conflict.models)
    prompt.sampling.max_output_tokens = longest + ROOM_TOKENS
    texts = [questions.texts[conflict.index][model] for model in conflict.models]
    request = AggregateRequest(
        messages=prompt.messages,
        drafts=[
            Draft(candidate=questions.models[model], text=text, score=priors[model], finish_reason=FINISH_REASON_STOP)
            for model, text in zip(conflict.models, texts, strict=True)
        ],
        strategy=enums.value(AggregatorStrategy, strategy),
        answer_pattern=questions.pattern,
        synthesizers=[ModelTarget(candidate=helpers.synthesizer)] if helpers.synthesizer else [],
        sampling=prompt.sampling,
    )
    text = ""
    async for event in aggregator.aggregate(request, Deadline.after(_SECONDS)):
        text = event.chunk.text if event.chunk.restart else text + event.chunk.text
    result = event.result
    whole = result.finish_reason == FINISH_REASON_STOP and result.strategy == request.strategy and text.strip()
    # The best draft replaces a failed synthesis; it is not an outcome of the synthesis.
    return FAILED if strategy == SYNTHESIZE and not whole else _side_of(text, questions, conflict, texts)


def _side_of(text: str, questions: Questions, conflict: Conflict, texts: Sequence[str]) -> str:
    """Returns the side of a text: by its answer, or by the draft with the most similar words."""
    if questions.pattern is None:
        likeness = [similarity(text, each) for each in texts]
        return conflict.sides[likeness.index(max(likeness))] if max(likeness) >= _ALIKE else THIRD
    answer = extract(text, questions.pattern)
    if answer is None:
        return NONE
    answers = [questions.answers[conflict.index][model] for model in conflict.models]
    return conflict.sides[answers.index(canonical(answer))] if canonical(answer) in answers else THIRD
