"""Runs an evaluation from start to end: reads the standings, asks the prompts, and stores the findings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from opentelemetry.trace import Tracer

from lightrouter.pool import statefile
from lightrouter.pool.evaluator import verdict
from lightrouter.pool.evaluator.announce import Announcer
from lightrouter.pool.evaluator.asking import Asker, Subject
from lightrouter.pool.evaluator.budget import Amount, Budget, Limits
from lightrouter.pool.evaluator.evaluation import Asked, End, Evaluation, Outcome
from lightrouter.pool.evaluator.homes import Change, Held, Home
from lightrouter.pool.evaluator.journal import Journal
from lightrouter.pool.evaluator.states import MINIMUM_POOL, Rules
from lightrouter.pool.evaluator.validation import ValidationSet
from lightrouter.pool.schema import CandidateEntry, PublicEntry, State
from lightrouter.pool.schema import Limits as Limited
from lightrouter.runtime.rpc.models import Models
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.tokens import most_of_estimated
from lightrouter.v1.candidate_pb2 import ModelTarget

_log = logging.getLogger(__name__)
# Order under a short budget, after drifted candidates: one on probation waits for a decision, an evicted one for its
# return.
_FIRST: Final = (State.PROBATION, State.EVICTED, State.ADMITTED)


# Ends that a later run may continue, without buying anything twice.
_GOES_ON: Final = frozenset({End.SPENT, End.UNREADABLE})


class NothingToEvaluateError(Exception):
    """An evaluation that cannot start; its text is one sentence."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of an evaluation.

    Attributes:
        prompts: The validation set.
        journal: The file that records its calls; its lock keeps other evaluations out.
        new_run: Returns the name of a new evaluation and its default seed.
        adapter_address: Template of the adapters' gRPC targets, with {name}, for entries without an address.
        rules: The rules for states.
        limits: Its budget.
        seed: Seed, 0 to 2^31 - 1; None: a new one.
        max_output_tokens: Maximum tokens of an answer, if the prompt does not set it.
        call_seconds: Maximum seconds of one call.
        first: Candidates to ask first if the budget is short, in addition to those that drifted by their status.
        now: Returns the time.
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
    """The report of an evaluation.

    Attributes:
        run: Its name.
        seed: Its seed.
        resumed: Whether it resumed the work of an earlier process.
        spent: Its cost; the maximum where it is unknown.
        outcome: Its findings.
        changes: The states that have changed.
        held: The standings now.
    """

    run: str
    seed: int
    resumed: bool
    spent: Amount
    outcome: Outcome
    changes: Sequence[Change]
    held: Held


async def evaluate(home: Home, models: Models, settings: Settings, announcer: Announcer, tracer: Tracer) -> Report:
    """Evaluates the candidates of a pool and stores the findings.

    Ignores candidates that a person has evicted. Resumes an evaluation whose process was killed or whose budget was
    spent if validation set, seed and token limit are the same; the latter gets a new budget. Answers of unchanged
    candidates count, those of changed ones are asked again.

    Raises:
        NothingToEvaluateError: There is no candidate, or no judge for a set that needs one.
        LockedError: Another process evaluates with this journal.
        JournalError, HomeError, PoolFileError, StateFileError: A file or the cluster cannot be used; the findings are
            in the journal, and the next evaluation resumes there.
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
            asker = Asker(models, budget, journal, settings.limits.concurrency, settings.call_seconds)
            asked = Asked(seed, settings.max_output_tokens)
            evaluation = Evaluation(subjects, judges, settings.prompts, settings.rules, asked, asker, journal)
            outcome = await evaluation.run()
            update = partial(verdict.standings, outcome, settings.rules, run, settings.now())
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


def _announce(announcer: Announcer, changes: Sequence[Change], after: Held, run: str) -> None:
    announcer.changed(changes)
    for name, held in after.standings.items():
        if held.run == run and held.reason == MINIMUM_POOL:
            announcer.alarm(name, held)


def _subjects(held: Held, settings: Settings) -> list[Subject]:
    standings = {name: held.standing(name) for name in held.pool.entries}
    entries = [entry for name, entry in held.pool.entries.items() if not standings[name].held_out]
    if not entries:
        raise NothingToEvaluateError("the pool has no candidate to evaluate")

    def rank(entry: PublicEntry) -> tuple[bool, int, str]:
        drifted = standings[entry.name].drifted
        waits = entry.name in settings.first or (drifted is not None and drifted.holds)
        return not waits, _FIRST.index(entry.state), entry.name

    return [_subject(entry, settings.adapter_address) for entry in sorted(entries, key=rank)]


def _judges(held: Held, settings: Settings) -> list[Subject]:
    """Returns the possible judges, the pool's judge first, then by quality: no candidate judges its own answers."""
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
        End.UNREADABLE: "the judge's verdicts cannot be read",
    }[end]
