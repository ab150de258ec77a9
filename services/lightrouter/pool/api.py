"""What the watch of Candidate resources needs of the Kubernetes API, and how that fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

Object = Mapping[str, Any]
"""A resource, or a list of some, as the API sends it."""


class ClusterError(Exception):
    """The API cannot be used now; its text is one sentence.

    Attributes:
        status: The HTTP status; 0 where there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def expired(self) -> bool:
        """Whether the version that a watch was to go on from is too old: only a new list helps."""
        return self.status == 410

    @property
    def passing(self) -> bool:
        """Whether the same request may well succeed next time: the API was away, or failed by itself."""
        return self.status == 0 or self.status >= 500


class MalformedError(ClusterError):
    """The API sent what makes no sense."""

    @property
    def passing(self) -> bool:
        """False: it may well be sent again."""
        return False


class CandidateApi(Protocol):
    """The Candidate resources of one namespace."""

    async def list(self) -> Object:
        """Returns the list with its items and its resourceVersion.

        Raises:
            ClusterError: The API did not deliver.
        """
        ...

    def watch(self, version: str) -> AsyncGenerator[tuple[str, Object], None]:
        """Yields what has happened since `version`: ADDED, MODIFIED, DELETED or BOOKMARK, and the resource.

        Yields ("", {}) first, once the API has answered. Ends when the API ends it, which is no fault.

        Raises:
            ClusterError: The API did not deliver.
        """
        ...

    async def patch_status(self, name: str, patch: Object) -> None:
        """Merges `patch` into the status of a resource.

        Raises:
            ClusterError: The API refused, or did not answer.
        """
        ...
