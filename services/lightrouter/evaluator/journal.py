"""The journal of an evaluation: its calls and their results, so that no call is paid for twice.

The file has lines of JSON and grows only at its end. A call's reserved cost is on the disk before the call, its result
after it. A call without a result may have been billed: its reserved cost counts as spent, and the call is repeated with
a new line. A call that was not made after all has a line that says so.

A journal belongs to a plan (validation set with texts, answers and tasks; seed; token limit) and to the version of each
candidate and judge (endpoint, model, sampling, instructions). An evaluation of the same plan continues a journal whose
process was killed, or that paused because the budget was spent. Results of a candidate's other version are asked again.
Prices are not part of the plan: they change the cost of the next call, not the earlier results and costs.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from lightrouter.evaluator.budget import Amount

_log = logging.getLogger(__name__)
# Counted up if an older program could not read the file.
_VERSION: Final = 2
_PAUSED: Final = "paused"
# An older program passes over such a line: it counts the call as paid.
_RELEASE: Final = "release"


class JournalError(Exception):
    """A journal that cannot be used. The text is one sentence that names it."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """The result of a call.

    Attributes:
        spent: The cost; the highest possible cost if unknown.
        score: The score, 0 to 1; None: none.
        text: The text, if a judge has to read it.
        failure: The reason of a failure in one sentence; empty: the call succeeded.
        passing: Whether the failure may be an outage.
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
        """Opens the journal and continues it if it holds an unfinished evaluation of the same plan.

        Args:
            path: The file. A journal of another plan or of a finished evaluation is replaced; an unfinished one of
                another plan that has paid calls is kept beside it.
            plan: The plan as JSON; an evaluation continues only if it is the same.
            versions: The versions of candidates and judges, by the first two parts of the calls' keys, like
                `answer/fast`.
            begin: Name and seed of an evaluation that starts or continues after a pause, as JSON.

        Raises:
            JournalError: It cannot be read or written.
        """
        self._path = path
        self.done: dict[str, CallResult] = {}
        """The result of each call by its key."""
        self.lost = Amount()
        """The reserved cost of calls without a result, since the start or the last pause."""
        self.begin = begin
        """Name and seed since the start or the last pause."""
        self.paused = False
        """Whether the evaluation continues after a pause."""
        self._before = Amount()
        self._versions: Mapping[str, str] = versions
        head = {"version": _VERSION, "plan": dict(plan)}
        try:
            lines, size = _lines(path)
            self.resumed = bool(lines) and {k: lines[0].get(k) for k in head} == head and "end" not in lines[-1]
            """Whether the evaluation continues one of an earlier process."""
            if self.resumed:
                self._replay(lines)
            else:
                _keep(path, lines)
            self._file = self._opened({**head, "versions": dict(versions), "begin": begin}, size)
            if self.resumed:
                self._go_on(versions, begin)
        except OSError as error:
            raise JournalError(f"{path} cannot be used: {error.strerror or error}") from None

    @property
    def spent(self) -> Amount:
        """The cost since the start or the last pause; unknown costs count as the highest possible ones."""
        return self._spent_in_all().less(self._before)

    def _spent_in_all(self) -> Amount:
        total = self.lost
        for each in self.done.values():
            total = total.plus(each.spent)
        return total

    def reserve(self, calls: Iterable[tuple[str, Amount]]) -> None:
        """Records the highest possible cost of calls by their keys; the lines are on the disk when this returns."""
        self._write(*({"reserve": key, **worst._asdict()} for key, worst in calls), durable=True)

    def release(self, key: str) -> None:
        """Records that a call whose cost is reserved is not made."""
        self._write({_RELEASE: key})

    def finish(self, key: str, done: CallResult) -> None:
        """Records the result of a call."""
        self.done[key] = done
        line: dict[str, Any] = {"done": key, **done.spent._asdict(), "score": done.score}
        line |= {"text": done.text} if done.text is not None else {}
        line |= {"failure": done.failure} if done.failure else {}
        line |= {"passing": True} if done.passing else {}
        self._write(line)

    def forget(self, keys: Iterable[str]) -> None:
        """Forgets results so that their calls are made again; their cost stays spent."""
        for key in keys:
            self.lost = self.lost.plus(self.done.pop(key).spent)

    def pause(self) -> None:
        """Records that the evaluation continues later, with another budget."""
        self._write({_PAUSED: True}, durable=True)

    def end(self) -> None:
        """Records that the evaluation's statuses are written."""
        self._write({"end": True}, durable=True)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _opened(self, head: Mapping[str, Any], size: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        if self.resumed:
            # The last line may be incomplete: it is cut off, so that new lines do not become part of it.
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
            elif (key := line.get(_RELEASE)) is not None:
                running.pop(key, None)
            elif (key := line.get("done")) is not None:
                running.pop(key, None)
                if key in self.done:
                    self.forget([key])
                spent = Amount(line["nanousd"], line["tokens"])
                passing = line.get("passing", False)
                self.done[key] = CallResult(
                    spent, line.get("score"), line.get("text"), line.get("failure", ""), passing
                )
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
        """Starts a new leg after a pause, or if the versions have changed."""
        if not self.paused and self._versions == versions:
            return
        begin = begin if self.paused else self.begin
        self._write({"goes_on": {"versions": dict(versions), "begin": dict(begin), _PAUSED: self.paused}}, durable=True)
        self._turn(versions, begin, paused=self.paused)

    def _turn(self, versions: Mapping[str, str], begin: Mapping[str, Any], *, paused: bool) -> None:
        """Takes over a new leg's start, and forgets the results that it asks for again."""
        others = [key for key in self.done if self._versions.get(_prefix(key)) != versions.get(_prefix(key))]
        self.forget(others)
        if paused:
            # A judge that was unreadable or down is asked again.
            self.forget([key for key, done in self.done.items() if done.score is None and done.text is None])
            self._before = self._spent_in_all()
        self._versions, self.begin = versions, begin


def _prefix(key: str) -> str:
    return "/".join(key.split("/", 2)[:2])


def _keep(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Keeps a file beside the new journal: an unfinished one with paid calls, or one that is no journal at all."""
    if not lines or "plan" not in lines[0]:
        if path.exists() and path.stat().st_size:
            _log.warning("%s is no journal of an evaluation; it is kept in %s", path, _copied(path))
        return
    bought = sum("done" in line for line in lines)
    if not bought or "end" in lines[-1]:
        return
    _log.warning(
        "%s holds an evaluation that has not ended, of another validation set, seed or token limit, or of an earlier "
        "release; it is started anew, and the %d calls that it had paid for are kept in %s",
        path,
        bought,
        _copied(path),
    )


def _copied(path: Path) -> Path:
    """Copies a file to a new name beside it."""
    copy = path.with_name(f"{path.name}.before")
    for number in count(2):
        if not copy.exists():
            break
        copy = path.with_name(f"{path.name}.before{number}")
    copy.write_bytes(path.read_bytes())
    return copy


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Returns the lines before the first invalid one, and their size in bytes."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    found: list[dict[str, Any]] = []
    size = 0
    for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not _is_line(value):
            # After a power loss the end may be garbage; the lines before it are complete.
            break
        found.append(value)
        size += len(line)
    return found, size


def _is_line(value: object) -> bool:
    """Tells whether a line has what `Journal` reads of it."""
    if not isinstance(value, dict):
        return False
    if "reserve" in value or "done" in value:
        key, score = value.get("reserve", value.get("done")), value.get("score")
        amounts = (value.get("nanousd"), value.get("tokens"))
        return (
            isinstance(key, str)
            and all(isinstance(amount, int) and amount >= 0 for amount in amounts)
            and (score is None or (isinstance(score, int | float) and 0 <= score <= 1))
        )
    leg = value.get("goes_on")
    if leg is None:
        return isinstance(value.get(_RELEASE, ""), str)
    kinds = {"versions": dict, "begin": dict, _PAUSED: bool}
    return isinstance(leg, dict) and all(isinstance(leg.get(name), kind) for name, kind in kinds.items())
