"""Where a pool and what is held of its candidates live: a pool file with its state file, or Candidate resources."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

from lightrouter.pool import file, standing, statefile
from lightrouter.pool.api import CandidateApi, ClusterError, Object
from lightrouter.pool.resource import Resources, candidate_of, name_of, standing_of, standing_patch
from lightrouter.pool.schema import PublicPool, State
from lightrouter.pool.standing import Standing
from lightrouter.pool.statefile import LockedError, StateFileError
from lightrouter.runtime.deadline import Deadline

_log = logging.getLogger(__name__)
_CONFLICT: Final = 409
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429
_PAUSE_S: Final = 0.2
_MOST_PAUSE_S: Final = 10.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held:
    """A pool, and what is held of its candidates.

    Attributes:
        pool: The pool, with the states that hold now.
        standings: What is held, by candidate, of those with the model that it is about.
    """

    pool: PublicPool
    standings: Mapping[str, Standing]

    @classmethod
    def of(cls, pool: PublicPool, standings: Mapping[str, Standing]) -> Held:
        """Returns what holds of `pool`, whose states are the entries' own."""
        about = {n: each for n, each in standings.items() if n in pool.entries and each.about(pool.entries[n].model)}
        return cls(standing.overlaid(pool, about), about)

    def standing(self, name: str) -> Standing:
        """Returns what is held of a candidate, with its state and its model."""
        entry = self.pool.entries[name]
        return replace(self.standings.get(name, Standing()), state=entry.state, model=entry.model)


@dataclass(frozen=True, slots=True)
class Change:
    """A candidate's state that has become another.

    Attributes:
        candidate: Its name.
        before: The state before.
        after: What is held of it now.
    """

    candidate: str
    before: State
    after: Standing


class HomeError(Exception):
    """A home that cannot be used; its text is one sentence."""


Update = Callable[[Held], Mapping[str, Standing]]
"""Gives what is to be held of some candidates, from what is held now. It may be asked again, and with more: what it
gives for a candidate on which it has had its way already must be that again, or nothing."""


class Home(Protocol):
    """Where a pool lives."""

    async def read(self) -> Held:
        """Returns what holds now.

        Raises:
            HomeError: It cannot be read.
            PoolFileError: The pool file cannot be used.
        """
        ...

    async def update(self, change: Update) -> list[Change]:
        """Has `change` its way, all of it or, where a failure is raised, a part; returns the states that changed.

        Raises:
            HomeError: It cannot be read or written.
            PoolFileError: The pool file cannot be used.
        """
        ...


class FileHome:
    """A pool file with its state file."""

    def __init__(self, path: Path, patience_seconds: float = 10.0) -> None:
        """Takes the pool file `path`; another writer of its state file gets `patience_seconds` to finish."""
        self._path = path
        self._states = statefile.state_path(path)
        self._patience = patience_seconds

    async def read(self) -> Held:
        """Returns what holds now. See `Home`."""
        try:
            return Held.of(file.load(self._path), statefile.load(self._states))
        except StateFileError as error:
            raise HomeError(str(error)) from None

    async def update(self, change: Update) -> list[Change]:
        """Writes the state file as a whole. See `Home`."""
        deadline = Deadline.after(self._patience)
        while True:
            try:
                with statefile.locked(self._states, "a change of the states"):
                    return await self._update(change)
            except LockedError as error:
                if deadline.expired:
                    raise HomeError(str(error)) from None
            except StateFileError as error:
                raise HomeError(str(error)) from None
            await asyncio.sleep(_PAUSE_S)

    async def _update(self, change: Update) -> list[Change]:
        held = await self.read()
        wanted = change(held)
        if wanted:
            statefile.amend(self._states, wanted)
        return [found for name in wanted if (found := _change(held, name, wanted[name]))]


class ClusterHome:
    """The Candidate resources of a namespace."""

    def __init__(
        self,
        api: CandidateApi,
        judge: str | None = None,
        patience_seconds: float = 300.0,
        pause_seconds: float = _PAUSE_S,
    ) -> None:
        """Reads and writes by `api`, which gets `patience_seconds` to come back where it is away.

        `judge` is the candidate that judges, while the pool has it. `pause_seconds` is the first pause; it doubles.
        """
        self._api = api
        self._judge = judge
        self._patience = patience_seconds
        self._pause = pause_seconds

    async def read(self) -> Held:
        """Returns what holds now. See `Home`."""
        return (await self._try(self._read))[0]

    async def update(self, change: Update) -> list[Change]:
        """Writes each status by itself, from what it is at that moment. See `Home`."""
        changes: list[Change] = []

        async def write() -> bool:
            held, resources = await self._read()
            whole = True
            for name, wanted in change(held).items():
                resource = resources[name]
                patch = standing_patch(resource, wanted)
                if patch is None:
                    continue
                try:
                    await self._api.patch_status(name_of(resource), patch)
                except ClusterError as error:
                    if error.status not in {_CONFLICT, _NOT_FOUND}:
                        raise
                    # It has changed or gone in the meantime: what is to be said is found anew.
                    whole = False
                    continue
                changes.extend(found for found in [_change(held, name, wanted)] if found)
            return whole

        deadline = Deadline.after(self._patience)
        while not await self._try(write):
            if deadline.expired:
                raise HomeError("the candidates of the cluster change faster than their states can be written")
            await asyncio.sleep(self._pause)
        return changes

    async def _read(self) -> tuple[Held, dict[str, Object]]:
        found = await self._api.list()
        resources = Resources(self._judge)
        resources.replace(resource for resource in found["items"] if isinstance(resource, dict))
        pool, verdicts = resources.pool()
        taken = [resource for name, resource in resources.objects.items() if verdicts[name].ready]
        by_name = {candidate_of(resource): resource for resource in taken}
        return Held.of(pool, {name: standing_of(resource) for name, resource in by_name.items()}), by_name

    async def _try(self, act: Callable[[], Awaitable[T]]) -> T:
        """Acts until the API is there for it."""
        pause, deadline = self._pause, Deadline.after(self._patience)
        while True:
            try:
                return await act()
            except ClusterError as error:
                if not (error.passing or error.status == _TOO_MANY) or deadline.remaining() < pause:
                    raise HomeError(f"the candidates of the cluster cannot be used: {error}") from None
                _log.warning("the API is asked again in %.1f s: %s", pause, error)
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - so that not all come at once
            pause = min(2 * pause, _MOST_PAUSE_S)


def _change(held: Held, name: str, wanted: Standing) -> Change | None:
    before = held.pool.entries[name].state
    return Change(name, before, wanted) if wanted.state not in {None, before} else None
