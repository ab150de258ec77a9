"""Settings of an adapter."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from lightrouter.runtime.settings import ServiceSettings


class AdapterSettings(ServiceSettings):
    """Settings of an adapter; each is a flag, an environment variable and a key of the YAML file."""

    model_config = SettingsConfigDict(env_prefix="LIGHTROUTER_ADAPTER_")

    pool: Path
    """The pool file; a change takes effect at once."""
    candidate: str = Field(min_length=1, max_length=63)
    """The candidate of the pool file that this adapter serves."""
