"""A recorded pool in which one candidate goes bad for a while: it answers each prompt with its answer to another one.

The evaluator that scores it, the states that it writes and the router that obeys them are those that serve.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Final, Literal

from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import NoOpTracer

from lightrouter.evaluator.announce import Announcer
from lightrouter.evaluator.budget import Limits
from lightrouter.evaluator.decision import Rules
from lightrouter.evaluator.run import Report, Settings, evaluate
from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.dataset.scorer import RecordedScorer
from lightrouter.lab.policies.engine import Engine, opened
from lightrouter.pool import file, replayed
from lightrouter.pool.choices import State
from lightrouter.pool.filestore import FileStore
from lightrouter.recording.prices import PriceList
from lightrouter.recording.prompts import Asked
from lightrouter.recording.recording import Recording, pool_names
from lightrouter.router.rules import Defaults, DriftRules
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.document import dump
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation, StreamGenerateResponse
from lightrouter.v1.candidate_pb2 import ModelTarget
from lightrouter.v1.policy_pb2 import Policy

Kind = Literal["adaptive", "static", "oracle"]
"""What the pool obeys: the evaluator and the drift detector, nothing, or an oracle that knows when answers are bad."""

# A choice: far above any recorded text, so that none is cut.
_MOST_OUTPUT_TOKENS: Final = 131_072


@contextmanager
def scratch() -> Iterator[Path]:
    """Yields a temporary folder, in memory if possible, because the evaluator's journal syncs to disk at each call."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it is made safely
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def shuffled(recording: Recording, model: str, random: Random) -> Recording:
    """Returns the recording with the responses of `model` shuffled among the prompts."""
    responses = [prompt.responses[model] for prompt in recording.prompts]
    random.shuffle(responses)
    return Recording(
        [
            replace(prompt, responses={**prompt.responses, model: response})
            for prompt, response in zip(recording.prompts, responses, strict=True)
        ]
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a run.

    Attributes:
        data: The recording.
        prices: Prices of the models.
        model: Index of the model that goes bad.
        segments: Equal parts of the time; in the middle of each the pool is evaluated.
        bad: Segments in which the model's answers are shuffled.
        requests: Most requests.
        validation: Most prompts of the validation set.
        rules: The evaluator's rules.
        responses: Caches responses for all runs, see `_Cached`.
    """

    data: LabelledData
    prices: PriceList
    model: int
    segments: int
    bad: range
    requests: int
    validation: int
    rules: Rules
    responses: dict[tuple[str, str], GenerateResponse] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The candidates' names."""
        return list(pool_names(self.data.questions.models).values())

    @property
    def name(self) -> str:
        """The name of the candidate that goes bad."""
        return self.names[self.model]

    def pool_text(self) -> str:
        """Returns the pool file of the recorded models, with their mean qualities as priors."""
        priors = self.data.quality.mean(axis=0)
        return dump(
            {"candidates": replayed.entries("recording.jsonl", self.data.questions.models, priors, self.prices)}
        )


@dataclass(slots=True)
class Outcome:
    """The outcome of one run.

    Attributes:
        quality: Quality of each answer, in order.
        cost_nanousd: Cost of each answer, in order, in billionths of a US dollar.
        states: States after each evaluation, by candidate.
        asked: Prompts after which each evaluation decided on the candidate that goes bad.
        evaluation_nanousd: Cost of the evaluations, in billionths of a US dollar.
        held_at: The request at which the router itself put the candidate on probation; None if it never did.
    """

    quality: list[float] = field(default_factory=list)
    cost_nanousd: list[int] = field(default_factory=list)
    states: list[Mapping[str, State]] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    evaluation_nanousd: int = 0
    held_at: int | None = None

    def take(self, report: Report, name: str) -> None:
        """Adds an evaluation, in which the candidate `name` goes bad."""
        self.states.append({each: entry.state for each, entry in report.held.pool.entries.items()})
        scores = report.outcome.scores.get(name)
        self.asked.append(scores.tally.seen if scores else 0)
        self.evaluation_nanousd += report.spent.nanousd


class Draw:
    """The random choices of one run: requests and their order, validation prompts, and the shuffled answers."""

    def __init__(self, plan: Plan, seed: int) -> None:
        """Draws by `seed`."""
        random = Random(seed)  # noqa: S311 - reproducible by intent, and no secret
        indices = list(range(len(plan.data)))
        random.shuffle(indices)
        half = len(indices) // 2
        self.seed = seed
        self.validation = sorted(indices[:half][: plan.validation])
        self.requests = indices[half:][: plan.requests]
        self.whole = plan.data.questions.recording
        self.bad = shuffled(self.whole, plan.data.questions.models[plan.model], random)

    def segment(self, number: int, of: int) -> tuple[Sequence[int], Sequence[int]]:
        """Returns the requests of a segment before and after its evaluation."""
        count = len(self.requests)
        begin, end = count * number // of, count * (number + 1) // of
        middle = (begin + end) // 2
        return self.requests[begin:middle], self.requests[middle:end]


async def simulate(plan: Plan, draw: Draw, folder: Path, policy: Policy | None, kind: Kind) -> Outcome:
    """Runs the pool, kept in `folder`; without a policy there are evaluations but no requests between them."""
    path = folder / "pool.yaml"
    path.write_text(plan.pool_text(), encoding="utf-8")
    pool = file.load(path)
    evicted = pool.entries[plan.name].model_copy(update={"state": State.EVICTED})
    without = replace(pool, entries={**pool.entries, plan.name: evicted})
    engine = Engine(
        draw.whole,
        list(pool.entries.values()),
        defaults=Defaults(policy or Policy(), _MOST_OUTPUT_TOKENS),
        drift=DriftRules() if kind == "adaptive" else None,
    )
    store, announcer, models = FileStore(path), Announcer(NoOpMeter("lab")), _Cached(engine.models, plan)
    found = Outcome()
    async with opened(engine):
        for number in range(plan.segments):
            if number == plan.bad.start:
                engine.replace(plan.name, draw.bad)
            elif number == plan.bad.stop:
                engine.replace(plan.name, draw.whole)
            if kind != "adaptive":
                engine.follow(without if kind == "oracle" and number in plan.bad else pool)
            first, second = draw.segment(number, plan.segments) if policy else ((), ())
            await _ask(engine, plan, first, found)
            if kind == "adaptive":
                report = await evaluate(store, models, _settings(plan, draw, folder, number), announcer, NoOpTracer())
                found.take(report, plan.name)
                engine.follow(report.held.pool)
            await _ask(engine, plan, second, found)
    return found


class _Cached:
    """Caches the responses, which many runs ask for, of all models except the changing one. See `Models`."""

    def __init__(self, models: Models, plan: Plan) -> None:
        self._models = models
        self._plan = plan

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        key = (target.candidate, generation.messages[-1].content)
        response = self._plan.responses.get(key)
        if response is None:
            response = await self._models.generate(target, generation, deadline)
            if target.candidate != self._plan.name:
                self._plan.responses[key] = response
        return response

    def stream(
        self,
        target: ModelTarget,
        generation: Generation,
        deadline: Deadline,
        *,
        checkpoint_tokens: int = 0,
        unwatched: bool = False,
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        return self._models.stream(
            target, generation, deadline, checkpoint_tokens=checkpoint_tokens, unwatched=unwatched
        )


def _settings(plan: Plan, draw: Draw, folder: Path, number: int) -> Settings:
    """Returns the settings of the evaluation in segment `number`."""
    prompts = {index: draw.whole.prompts[index] for index in draw.validation}
    items = [
        Asked(each.id, each.category, each.messages, RecordedScorer(plan.data, index), None, {})
        for index, each in prompts.items()
    ]
    return Settings(
        prompts=items,
        journal=folder / "evaluation.jsonl",
        new_run=lambda: (f"run-{number}", (draw.seed * plan.segments + number) % 2**31),
        adapter_address="in-process",
        rules=plan.rules,
        limits=Limits(concurrency=1),
        max_output_tokens=_MOST_OUTPUT_TOKENS,
    )


async def _ask(engine: Engine, plan: Plan, indices: Sequence[int], found: Outcome) -> None:
    """Routes the requests at these indices."""
    for index in indices:
        answer = await engine.route(plan.data.questions.recording.prompts[index])
        found.quality.append(RecordedScorer(plan.data, index).score(answer.text))
        found.cost_nanousd.append(answer.ledger.cost_nanousd)
        seen = engine.traffic.of(plan.name)
        if found.held_at is None and seen is not None and seen.drift:
            found.held_at = len(found.quality)
