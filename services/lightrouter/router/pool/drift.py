"""Finds out when a figure leaves its own history, and when it is back, with a bound on false alarms.

By e-detectors (Shin, Ramdas, Rinaldo: "E-detectors: a nonparametric framework for sequential change detection", 2023):
a figure is a mean of observations between 0 and 1, with any distribution. A bet against "the mean is at most the
border" wins nothing on average while that holds. The detector keeps the gain of a bet that was begun anew whenever it
had lost, over several stakes at once. While the mean stays below the border, on average at least `run_length`
observations go by before the gain reaches `run_length`: that is when it alarms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from enum import Enum
from statistics import NormalDist
from typing import Final

_STAKES: Final = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 7 / 8)
"""Shares of its gain that a bet may lose at once, a choice. No stake is best for every change, and the bound on false
alarms holds for their mean as for each."""

# Choices: the histories that a comparison keeps, and the observations from which a history shows what to return to.
_MAX_COHORTS: Final = 8
_TELLING_OBSERVATIONS: Final = 100


class Mean:
    """A mean of observations, 0 to 1, in which the weight of each fades with every later one."""

    __slots__ = ("_keep", "_total", "weight")

    def __init__(self, memory: float) -> None:
        """Covers about the last `memory` observations."""
        self._keep = 1 - 1 / memory
        self._total = 0.0
        self.weight = 0.0
        """Number of observations that the mean covers."""

    @property
    def value(self) -> float:
        """The mean; 0 without an observation."""
        return self._total / self.weight if self.weight else 0.0

    def add(self, mean: float, observations: int = 1) -> None:
        """Adds observations with this mean, 0 to 1."""
        keep = self._keep if observations == 1 else self._keep**observations
        self.weight = self.weight * keep + observations
        self._total = self._total * keep + mean * observations

    def upper(self, deviations: float) -> float:
        """Returns the upper end of Wilson's interval of that many standard deviations; 1 without an observation.

        The interval is that of a share. No other mean of observations between 0 and 1 has a larger variance.
        """
        n, square = self.weight, deviations**2
        if not n:
            return 1.0
        centre = self.value + square / (2 * n)
        radius = deviations * math.sqrt(self.value * (1 - self.value) / n + square / (4 * n**2))
        return min(1.0, (centre + radius) / (1 + square / n))


class Detector:
    """Alarms when the mean of observations, 0 to 1, is above a border."""

    __slots__ = ("_gains", "_run_length")

    def __init__(self, run_length: float) -> None:
        """Lets at least `run_length` observations pass on average before a false alarm."""
        self._run_length = run_length
        self._gains = [1.0] * len(_STAKES)

    @property
    def calm(self) -> bool:
        """Whether no bet has a gain, so that nothing indicates a change."""
        return max(self._gains) == 1.0

    def alarms(self, observation: float, border: float) -> bool:
        """Takes an observation; `border` depends on earlier ones at most."""
        border = min(max(border, 1e-9), 1.0)
        won = (observation - border) / border
        self._gains = [max(1.0, gain * (1 + stake * won)) for gain, stake in zip(self._gains, _STAKES, strict=True)]
        return sum(self._gains) >= self._run_length * len(self._gains)


class Change(Enum):
    """A change that an observation showed."""

    DRIFTED = "drifted"
    RETURNED = "returned"


class Figure:
    """One figure of a candidate: 0 is best, 1 is worst.

    The border between history and drift is the upper end of what the history predicts, plus a tolerance. A figure
    has drifted when it is credibly above the border, and has returned when it is credibly below.

    Attributes:
        recent: The recent figure.
        history: The figure in its history.
        drifted: Whether it has left its history and not returned.
    """

    __slots__ = (
        "_border",
        "_detector",
        "_deviations",
        "_pending",
        "_pending_total",
        "_run_length",
        "_tolerance",
        "drifted",
        "history",
        "recent",
    )

    def __init__(self, tolerance: float, run_length: float, memory: float = 10_000, recent: float = 200) -> None:
        """Starts without a history; there is no drift before the history has enough observations.

        Args:
            tolerance: How much worse than its history it may be, 0 to 1.
            run_length: Least average number of observations between false alarms, above 1.
            memory: Number of observations that the history covers.
            recent: Number of observations that the recent figure covers.
        """
        self._tolerance = tolerance
        self._run_length = run_length
        # The interval of the history is wrong as rarely as the detector alarms falsely.
        self._deviations = NormalDist().inv_cdf(1 - 1 / run_length)
        self._detector = Detector(run_length)
        self._border = 1.0
        # Observations of a running bet become history only after the bet is lost: a change must not raise the border.
        self._pending, self._pending_total = 0, 0.0
        self.history = Mean(memory)
        self.recent = Mean(recent)
        self.drifted = False

    def since_change(self) -> tuple[float, int]:
        """Returns the figure since it began to leave its history, and the number of observations since then."""
        return (self._pending_total / self._pending if self._pending else 0.0), self._pending

    def observe(self, observation: float) -> Change | None:
        """Takes an observation, 0 to 1; returns the change that it showed."""
        self.recent.add(observation)
        if self.drifted:
            # The border stays where it was at the alarm.
            if not self._detector.alarms(1 - observation, 1 - self._border):
                return None
            self._turn(drifted=False)
            return Change.RETURNED
        if self._detector.calm and observation <= self.history.value + self._tolerance:
            # It is below the border, whose place then does not matter: no bet begins, and nothing is pending.
            self.history.add(observation)
            return None
        self._border = min(1.0, self.history.upper(self._deviations) + self._tolerance)
        alarm = self._detector.alarms(observation, self._border)
        self._pending += 1
        self._pending_total += observation
        if alarm:
            self._turn(drifted=True)
            return Change.DRIFTED
        if self._detector.calm:
            self.history.add(self._pending_total / self._pending, self._pending)
            self._pending, self._pending_total = 0, 0.0
        return None

    def mark_drifted(self) -> None:
        """Counts as drifted until observations show that it has returned."""
        if not self.drifted:
            self._turn(drifted=True)

    def mark_returned(self) -> None:
        """Counts as returned."""
        if self.drifted:
            self._turn(drifted=False)

    def _turn(self, *, drifted: bool) -> None:
        self.drifted = drifted
        self._detector = Detector(self._run_length)
        if not drifted:
            self._pending, self._pending_total = 0, 0.0


class Comparison:
    """A figure that compares a candidate with others, with one history per cohort of compared candidates.

    The value depends on the cohort: a rival that leaves and returns must not make the others look worse. Each
    observation counts in one history only, so that false alarms are as rare as in one figure.

    Attributes:
        recent: The recent figure, over all cohorts.
        departed: The figure of the cohort in which it left its history; None if it has not.
    """

    __slots__ = ("_figures", "_new", "departed", "recent")

    def __init__(self, new: Callable[[], Figure], recent: float = 200) -> None:
        """Makes a figure per cohort with `new`; the recent figure covers `recent` observations."""
        self._new = new
        # In the order of their last observations.
        self._figures: dict[Hashable, Figure] = {}
        self.recent = Mean(recent)
        self.departed: Figure | None = None

    def observe(self, cohort: Hashable, observation: float) -> Change | None:
        """Takes an observation, 0 to 1, of a cohort; returns the change that it showed."""
        self.recent.add(observation)
        figure = self._figures.pop(cohort, None) or self._new()
        self._figures[cohort] = figure
        if len(self._figures) > _MAX_COHORTS:
            del self._figures[next(iter(self._figures))]
        if self.departed is None:
            change = figure.observe(observation)
            self.departed = figure if change is Change.DRIFTED else None
            return change
        # Another cohort with a history can show the return too, because the departed one may never boot together again.
        judging = figure if figure.history.weight >= _TELLING_OBSERVATIONS else self.departed
        judging.mark_drifted()
        change = judging.observe(observation)
        if change is Change.RETURNED:
            for of_cohort in (self.departed, *self._figures.values()):
                of_cohort.mark_returned()
            self.departed = None
        return change
