"""Value types of the pool file: their written form, their parsers, and the sentences that refuse invalid values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, StringConstraints, WithJsonSchema

AUTHORIZATION = "authorization"
"""The header that most providers read the API key from, as a bearer token."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_ENVIRONMENT_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOLLARS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,9})?")
_GRPC_TARGET = re.compile(r"[^\s]+")
_SECRET = re.compile(r"(?i)(?:^|&)[^=&]*(?:key|token|secret|password|sig(?:nature)?)=")
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


def checked_url(value: str) -> str:
    """Returns a provider's root URL without a slash at its end.

    Raises:
        ValueError: It is not a root URL, or contains credentials or a fragment.
    """
    try:
        parts = urlsplit(value)
        valid = bool(parts.scheme in {"http", "https"} and parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or re.search(r"\s", value):
        raise ValueError("must be an http or https URL like http://localhost:11434/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold credentials; name the key with api_key_env or api_key_file")
    if parts.fragment:
        raise ValueError("must not have a fragment")
    if _SECRET.search(parts.query):
        raise ValueError("must not hold credentials in its query; name the key with api_key_env or api_key_file")
    root, mark, query = value.partition("?")
    return f"{root.rstrip('/')}{mark}{query}" if query else root.rstrip("/")


def under(root: str, path: str) -> str:
    """Returns the URL of `path` below a provider's root; the root's query stays, behind that of `path`."""
    base, _, query = root.partition("?")
    return f"{base}{path}{'&' if '?' in path else '?'}{query}" if query else f"{base}{path}"


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


def _target(value: str) -> str:
    if not _GRPC_TARGET.fullmatch(value):
        raise ValueError("must be a gRPC target like dns:///adapter-fast:50051 or unix:/run/fast.sock")
    return value


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
GrpcTarget = Annotated[str, AfterValidator(_target), WithJsonSchema({"type": "string", "pattern": "^[^\\s]+$"})]
"""An adapter's gRPC target."""
JsonObject = Annotated[dict[str, JsonValue], BeforeValidator(_json)]
"""Members of a JSON object."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
"""A text that is not empty."""
