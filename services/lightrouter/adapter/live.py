"""The candidate as the pool has it now: its engine, exchanged while calls run, and whether it can be called."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from opentelemetry.metrics import Meter

from lightrouter.adapter import instruments as i
from lightrouter.adapter.engine import Engine
from lightrouter.adapter.faults import EntryError
from lightrouter.adapter.standing import Standing
from lightrouter.pool.schema import CandidateEntry, Pool
from lightrouter.runtime.circuit import State
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.telemetry.metrics import Values, observe
from lightrouter.v1.error_reason_pb2 import ErrorReason

MakeEngine = Callable[[CandidateEntry, Callable[[State], None], Standing | None], Engine]
"""Makes the engine of an entry; it is given what is to be told of its circuit's new states, and how its provider stands
where that is known."""

# What is said of a candidate, and not used to ask it.
_SAID: Final = frozenset({"state", "prior", "prices", "address", "context_window", "max_boot_tokens"})
# What the provider's standing belongs to.
_PROVIDER: Final = ("provider", "base_url", "model", "recording", "api_key_env", "api_key_file", "circuit")

_log = logging.getLogger(__name__)


class MissingCandidateError(Exception):
    """A pool that does not have the candidate; its text is one sentence."""


class LiveEngine:
    """One candidate, followed through the changes of its pool entry.

    Running calls end with the entry with which they began.
    """

    def __init__(self, name: str, pool: Pool, make_engine: MakeEngine) -> None:
        """Serves the candidate `name` of `pool`.

        Raises:
            MissingCandidateError: The pool does not have it.
            EntryError: Its entry cannot be used.
        """
        if name not in pool.entries:
            raise MissingCandidateError(f"the pool has no candidate {name}; it has {', '.join(pool.entries)}")
        self._name = name
        self._make_engine = make_engine
        self._finishing: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._engine: Engine | None = make_engine(pool.entries[name], self._on_circuit, None)

    @property
    def now(self) -> Engine | None:
        """The engine as it is now; None where the pool does not have the candidate any more."""
        return self._engine

    @property
    def engine(self) -> Engine:
        """The engine for a call that begins now.

        Raises:
            ServiceError: The pool does not have the candidate any more.
        """
        if self._engine is None:
            raise ServiceError(
                Code.NOT_FOUND,
                ErrorReason.ERROR_REASON_UNKNOWN_CANDIDATE,
                f"the pool does not have the candidate {self._name} any more",
            )
        return self._engine

    @property
    def serving(self) -> bool:
        """Whether a call that begins now has a chance: the pool has the candidate and its circuit is not open."""
        return self._engine is not None and self._engine.standing.circuit.state is not State.OPEN

    def apply(self, pool: Pool) -> None:
        """Follows a change of the pool; an entry that cannot be used is refused and logged, the last one stays."""
        entry = pool.entries.get(self._name)
        old = self._engine
        if old and entry and _is_used_alike(old.entry, entry):
            old.tell(entry)
            return
        standing = old.standing if old and entry and _is_same_provider(old.entry, entry) else None
        try:
            new = self._make_engine(entry, self._on_circuit, standing) if entry else None
        except EntryError as error:
            _log.error("the changed entry of %s is refused, the last good one stays: %s", self._name, error)
            return
        self._engine = new
        if old:
            self._retire(old, keeps_standing=standing is not None)
        self._changed.set()
        if new:
            _log.info("the entry of %s has changed", self._name)
        else:
            _log.warning("the pool does not have the candidate %s any more", self._name)

    async def follow(self, set_serving: Callable[[bool], Awaitable[None]]) -> None:
        """Passes on every change of `serving`, which is taken to be true at first, until it is cancelled."""
        passed_on = True
        while True:
            if self.serving is not passed_on:
                passed_on = self.serving
                await set_serving(passed_on)
            await self._changed.wait()
            self._changed.clear()

    async def finish(self) -> None:
        """Lets running calls end, then closes all connections."""
        if self._engine:
            self._retire(self._engine, keeps_standing=False)
            self._engine = None
        await asyncio.gather(*self._finishing)

    def _retire(self, engine: Engine, *, keeps_standing: bool) -> None:
        if not keeps_standing:
            engine.standing.circuit.close()
        task = asyncio.create_task(engine.finish())
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    def _on_circuit(self, state: State) -> None:
        _log.warning("the circuit of %s is %s", self._name, state.value)
        self._changed.set()


def _is_used_alike(one: CandidateEntry, other: CandidateEntry) -> bool:
    return one.model_copy(update={name: getattr(other, name) for name in _SAID}) == other


def _is_same_provider(one: CandidateEntry, other: CandidateEntry) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _PROVIDER)


def report(meter: Meter, current: LiveEngine) -> None:
    """Reports to `meter` the queue and the circuit of the candidate as it is now; nothing once it left the pool."""

    def running() -> Mapping[Values, int]:
        engine = current.now
        return {(engine.entry.name,): engine.running} if engine else {}

    def waiting() -> Mapping[Values, int]:
        engine = current.now
        return {(engine.entry.name,): engine.waiting} if engine else {}

    def circuit() -> Mapping[Values, int]:
        engine = current.now
        if engine is None:
            return {}
        return {(engine.entry.name, state.value): int(state is engine.standing.circuit.state) for state in State}

    observe(meter, i.CALLS_IN_FLIGHT, running)
    observe(meter, i.CALLS_QUEUED, waiting)
    observe(meter, i.CIRCUIT_STATE, circuit)
