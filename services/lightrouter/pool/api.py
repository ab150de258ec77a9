"""The part of the Kubernetes API that the pool needs, and its errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

Object = Mapping[str, Any]
"""A resource, or a list of resources, as the API sends it."""


class ClusterError(Exception):
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


class MalformedError(ClusterError):
    """The API sent invalid data."""

    @property
    def passing(self) -> bool:
        """False: the API would probably send the same data again."""
        return False


class CandidateApi(Protocol):
    """The Candidate resources of one namespace."""

    async def list(self) -> Object:
        """Returns the list with its items and its resourceVersion.

        Raises:
            ClusterError: The request failed.
        """
        ...

    def watch(self, version: str) -> AsyncGenerator[tuple[str, Object], None]:
        """Yields the events since `version`: ADDED, MODIFIED, DELETED or BOOKMARK, and the resource.

        Yields ("", {}) first, when the API has accepted the watch. Ends when the API ends it, which is no error.

        Raises:
            ClusterError: The request failed.
        """
        ...

    async def apply_status(self, name: str, manager: str, status: Object, version: str = "") -> str:
        """Applies `status` on the server: afterwards the field manager owns these fields of the status and no others.

        Fields of other managers stay, but those in `status` go over to this one.

        Args:
            name: The resource's name.
            manager: The field manager.
            status: All fields that the manager owns.
            version: The resourceVersion that the resource must have; empty: any.

        Returns:
            The resource's new resourceVersion.

        Raises:
            ClusterError: The request failed; with status 409 if the resource has another version.
        """
        ...
