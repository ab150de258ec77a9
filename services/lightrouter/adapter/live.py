"""The live engine of a candidate: follows its pool entry while calls run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Final

from opentelemetry.metrics import Meter

from lightrouter.adapter import instruments as i
from lightrouter.adapter.engine import Engine
from lightrouter.adapter.faults import EntryError
from lightrouter.adapter.provider_state import ProviderState
from lightrouter.pool.schema import CandidateEntry, Pool
from lightrouter.runtime.circuit import State
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.telemetry.instruments import Values
from lightrouter.runtime.telemetry.metrics import observe
from lightrouter.v1.error_reason_pb2 import ErrorReason

MakeEngine = Callable[[CandidateEntry, Callable[[State], None], ProviderState | None], Engine]
"""Makes the engine of an entry. It gets the callback for new states of the circuit and the state of the provider, which
is None if nothing is known of it."""

# Members that an engine only reports or counts with: they change nothing of a request.
_REPORTED: Final = frozenset(
    {"state", "prior", "prices", "address", "context_window", "max_boot_tokens", "fixed_input_tokens", "abilities"}
)
# Members that name the provider and the account, to which its circuit, its backoff and its quirks belong.
_PROVIDER: Final = ("provider", "base_url", "model", "recording", "api_key_env", "api_key_file")

_log = logging.getLogger(__name__)


class MissingCandidateError(Exception):
    """The pool does not have the candidate; the text is one sentence."""


class LiveEngine:
    """The engine of one candidate, replaced when its pool entry changes.

    A running call ends with the entry with which it began.
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
    def current(self) -> Engine | None:
        """The current engine; None if the pool no longer has the candidate."""
        return self._engine

    @property
    def engine(self) -> Engine:
        """The current engine, for a new call.

        Raises:
            ServiceError: The pool no longer has the candidate (UNKNOWN_CANDIDATE).
        """
        if self._engine is None:
            raise ServiceError(
                Code.NOT_FOUND,
                ErrorReason.ERROR_REASON_UNKNOWN_CANDIDATE,
                f"the pool no longer has the candidate {self._name}",
            )
        return self._engine

    @property
    def serving(self) -> bool:
        """Whether a new call has a chance: the pool has the candidate and its circuit is not open."""
        return self._engine is not None and self._engine.provider_state.circuit.state is not State.OPEN

    def apply(self, pool: Pool) -> None:
        """Applies a change of the pool. Refuses and logs an entry that cannot be used; the last good one stays."""
        entry = pool.entries.get(self._name)
        old = self._engine
        if old and entry and _is_asked_alike(old.entry, entry):
            old.update(entry)
            return
        known = old.provider_state if old and entry and _is_same_provider(old.entry, entry) else None
        try:
            new = self._make_engine(entry, self._on_circuit, known) if entry else None
        except EntryError as error:
            _log.error("the changed entry of %s is refused, the last good one stays: %s", self._name, error)
            return
        self._engine = new
        if old:
            self._retire(old, keeps_state=known is not None)
        self._changed.set()
        if new:
            _log.info("the entry of %s has changed", self._name)
        else:
            _log.warning("the pool no longer has the candidate %s", self._name)

    async def states(self) -> AsyncGenerator[bool, None]:
        """Yields `serving`, now and after each change. For one reader at a time."""
        told: bool | None = None
        while True:
            if self.serving is not told:
                told = self.serving
                yield told
            await self._changed.wait()
            self._changed.clear()

    async def finish(self) -> None:
        """Waits until running calls have ended, then closes all connections."""
        if self._engine:
            self._retire(self._engine, keeps_state=False)
            self._engine = None
            self._changed.set()
        await asyncio.gather(*self._finishing)

    def _retire(self, engine: Engine, *, keeps_state: bool) -> None:
        if not keeps_state:
            engine.provider_state.circuit.close()
        task = asyncio.create_task(engine.finish())
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    def _on_circuit(self, state: State) -> None:
        _log.warning("the circuit of %s is %s", self._name, state.value)
        self._changed.set()


def _is_asked_alike(one: CandidateEntry, other: CandidateEntry) -> bool:
    return one.model_copy(update={name: getattr(other, name) for name in _REPORTED}) == other


def _is_same_provider(one: CandidateEntry, other: CandidateEntry) -> bool:
    limits, others = one.circuit, other.circuit
    return (limits.failures, limits.cooldown_s) == (others.failures, others.cooldown_s) and all(
        getattr(one, name) == getattr(other, name) for name in _PROVIDER
    )


def report(meter: Meter, adapters: Callable[[], Iterable[LiveEngine]]) -> None:
    """Reports queue and circuit of the candidates to `meter`; nothing of one that the pool no longer has.

    `adapters` returns the candidates of now, in the thread of the SDK.
    """

    def engines() -> list[Engine]:
        return [engine for live in adapters() if (engine := live.current)]

    def running() -> Mapping[Values, int]:
        return {(engine.entry.name,): engine.running for engine in engines()}

    def waiting() -> Mapping[Values, int]:
        return {(engine.entry.name,): engine.waiting for engine in engines()}

    def circuit() -> Mapping[Values, int]:
        return {
            (engine.entry.name, state.value): int(state is engine.provider_state.circuit.state)
            for engine in engines()
            for state in State
        }

    observe(meter, i.CALLS_IN_FLIGHT, running)
    observe(meter, i.CALLS_QUEUED, waiting)
    observe(meter, i.CIRCUIT_STATE, circuit)
