"""Finds out when a figure leaves its own history, and when it is back, with a bound on false alarms.

By e-detectors (Shin, Ramdas, Rinaldo: "E-detectors: a nonparametric framework for sequential change detection", 2023):
a figure is a mean of observations between 0 and 1, of whatever distribution. A bet against "the mean is at most the
border" wins nothing on average while that holds. The detector keeps the gain of a bet that was begun anew whenever it
had lost, over several stakes at once. While the mean stays below the border, on average at least `run_length`
observations go by before the gain reaches `run_length`: that is when it alarms.
"""

from __future__ import annotations

import math
from enum import Enum
from statistics import NormalDist
from typing import Final

_STAKES: Final = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 7 / 8)
"""Shares of what it has that a bet may lose at once. None is best for every change; their mean is as sure as each."""


class Mean:
    """A mean of observations, 0 to 1, in which the weight of each fades as others come."""

    __slots__ = ("_keep", "_total", "weight")

    def __init__(self, memory: float) -> None:
        """Rests on the last `memory` observations, more or less."""
        self._keep = 1 - 1 / memory
        self._total = 0.0
        self.weight = 0.0
        """Observations that it rests on."""

    @property
    def value(self) -> float:
        """The mean; 0 where there was no observation."""
        return self._total / self.weight if self.weight else 0.0

    def add(self, mean: float, observations: int = 1) -> None:
        """Takes so many observations with this mean, 0 to 1."""
        keep = self._keep**observations
        self.weight = self.weight * keep + observations
        self._total = self._total * keep + mean * observations

    def upper(self, deviations: float) -> float:
        """Returns the upper end of Wilson's interval, so many standard deviations wide; 1 without an observation.

        It is the interval of a share; of no mean of observations between 0 and 1 is the variance larger.
        """
        n, square = self.weight, deviations**2
        if not n:
            return 1.0
        centre = self.value + square / (2 * n)
        radius = deviations * math.sqrt(self.value * (1 - self.value) / n + square / (4 * n**2))
        return min(1.0, (centre + radius) / (1 + square / n))


class Detector:
    """Alarms once observations, 0 to 1, lie above a border on the mean."""

    __slots__ = ("_gains", "_run_length")

    def __init__(self, run_length: float) -> None:
        """Lets at least `run_length` observations go by between alarms, on average, while there is no cause."""
        self._run_length = run_length
        self._gains = [1.0] * len(_STAKES)

    @property
    def calm(self) -> bool:
        """Whether no bet has won anything: nothing speaks for a change."""
        return all(gain == 1.0 for gain in self._gains)

    def alarms(self, observation: float, border: float) -> bool:
        """Takes an observation; `border` depends on earlier ones at most."""
        border = min(max(border, 1e-9), 1.0)
        won = (observation - border) / border
        self._gains = [max(1.0, gain * (1 + stake * won)) for gain, stake in zip(self._gains, _STAKES, strict=True)]
        return sum(self._gains) >= self._run_length * len(self._gains)


class Change(Enum):
    """What an observation showed."""

    DRIFTED = "drifted"
    RETURNED = "returned"


class Figure:
    """One figure of a candidate: 0 is best, 1 is worst.

    What counts as worse than its history is a border: the upper end of what its history lets expect, and a tolerance on
    top of it. Only what lies credibly above it has drifted, and only what lies credibly below it has returned.

    Attributes:
        recent: The figure of late.
        history: The figure by its history.
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
        """Starts without a history: nothing is out of it before enough is in it.

        Args:
            tolerance: How much worse than its history it may be, 0 to 1.
            run_length: Observations between false alarms, at least so many on average; over 1.
            memory: Observations that its history rests on.
            recent: Observations that the figure of late rests on.
        """
        self._tolerance = tolerance
        self._run_length = run_length
        # The history's interval misses once in as many cases as the detector may alarm falsely.
        self._deviations = NormalDist().inv_cdf(1 - 1 / run_length)
        self._detector = Detector(run_length)
        self._border = 1.0
        # What a bet that is under way has seen is not history before it is lost: a change must not excuse itself.
        self._pending, self._pending_total = 0, 0.0
        self.history = Mean(memory)
        self.recent = Mean(recent)
        self.drifted = False

    def since_change(self) -> tuple[float, int]:
        """Returns the figure since it began to leave its history, and the observations that this rests on."""
        return (self._pending_total / self._pending if self._pending else 0.0), self._pending

    def observe(self, observation: float) -> Change | None:
        """Takes an observation, 0 to 1; returns what it showed."""
        self.recent.add(observation)
        if self.drifted:
            # The border stays where it was: the way back is judged by what was left.
            if not self._detector.alarms(1 - observation, 1 - self._border):
                return None
            self._turn(drifted=False)
            return Change.RETURNED
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

    def _turn(self, *, drifted: bool) -> None:
        self.drifted = drifted
        self._detector = Detector(self._run_length)
        if not drifted:
            self._pending, self._pending_total = 0, 0.0
