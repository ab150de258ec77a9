"""The journal of an evaluation: what was bought and what it brought, so that a killed one goes on where it was.

Lines of JSON that are only ever added. A call's worst cost is on the disk before it is made, and what it brought after
it: a call without an end was perhaps paid for, so its worst cost counts as spent, and is made again under a new line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightrouter.pool.evaluator.budget import Amount

_VERSION: Final = 1


class JournalError(Exception):
    """A journal that cannot be used; its text is one sentence that names it."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a call brought.

    Attributes:
        spent: What it cost; at its worst where that is not known.
        score: The score that it led to, 0 to 1; None where it led to none.
        text: Its text, where a judge has yet to read it.
        failure: Why it failed, in one sentence; empty where it did not.
    """

    spent: Amount
    score: float | None = None
    text: str | None = None
    failure: str = ""


class Journal:
    """The journal of one evaluation."""

    def __init__(self, path: Path, plan: Mapping[str, Any], begin: Mapping[str, Any]) -> None:
        """Opens the journal, which goes on where it holds an evaluation of the same plan that has not ended.

        Args:
            path: The file. One that holds another plan, or an evaluation that has ended, is begun anew.
            plan: What must be the same for an evaluation to go on, as JSON.
            begin: What a new evaluation begins with, as JSON; one that goes on has what it began with.

        Raises:
            JournalError: It cannot be read or written.
        """
        self._path = path
        self.done: dict[str, Done] = {}
        """What each call brought, by its key."""
        self.lost = Amount()
        """What calls without an end may have cost."""
        self.begin = begin
        """What the evaluation began with."""
        head = {"version": _VERSION, "plan": dict(plan)}
        try:
            lines, size = _lines(path)
            self.resumed = bool(lines) and {k: lines[0].get(k) for k in head} == head and "end" not in lines[-1]
            """Whether it goes on with what a former process began."""
            if self.resumed:
                self.begin = lines[0]["begin"]
                self._replay(lines[1:])
            self._file = self._opened({**head, "begin": self.begin}, size)
        except OSError as error:
            raise JournalError(f"{path} cannot be used: {error.strerror or error}") from None

    @property
    def spent(self) -> Amount:
        """What the evaluation has cost so far, at its worst where that is not known."""
        total = self.lost
        for each in self.done.values():
            total = total.plus(each.spent)
        return total

    def reserve(self, calls: Iterable[tuple[str, Amount]]) -> None:
        """Writes down what calls, by their keys, cost at their worst; it is on the disk when this returns."""
        self._write(*({"reserve": key, **worst._asdict()} for key, worst in calls), durable=True)

    def finish(self, key: str, done: Done) -> None:
        """Writes down what a call brought."""
        self.done[key] = done
        line: dict[str, Any] = {"done": key, **done.spent._asdict(), "score": done.score}
        line |= {"text": done.text} if done.text is not None else {}
        line |= {"failure": done.failure} if done.failure else {}
        self._write(line)

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

    def _replay(self, lines: Iterable[Mapping[str, Any]]) -> None:
        running: dict[str, Amount] = {}
        for line in lines:
            if (key := line.get("reserve")) is not None:
                self.lost = self.lost.plus(running.get(key, Amount()))
                running[key] = Amount(line["nanousd"], line["tokens"])
            elif (key := line.get("done")) is not None:
                running.pop(key, None)
                spent = Amount(line["nanousd"], line["tokens"])
                self.done[key] = Done(spent, line["score"], line.get("text"), line.get("failure", ""))
        for worst in running.values():
            self.lost = self.lost.plus(worst)


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
