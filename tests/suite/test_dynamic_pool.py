"""A candidate goes bad and recovers, over the real services: the evaluator finds out, and the router obeys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import NoOpTracer

from lightrouter.evaluator.announce import Announcer
from lightrouter.evaluator.run import Report, Settings, evaluate
from lightrouter.pool.choices import State
from lightrouter.pool.filestore import FileStore
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.v1.candidate_pb2 import CANDIDATE_STATE_ADMITTED, CANDIDATE_STATE_EVICTED, CandidateState
from lightrouter.v1.router_pb2 import ListCandidatesRequest
from tests.suite.rig import Suite, entry, prompt, running
from tests.unit.evaluator.fakes import parse
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

QUALITY = {"best": 0.95, "good": 0.9, "fair": 0.85}
LETTERS = "ABCDEFGHIJ"
TIMEOUT_S = 600.0
RIGHT = {f"Question {number}?": Random(number).choice(LETTERS) for number in range(120)}
SET = parse(
    "\n".join(
        json.dumps({"id": question, "prompt": question, "task": "choice", "answer": answer})
        for question, answer in RIGHT.items()
    ).encode()
)


class Model:
    """A recorded model, whose answers can be dealt out anew to the questions."""

    def __init__(self, name: str, quality: float) -> None:
        random = Random(name)
        self._recorded = {
            question: right if random.random() < quality else random.choice(LETTERS)
            for question, right in RIGHT.items()
        }
        self._said: Mapping[str, str] = self._recorded

    def shuffle(self) -> None:
        letters = list(self._recorded.values())
        Random(1).shuffle(letters)
        self._said = dict(zip(self._recorded, letters, strict=True))

    def recover(self) -> None:
        self._said = self._recorded

    def behaviour(self) -> Behaviour:
        async def behave(exchange: Exchange) -> None:
            question = exchange.request.body["messages"][0]["content"]
            await behaviours.reply(f"The answer is {self._said[question]}.")(exchange)

        return behave


async def obeyed(suite: Suite, state: CandidateState.ValueType) -> None:
    """Returns once the router has the first candidate in this state."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            listed = await suite.stub.ListCandidates(ListCandidatesRequest(), timeout=TIMEOUT_S)
            if listed.candidates[0].candidate.state == state:
                assert not [each for each in listed.candidates[1:] if each.candidate.state != CANDIDATE_STATE_ADMITTED]
                return
            await asyncio.sleep(0.01)


async def asked(suite: Suite) -> set[str]:
    """Returns who takes part in a request."""
    answer = await suite.complete(prompt(text="Question 1?"))
    return {line.candidate for line in answer.ledger.entries}


async def test_a_candidate_is_evicted_while_it_is_bad_and_back_thereafter(folder: Path) -> None:
    models = {name: Model(name, quality) for name, quality in QUALITY.items()}
    async with AsyncExitStack() as stack:
        upstreams = {
            name: await stack.enter_async_context(Upstream(model.behaviour())) for name, model in models.items()
        }
        entries = [entry(name, upstream.base_url) for name, upstream in upstreams.items()]
        suite = await stack.enter_async_context(running(folder, *entries, router={"quorum": 1.0}))
        channels = Channels()
        stack.push_async_callback(channels.close)

        async def judged(run: str) -> Report:
            told = Settings(
                prompts=SET,
                journal=folder / "evaluation.jsonl",
                new_run=lambda: (run, 7),
                adapter_address=f"unix:{folder}/{{name}}.sock",
            )
            models = ModelClient(channels, NoOpTracer())
            return await evaluate(FileStore(suite.pool), models, told, Announcer(NoOpMeter("test")), NoOpTracer())

        assert not (await judged("good")).changes
        assert await asked(suite) == {"best", "good", "fair"}

        models["best"].shuffle()
        (change,) = (await judged("bad")).changes
        assert (change.candidate, change.after.state) == ("best", State.EVICTED)
        assert change.after.admitted.reason == "CrediblyWorse"
        await obeyed(suite, CANDIDATE_STATE_EVICTED)
        assert await asked(suite) == {"good", "fair"}

        models["best"].recover()
        (change,) = (await judged("good again")).changes
        assert (change.candidate, change.after.state) == ("best", State.ADMITTED)
        assert change.after.admitted.reason == "CrediblyGood"
        await obeyed(suite, CANDIDATE_STATE_ADMITTED)
        assert await asked(suite) == {"best", "good", "fair"}
