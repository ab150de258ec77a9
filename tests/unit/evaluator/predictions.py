"""The length of a decision, and the scores of one, as its journal has them."""

from __future__ import annotations

import json
from pathlib import Path

from lightrouter.evaluator.confidence import Tally, interval


def prompts_needed(quality: float, distance: float, error_rate: float) -> int:
    """Returns the number of prompts after which the interval around `quality` is narrower than `distance` on each side.

    Predicts the length of a decision for the expected scores, without their variance.
    """
    low, high = 0, 1
    while _reach(quality, high, error_rate) >= distance:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _reach(quality, middle, error_rate) >= distance else (low, middle)
    return high


def _reach(quality: float, count: int, error_rate: float) -> float:
    low, high = interval(Tally(count, quality * count), error_rate)
    return max(quality - low, high - quality)


def journal_scores(path: Path) -> dict[str, dict[str, float]]:
    """Returns the scores of the last evaluation by candidate and prompt, from its journal."""
    found: dict[str, dict[str, float]] = {}
    verdicts: dict[tuple[str, str], list[float | None]] = {}
    for line in map(json.loads, path.read_text().splitlines()):
        kind, _, rest = str(line.get("done", "")).partition("/")
        candidate, _, rest = rest.partition("/")
        if kind == "answer" and line.get("score") is not None:
            found.setdefault(candidate, {})[rest] = line["score"]
        elif kind == "judge":
            _, _, item = rest.partition("/")
            verdicts.setdefault((candidate, item), []).append(line["score"])
    for (candidate, item), each in verdicts.items():
        read = [score for score in each if score is not None]
        if len(read) == 2:
            found.setdefault(candidate, {})[item] = sum(read) / 2
    return found
