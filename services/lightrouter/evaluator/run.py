"""A whole evaluation: reads the pool, asks the prompts, and writes the statuses."""

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
from lightrouter.evaluator.decision import Rules
from lightrouter.evaluator.evaluation import End, Evaluation, Outcome
from lightrouter.evaluator.journal import Journal
from lightrouter.evaluator.judge import judge_of
from lightrouter.pool import statefile
from lightrouter.pool.choices import State
from lightrouter.pool.schema import CandidateEntry, PublicEntry
from lightrouter.pool.schema import Limits as Limited
from lightrouter.pool.status import DRIFTED, PoolStatus, StateChange
from lightrouter.pool.store import Store
from lightrouter.recording.prompts import Asked, Judged, digest
from lightrouter.runtime.rpc.models import Models
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.tokens import most_of_estimated
from lightrouter.v1.candidate_pb2 import ModelTarget

_log = logging.getLogger(__name__)
# The order of candidates for a short budget, after those that have drifted: a candidate on probation waits for its
# decision, an evicted one for its return.
_FIRST: Final = (State.PROBATION, State.EVICTED, State.ADMITTED)

# A later run may finish these: its paid calls are not repeated.
_GOES_ON: Final = frozenset({End.SPENT, End.UNREADABLE})


class NothingToEvaluateError(Exception):
    """An evaluation that cannot start. The text is one sentence."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of an evaluation. Its defaults are choices.

    Attributes:
        prompts: The validation set: prompts with a task each.
        journal: The journal file; a second evaluation with the same one is refused.
        new_run: Returns the name of a new evaluation, and its seed if `seed` is None.
        adapter_address: Template of the adapters' gRPC targets, with {name}, for entries without an address.
        rules: The rules of decisions.
        limits: The bounds of its spending.
        seed: Seed, 0 to 2^31 - 1; None: a new one.
        max_output_tokens: Most tokens of an answer, if the prompt has no limit of its own.
        call_seconds: Most seconds of one call.
        first: Candidates to ask first if the budget is short, in addition to the drifted ones.
        now: Returns the time.
    """

    prompts: Sequence[Asked]
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
        run: The evaluation's name.
        seed: The seed.
        resumed: Whether it continued one of an earlier process.
        spent: The cost; unknown costs count as the highest possible ones.
        outcome: The result.
        changes: The changes of states.
        held: The pool's status now.
    """

    run: str
    seed: int
    resumed: bool
    spent: Amount
    outcome: Outcome
    changes: Sequence[StateChange]
    held: PoolStatus


async def evaluate(store: Store, models: Models, settings: Settings, announcer: Announcer, tracer: Tracer) -> Report:
    """Evaluates the candidates of a pool and writes their statuses.

    Skips candidates that a person has evicted. Continues an evaluation that was killed, or whose budget was spent, if
    validation set, seed and token limit are the same; after a spent budget with a new one. Keeps the answers of
    unchanged candidates and asks changed ones again.

    Raises:
        NothingToEvaluateError: There is no candidate, or no judge for a set that needs one.
        LockedError: Another process evaluates with this journal.
        JournalError, StoreError, PoolFileError: A file or the cluster cannot be used. The results are
            in the journal, and the next evaluation continues from there.
    """
    with statefile.locked(settings.journal, "an evaluation"), tracer.start_as_current_span(names.EVALUATE) as span:
        held = await store.read()
        subjects = _subjects(held, settings)
        judges = _judges(held, settings)
        journal = Journal(settings.journal, _plan(settings), _versions(subjects, judges), _begin(settings))
        try:
            run, seed = str(journal.begin["run"]), int(journal.begin["seed"])
            _log.info("evaluation %s with seed %d %s", run, seed, "goes on" if journal.resumed else "begins")
            span.set_attribute(names.CANDIDATES, [subject.name for subject in subjects])
            budget = Budget(settings.limits, journal.spent)
            runner = CallRunner(models, budget, journal, settings.limits.concurrency, settings.call_seconds)
            evaluation = Evaluation(
                subjects, judges, settings.prompts, settings.rules, runner, journal, seed, settings.max_output_tokens
            )
            outcome = await evaluation.run()
            update = partial(status.statuses, outcome, settings.rules, run, settings.now())
            changes = await store.update(update)
            after = await store.read()
            announcer.announce(changes, after, run)
            if outcome.end in _GOES_ON:
                journal.pause()
            else:
                journal.end()
            span.set_attribute(names.COST, budget.committed.nanousd)
            return Report(run, seed, journal.resumed, budget.committed, outcome, changes, after)
        finally:
            journal.close()


def _subjects(held: PoolStatus, settings: Settings) -> list[Subject]:
    statuses = {name: held.status(name) for name in held.pool.entries}
    entries = [entry for name, entry in held.pool.entries.items() if not statuses[name].held_out]
    if not entries:
        raise NothingToEvaluateError("the pool has no candidate to evaluate")

    def rank(entry: PublicEntry) -> tuple[bool, int, str]:
        waits = entry.name in settings.first or statuses[entry.name].holds(DRIFTED)
        return not waits, _FIRST.index(entry.state), entry.name

    return [_subject(entry, settings.adapter_address) for entry in sorted(entries, key=rank)]


def _judges(held: PoolStatus, settings: Settings) -> list[Subject]:
    """Returns two judges, so that no candidate judges its own answers: the pool's judge first, then the best."""
    if not any(isinstance(each.task, Judged) for each in settings.prompts):
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
    return Subject(target, entry.prices.to_proto(), more, limits.retries + 1, entry.version)


def _plan(settings: Settings) -> Mapping[str, Any]:
    return {
        "set": digest(settings.prompts),
        "seed": settings.seed,
        "max_output_tokens": settings.max_output_tokens,
    }


def _versions(subjects: Sequence[Subject], judges: Sequence[Subject]) -> Mapping[str, str]:
    versions = {f"answer/{subject.name}": subject.version for subject in subjects}
    for subject in subjects:
        if judge := judge_of(subject, judges):
            versions[f"judge/{subject.name}"] = f"{judge.name} {judge.version} {subject.version}"
    return versions


def _begin(settings: Settings) -> Mapping[str, Any]:
    run, seed = settings.new_run()
    return {"run": run, "seed": seed if settings.seed is None else settings.seed}
