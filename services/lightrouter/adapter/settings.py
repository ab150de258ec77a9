"""Settings of an adapter."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from lightrouter.runtime.settings import ServiceSettings


class AdapterSettings(ServiceSettings):
    """The settings of an adapter; see `ServiceSettings` for those that all services share."""

    model_config = SettingsConfigDict(env_prefix="LIGHTROUTER_ADAPTER_")

    pool: Path
    """The pool file; it is watched."""
    candidate: str = Field(min_length=1, max_length=63)
    """The name of the candidate in the pool file that this adapter serves."""
