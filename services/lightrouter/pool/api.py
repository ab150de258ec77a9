"""The part of the Kubernetes API that Candidate resources need, and its failures."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

Object = Mapping[str, Any]
"""A resource, or a list of resources, as the API sends it."""


class ClusterError(Exception):
    """The API cannot be used now; its text is one sentence.

    Attributes:
        status: The HTTP status; 0 if there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def expired(self) -> bool:
        """Whether the version to resume a watch from has expired: only a new list helps."""
        return self.status == 410

    @property
    def passing(self) -> bool:
        """Whether a retry may succeed: the API was not reachable, or failed itself."""
        return self.status == 0 or self.status >= 500


class MalformedError(ClusterError):
    """The API sent an invalid response."""

    @property
    def passing(self) -> bool:
        """False: a retry may get the same."""
        return False


class CandidateApi(Protocol):
    """The Candidate resources of one namespace."""

    async def list(self) -> Object:
        """Returns the list with its items and its resourceVersion.

        Raises:
            ClusterError: The API failed.
        """
        ...

    def watch(self, version: str) -> AsyncGenerator[tuple[str, Object], None]:
        """Yields the events since `version`: ADDED, MODIFIED, DELETED or BOOKMARK, and the resource.

        Yields ("", {}) first, once the API has answered. Ends when the API ends the watch, which is normal.

        Raises:
            ClusterError: The API failed.
        """
        ...

    async def patch_status(self, name: str, patch: Object) -> None:
        """Merges `patch` into the status of a resource.

        Raises:
            ClusterError: The API refused, or did not answer.
        """
        ...
