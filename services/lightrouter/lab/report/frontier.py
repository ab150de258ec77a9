"""Compares the curve over worth with each rival at the rival's price, and says where the rival is the better buy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from lightrouter.lab.policies import lightrouter, oracle
from lightrouter.lab.report.page import Table
from lightrouter.lab.report.table import tabulate
from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate
from lightrouter.lab.results.figures import Figures

_COLUMNS = {
    "rival": "name",
    "quality": "quality",
    "$ / 1,000": "cost_usd",
    "for no more money": "own",
    "its quality": "own_quality",
    "its $ / 1,000": "own_cost_usd",
    "difference": "gain",
}
_NOTE = (
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


def duels(outcomes: Mapping[str, Outcomes], figures: Mapping[str, Figures], bootstrap: Bootstrap) -> list[Duel]:
    """Returns a duel with each rival whose quality is measured, the cheapest rival first; none without a curve."""
    curve = [name for name in figures if lightrouter.is_of_curve(name)]
    rivals = [name for name, each in figures.items() if each.measured and name not in {*curve, oracle.NAME}]
    found: list[Duel] = []
    for rival in sorted(rivals if curve else (), key=lambda name: figures[name].cost_usd.mean):
        most = figures[rival].cost_usd.mean
        as_cheap = [name for name in curve if figures[name].cost_usd.mean <= most]
        own = max(as_cheap, key=lambda name: figures[name].quality.mean, default=None)
        rise = None if own is None else bootstrap.mean(outcomes[own].quality - outcomes[rival].quality)
        found.append(Duel(rival, own, rise))
    return found


def table(found: Sequence[Duel], figures: Mapping[str, Figures]) -> Table:
    """Returns the table of the duels."""
    rows = [
        {
            "name": each.rival,
            "quality": figures[each.rival].quality.mean,
            "cost_usd": figures[each.rival].cost_usd.mean,
            **(
                {}
                if each.own is None
                else {
                    "own": each.own,
                    "own_quality": figures[each.own].quality.mean,
                    "own_cost_usd": figures[each.own].cost_usd.mean,
                    "gain": each.difference,
                }
            ),
        }
        for each in found
    ]
    return tabulate("The curve over worth at each rival's price", _COLUMNS, rows, _NOTE)


def notes(found: Sequence[Duel], figures: Mapping[str, Figures]) -> Iterator[str]:
    """Yields how far the curve reaches, and where a rival is the better buy, one sentence each."""
    curve = [f"{name} ({_told(each)})" for name, each in figures.items() if lightrouter.is_of_curve(name)]
    if curve:
        yield f"The curve over the worth of a right answer goes from {curve[0]} to {curve[-1]}."
    for each in found:
        rival = f"{each.rival} ({_told(figures[each.rival])})"
        if each.own is None:
            yield f"{rival} is the better buy for less than any point of the curve costs."
        elif each.lost:
            yield f"{rival} is the better buy at its price: {each.own} costs no more, and differs by {each.difference}."
    if found and not any(each.lost for each in found):
        yield "No rival is the better buy at its price: for no more money, the curve is not established to be worse."


def _told(figures: Figures) -> str:
    return f"{figures.quality.mean:.4f} at ${1000 * figures.cost_usd.mean:.4f} per 1,000 prompts"
