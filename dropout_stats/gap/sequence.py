"""Means of draws with an interval that holds at all looks (gap.md, section 13).

The interval is an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas
2024): it holds at all looks together, as the number of draws grows, so it is never `certified`.
"""

from __future__ import annotations

import math

import numpy as np

from dropout_stats.gap.rounding import Floats

CONFIDENCE = 1 - 1e-6


class Running:
    """Mean and sum of squares about it, of draws that come in blocks.

    Args:
        most: how many draws there may be; the interval is narrowest there.
        shape: of one draw; the interval holds for each of its entries by itself.

    """

    def __init__(self, most: int, shape: tuple[int, ...] = ()) -> None:
        self.most = most
        self.draws = 0
        self.mean: Floats = np.zeros(shape)
        self._squares: Floats = np.zeros(shape)

    def add(self, new: Floats) -> None:
        """Take a block of draws, along the first axis."""
        number = self.draws + len(new)
        middle = new.mean(axis=0)
        change = middle - self.mean
        inside = ((new - middle) ** 2).sum(axis=0)
        self._squares = self._squares + inside + change**2 * self.draws * len(new) / number
        self.mean = self.mean + change * len(new) / number
        self.draws = number

    @property
    def halfwidth(self) -> Floats:
        """Of the sequence whose mixture is tuned for as many draws as there may be."""
        deviation = np.sqrt(self._squares / self.draws)
        return np.asarray(deviation * relative_halfwidth(self.draws, self.most), np.float64)


def relative_halfwidth(draws: int, most: int) -> float:
    """The halfwidth in standard deviations of one draw."""
    error = 1 - CONFIDENCE
    tuned = (-2 * math.log(error) + math.log(1 - 2 * math.log(error))) / most
    inside = draws * tuned + 1
    logarithm = math.log(inside / error**2)
    return math.sqrt(inside / (draws**2 * tuned) * logarithm)
