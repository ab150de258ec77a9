"""A recorded pool in which one candidate goes bad for a while: it answers each prompt with its answer to another one.

The evaluator that judges it, the states that it writes and the router that obeys them are those that serve.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Final

from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import NoOpTracer

from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.evaluator.announce import Announcer
from lightrouter.evaluator.budget import Limits
from lightrouter.evaluator.decision import Rules
from lightrouter.evaluator.run import Report, Settings, evaluate
from lightrouter.evaluator.validation import ValidationSet
from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.engine import Engine, opened
from lightrouter.pool import file
from lightrouter.pool.choices import State
from lightrouter.pool.filestore import FileStore
from lightrouter.pool.schema import REPLAY
from lightrouter.recording.prices import PriceList
from lightrouter.recording.prompts import Asked
from lightrouter.recording.recording import RecordedPrompt, Recording, pool_names
from lightrouter.router.rules import Defaults, DriftRules
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.document import dump
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation, StreamGenerateResponse
from lightrouter.v1.candidate_pb2 import ModelTarget
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import Answer

# A choice: far above any recorded text, so that none is cut.
_MOST_OUTPUT_TOKENS: Final = 131_072


@contextmanager
def scratch() -> Iterator[Path]:
    """Yields a temporary folder, in memory if possible, because the evaluator's journal syncs to disk at each call."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it is made safely
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


class Worth:
    """Scores texts as answers to recorded prompts."""

    def __init__(self, judged: LabelledData) -> None:
        """Takes the prompts with their labels."""
        self._pattern = judged.questions.pattern
        self._texts = judged.questions.texts
        self._quality = judged.quality
        self._right = [labels.answer for labels in judged.recording.labels]

    def of(self, index: int, text: str) -> float:
        """Returns the quality of `text`, 0 to 1: as recorded, else by the right answer; 0 without one."""
        for model, known in enumerate(self._texts[index]):
            if known == text:
                return float(self._quality[index, model])
        right, found = self._right[index], extract(text, self._pattern)
        return float(right is not None and found is not None and canonical(found) == canonical(right))


@dataclass(frozen=True, slots=True)
class Scored:
    """A task of the validation set that is scored by the recording. See `answers.scoring.Scorer`."""

    worth: Worth
    index: int

    def score(self, text: str) -> float:
        """Returns the quality of an answer."""
        return self.worth.of(self.index, text)


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


class Recalled:
    """Caches the responses of all models but the one that changes. See `runtime.rpc.models.Models`.

    Many runs ask the same; the cache saves the adapters' work.
    """

    def __init__(self, models: Models, changing: str, said: dict[tuple[str, str], GenerateResponse]) -> None:
        """Calls `models` for what the cache `said` lacks, and always for the candidate `changing`."""
        self._models = models
        self._changing = changing
        self._said = said

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        """Returns the answer. See `Models`."""
        key = (target.candidate, generation.messages[-1].content)
        response = self._said.get(key)
        if response is None:
            response = await self._models.generate(target, generation, deadline)
            if target.candidate != self._changing:
                self._said[key] = response
        return response

    def stream(
        self, target: ModelTarget, generation: Generation, deadline: Deadline
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """Yields the answer. See `Models`."""
        return self._models.stream(target, generation, deadline)


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a run.

    Attributes:
        judged: The recording.
        prices: Prices of the models.
        model: Index of the model that goes bad.
        segments: Equal parts of the time; in the middle of each the pool is evaluated.
        bad: Segments in which the model's answers are shuffled.
        requests: Most requests.
        validation: Most prompts of the validation set.
        rules: The evaluator's rules.
        said: The cache of responses, see `Recalled`.
    """

    judged: LabelledData
    prices: PriceList
    model: int
    segments: int
    bad: range
    requests: int
    validation: int
    rules: Rules
    said: dict[tuple[str, str], GenerateResponse] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The candidates' names."""
        return list(pool_names(self.judged.questions.models).values())

    @property
    def name(self) -> str:
        """The name of the candidate that goes bad."""
        return self.names[self.model]

    def pool_text(self) -> str:
        """Returns the pool file of the recorded models, with their mean qualities as priors."""
        priors = self.judged.quality.mean(axis=0)
        entries = []
        for (model, name), prior in zip(pool_names(self.judged.questions.models).items(), priors, strict=True):
            entries.append(
                {
                    "name": name,
                    "provider": REPLAY,
                    "model": model,
                    "recording": "recording.jsonl",
                    "prior": float(prior),
                    "prices": self.prices.of(model).listed,
                }
            )
        return dump({"candidates": entries})


@dataclass(slots=True)
class Pool:
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


class Deal:
    """The random choices of one run: requests and their order, validation prompts, and the shuffled answers."""

    def __init__(self, plan: Plan, seed: int) -> None:
        """Draws by `seed`."""
        random = Random(seed)  # noqa: S311 - reproducible by intent, and no secret
        indices = list(range(len(plan.judged)))
        random.shuffle(indices)
        half = len(indices) // 2
        self.seed = seed
        self.validation = sorted(indices[:half][: plan.validation])
        self.requests = indices[half:][: plan.requests]
        self.whole = plan.judged.questions.recording
        self.bad = shuffled(self.whole, plan.judged.questions.models[plan.model], random)

    def play(self, plan: Plan, engine: Engine, number: int) -> None:
        """Switches the candidate to its answers in this segment; call it for each segment in order."""
        if number == plan.bad.start:
            engine.replace(plan.name, self.bad)
        elif number == plan.bad.stop:
            engine.replace(plan.name, self.whole)

    def segment(self, number: int, of: int) -> tuple[Sequence[int], Sequence[int]]:
        """Returns the requests of a segment before and after its evaluation."""
        count = len(self.requests)
        begin, end = count * number // of, count * (number + 1) // of
        middle = (begin + end) // 2
        return self.requests[begin:middle], self.requests[middle:end]


async def adaptive(plan: Plan, deal: Deal, folder: Path, policy: Policy | None) -> Pool:
    """Runs the pool with its evaluations; without a policy there are no requests between them."""
    path = folder / "pool.yaml"
    path.write_text(plan.pool_text(), encoding="utf-8")
    engine = _engine(deal.whole, path, policy, DriftRules())
    home, announcer, found = FileStore(path), Announcer(NoOpMeter("lab")), Pool()
    worth, models = Worth(plan.judged), Recalled(engine.models, plan.name, plan.said)
    items = _validation(plan, deal, worth)
    async with opened(engine):
        for number in range(plan.segments):
            deal.play(plan, engine, number)
            first, second = deal.segment(number, plan.segments)
            await _ask(engine, plan, deal, worth, found, first if policy else ())
            config = _settings(plan, items, folder, f"run-{number}", deal.seed * plan.segments + number)
            report = await evaluate(home, models, config, announcer, NoOpTracer())
            _take(found, plan, report)
            engine.follow(report.held.pool)
            await _ask(engine, plan, deal, worth, found, second if policy else ())
    return found


async def unchanging(plan: Plan, deal: Deal, folder: Path, policy: Policy, *, foreseen: bool) -> Pool:
    """Runs the pool without evaluations; if `foreseen`, without the candidate while it is bad."""
    path = folder / "pool.yaml"
    path.write_text(plan.pool_text(), encoding="utf-8")
    pool = file.load(path)
    evicted = pool.entries[plan.name].model_copy(update={"state": State.EVICTED})
    without = replace(pool, entries={**pool.entries, plan.name: evicted})
    engine, found, worth = _engine(deal.whole, path, policy, None), Pool(), Worth(plan.judged)
    async with opened(engine):
        for number in range(plan.segments):
            deal.play(plan, engine, number)
            engine.follow(without if number in plan.bad and foreseen else pool)
            first, second = deal.segment(number, plan.segments)
            await _ask(engine, plan, deal, worth, found, [*first, *second])
    return found


def _engine(recording: Recording, path: Path, policy: Policy | None, drift: DriftRules | None) -> Engine:
    defaults = Defaults(policy or Policy(), _MOST_OUTPUT_TOKENS)
    return Engine(recording, list(file.load(path).entries.values()), defaults=defaults, drift=drift)


def _validation(plan: Plan, deal: Deal, worth: Worth) -> ValidationSet:
    prompts = deal.whole.prompts
    items = [
        Asked(prompts[index].id, prompts[index].category, prompts[index].messages, Scored(worth, index), None, {})
        for index in deal.validation
    ]
    return ValidationSet(tuple(items), f"{plan.name}-{deal.seed}")


def _settings(plan: Plan, items: ValidationSet, folder: Path, run: str, seed: int) -> Settings:
    return Settings(
        prompts=items,
        journal=folder / "evaluation.jsonl",
        new_run=lambda: (run, seed % 2**31),
        adapter_address="in-process",
        rules=plan.rules,
        limits=Limits(concurrency=1),
        max_output_tokens=_MOST_OUTPUT_TOKENS,
    )


def _take(found: Pool, plan: Plan, report: Report) -> None:
    found.states.append({name: entry.state for name, entry in report.held.pool.entries.items()})
    scores = report.outcome.scores.get(plan.name)
    found.asked.append(scores.tally.seen if scores else 0)
    found.evaluation_nanousd += report.spent.nanousd


async def _ask(engine: Engine, plan: Plan, deal: Deal, worth: Worth, found: Pool, indices: Sequence[int]) -> None:
    for index in indices:
        prompt: RecordedPrompt = deal.whole.prompts[index]
        answer: Answer = await engine.route(prompt)
        found.quality.append(worth.of(index, answer.text))
        found.cost_nanousd.append(answer.ledger.cost_nanousd)
        seen = engine.traffic.of(plan.name)
        if found.held_at is None and seen is not None and seen.drift:
            found.held_at = len(found.quality)
