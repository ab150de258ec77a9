"""The home of a pool and of its candidates' statuses. Router, evaluator and CLI use it without knowing which one it is.

There are two: `filestore.FileStore`, a pool file with its state file, and `clusterstore.ClusterStore`, the Candidate
resources of a namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from lightrouter.pool.schema import PublicPool
from lightrouter.pool.status import CandidateStatus, PoolStatus, StateChange

Update = Callable[[PoolStatus], Mapping[str, CandidateStatus]]
"""Returns the new statuses of some candidates from the pool's status. Called in any thread.

A store may call it again with a newer status. For a candidate that already has its new status, it must then return the
same status or leave the candidate out."""


class StoreError(Exception):
    """The store cannot be used. The text is one sentence."""


class ClusterError(StoreError):
    """The API cannot be used now. The text is one sentence.

    Attributes:
        status: The HTTP status; 0 if there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def expired(self) -> bool:
        """Whether the version to watch from is too old: only a new list helps."""
        return self.status == 410

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later: the API was unreachable or failed by itself."""
        return self.status == 0 or self.status >= 500


class NoClusterError(ClusterError):
    """Nothing gives access to a cluster: there is no kubeconfig, or it is wrong."""


class MalformedError(ClusterError):
    """The API sent invalid data."""

    @property
    def passing(self) -> bool:
        """False: the API would probably send the same data again."""
        return False


class Store(Protocol):
    """The home of a pool."""

    @property
    def pool(self) -> PublicPool:
        """The last valid pool that was read."""
        ...

    async def watch(self) -> None:
        """Reports changes of the pool to the store's callbacks until the task is cancelled."""
        ...

    def drifted(self, candidate: str, drift: str) -> None:
        """Records that a router has seen a candidate leave its own history.

        Args:
            candidate: The candidate's name.
            drift: The drift in one sentence; empty: the candidate is back.
        """
        ...

    async def read(self) -> PoolStatus:
        """Returns the current pool and statuses.

        Raises:
            StoreError: The store cannot be read.
            PoolFileError: The pool file is invalid.
        """
        ...

    async def update(self, change: Update) -> list[StateChange]:
        """Writes the statuses that `change` returns. If an exception is raised, some of them may be written.

        Returns:
            The states that changed.

        Raises:
            StoreError: The store cannot be read or written.
            PoolFileError: The pool file is invalid.
        """
        ...
