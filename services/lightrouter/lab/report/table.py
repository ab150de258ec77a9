"""Tables made of rows: a row has named values, and a column shows one of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from lightrouter.lab.report.page import Table
from lightrouter.lab.results.bootstrap import Estimate

QUALITY: Final = {"quality": "quality", "to best-single": "gain_best_single"}
"""Columns of the quality and of the difference to the best single model."""
COST: Final = {"output tokens": "output_tokens", "$ / 1,000": "cost_usd"}
"""Columns of the cost."""
TOKENS: Final = {"output tokens": "output_tokens", "input tokens": "input_tokens"}
"""Columns of the tokens of all calls."""

# Values that are shown without an interval, and how. Any other number has four decimals.
_FORMATS: Final[Mapping[str, Callable[[float], str]]] = {
    "output_tokens": "{:,.0f}".format,
    "input_tokens": "{:,.0f}".format,
    "output_share": "{:.1%}".format,
    "share": "{:.0%}".format,
    **dict.fromkeys(("cost_usd", "cached_usd", "own_cost_usd", "planned_usd"), lambda usd: f"{1000 * usd:.4f}"),
    "mean_k": "{:.2f}".format,
    "regret": "{:.1f}".format,
    "seconds": "{:.1f}".format,
}
_NOT_MEASURED: Final = "not measured"


def tabulate(
    title: str,
    columns: Mapping[str, str],
    rows: Sequence[Mapping[str, object]],
    note: str = "",
    marked: Collection[int] = (),
) -> Table:
    """Returns a table of rows. An estimate takes two columns: its mean, and its interval.

    Args:
        title: The heading.
        columns: The name of each column's value, by the head of the column. A value whose name begins with `gain` is a
            difference and is shown with its sign.
        rows: Values by name: texts, numbers, estimates. The cell of a value that a row lacks is empty.
        note: What a reader must know; may be empty.
        marked: Indices of highlighted rows.
    """
    wide = {name for name in columns.values() if any(_with_interval(name, row.get(name)) for row in rows)}
    heads = [each for head, name in columns.items() for each in ([head, "95 %"] if name in wide else [head])]
    cells = [
        [cell for name in columns.values() for cell in _cells(name, row.get(name, ""), 1 + (name in wide))]
        for row in rows
    ]
    return Table(title, heads, cells, note, frozenset(marked))


def _with_interval(name: str, value: object) -> bool:
    return isinstance(value, Estimate) and name not in _FORMATS


def _cells(name: str, value: object, count: int) -> Sequence[str]:
    """Returns a value as one cell or two."""
    if isinstance(value, Estimate) and count > 1 and not math.isnan(value.mean):
        return value.difference_cells if name.startswith("gain") else value.cells
    if isinstance(value, Estimate):
        value = value.mean
    if isinstance(value, float) and not math.isnan(value):
        value = _FORMATS.get(name, "{:.4f}".format)(value)
    text = value if isinstance(value, str | int) else _NOT_MEASURED
    return [str(text), ""][:count]
