"""Provider APIs, one module each, by their names in pool entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lightrouter.adapter.credentials import Credentials
from lightrouter.adapter.http import Endpoint, open_session
from lightrouter.adapter.providers.openai import OpenAI
from lightrouter.adapter.providers.openai_request import RequestWriter
from lightrouter.adapter.providers.provider import Provider
from lightrouter.adapter.providers.replay import Replay
from lightrouter.pool.schema import REPLAY, CandidateEntry
from lightrouter.pool.values import under

MakeProvider = Callable[[CandidateEntry, Credentials], Provider]
"""Makes the provider of an entry; raises EntryError if the entry cannot be used."""


def _openai(entry: CandidateEntry, credentials: Credentials) -> Provider:
    writer, limits = RequestWriter(entry), entry.limits
    endpoint = Endpoint(
        open_session(entry.base_url, limits.connect_timeout_s),
        under(entry.base_url, writer.path),
        limit=limits.max_response_bytes,
        key_header=entry.api_key_header,
    )
    return OpenAI(writer, endpoint, credentials, max_document_bytes=limits.max_document_bytes)


def _replay(entry: CandidateEntry, credentials: Credentials) -> Provider:
    del credentials
    return Replay.from_file(entry)


PROVIDERS: Final[Mapping[str, MakeProvider]] = {"openai": _openai, REPLAY: _replay}
"""The provider APIs by name. A new one is one module and one line here."""
