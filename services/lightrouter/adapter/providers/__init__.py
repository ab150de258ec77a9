"""Provider APIs, one module each, by the name that a pool entry gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import httpx

from lightrouter.adapter.credentials import Credentials
from lightrouter.adapter.providers.base import Provider
from lightrouter.adapter.providers.openai import OpenAI
from lightrouter.pool.schema import CandidateEntry

MakeProvider = Callable[[CandidateEntry, httpx.AsyncBaseTransport, Credentials], Provider]

PROVIDERS: Final[Mapping[str, MakeProvider]] = {"openai": OpenAI}
"""How each provider API is made. A new one is one module and one line here."""
