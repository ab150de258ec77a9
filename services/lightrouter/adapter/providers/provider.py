"""The interface of a provider, whatever its API."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.text.coalesce import TextDelta


class Provider(Protocol):
    """One provider API with the model, address and credentials of one candidate. Each call is one HTTP attempt."""

    async def generate(self, request: ProviderRequest, info: ReplyInfo) -> TextDelta:
        """Returns the whole output for a `request` without a prefill that the adapter does not cut; fills in `info`.

        Raises:
            UpstreamError: The provider did not deliver.
        """
        ...

    def stream(self, request: ProviderRequest, info: ReplyInfo) -> AsyncGenerator[TextDelta, None]:
        """Yields the output, without the prefill; fills in `info`. The caller closes the generator (`aclosing`).

        Raises:
            UpstreamError: The provider did not deliver.
        """
        ...

    async def aclose(self) -> None:
        """Closes the connections to the provider."""
        ...
