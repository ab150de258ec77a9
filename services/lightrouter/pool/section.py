"""The base of the models of a pool file's sections."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Section(BaseModel):
    """A section of a pool file; unknown keys are refused."""

    # snake_case keys in the pool file, camelCase keys in resources and chart; each reader accepts only its own.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )
