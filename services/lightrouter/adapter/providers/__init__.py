"""Provider APIs, one module each, by their names in pool entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lightrouter.adapter.credentials import Credentials
from lightrouter.adapter.http import Endpoint, open_session
from lightrouter.adapter.providers.anthropic import Anthropic
from lightrouter.adapter.providers.api import Api
from lightrouter.adapter.providers.gemini import Gemini
from lightrouter.adapter.providers.http_provider import HttpProvider
from lightrouter.adapter.providers.openai import OpenAI
from lightrouter.adapter.providers.provider import Provider
from lightrouter.adapter.providers.replay import Replay
from lightrouter.pool.addresses import under
from lightrouter.pool.schema import REPLAY, CandidateEntry

MakeProvider = Callable[[CandidateEntry, Credentials], Provider]
"""Makes the provider of an entry; raises EntryError if the entry cannot be used."""


def _over_http(api_of: Callable[[CandidateEntry], Api]) -> MakeProvider:
    """Returns what makes the providers of one API over HTTP."""

    def make(entry: CandidateEntry, credentials: Credentials) -> Provider:
        api, limits = api_of(entry), entry.limits
        endpoint = Endpoint(
            open_session(entry.base_url, limits.connect_timeout_s),
            under(entry.base_url, api.path),
            under(entry.base_url, api.stream_path),
            limit=limits.max_response_bytes,
            key_header=entry.api_key_header or api.key_header,
            headers=api.headers,
        )
        return HttpProvider(api, endpoint, credentials, max_document_bytes=limits.max_document_bytes)

    return make


def _replay(entry: CandidateEntry, credentials: Credentials) -> Provider:
    del credentials
    return Replay.from_file(entry)


PROVIDERS: Final[Mapping[str, MakeProvider]] = {
    "openai": _over_http(OpenAI),
    "anthropic": _over_http(Anthropic),
    "gemini": _over_http(Gemini),
    REPLAY: _replay,
}
"""The provider APIs by name. A new one is one module and one line here."""
