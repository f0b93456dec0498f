"""The ways in which a table of counts may depart from independent trials.

A departure has a signed size; size 0 is the null. Its evidence is linear in the counts of the
symbols of a table: log-likelihood ratio = counts @ log_ratios(size).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_NEAREST = 1e-9  # a likelihood ratio needs a law that gives every symbol some probability

Vector = NDArray[np.float64]


class Departure(Protocol):
    """One way to depart, by a signed size."""

    def __hash__(self) -> int:
        """Departures are values: what is computed of them is remembered."""
        ...

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest size, exclusive."""
        ...

    @property
    def law(self) -> Vector:
        """Probability of each symbol of one trial under the null; shape (symbols,)."""
        ...

    def log_ratios(self, size: float) -> Vector:
        """Log-likelihood ratio to the null that each symbol is worth; shape (symbols,)."""
        ...


def within(limits: tuple[float, float], size: float) -> float:
    """The size, or the last one before the limit on its side."""
    limit = limits[1] if size > 0 else limits[0]
    return math.copysign(min(abs(size), abs(limit) * (1 - _NEAREST)), size)


@dataclass(frozen=True)
class Shifted:
    """A cell whose trials succeed with probability null + size. Symbols: success, failure."""

    null: float

    @property
    def limits(self) -> tuple[float, float]:
        """From never to always."""
        return -self.null, 1 - self.null

    @cached_property
    def law(self) -> Vector:
        """Success and failure."""
        return np.array([self.null, 1 - self.null])

    def log_ratios(self, size: float) -> Vector:
        """Success and failure."""
        size = within(self.limits, size)
        return np.array([math.log1p(size / self.null), math.log1p(-size / (1 - self.null))])


@dataclass(frozen=True)
class Copied:
    """Trials that copy an earlier trial, their context, with probability `size`.

    A negative size avoids it. Symbols: (context, trial) = (1, 1), (1, 0), (0, 1), (0, 0). The
    trials still succeed with probability `null`, whatever the size.
    """

    null: float

    @property
    def limits(self) -> tuple[float, float]:
        """From avoiding as often as both probabilities allow, to copying always."""
        odds = self.null / (1 - self.null)
        return -min(odds, 1 / odds), 1.0

    @cached_property
    def law(self) -> Vector:
        """The product of two independent trials."""
        one, other = np.array([self.null, 1 - self.null]), np.array([self.null, 1 - self.null])
        return np.outer(one, other).reshape(-1)

    def log_ratios(self, size: float) -> Vector:
        """Each pair of context and trial."""
        size = within(self.limits, size)
        odds = self.null / (1 - self.null)
        differs = math.log1p(-size)
        return np.array([math.log1p(size / odds), differs, differs, math.log1p(size * odds)])


@dataclass(frozen=True)
class Tilted:
    """Trials whose outcomes have a score, the mean of which is `size`; under the null it is 0.

    Symbols are the outcomes. An outcome of score s is 1 + size * s times as frequent: of all ways
    to have mean 0 none is told from the null, since the mean of that factor is 1 in each of them.

    Args:
        chances: probability of each outcome under the null.
        scores: score of each outcome, some of them below 0 and some above.

    """

    chances: tuple[float, ...]
    scores: tuple[float, ...]

    @property
    def limits(self) -> tuple[float, float]:
        """Where one outcome has no probability left."""
        return -1 / max(self.scores), -1 / min(self.scores)

    @cached_property
    def law(self) -> Vector:
        """The probabilities under the null."""
        return np.array(self.chances)

    def log_ratios(self, size: float) -> Vector:
        """Each outcome."""
        return np.log1p(within(self.limits, size) * np.array(self.scores))
