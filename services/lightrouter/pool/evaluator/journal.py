"""The journal of an evaluation: the calls that were paid for and their results, so that nothing is bought twice.

JSON lines, append-only. A call's maximum cost is on the disk before the call, its result after it: a call without a
result was perhaps paid for, so its maximum cost counts as spent, and it is made again under a new line.

A journal records what it belongs to: its plan (the validation set with texts, answers and tasks; seed; token limit),
and the version of each candidate and judge (endpoint, model, sampling, instructions). An evaluation of the same plan
resumes after its process was killed, or after it paused because its budget was spent; answers of another version are
asked again. Prices are not part of the version: they change the cost of the next call, not what was said or paid.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightrouter.pool.evaluator.budget import Amount

_log = logging.getLogger(__name__)
_VERSION: Final = 2
_PAUSED: Final = "paused"


class JournalError(Exception):
    """A journal that cannot be used; its text is one sentence that names it."""


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a call.

    Attributes:
        spent: Its cost; the maximum if unknown.
        score: Its score, 0 to 1; None if it has none.
        text: Its text, if a judge still has to read it.
        failure: Why it failed, in one sentence; empty if it did not.
        passing: Whether it failed in a way that may be an outage.
    """

    spent: Amount
    score: float | None = None
    text: str | None = None
    failure: str = ""
    passing: bool = False


class Journal:
    """The journal of one evaluation."""

    def __init__(
        self, path: Path, plan: Mapping[str, Any], versions: Mapping[str, str], begin: Mapping[str, Any]
    ) -> None:
        """Opens the journal; resumes if it has an unfinished evaluation of the same plan.

        Args:
            path: The file. A file with another plan, or with a finished evaluation, is started anew; an unfinished one
                of another plan that was paid for is kept beside it.
            plan: What must be equal to resume an evaluation, as JSON.
            versions: Versions of the calls' candidates, by the first two parts of their keys, like `answer/fast`.
            begin: The first record of a new evaluation, or of a new leg after a pause, as JSON.

        Raises:
            JournalError: It cannot be read or written.
        """
        self._path = path
        self.done: dict[str, Done] = {}
        """The result of each call, by its key."""
        self.lost = Amount()
        """The possible cost of calls without a result since the evaluation started or last resumed."""
        self.begin = begin
        """The first record of the evaluation, or of its last leg."""
        self.paused = False
        """Whether it resumes after a pause."""
        self._before = Amount()
        self._versions: Mapping[str, str] = versions
        head = {"version": _VERSION, "plan": dict(plan)}
        try:
            lines, size = _lines(path)
            self.resumed = bool(lines) and {k: lines[0].get(k) for k in head} == head and "end" not in lines[-1]
            """Whether it resumes the work of an earlier process."""
            if self.resumed:
                self._replay(lines)
            elif lines:
                _keep(path, lines)
            self._file = self._opened({**head, "versions": dict(versions), "begin": begin}, size)
            if self.resumed:
                self._go_on(versions, begin)
        except OSError as error:
            raise JournalError(f"{path} cannot be used: {error.strerror or error}") from None

    @property
    def spent(self) -> Amount:
        """The evaluation's cost since it started or last resumed; the maximum where it is unknown."""
        return self._spent_in_all().less(self._before)

    def _spent_in_all(self) -> Amount:
        total = self.lost
        for each in self.done.values():
            total = total.plus(each.spent)
        return total

    def reserve(self, calls: Iterable[tuple[str, Amount]]) -> None:
        """Records the maximum costs of calls, by key; they are on the disk when this returns."""
        self._write(*({"reserve": key, **worst._asdict()} for key, worst in calls), durable=True)

    def finish(self, key: str, done: Done) -> None:
        """Records the result of a call."""
        self.done[key] = done
        line: dict[str, Any] = {"done": key, **done.spent._asdict(), "score": done.score}
        line |= {"text": done.text} if done.text is not None else {}
        line |= {"failure": done.failure} if done.failure else {}
        line |= {"passing": True} if done.passing else {}
        self._write(line)

    def forget(self, keys: Iterable[str]) -> None:
        """Forgets these calls, so that they are made again; their cost stays spent."""
        for key in keys:
            self.lost = self.lost.plus(self.done.pop(key).spent)

    def pause(self) -> None:
        """Records a pause: the evaluation resumes later, with another budget."""
        self._write({_PAUSED: True}, durable=True)

    def end(self) -> None:
        """Records that the evaluation's findings have been stored."""
        self._write({"end": True}, durable=True)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _opened(self, head: Mapping[str, Any], size: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        if self.resumed:
            # The last line may be torn: new lines must not join it.
            os.truncate(self._path, size)
            return os.open(self._path, flags)
        file = os.open(self._path, flags | os.O_TRUNC, 0o600)
        os.write(file, _line(head))
        os.fsync(file)
        return file

    def _write(self, *lines: Mapping[str, Any], durable: bool = False) -> None:
        data = b"".join(map(_line, lines))
        try:
            whole = os.write(self._file, data) == len(data)
            if durable:
                os.fsync(self._file)
        except OSError as error:
            raise JournalError(f"{self._path} cannot be written: {error.strerror or error}") from None
        if not whole:
            raise JournalError(f"{self._path} cannot be written: no space is left for a whole line")

    def _replay(self, lines: Sequence[Mapping[str, Any]]) -> None:
        self.begin, self._versions = lines[0]["begin"], lines[0].get("versions", {})
        running: dict[str, Amount] = {}
        for line in lines[1:]:
            if (key := line.get("reserve")) is not None:
                self.lost = self.lost.plus(running.get(key, Amount()))
                running[key] = Amount(line["nanousd"], line["tokens"])
            elif (key := line.get("done")) is not None:
                running.pop(key, None)
                if key in self.done:
                    self.forget([key])
                spent = Amount(line["nanousd"], line["tokens"])
                passing = line.get("passing", False)
                self.done[key] = Done(spent, line["score"], line.get("text"), line.get("failure", ""), passing)
            elif (leg := line.get("goes_on")) is not None:
                self._lose(running)
                self._turn(leg["versions"], leg["begin"], paused=leg[_PAUSED])
            self.paused = _PAUSED in line
        self._lose(running)

    def _lose(self, running: dict[str, Amount]) -> None:
        for worst in running.values():
            self.lost = self.lost.plus(worst)
        running.clear()

    def _go_on(self, versions: Mapping[str, str], begin: Mapping[str, Any]) -> None:
        """Starts a new leg if the last one has paused, or if other candidates answer now."""
        if not self.paused and self._versions == versions:
            return
        begin = begin if self.paused else self.begin
        self._write({"goes_on": {"versions": dict(versions), "begin": dict(begin), _PAUSED: self.paused}}, durable=True)
        self._turn(versions, begin, paused=self.paused)

    def _turn(self, versions: Mapping[str, str], begin: Mapping[str, Any], *, paused: bool) -> None:
        """Applies the first record of a new leg, and forgets the calls that it repeats."""
        others = [key for key in self.done if self._versions.get(_prefix(key)) != versions.get(_prefix(key))]
        self.forget(others)
        if paused:
            # A judge that was unreadable or down gets another chance.
            self.forget([key for key, done in self.done.items() if done.score is None and done.text is None])
            self._before = self._spent_in_all()
        self._versions, self.begin = versions, begin


def scores(path: Path) -> dict[str, dict[str, float]]:
    """Returns the scores of the last evaluation by candidate and prompt, from its journal; empty if there is none.

    Raises:
        JournalError: It cannot be read.
    """
    found: dict[str, dict[str, float]] = {}
    try:
        lines, _ = _lines(path)
    except OSError as error:
        raise JournalError(f"{path} cannot be used: {error.strerror or error}") from None
    verdicts: dict[tuple[str, str], list[float | None]] = {}
    for line in lines:
        kind, _, rest = str(line.get("done", "")).partition("/")
        candidate, _, rest = rest.partition("/")
        if kind == "answer" and line.get("score") is not None:
            found.setdefault(candidate, {})[rest] = line["score"]
        elif kind == "judge":
            _, _, item = rest.partition("/")
            verdicts.setdefault((candidate, item), []).append(line["score"])
    for (candidate, item), each in verdicts.items():
        read = [score for score in each if score is not None]
        if len(read) == 2:
            found.setdefault(candidate, {})[item] = sum(read) / 2
    return found


def _prefix(key: str) -> str:
    return "/".join(key.split("/", 2)[:2])


def _keep(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Keeps another plan's journal beside the new one, if its answers have not led to a decision."""
    bought = sum("done" in line for line in lines)
    if not bought or "end" in lines[-1]:
        return
    kept = path.with_name(f"{path.name}.before")
    kept.write_bytes(path.read_bytes())
    _log.warning(
        "%s holds an evaluation that has not ended, of another validation set, seed or token limit, or of an earlier "
        "release; it is started anew, and the %d calls that it had paid for are kept in %s",
        path,
        bought,
        kept,
    )


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Returns the lines up to the first invalid one, and their length in bytes."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    found: list[dict[str, Any]] = []
    size = 0
    for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            # A power failure may leave anything at the end; earlier lines are whole.
            break
        found.append(value)
        size += len(line)
    return found, size
