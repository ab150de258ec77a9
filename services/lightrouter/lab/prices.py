"""What recorded models would have cost: a list of prices, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lightrouter.v1.candidate_pb2 import Prices

_NANOUSD = 1_000_000_000


class PriceListError(Exception):
    """A price list that cannot be used; the text is one sentence that says where and what to do."""


class Price(BaseModel):
    """US dollars per million tokens of one model.

    Attributes:
        input: Per million tokens read.
        cached_input: Per million tokens read from the provider's cache; None where no price is named: `input`.
        output: Per million tokens written.
        source: Where the price is from; `assumed` where it is on no list.
        note: What the assumption is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)
    output: float = Field(ge=0)
    source: str = "assumed"
    note: str = ""


class PriceList(BaseModel):
    """Prices by model, and the price of any other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: Mapping[str, Price] = Field(default_factory=dict)
    other: Price

    def of(self, model: str) -> Price:
        """Returns the price of a model."""
        return self.models.get(model, self.other)

    def message(self, model: str) -> Prices:
        """Returns the price of a model as a candidate of the pool carries it."""
        return _message(self.of(model))


@lru_cache(maxsize=1024)
def _message(price: Price) -> Prices:
    cached = price.input if price.cached_input is None else price.cached_input
    return Prices(
        input_nanousd_per_million=round(price.input * _NANOUSD),
        cached_input_nanousd_per_million=round(cached * _NANOUSD),
        output_nanousd_per_million=round(price.output * _NANOUSD),
    )


def load(path: Path | None = None) -> PriceList:
    """Returns the list that comes with the package, with the prices of the file at `path` over it.

    Raises:
        PriceListError: The file cannot be read or is no price list.
    """
    shipped = PriceList.model_validate(yaml.safe_load(files(__package__).joinpath("prices.yaml").read_text()))
    if path is None:
        return shipped
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        given = PriceList.model_validate({"other": shipped.other, **(document or {})})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        raise PriceListError(f"{path} cannot be read as a price list: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise PriceListError(f"{path}: {place}: {first['msg']}; a price is {{input: 0.2, output: 0.2}}") from None
    return PriceList(models={**shipped.models, **given.models}, other=given.other)
