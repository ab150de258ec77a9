"""Writes the list of models' prices that `lightrouter init` reads, from genai-prices: python -m tools.prices.

The list states its source and the day on which it was taken. Run it again after an update of genai-prices.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

LIST: Final = Path(__file__).parent.parent / "services/lightrouter/cli/pricelist.json"
# A choice: the providers whose APIs the adapters speak, without those that list their prices themselves.
_PROVIDERS: Final = frozenset(
    [
        "anthropic",
        "azure",
        "cerebras",
        "cohere",
        "deepseek",
        "fireworks",
        "google",
        "groq",
        "minimax",
        "mistral",
        "moonshotai",
        "openai",
        "perplexity",
        "together",
        "x-ai",
        "zai",
    ]
)
_KINDS: Final = {
    "input": "input_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "output": "output_mtok",
}


def main() -> None:
    """Writes the list."""
    now = datetime.now(UTC)
    document = {
        "source": f"genai-prices {version('genai-prices')}",
        "taken": now.date().isoformat(),
        "providers": [
            _provider(each, now) for each in import_module("genai_prices.data").providers if each.id in _PROVIDERS
        ],
    }
    lines = json.dumps(document, separators=(",", ":")).replace('{"match"', '\n{"match"').replace('{"id"', '\n{"id"')
    LIST.write_text(f"{lines}\n")


def _provider(provider: Any, now: datetime) -> dict[str, Any]:
    models = [made for model in provider.models if (made := _model(model, now))]
    return {"id": provider.id, "address": provider.api_pattern, "models": models}


def _model(model: Any, now: datetime) -> dict[str, Any] | None:
    prices = model.get_prices(now)
    base = {kind: price for kind, name in _KINDS.items() if (price := _base(getattr(prices, name))) is not None}
    if not {"input", "output"} <= base.keys():
        return None
    starts = sorted({tier.start for name in _KINDS.values() for tier in _tiers(getattr(prices, name))})
    tiers = [{"above": start, **_at(prices, base, start)} for start in starts]
    window = {"context_window": model.context_window} if model.context_window else {}
    return {"match": _match(model.match), **window, "prices": {**base, **({"tiers": tiers} if tiers else {})}}


def _at(prices: Any, base: dict[str, str], start: int) -> dict[str, str]:
    """Returns the prices of prompts that are longer than `start`."""
    found = dict(base)
    for kind in base:
        for tier in _tiers(getattr(prices, _KINDS[kind])):
            if tier.start <= start:
                found[kind] = _dollars(tier.price)
    return found


def _tiers(price: Any) -> Iterator[Any]:
    yield from getattr(price, "tiers", ())


def _base(price: Any) -> str | None:
    price = getattr(price, "base", price)
    return None if price is None else _dollars(price)


def _dollars(price: Any) -> str:
    text = f"{price:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _match(clause: Any) -> dict[str, Any]:
    """Returns a clause by its own member: {"equals": "..."}, or {"or": [...]} for several."""
    ((name, value),) = vars(clause).items()
    name = name.rstrip("_")
    return {name: [_match(each) for each in value] if name in {"or", "and"} else value}


if __name__ == "__main__":
    main()
