"""The plots, drawn without a display."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox, BboxBase

from lightrouter.lab.results.bootstrap import Estimate

Kind = Literal["lightrouter", "curve", "baseline", "bound"]
"""What a policy is; those of the curve are joined by a line with its band."""

_COLOURS: Final[dict[Kind, str]] = {
    "lightrouter": "#d62728",
    "curve": "#d62728",
    "baseline": "#1f77b4",
    "bound": "#7f7f7f",
}
# A choice: readable on a page, some tens of kilobytes.
_DPI = 130
# Points between a mark and its name, nearest first.
_DISTANCES = (4, 12, 20, 28, 36)
_MARK_PIXELS = 5


@dataclass(frozen=True, slots=True)
class Point:
    """A policy on a plot of quality against what it costs.

    Attributes:
        name: Its name.
        cost: What it costs, in the unit of the axis.
        quality: Quality of its answers with the ends of the interval.
        kind: What it is.
    """

    name: str
    cost: Estimate
    quality: Estimate
    kind: Kind


def pareto(points: Sequence[Point], cost_label: str, title: str) -> bytes:
    """Returns a plot of quality against cost, with intervals and the Pareto front, as PNG."""
    figure, axes = _axes(title, cost_label, "quality")
    curve = sorted((point for point in points if point.kind == "curve"), key=lambda point: point.cost.mean)
    _band(axes, [(point.cost.mean, point.quality) for point in curve], color=_COLOURS["curve"], marker=".", zorder=3)
    for point in points:
        if point.kind != "curve":
            own = point.kind == "lightrouter"
            axes.errorbar(
                point.cost.mean,
                point.quality.mean,
                xerr=_errors([point.cost]),
                yerr=_errors([point.quality]),
                fmt="D" if own else "o",
                color=_COLOURS[point.kind],
                elinewidth=0.8,
                alpha=0.9,
                markersize=7 if own else 4.5,
            )
    front = _front([point for point in points if point.kind != "bound"])
    axes.plot(
        [p.cost.mean for p in front], [p.quality.mean for p in front], "--", color="#999999", linewidth=0.9, zorder=0
    )
    if all(point.cost.mean > 0 for point in points):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.14, y=0.08)
    _label(axes, points)
    return _png(figure)


def lines(
    series: Mapping[str, Sequence[tuple[float, Estimate | float | None]]],
    x_label: str,
    y_label: str,
    title: str,
    *,
    log: bool = False,
) -> bytes:
    """Returns a plot with one line and its interval for each series that has values, as PNG."""
    figure, axes = _axes(title, x_label, y_label)
    for name, values in series.items():
        points = [(at, Estimate.of(value)) for at, value in values if value is not None]
        if not points:
            continue
        _band(axes, points, marker="o", markersize=4, label=name)
    if log:
        axes.set_xscale("log")
        ticks = sorted({at for points in series.values() for at, _ in points})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
        axes.minorticks_off()
    axes.legend(fontsize=8)
    return _png(figure)


def intervals(values: Mapping[str, Estimate], label: str, title: str) -> bytes:
    """Returns a plot of values with their intervals, one below the other, as PNG."""
    figure, axes = _axes(title, label, "")
    means = [value.mean for value in values.values()]
    rows = range(len(values))
    axes.errorbar(means, rows, xerr=_errors(list(values.values())), fmt="o", color=_COLOURS["baseline"], capsize=3)
    axes.set_yticks(rows, list(values), fontsize=8)
    axes.invert_yaxis()
    axes.margins(y=0.08)
    return _png(figure)


def heat(matrix: Sequence[Sequence[float]], names: Sequence[str], title: str) -> bytes:
    """Returns a heat map of a symmetric matrix of values between -1 and 1, with numbers, as PNG."""
    figure, axes = _axes(title, "", "")
    axes.grid(visible=False)
    axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    axes.set_xticks(range(len(names)), list(names), rotation=45, ha="right", fontsize=7)
    axes.set_yticks(range(len(names)), list(names), fontsize=7)
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7)
    return _png(figure)


def _axes(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.4, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(visible=True, alpha=0.25)
    return figure, axes


def _band(axes: Axes, points: Sequence[tuple[float, Estimate]], **style: Any) -> None:
    """Draws a line with its interval."""
    x = [at for at, _ in points]
    (line,) = axes.plot(x, [value.mean for _, value in points], **style)
    low, high = [value.low for _, value in points], [value.high for _, value in points]
    axes.fill_between(x, low, high, alpha=0.12, color=line.get_color(), linewidth=0)


def _label(axes: Axes, points: Sequence[Point]) -> None:
    """Labels the points, LightRouter's first, so that no label covers a point or another label if there is room."""
    figure = axes.get_figure(root=True)
    if figure is None:
        raise AssertionError("axes are of a figure")
    figure.draw_without_rendering()
    taken: list[BboxBase] = [
        _around(axes.transData.transform((point.cost.mean, point.quality.mean))) for point in points
    ]
    for point in sorted(points, key=lambda each: (each.kind != "lightrouter", each.cost.mean)):
        text = axes.annotate(
            point.name[point.name.find("@") :] if point.kind == "curve" else point.name.removeprefix("single "),
            (point.cost.mean, point.quality.mean),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=8 if point.kind == "lightrouter" else 6.5,
            fontweight="bold" if point.kind == "lightrouter" else "normal",
            color=_COLOURS[point.kind],
        )
        with _any_letters():
            taken.append(_place(text, axes.get_window_extent(), taken))


def _place(text: Annotation, frame: BboxBase, taken: Sequence[BboxBase]) -> BboxBase:
    """Moves a label to its first free position, or else to the position that covers least; returns its box."""

    def covers(place: tuple[int, bool, bool]) -> float:
        distance, right, above = place
        position = (5 if right else -5, distance if above else -distance - 6)
        text.set(position=position, horizontalalignment="left" if right else "right")
        box = text.get_window_extent()
        inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
        return sum(_area(Bbox.intersection(box, other)) for other in taken) + (0 if inside else _area(box))

    covers(min(product(_DISTANCES, (True, False), (True, False)), key=covers))
    return text.get_window_extent()


def _around(pixel: npt.NDArray[np.float64]) -> Bbox:
    x, y = pixel
    return Bbox.from_extents(x - _MARK_PIXELS, y - _MARK_PIXELS, x + _MARK_PIXELS, y + _MARK_PIXELS)


def _area(box: BboxBase | None) -> float:
    return 0.0 if box is None else float(box.width * box.height)


def _errors(estimates: Sequence[Estimate]) -> list[list[float]]:
    """Returns the lengths of the intervals below and above the means, at least 0 whatever the rounding."""
    below = [max(0.0, estimate.mean - estimate.low) for estimate in estimates]
    return [below, [max(0.0, estimate.high - estimate.mean) for estimate in estimates]]


def _front(points: Sequence[Point]) -> list[Point]:
    front: list[Point] = []
    for point in sorted(points, key=lambda each: (each.cost.mean, -each.quality.mean)):
        if not front or point.quality.mean > front[-1].quality.mean:
            front.append(point)
    return front


@contextmanager
def _any_letters() -> Iterator[None]:
    """Suppresses the warning about characters that the font lacks; they are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing", UserWarning)
        yield


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with _any_letters():
        figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()
