"""An evaluation from begin to end: what holds is read, prompts are asked, and what was found is held."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from opentelemetry.trace import Tracer

from lightrouter.evaluator import status
from lightrouter.evaluator.announce import Announcer
from lightrouter.evaluator.budget import Amount, Budget, Limits
from lightrouter.evaluator.calls import CallRunner, Subject
from lightrouter.evaluator.decision import MINIMUM_POOL, Rules
from lightrouter.evaluator.evaluation import Asked, End, Evaluation, Outcome
from lightrouter.evaluator.journal import Journal
from lightrouter.evaluator.validation import ValidationSet
from lightrouter.pool import statefile
from lightrouter.pool.schema import CandidateEntry, PublicEntry, State
from lightrouter.pool.schema import Limits as Limited
from lightrouter.pool.status import PoolStatus, StateChange
from lightrouter.pool.store import Store
from lightrouter.runtime.rpc.models import Models
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.tokens import most_of_estimated
from lightrouter.v1.candidate_pb2 import ModelTarget

_log = logging.getLogger(__name__)
# Whom a short budget serves first, after those that have drifted: a candidate on probation waits for its verdict, an
# evicted one for its way back.
_FIRST: Final = (State.PROBATION, State.EVICTED, State.ADMITTED)


# What another time may bring to an end: what was bought until then is not bought again.
_GOES_ON: Final = frozenset({End.SPENT, End.UNREADABLE})


class NothingToEvaluateError(Exception):
    """An evaluation that cannot begin; its text is one sentence."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an evaluation is told.

    Attributes:
        prompts: The validation set.
        journal: The file in which it writes down what it has done; also whom it keeps out.
        new_run: Gives the name of a new evaluation and the seed that it takes where none is given.
        adapter_address: Template of the adapters' gRPC targets, with {name}, for entries without an address.
        rules: What the pool needs.
        limits: What it may spend.
        seed: Seed, 0 to 2^31 - 1; None: a new one.
        max_output_tokens: Most tokens of an answer, where the prompt does not say.
        call_seconds: Most seconds of one call.
        first: Candidates that are asked first where the budget is short, besides those whose status says so.
        now: Gives the time.
    """

    prompts: ValidationSet
    journal: Path
    new_run: Callable[[], tuple[str, int]]
    adapter_address: str
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    seed: int | None = None
    max_output_tokens: int = 1024
    call_seconds: float = 120.0
    first: frozenset[str] = frozenset()
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Report:
    """How an evaluation went.

    Attributes:
        run: Its name.
        seed: Its seed.
        resumed: Whether it went on with what a former process began.
        spent: What it has cost, at its worst where that is not known.
        outcome: What it found.
        changes: The states that have changed.
        held: What holds now.
    """

    run: str
    seed: int
    resumed: bool
    spent: Amount
    outcome: Outcome
    changes: Sequence[StateChange]
    held: PoolStatus


async def evaluate(home: Store, models: Models, settings: Settings, announcer: Announcer, tracer: Tracer) -> Report:
    """Evaluates the candidates of a pool and has what was found held of them.

    One whom a person has evicted is left alone. What a killed process has begun, or an evaluation whose budget was
    spent, goes on where the validation set, the seed and the token limit are still the same; the latter with a new
    budget. Answers of candidates that are still what they were count, those of others are asked for anew.

    Raises:
        NothingToEvaluateError: There is no candidate, or no judge for a set that needs one.
        LockedError: Another process evaluates with this journal.
        JournalError, StoreError, PoolFileError, StateFileError: A file or the cluster cannot be used; what was found is
            in the journal, and the next evaluation goes on from there.
    """
    with statefile.locked(settings.journal, "an evaluation"), tracer.start_as_current_span(names.EVALUATE) as span:
        held = await home.read()
        subjects = _subjects(held, settings)
        judges = _judges(held, settings)
        journal = Journal(settings.journal, _plan(settings), _versions(subjects, judges), _begin(settings))
        try:
            run, seed = str(journal.begin["run"]), int(journal.begin["seed"])
            _log.info("evaluation %s with seed %d %s", run, seed, "goes on" if journal.resumed else "begins")
            span.set_attribute(names.CANDIDATES, [subject.name for subject in subjects])
            budget = Budget(settings.limits, journal.spent)
            asker = CallRunner(models, budget, journal, settings.limits.concurrency, settings.call_seconds)
            asked = Asked(seed, settings.max_output_tokens)
            evaluation = Evaluation(subjects, judges, settings.prompts, settings.rules, asked, asker, journal)
            outcome = await evaluation.run()
            update = partial(status.statuses, outcome, settings.rules, run, settings.now())
            changes = await home.update(update)
            after = await home.read()
            _announce(announcer, changes, after, run)
            if outcome.end in _GOES_ON:
                journal.pause()
            else:
                journal.end()
            span.set_attribute(names.COST, budget.committed.nanousd)
            return Report(run, seed, journal.resumed, budget.committed, outcome, changes, after)
        finally:
            journal.close()


def _announce(announcer: Announcer, changes: Sequence[StateChange], after: PoolStatus, run: str) -> None:
    announcer.changed(changes)
    for name, held in after.statuses.items():
        if held.run == run and held.reason == MINIMUM_POOL:
            announcer.alarm(name, held)


def _subjects(held: PoolStatus, settings: Settings) -> list[Subject]:
    statuses = {name: held.status(name) for name in held.pool.entries}
    entries = [entry for name, entry in held.pool.entries.items() if not statuses[name].held_out]
    if not entries:
        raise NothingToEvaluateError("the pool has no candidate to evaluate")

    def rank(entry: PublicEntry) -> tuple[bool, int, str]:
        drifted = statuses[entry.name].drifted
        waits = entry.name in settings.first or (drifted is not None and drifted.holds)
        return not waits, _FIRST.index(entry.state), entry.name

    return [_subject(entry, settings.adapter_address) for entry in sorted(entries, key=rank)]


def _judges(held: PoolStatus, settings: Settings) -> list[Subject]:
    """Returns who may judge, the pool's judge first, then by quality: nobody judges its own answers."""
    if not settings.prompts.judged:
        return []
    pool = held.pool
    able = [entry for entry in pool.entries.values() if entry.state is State.ADMITTED or entry.name == pool.judge]
    if not able:
        raise NothingToEvaluateError("the validation set needs a judge, and the pool has no admitted candidate")

    def rank(entry: PublicEntry) -> tuple[bool, float, str]:
        found = pool.evaluations.get(entry.name)
        return entry.name != pool.judge, -(found.score if found else entry.prior), entry.name

    return [_subject(entry, settings.adapter_address) for entry in sorted(able, key=rank)[:2]]


def _subject(entry: PublicEntry, adapter_address: str) -> Subject:
    target = ModelTarget(candidate=entry.name, address=entry.target(adapter_address))
    limits = entry.limits if isinstance(entry, CandidateEntry) else Limited()
    more = most_of_estimated(entry.instruction_tokens)
    return Subject(target, entry.model, entry.prices.to_proto(), more, limits.retries + 1, entry.version)


def _plan(settings: Settings) -> Mapping[str, Any]:
    return {
        "set": settings.prompts.digest,
        "seed": settings.seed,
        "max_output_tokens": settings.max_output_tokens,
    }


def _versions(subjects: Sequence[Subject], judges: Sequence[Subject]) -> Mapping[str, str]:
    versions = {f"answer/{subject.name}": subject.version for subject in subjects}
    for subject in subjects:
        if judge := next((each for each in judges if each.name != subject.name), None):
            versions[f"judge/{subject.name}"] = f"{judge.name} {judge.version} {subject.version}"
    return versions


def _begin(settings: Settings) -> Mapping[str, Any]:
    run, seed = settings.new_run()
    return {"run": run, "seed": seed if settings.seed is None else settings.seed}


def ended(end: End) -> str:
    """Returns why an evaluation ended, in a few words."""
    return {
        End.DECIDED: "every candidate is decided",
        End.ASKED: "those that are undecided were asked the whole set",
        End.UNREACHED: "no candidate answers",
        End.SPENT: "the budget or the time does not cover the next call; the same command goes on from here",
        End.UNREADABLE: "the judge's acceptances cannot be read",
    }[end]
