"""What a provider can do, whatever its API."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.text.coalesce import TextDelta


class Provider(Protocol):
    """One provider API, spoken with one candidate's model, address and credentials. Each call is one HTTP attempt."""

    async def generate(self, request: ProviderRequest, info: ReplyInfo) -> TextDelta:
        """Returns all that the model writes for an `request` that goes on from nothing and is not cut.

        Raises:
            UpstreamError: The provider did not deliver.
        """
        ...

    def stream(self, request: ProviderRequest, info: ReplyInfo) -> AsyncGenerator[TextDelta, None]:
        """Yields what the model writes, the rest only where it goes on. To be closed (`aclosing`) by the caller.

        Raises:
            UpstreamError: The provider did not deliver.
        """
        ...

    async def aclose(self) -> None:
        """Closes the provider's connections."""
        ...
