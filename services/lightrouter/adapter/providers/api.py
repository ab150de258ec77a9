"""The interface of a provider API over HTTP: how requests are written and replies are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.text.coalesce import TextDelta


@dataclass(frozen=True, slots=True)
class Written:
    """One request as it is sent."""

    body: Mapping[str, object]
    """The members of its JSON body."""
    asked: Mapping[str, object]
    """What it asks for by the names of the OpenAI API, which refusals and quirks use, whatever the body's own names."""
    left_out: frozenset[str] = frozenset()
    """The members that the caller asked for and that are left out because the provider refuses them."""


class ReplyReader(Protocol):
    """Reads one reply, a document or the events of a stream, and fills in the `ReplyInfo` that it was made for.

    Each method raises ReportedError if the reply reports an error, and UpstreamError if the API does not allow it.
    """

    @property
    def done(self) -> bool:
        """Whether the end mark of a stream has come, which is more than a finish reason."""
        ...

    def document(self, document: Mapping[str, object]) -> TextDelta:
        """Returns the text of a reply that is one document."""
        ...

    def event(self, data: str) -> TextDelta:
        """Returns the text of one event of a stream, which has `data`."""
        ...

    def end(self) -> TextDelta:
        """Returns the text that only the end of a stream settles."""
        ...


class Api(Protocol):
    """One provider API with the settings of one candidate.

    Attributes:
        path: The path of requests, under the provider's root.
        stream_path: The path of requests whose reply is a stream.
        key_header: The header of the API key, if the entry names none.
        headers: Headers of every request.
    """

    path: str
    stream_path: str
    key_header: str
    headers: Mapping[str, str]

    def write(self, request: ProviderRequest, *, streamed: bool) -> Written:
        """Returns the request to send, by the quirks of the provider.

        Raises:
            UpstreamError: The conversation cannot be written (UPSTREAM_REJECTED).
        """
        ...

    def reader(self, request: ProviderRequest, info: ReplyInfo) -> ReplyReader:
        """Returns the reader of the reply to `request`, which fills in `info`."""
        ...
