"""Value types of the pool file: their written form, their parsers, and the sentences that refuse invalid values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, StringConstraints, WithJsonSchema

from lightrouter.pool.addresses import checked_target, checked_url

AUTHORIZATION = "authorization"
"""The header that most providers read the API key from, as a bearer token."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_ENVIRONMENT_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOLLARS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,9})?")
_NANO = 10**9
_MILLION = 10**6
# Providers' prices for a million tokens start at half a cent (cached); prices for one token go up to $0.0006.
_LEAST_DOLLARS = Decimal("0.001")
_LEAST_BY_FAR = Decimal("1e-15")
# A choice: Decimal takes long for longer numbers, and no price has as many digits.
_LONGEST_PRICE = 40


def _name(value: str) -> str:
    if len(value) > 63 or not _NAME.fullmatch(value):
        raise ValueError(
            "must be 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at each end, like fast-1"
        )
    return value


def _environment_variable(value: str) -> str:
    if not _ENVIRONMENT_VARIABLE.fullmatch(value):
        raise ValueError("must be the name of an environment variable like OPENAI_API_KEY, not the key itself")
    return value


def _nanousd(value: object) -> object:
    text = value
    if isinstance(value, Decimal):
        # Formatting a number with a huge exponent would take as many bytes.
        text = f"{value:f}" if value.is_finite() and -10 < value.adjusted() < 10 else ""
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value) if value < _NANO else ""
    if one_token := _price_of_one_token(value):
        raise ValueError(
            f"{one_token:f} is too little for US dollars per million tokens; if it is the price of one token, "
            f'write "{(one_token * _MILLION).normalize():f}"'
        )
    if not isinstance(text, str) or not _DOLLARS.fullmatch(text):
        raise ValueError(
            'must be US dollars per million tokens like "0.15", 0 to 999999, with at most 9 decimal places'
        )
    whole, _, fraction = text.partition(".")
    return int(whole) * _NANO + int(fraction.ljust(9, "0"))


def _price_of_one_token(value: object) -> Decimal | None:
    """Returns a price, as written, if it is too low for a million tokens; else None."""
    try:
        price = Decimal(value) if isinstance(value, Decimal | str) and len(str(value)) <= _LONGEST_PRICE else None
    except ArithmeticError:
        return None
    return price if price is not None and price.is_finite() and _LEAST_BY_FAR < price < _LEAST_DOLLARS else None


def _number(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


def _json(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json(item) for item in value]
    number = _number(value)
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueError("contains a number that JSON does not allow")
    return number


# The file's reader returns numbers with a decimal point as Decimal, so that money is never a binary float.
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
"""A finite number."""
_PRICE = {"type": ["number", "string"], "pattern": "^[0-9]{1,6}([.][0-9]{1,9})?$", "minimum": 0, "maximum": 999999}
NanoUsdPerMillion = Annotated[int, BeforeValidator(_nanousd), WithJsonSchema(_PRICE)]
"""A price: US dollars per million tokens in the file, nano-dollars when parsed."""
CandidateName = Annotated[
    str,
    AfterValidator(_name),
    WithJsonSchema({"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}),
]
"""A candidate's name: a DNS label."""
URL_SCHEMA = WithJsonSchema({"type": "string", "pattern": "^https?://"})
"""The JSON schema of a provider's root."""
Url = Annotated[str, AfterValidator(checked_url), URL_SCHEMA]
"""A provider's root, without a slash at its end."""
EnvironmentVariable = Annotated[str, AfterValidator(_environment_variable)]
"""The name of an environment variable."""
GrpcTarget = Annotated[str, AfterValidator(checked_target), WithJsonSchema({"type": "string", "pattern": "^[^\\s]+$"})]
"""An adapter's gRPC target."""
JsonObject = Annotated[dict[str, JsonValue], BeforeValidator(_json)]
"""Members of a JSON object."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
"""A text that is not empty."""
