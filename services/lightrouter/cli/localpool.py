"""The default pool of `lightrouter up`: one small local model as three different candidates."""

from __future__ import annotations

from typing import Final

from lightrouter.runtime.document import dump

_HEAD: Final = """\
# One small model as three candidates, which differ in instructions and sampling.
# The prices are invented, so that ledgers have something to show; a model on your own machine costs nothing.
"""
_CANDIDATES: Final = (
    {
        "name": "concise",
        "system_prompt": "Answer in one short, plain sentence.",
        "sampling": {"temperature": 0.0, "seed": 11},
        "prices": {"input": "0.10", "cached_input": "0.01", "output": "0.40"},
        "prior": 0.6,
    },
    {
        "name": "explainer",
        "system_prompt": "You are a helpful teacher. Explain in simple words.",
        "sampling": {"temperature": 0.2, "top_p": 0.9, "seed": 8},
        "prices": {"input": "0.15", "cached_input": "0.015", "output": "0.60"},
        "prior": 0.5,
    },
    {
        "name": "skeptic",
        "system_prompt": "You are a careful assistant. Answer in plain words and say only what is certain.",
        "sampling": {"temperature": 0.4, "top_p": 0.9, "seed": 4},
        "prices": {"input": "0.05", "cached_input": "0.005", "output": "0.20"},
        "prior": 0.4,
    },
)


def text(base_url: str, model: str) -> str:
    """Returns the pool file for the local model's server at `base_url`, whose slots hold 2,048 tokens each."""
    served = {"base_url": base_url, "model": model, "continuation": "trailing", "always_stream": True}
    return _HEAD + dump({"candidates": [{**each, **served, "context_window": 2048} for each in _CANDIDATES]})
