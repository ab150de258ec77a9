"""The journal of an evaluation: what was bought and what it brought, so that nothing has to be bought twice.

Lines of JSON that are only ever added. A call's worst cost is on the disk before it is made, and what it brought after
it: a call without an end was perhaps paid for, so its worst cost counts as spent, and is made again under a new line.

A journal knows what it belongs to: its plan (the validation set with texts, answers and tasks; seed; token limit), and
the version of each candidate and judge (endpoint, model, sampling, instructions). An evaluation of the same plan goes
on where a former process was killed, or has paused because its budget was spent; what a candidate said under another
version is asked anew. Prices are no part of it: they change what the next call costs, not what was said or paid.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightrouter.evaluator.budget import Amount

_log = logging.getLogger(__name__)
_VERSION: Final = 2
_PAUSED: Final = "paused"


class JournalError(Exception):
    """A journal that cannot be used; its text is one sentence that names it."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call brought.

    Attributes:
        spent: What it cost; at its worst where that is not known.
        score: The score that it led to, 0 to 1; None where it led to none.
        text: Its text, where a judge has yet to read it.
        failure: Why it failed, in one sentence; empty where it did not.
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
        """Opens the journal, which goes on where it holds an evaluation of the same plan that has not ended.

        Args:
            path: The file. One that holds another plan, or an evaluation that has ended, is begun anew; another one
                that was paid for and has not ended is kept beside it.
            plan: What must be the same for an evaluation to go on, as JSON.
            versions: What the calls belong to, by the first two parts of their keys, like `answer/fast`.
            begin: What a new evaluation, or a new leg of one that had paused, begins with, as JSON.

        Raises:
            JournalError: It cannot be read or written.
        """
        self._path = path
        self.done: dict[str, CallResult] = {}
        """What each call brought, by its key."""
        self.lost = Amount()
        """What calls without an end may have cost since the evaluation began or last went on."""
        self.begin = begin
        """What the evaluation, or its last leg, began with."""
        self.paused = False
        """Whether it goes on after a pause."""
        self._before = Amount()
        self._versions: Mapping[str, str] = versions
        head = {"version": _VERSION, "plan": dict(plan)}
        try:
            lines, size = _lines(path)
            self.resumed = bool(lines) and {k: lines[0].get(k) for k in head} == head and "end" not in lines[-1]
            """Whether it goes on with what a former process began."""
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
        """What the evaluation has cost since it began or last went on, at its worst where that is not known."""
        return self._spent_in_all().less(self._before)

    def _spent_in_all(self) -> Amount:
        total = self.lost
        for each in self.done.values():
            total = total.plus(each.spent)
        return total

    def reserve(self, calls: Iterable[tuple[str, Amount]]) -> None:
        """Writes down what calls, by their keys, cost at their worst; it is on the disk when this returns."""
        self._write(*({"reserve": key, **worst._asdict()} for key, worst in calls), durable=True)

    def finish(self, key: str, done: CallResult) -> None:
        """Writes down what a call brought."""
        self.done[key] = done
        line: dict[str, Any] = {"done": key, **done.spent._asdict(), "score": done.score}
        line |= {"text": done.text} if done.text is not None else {}
        line |= {"failure": done.failure} if done.failure else {}
        line |= {"passing": True} if done.passing else {}
        self._write(line)

    def forget(self, keys: Iterable[str]) -> None:
        """Leaves it to later calls to bring what these have not; what they cost stays spent."""
        for key in keys:
            self.lost = self.lost.plus(self.done.pop(key).spent)

    def pause(self) -> None:
        """Writes down that the evaluation goes on another time, with another budget."""
        self._write({_PAUSED: True}, durable=True)

    def end(self) -> None:
        """Writes down that what the evaluation found is where it belongs."""
        self._write({"end": True}, durable=True)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _opened(self, head: Mapping[str, Any], size: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        if self.resumed:
            # The last line may be torn: what follows it must not be part of it, nor be lost behind it.
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
                self.done[key] = CallResult(spent, line["score"], line.get("text"), line.get("failure", ""), passing)
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
        """Begins a new leg where the former one has paused, or others answer now."""
        if not self.paused and self._versions == versions:
            return
        begin = begin if self.paused else self.begin
        self._write({"goes_on": {"versions": dict(versions), "begin": dict(begin), _PAUSED: self.paused}}, durable=True)
        self._turn(versions, begin, paused=self.paused)

    def _turn(self, versions: Mapping[str, str], begin: Mapping[str, Any], *, paused: bool) -> None:
        """Takes what a new leg begins with, and forgets what it asks anew."""
        others = [key for key in self.done if self._versions.get(_prefix(key)) != versions.get(_prefix(key))]
        self.forget(others)
        if paused:
            # A judge that could not be read, or was down, gets another chance.
            self.forget([key for key, done in self.done.items() if done.score is None and done.text is None])
            self._before = self._spent_in_all()
        self._versions, self.begin = versions, begin


def scores(path: Path) -> dict[str, dict[str, float]]:
    """Returns the scores of the last evaluation by candidate and prompt, from its journal; none where there is none.

    Raises:
        JournalError: It cannot be read.
    """
    found: dict[str, dict[str, float]] = {}
    try:
        lines, _ = _lines(path)
    except OSError as error:
        raise JournalError(f"{path} cannot be used: {error.strerror or error}") from None
    acceptances: dict[tuple[str, str], list[float | None]] = {}
    for line in lines:
        kind, _, rest = str(line.get("done", "")).partition("/")
        candidate, _, rest = rest.partition("/")
        if kind == "answer" and line.get("score") is not None:
            found.setdefault(candidate, {})[rest] = line["score"]
        elif kind == "judge":
            _, _, item = rest.partition("/")
            acceptances.setdefault((candidate, item), []).append(line["score"])
    for (candidate, item), each in acceptances.items():
        read = [score for score in each if score is not None]
        if len(read) == 2:
            found.setdefault(candidate, {})[item] = sum(read) / 2
    return found


def _prefix(key: str) -> str:
    return "/".join(key.split("/", 2)[:2])


def _keep(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Keeps a journal of something else beside the new one where it holds answers that no verdict has come of."""
    bought = sum("done" in line for line in lines)
    if not bought or "end" in lines[-1]:
        return
    kept = path.with_name(f"{path.name}.before")
    kept.write_bytes(path.read_bytes())
    _log.warning(
        "%s holds an evaluation that has not ended, of another validation set, seed or token limit, or of an earlier "
        "release; it is begun anew, and the %d calls that it had paid for are kept in %s",
        path,
        bought,
        kept,
    )


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Returns the lines up to the first that is none, and the bytes that they take."""
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
            # A disk that lost power may leave anything; what came before it is whole.
            break
        found.append(value)
        size += len(line)
    return found, size
