"""Records what the candidates of a live pool write to prompts, in the format of `lightrouter.recording.load`.

Each response is written down as soon as it is there, beside the recording (FILE.partial); nothing that was paid for is
lost when the run ends early, and the next run asks only for what is missing.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

from lightrouter.answers.scoring import Choice
from lightrouter.lab.prompts import Asked
from lightrouter.recording.load import RecordingError, load_labelled
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.candidate_pb2 import CANDIDATE_STATE_EVICTED, Candidate
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST, SELECTOR_STRATEGY_PRIOR, Policy
from lightrouter.v1.router_pb2 import Answer, Prompt

Ask = Callable[[Prompt], Awaitable[Answer]]
"""Asks the router; raises ServiceError."""
_Response = dict[str, object]

_NANO: Final = 10**9
_MOST_BOOT_TOKENS: Final = 4096
_RETRIES: Final = 8


class OtherRecordingError(Exception):
    """The file to write is there and is no recording of these prompts; its text is one sentence."""


class Recorded:
    """The responses that are there, in the file and beside it; also a context manager that closes what it writes to."""

    def __init__(self, path: Path, prompts: Sequence[Asked]) -> None:
        """Takes up what earlier runs recorded of `prompts` to `path`.

        Raises:
            OtherRecordingError: `path` records other prompts.
            RecordingError: It cannot be used.
        """
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._prompts = prompts
        self._responses: dict[str, dict[str, _Response]] = {asked.id: {} for asked in prompts}
        if path.exists():
            self._take_up()
        for members in self._whole_lines():
            if (responses := self._responses.get(members["id"])) is not None:
                responses[members["model"]] = members["response"]
        self._journal: TextIO = self._partial.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()

    def has(self, asked: Asked, model: str) -> bool:
        """Whether a model's response to a prompt is there."""
        return model in self._responses[asked.id]

    def add(self, asked: Asked, model: str, response: _Response) -> None:
        """Writes down a response, so that it outlives this process."""
        self._responses[asked.id][model] = response
        self._journal.write(json.dumps({"id": asked.id, "model": model, "response": response}) + "\n")
        self._journal.flush()

    def save(self) -> None:
        """Writes the recording, whole or not at all, and leaves nothing beside it."""
        lines = (
            json.dumps({**asked.members, "responses": responses}, ensure_ascii=False) + "\n"
            for asked in self._prompts
            if (responses := self._responses[asked.id])
        )
        data = "".join(lines).encode()
        if self._path.suffix == ".gz":
            data = gzip.compress(data, mtime=0)
        new = self._path.with_name(f".{self._path.name}.new")
        new.write_bytes(data)
        new.replace(self._path)
        self._journal.close()
        self._partial.unlink()

    def qualities(self) -> dict[str, list[float]]:
        """Returns the scores of each model's responses, by model."""
        found: dict[str, list[float]] = {}
        for responses in self._responses.values():
            for model, response in responses.items():
                if isinstance(quality := response.get("quality"), float):
                    found.setdefault(model, []).append(quality)
        return found

    def _take_up(self) -> None:
        there = load_labelled(self._path).recording
        by_id = {asked.id: asked for asked in self._prompts}
        for prompt in there.prompts:
            if prompt.id not in by_id or by_id[prompt.id].messages != prompt.messages:
                message = f"is there already and records another prompt, {prompt.id}; name another file with --out"
                raise OtherRecordingError(f"{self._path}: {message}")
        data = self._path.read_bytes()
        text = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        for line in filter(bytes.strip, text.splitlines()):
            members = json.loads(line)
            self._responses[members["id"]] = members["responses"]

    def _whole_lines(self) -> Iterator[dict[str, Any]]:
        if not self._partial.exists():
            return
        lines = self._partial.read_bytes().splitlines(keepends=True)
        # The last line is half where the process was killed while it wrote.
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
            os.truncate(self._partial, sum(map(len, lines)))
        for number, line in enumerate(lines, start=1):
            try:
                yield json.loads(line)
            except ValueError:
                raise RecordingError(f"{self._partial}:{number}: is no JSON; remove the file") from None


def recorded_names(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Returns the name under which each candidate is recorded: its model's, or its own where others have that model."""
    models = Counter(candidate.model for candidate in candidates)
    return {each.name: each.model if each.model and models[each.model] == 1 else each.name for each in candidates}


def able(candidates: Iterable[Candidate], wanted: Sequence[str]) -> list[Candidate]:
    """Returns the candidates that may answer, those of the names `wanted` where there are any."""
    return [
        each for each in candidates if each.state != CANDIDATE_STATE_EVICTED and (not wanted or each.name in wanted)
    ]


class Recorder:
    """Asks every candidate for every response that is missing."""

    def __init__(self, ask: Ask, recorded: Recorded, concurrency: int, max_output_tokens: int) -> None:
        """Asks through `ask`, at most `concurrency` calls at the same time."""
        self.failures: list[str] = []
        """What went wrong with each response that is still missing, one sentence each."""
        self._ask = ask
        self._recorded = recorded
        self._turns = asyncio.Semaphore(concurrency)
        self._most = max_output_tokens

    async def record(self, prompts: Sequence[Asked], candidates: Sequence[Candidate], done: Callable[[], None]) -> None:
        """Records what is missing; tells `done` of each response that is there or failed.

        Raises:
            ServiceError: The router cannot be reached.
        """
        names = recorded_names(candidates)
        try:
            async with asyncio.TaskGroup() as group:
                for asked, candidate in product(prompts, candidates):
                    if self._recorded.has(asked, names[candidate.name]):
                        done()
                        continue
                    await self._turns.acquire()
                    group.create_task(self._record(asked, candidate.name, names[candidate.name], done))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _record(self, asked: Asked, candidate: str, model: str, done: Callable[[], None]) -> None:
        try:
            answer = await self._patiently(self._prompt(asked, candidate))
        except ServiceError as error:
            if error.code is Code.UNAVAILABLE and not error.failures:
                # The router itself is away: nothing else will get through either.
                raise
            why = error.failures[candidate].message if candidate in error.failures else error.message
            self.failures.append(f"{asked.id}, {candidate}: {why}")
        else:
            self._recorded.add(asked, model, _response(asked, answer))
        finally:
            self._turns.release()
        done()

    async def _patiently(self, prompt: Prompt) -> Answer:
        """Asks again where the router is busy and says when that may help."""
        for _ in range(_RETRIES):
            try:
                return await self._ask(prompt)
            except ServiceError as error:
                if error.code is not Code.RESOURCE_EXHAUSTED or error.retry_after is None:
                    raise
                await asyncio.sleep(error.retry_after)
        return await self._ask(prompt)

    def _prompt(self, asked: Asked, candidate: str) -> Prompt:
        """Returns the prompt for one candidate, which writes its whole answer in the boot stage as far as that goes."""
        policy = Policy(
            candidates=[candidate],
            boot_tokens=min(_MOST_BOOT_TOKENS, self._most),
            k=1,
            shortlist=0,
            selector=SELECTOR_STRATEGY_PRIOR,
            aggregator=AGGREGATOR_STRATEGY_BEST,
        )
        prompt = Prompt(messages=asked.messages, policy=policy)
        prompt.sampling.max_output_tokens = self._most
        return prompt


def _response(asked: Asked, answer: Answer) -> _Response:
    ledger = answer.ledger
    response: _Response = {
        "text": answer.text,
        "input_tokens": ledger.entries[0].usage.input_tokens,
        "output_tokens": ledger.usage.output_tokens,
        "cost_usd": ledger.cost_nanousd / _NANO,
        "latency_s": round(sum(entry.elapsed.ToNanoseconds() for entry in ledger.entries) / _NANO, 6),
    }
    if asked.scorer:
        response["quality"] = asked.scorer.score(answer.text)
    if isinstance(asked.scorer, Choice) and (letter := asked.scorer.find(answer.text)):
        response["answer"] = letter
    return response
