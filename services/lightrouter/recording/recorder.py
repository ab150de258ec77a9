"""Records the responses of a live pool's candidates to prompts, in the format of `lightrouter.recording.load`.

Each response is written down as soon as it is there, beside the recording (FILE.partial); nothing that was paid for is
lost when the run ends early, and the next run asks only for what is missing.

A response knows its `Origin`: its prompt's text, and its candidate's model, prices, token limit and pool entry. A run
that would mix origins is refused. Answers and tasks may be corrected at any time: everything is scored again.
"""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

from lightrouter.answers.scoring import Choice
from lightrouter.recording import lines, prompts
from lightrouter.recording.load import RecordingError, load_labelled
from lightrouter.recording.prompts import Asked
from lightrouter.runtime import files
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.candidate_pb2 import CANDIDATE_STATE_EVICTED, Candidate
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST, SELECTOR_STRATEGY_PRIOR, Policy
from lightrouter.v1.router_pb2 import Answer, Prompt

Ask = Callable[[Prompt], Awaitable[Answer]]
"""Asks the router; raises ServiceError."""
Origin = Mapping[str, object]
"""What a response depends on, apart from its prompt: JSON values by readable names."""
_Response = dict[str, Any]

_NANO: Final = 10**9
# The most that Policy.boot_tokens allows.
_MOST_BOOT_TOKENS: Final = 4096
_LINE_START: Final = b'{"id": "'
# A choice: with the router's own waits of a second or more, this outlasts a burst of other calls.
_RETRIES: Final = 8


class RecordingInUseError(Exception):
    """Another process records to the output file; the text is one sentence."""


class OtherRecordingError(Exception):
    """The output file exists and records other prompts or candidates; the text is one sentence."""


class Recorded:
    """The recorded responses, in the file and in the journal beside it, which is locked until the context ends."""

    def __init__(self, path: Path, asked: Sequence[Asked]) -> None:
        """Loads what earlier runs recorded of these prompts to `path`, and scores it again.

        Raises:
            OtherRecordingError: `path`, or its journal, records other prompts.
            RecordingError: The file cannot be used.
            RecordingInUseError: Another process records to `path`.
            OSError: The journal cannot be written.
        """
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._asked = {each.id: each for each in asked}
        self._responses: dict[str, dict[str, _Response]] = {each.id: {} for each in asked}
        self._journal = _locked(self._partial)
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the journal, and removes it if it is empty, so that others may record."""
        if not self._journal.closed:
            self._journal.flush()
            if not self._partial.stat().st_size:
                self._partial.unlink()
            self._journal.close()

    def has(self, asked: Asked, model: str) -> bool:
        """Tells whether a model's response to a prompt is recorded."""
        return model in self._responses[asked.id]

    def check(self, model: str, origin_of_prompt: Callable[[Asked], Origin]) -> None:
        """Checks that missing responses of a model would have the same origin as the recorded ones.

        `origin_of_prompt` returns the origin that its response to a prompt would have now.

        Raises:
            OtherRecordingError: They would not. A model without missing responses always passes.
        """
        there = {name: responses[model] for name, responses in self._responses.items() if model in responses}
        if len(there) == len(self._responses):
            return
        for name, response in there.items():
            known, origin = response.get("origin"), origin_of_prompt(self._asked[name])
            # A recording without origins, such as one of an earlier release, is accepted.
            for what, value in known.items() if isinstance(known, dict) else ():
                if what in origin and origin[what] != value:
                    raise OtherRecordingError(
                        f"{self._path}: {model} was recorded with another {what}; name another file with --out, or "
                        "leave the candidate out with --candidates"
                    )

    def add(self, asked: Asked, model: str, response: _Response) -> None:
        """Scores a response and appends it to the journal, so that it outlives this process."""
        _score(self._asked[asked.id], response)
        self._responses[asked.id][model] = response
        line = {"id": asked.id, "prompt": _digest(asked), "model": model, "response": response}
        self._journal.write(json.dumps(line) + "\n")
        self._journal.flush()

    def save(self) -> None:
        """Writes the recording, whole or not at all, and removes the journal."""
        found = (
            json.dumps({**each.members, "responses": responses}, ensure_ascii=False)
            for each in self._asked.values()
            if (responses := self._responses[each.id])
        )
        data = "".join(f"{line}\n" for line in found).encode()
        if self._path.suffix == ".gz":
            data = gzip.compress(data, mtime=0)
        files.replace(self._path, data)
        self._journal.truncate(0)
        self.close()

    def qualities(self) -> dict[str, list[float]]:
        """Returns the scores of each model's responses, by model."""
        found: dict[str, list[float]] = {}
        for responses in self._responses.values():
            for model, response in responses.items():
                if isinstance(quality := response.get("quality"), int | float):
                    found.setdefault(model, []).append(float(quality))
        return found

    def _load(self) -> None:
        if self._path.exists():
            self._take_up()
        for members in self._whole_lines():
            self._responses[members["id"]][members["model"]] = members["response"]
        for each in self._asked.values():
            for response in self._responses[each.id].values():
                _score(each, response)

    def _take_up(self) -> None:
        for prompt in load_labelled(self._path).recording.prompts:
            if prompt.id not in self._asked or self._asked[prompt.id].messages != prompt.messages:
                raise self._other(self._path, prompt.id)
        for _, line in lines.read(self._path):
            members = lines.parse(line)
            if isinstance(members, dict):
                self._responses[members["id"]] = members.pop("responses")
                self._asked[members["id"]] = prompts.completed(self._asked[members["id"]], members)

    def _other(self, path: Path, name: str) -> OtherRecordingError:
        message = f"is there already and records another prompt, {name}; name another file with --out"
        return OtherRecordingError(f"{path}: {message}")

    def _whole_lines(self) -> Iterator[Mapping[str, Any]]:
        found = self._partial.read_bytes().splitlines(keepends=True)
        # The last line is incomplete if the process was killed while writing.
        if found and not found[-1].endswith(b"\n"):
            begun = found.pop()
            if not _LINE_START.startswith(begun[: len(_LINE_START)]):
                message = "is no journal of this command; rename it, or name another file with --out"
                raise RecordingError(f"{self._partial} {message}")
            os.truncate(self._partial, sum(map(len, found)))
        for number, line in enumerate(found, start=1):
            members = _journal_line(line)
            if members is None:
                raise RecordingError(f"{self._partial}:{number}: is no JSON of a response; remove the line")
            name, digest = members["id"], members.get("prompt")
            if digest is None:
                raise OtherRecordingError(
                    f"{self._partial}:{number}: an earlier release wrote it, which did not say which prompt's text the "
                    "response belongs to; go on with that release, name another file with --out, or remove it"
                )
            if name not in self._asked or digest != _digest(self._asked[name]):
                raise self._other(self._partial, name)
            yield members


def _locked(path: Path) -> TextIO:
    """Opens a journal that one process at a time may write, to be locked until it is closed.

    Raises:
        RecordingInUseError: Another process has it open.
    """
    while True:
        journal = path.open("a", encoding="utf-8")
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and path.stat().st_ino == os.fstat(journal.fileno()).st_ino:
                return journal
        except BlockingIOError:
            journal.close()
            message = "another process records to this file now; wait for its end, or name another file with --out"
            raise RecordingInUseError(f"{path}: {message}") from None
        # The other process has ended and removed it between the two calls.
        journal.close()


def _journal_line(line: bytes) -> Mapping[str, Any] | None:
    """Returns the members of a journal's line; None if it is no response."""
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(members, dict) or not all(isinstance(members.get(name), str) for name in ("id", "model")):
        return None
    response = members.get("response")
    return members if isinstance(response, dict) and isinstance(response.get("text"), str) else None


def origin_of(candidate: Candidate, max_output_tokens: int, entry: str = "") -> Origin:
    """Returns the origin of a candidate's responses; `entry` identifies its entry in the pool file."""
    prices = candidate.prices
    # Recordings of earlier releases have the first three.
    more = [prices.cache_write_nanousd_per_million, *(tier.SerializeToString().hex() for tier in prices.tiers)]
    origin: dict[str, object] = {
        "provider": candidate.provider,
        "model": candidate.model,
        "prices": [
            prices.input_nanousd_per_million,
            prices.cached_input_nanousd_per_million,
            prices.output_nanousd_per_million,
            *(more if any(more) else ()),
        ],
        "max_output_tokens": max_output_tokens,
    }
    return {**origin, "endpoint, sampling or instructions": entry} if entry else origin


def recorded_names(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Returns the recorded name of each candidate of a pool.

    It is its model's name, or its own if other candidates have the same model, or that name.
    """
    models = Counter(candidate.model for candidate in candidates)
    names = {candidate.name for candidate in candidates}
    return {
        each.name: each.model
        if each.model and models[each.model] == 1 and each.model not in names - {each.name}
        else each.name
        for each in candidates
    }


def able(candidates: Iterable[Candidate], wanted: Sequence[str]) -> list[Candidate]:
    """Returns the candidates that are not evicted; if `wanted` has names, only these."""
    return [
        each for each in candidates if each.state != CANDIDATE_STATE_EVICTED and (not wanted or each.name in wanted)
    ]


class Recorder:
    """Asks every candidate for every missing response."""

    def __init__(
        self,
        ask: Ask,
        recorded: Recorded,
        concurrency: int,
        max_output_tokens: int,
        entries: Mapping[str, str] | None = None,
    ) -> None:
        """Asks through `ask`, with at most `concurrency` calls at a time.

        `entries` identifies the pool file's entry of each candidate, by name; None if the pool file is not known.
        """
        self.failures: list[str] = []
        """Why each missing response failed, one sentence each."""
        self._ask = ask
        self._recorded = recorded
        self._turns = asyncio.Semaphore(concurrency)
        self._most = max_output_tokens
        self._entries = entries or {}

    async def record(
        self,
        wanted: Sequence[Asked],
        candidates: Sequence[Candidate],
        done: Callable[[], None],
        pool: Sequence[Candidate] = (),
    ) -> None:
        """Records what is missing; calls `done` after each response that is recorded or failed.

        `pool` has all candidates, so that a response is recorded by the same name whichever of them are asked; default:
        `candidates`.

        Raises:
            ServiceError: The router cannot be reached.
            OtherRecordingError: Recorded responses have another origin; no call was made.
        """
        names = recorded_names(pool or candidates)
        for candidate in candidates:
            self._recorded.check(names[candidate.name], partial(self._origin, candidate))
        try:
            async with asyncio.TaskGroup() as group:
                for asked, candidate in product(wanted, candidates):
                    if self._recorded.has(asked, names[candidate.name]):
                        done()
                        continue
                    await self._turns.acquire()
                    origin = self._origin(candidate, asked)
                    group.create_task(self._record(asked, candidate.name, names[candidate.name], origin, done))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _record(self, asked: Asked, candidate: str, model: str, origin: Origin, done: Callable[[], None]) -> None:
        try:
            answer = await self._patiently(self._prompt(asked, candidate))
        except ServiceError as error:
            if error.code is Code.UNAVAILABLE and not error.failures:
                # The router itself is unavailable: all other calls would fail too.
                raise
            why = error.failures[candidate].message if candidate in error.failures else error.message
            self.failures.append(f"{asked.id}, {candidate}: {why}")
        else:
            self._recorded.add(asked, model, _response(answer, origin))
        finally:
            self._turns.release()
        done()

    async def _patiently(self, prompt: Prompt) -> Answer:
        """Retries while the router is busy and says when to retry."""
        for _ in range(_RETRIES):
            try:
                return await self._ask(prompt)
            except ServiceError as error:
                if error.code is not Code.RESOURCE_EXHAUSTED or error.retry_after is None:
                    raise
                await asyncio.sleep(error.retry_after)
        return await self._ask(prompt)

    def _origin(self, candidate: Candidate, asked: Asked) -> Origin:
        return origin_of(candidate, self._limit(asked), self._entries.get(candidate.name, ""))

    def _limit(self, asked: Asked) -> int:
        return asked.max_output_tokens or self._most

    def _prompt(self, asked: Asked, candidate: str) -> Prompt:
        """Returns the prompt for one candidate; its boot takes the whole answer, up to the longest boot allowed."""
        most = self._limit(asked)
        policy = Policy(
            candidates=[candidate],
            boot_tokens=min(_MOST_BOOT_TOKENS, most),
            k=1,
            shortlist=0,
            selector=SELECTOR_STRATEGY_PRIOR,
            aggregator=AGGREGATOR_STRATEGY_BEST,
        )
        prompt = Prompt(messages=asked.messages, policy=policy)
        prompt.sampling.max_output_tokens = most
        return prompt


def _response(answer: Answer, origin: Origin) -> _Response:
    ledger = answer.ledger
    return {
        "text": answer.text,
        "input_tokens": ledger.entries[0].usage.input_tokens,
        "output_tokens": ledger.usage.output_tokens,
        "cost_usd": ledger.cost_nanousd / _NANO,
        "latency_s": round(sum(entry.elapsed.ToNanoseconds() for entry in ledger.entries) / _NANO, 6),
        "origin": origin,
    }


def _score(asked: Asked, response: _Response) -> None:
    """Scores a response; without a scorer it keeps its score."""
    if asked.scorer is None:
        return
    response["quality"] = asked.scorer.score(response["text"])
    response.pop("answer", None)
    if isinstance(asked.scorer, Choice) and (letter := asked.scorer.find(response["text"])):
        response["answer"] = letter


def _digest(asked: Asked) -> str:
    """Returns the digest of a prompt's conversation."""
    return prompts.conversation_digest(asked.messages)
