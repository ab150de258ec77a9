"""Compares the curve over worth with each rival at the rival's price, and says where the rival is the better buy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from lightrouter.lab.policies import lightrouter, oracle
from lightrouter.lab.report.page import Table
from lightrouter.lab.report.plots import Kind
from lightrouter.lab.report.table import tabulate
from lightrouter.lab.results.bootstrap import Estimate
from lightrouter.lab.results.figures import Figures, Results

_COLUMNS: Final = {
    "rival": "name",
    "quality": "quality",
    "$ / 1,000": "cost_usd",
    "for no more money": "own",
    "its quality": "own_quality",
    "its $ / 1,000": "own_cost_usd",
    "difference": "gain",
}
_NOTE: Final = (
    "For each rival the best point of the curve over worth that costs no more; differences in quality are paired by "
    "prompt. Empty: no point of the curve is as cheap."
)


class Duel(NamedTuple):
    """A rival and the best policy of the curve over worth that costs no more.

    Attributes:
        rival: The rival's name.
        own: The policy's name; None if each of them costs more than the rival.
        difference: Its quality less the rival's, paired by prompt; None without one.
    """

    rival: str
    own: str | None
    difference: Estimate | None

    @property
    def lost(self) -> bool:
        """Whether the rival is the better buy: nothing is as cheap, or what is as cheap is established to be worse."""
        return self.difference is None or self.difference.high < 0


def kind(name: str) -> Kind:
    """Returns what a policy is in a comparison."""
    if lightrouter.is_of_curve(name):
        return "curve"
    if name.startswith(lightrouter.PREFIX):
        return "lightrouter"
    return "bound" if name == oracle.NAME else "baseline"


def duels(results: Results) -> list[Duel]:
    """Returns a duel with each rival whose quality is measured, the cheapest rival first; none without a curve."""
    figures = results.figures
    curve = [name for name in figures if kind(name) == "curve"]
    rivals = [name for name, each in figures.items() if each.measured and kind(name) in {"lightrouter", "baseline"}]
    found: list[Duel] = []
    for rival in sorted(rivals if curve else (), key=lambda name: figures[name].cost_usd.mean):
        as_cheap = [name for name in curve if figures[name].cost_usd.mean <= figures[rival].cost_usd.mean]
        own = max(as_cheap, key=lambda name: figures[name].quality.mean, default=None)
        found.append(Duel(rival, own, None if own is None else results.gain(own, rival)))
    return found


def table(found: Sequence[Duel], figures: Mapping[str, Figures]) -> Table:
    """Returns the table of the duels."""
    rows: list[dict[str, object]] = []
    for each in found:
        rival, own = figures[each.rival], figures.get(each.own or "")
        row = {"name": each.rival, "quality": rival.quality.mean, "cost_usd": rival.cost_usd.mean}
        if own is not None:
            row |= {"own": each.own, "own_quality": own.quality.mean, "own_cost_usd": own.cost_usd.mean}
            row["gain"] = each.difference
        rows.append(row)
    return tabulate("The curve over worth at each rival's price", _COLUMNS, rows, _NOTE)


def notes(found: Sequence[Duel], figures: Mapping[str, Figures]) -> Iterator[str]:
    """Yields how far the curve reaches, and where a rival is the better buy, one sentence each."""
    told = {
        name: f"{name} ({each.quality.mean:.4f} at ${1000 * each.cost_usd.mean:.4f} per 1,000 prompts)"
        for name, each in figures.items()
    }
    curve = [each for name, each in told.items() if kind(name) == "curve"]
    if curve:
        yield f"The curve over the worth of a right answer goes from {curve[0]} to {curve[-1]}."
    for each in found:
        if each.own is None:
            yield f"{told[each.rival]} is the better buy for less than any point of the curve costs."
        elif each.lost:
            yield (
                f"{told[each.rival]} is the better buy at its price: {each.own} costs no more, and differs by "
                f"{each.difference}."
            )
    if found and not any(each.lost for each in found):
        yield "No rival is the better buy at its price: for no more money, the curve is not established to be worse."
