"""The list of prices at which recorded calls are booked, each price with its source."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lightrouter.runtime import faults
from lightrouter.runtime.document import DocumentError, parse
from lightrouter.v1.candidate_pb2 import Prices

_NANOUSD = 1_000_000_000
_MILLION: Final = 1_000_000
# Machines are hired by the hour, and tokens are counted by the second.
_SECONDS_AN_HOUR: Final = 3600
# A choice, in US dollars per million tokens: listed prices are between cents and hundreds of dollars. A price far
# outside is in another unit.
_LEAST: Final = 0.001
_MOST: Final = 10_000.0


_EXAMPLE: Final = "{input: 0.2, output: 0.2}"


class PriceListError(Exception):
    """A price list that cannot be used; the text is one sentence that says where and what to do."""


def _plausible(price: float) -> float:
    if 0 < price < _LEAST:
        raise ValueError(f"{price:g} is too little for US dollars per million tokens; is it the price of one token?")
    if price > _MOST:
        raise ValueError(f"{price:g} is too much for US dollars per million tokens")
    return price


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        raise ValueError("must be a number")
    return value


_Usd = Annotated[float, BeforeValidator(_number), Field(ge=0, allow_inf_nan=False), AfterValidator(_plausible)]
_Positive = Annotated[float, BeforeValidator(_number), Field(gt=0, allow_inf_nan=False)]


class Price(BaseModel):
    """US dollars per million tokens of one model.

    Attributes:
        input: Per million tokens read.
        cached_input: Per million tokens read from the provider's cache; None: as `input`.
        output: Per million tokens written.
        source: Source of the price; `assumed` if it is on no list.
        note: The assumption.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: _Usd
    cached_input: _Usd | None = None
    output: _Usd
    source: str = "assumed"
    note: str = ""

    @property
    def cached(self) -> float:
        """Per million tokens read from the provider's cache."""
        return self.input if self.cached_input is None else self.cached_input

    @cached_property
    def message(self) -> Prices:
        """The prices in the form of a pool candidate."""
        return Prices(
            input_nanousd_per_million=round(self.input * _NANOUSD),
            cached_input_nanousd_per_million=round(self.cached * _NANOUSD),
            output_nanousd_per_million=round(self.output * _NANOUSD),
        )

    @property
    def listed(self) -> dict[str, str]:
        """The prices in the notation of a pool file."""
        usd = {"input": self.input, "cached_input": self.cached_input, "output": self.output}
        # A pool file takes nano-dollars, no finer ones.
        return {kind: str(Decimal(str(round(price, 9)))) for kind, price in usd.items() if price is not None}


class Machine(BaseModel):
    """A machine of one's own that serves a model to many requests at once: a token costs the time that it takes.

    Attributes:
        usd_per_hour: US dollars for an hour of it.
        input_tokens_per_second: Tokens that it reads in a second if it does nothing else.
        output_tokens_per_second: Tokens that it writes in a second for all requests together, if it does nothing else.
        source: Source of the figures; `assumed` if nobody measured them.
        note: The assumption.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    usd_per_hour: _Positive
    input_tokens_per_second: _Positive
    output_tokens_per_second: _Positive
    source: str = "assumed"
    note: str = ""

    @model_validator(mode="after")
    def _is_plausible(self) -> Self:
        for usd in map(self._usd, (self.input_tokens_per_second, self.output_tokens_per_second)):
            if not _LEAST <= usd <= _MOST:
                raise ValueError(f"is no likely machine: a million tokens would cost {usd:g} US dollars")
        return self

    @property
    def price(self) -> Price:
        """The price of its tokens at full load; a prefix that it has read before takes no time."""
        return Price(
            input=self._usd(self.input_tokens_per_second),
            cached_input=0.0,
            output=self._usd(self.output_tokens_per_second),
            source=f"${self.usd_per_hour:g} an hour, {self.source}",
            note=self.note,
        )

    def _usd(self, tokens_per_second: float) -> float:
        """Returns US dollars for the time of a million tokens."""
        return self.usd_per_hour / _SECONDS_AN_HOUR * _MILLION / tokens_per_second


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices by model, and the price of other models. The case of names does not matter.

    Attributes:
        other: The price of models that are not listed.
        models: The price of each model.
        own: Names of models whose prices the user gave; these override recorded costs.
        complete: Whether the user gave `other` too, so that no price is assumed.
    """

    other: Price
    models: Mapping[str, Price] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    complete: bool = False

    def __post_init__(self) -> None:
        """Makes names independent of case."""
        object.__setattr__(self, "models", {name.casefold(): price for name, price in self.models.items()})

    def of(self, model: str) -> Price:
        """Returns the price of a model."""
        return self.models.get(model.casefold(), self.other)

    def given(self, model: str) -> bool:
        """Tells whether the user gave the price of a model."""
        return model.casefold() in {name.casefold() for name in self.own}

    def message(self, model: str) -> Prices:
        """Returns the price of a model in the form of a pool candidate."""
        return self.of(model).message

    def complaints(self, models: Sequence[str], recorded: Sequence[str]) -> Iterator[str]:
        """Yields what the reader should know about these prices, one sentence each.

        `recorded` are the models for which the cost of every call is recorded.
        """
        assumed = [model for model in models if model.casefold() not in self.models and model not in recorded]
        if assumed and not self.complete:
            yield (
                f"No price is known of {', '.join(assumed)}: ${self.other.input:g} per million tokens read and "
                f"${self.other.output:g} written are assumed; name them in --prices, or record `cost_usd`."
            )
        known = {model.casefold() for model in models}
        if strange := sorted(name for name in self.own if name.casefold() not in known):
            yield f"--prices names {', '.join(strange)}, which the recording does not have."


class _File(BaseModel):
    """A price list in a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: Mapping[str, Price] = Field(default_factory=dict)
    machines: Mapping[str, Machine] = Field(default_factory=dict)
    other: Price | None = None

    @property
    def prices(self) -> list[tuple[str, Price]]:
        """The price of each model, those on machines of one's own included."""
        return [*self.models.items(), *((name, machine.price) for name, machine in self.machines.items())]


def load(path: Path | None = None) -> PriceList:
    """Returns the price list of the package, overridden by the file at `path`.

    Raises:
        PriceListError: The file cannot be read or is no price list.
    """
    shipped = _shipped()
    if path is None:
        return shipped
    try:
        document = parse(path.read_bytes())
    except OSError as error:
        raise PriceListError(f"{path} cannot be read as a price list: {error.strerror}") from None
    except DocumentError as error:
        place = f"{path}:{error.line}"
        said = ": ".join(filter(None, (place, faults.field(error.path), error.message)))
        raise PriceListError(said) from None
    if not isinstance(document.value, dict | None):
        raise PriceListError(f"{path}:1: must have `models`, and a price for each: {_EXAMPLE}")
    try:
        given = _File.model_validate(document.value or {})
    except ValidationError as error:
        first = error.errors()[0]
        loc = first["loc"]
        message = faults.sentence(first, faults.keys_of(_File))
        place = f"{path}:{document.line(loc)}: {faults.field(loc)}"
        raise PriceListError(f"{place}: {message}; a price is {_EXAMPLE}") from None
    named = {name.casefold(): price for name, price in given.prices}
    if len(named) < len(given.prices):
        raise PriceListError(f"{path}: one is named twice, in models or machines; the case of letters does not count")
    return PriceList(
        models={**shipped.models, **named},
        other=given.other or shipped.other,
        own=frozenset(name for name, _ in given.prices),
        complete=given.other is not None,
    )


@lru_cache(maxsize=1)
def _shipped() -> PriceList:
    found = _File.model_validate(parse(files(__package__).joinpath("prices.yaml").read_bytes()).value)
    if found.other is None:
        raise PriceListError("the package's price list has no `other`")
    return PriceList(models=found.models, other=found.other)
