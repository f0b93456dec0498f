"""Faults that any dropout can have, each to be put before the core that has it."""

from __future__ import annotations

from typing import Any, ClassVar

from dropout_stats.laws.reading import Array
from dropout_stats.laws.sharing import Sharing
from dropout_stats.zoo.core import Core, Mask


class DrawnAgainInBackward(Core):
    """The backward pass draws noise of its own."""

    def backward(self, dy: Array, y: Array, mask: Any, rate: float) -> Array:
        return super().backward(dy, y, self.mask(dy.shape, rate), rate)


class DrawnInEvaluation(Core):
    """The evaluation pass is a training pass."""

    def evaluate(self, x: Array, rate: float) -> Array:
        return self.apply(x, self.mask(x.shape, rate), rate)


class ScaledInEvaluation(Core):
    """The evaluation pass multiplies by 1 - rate."""

    def factor(self, rate: float) -> float:
        return 1 - rate


class NotScaled(Core):
    """What is kept is not scaled."""

    def scale(self, rate: float) -> float:
        return 1.0


class KeptAtTheRate(Core):
    """A unit is kept with probability rate, and dropped with 1 - rate; the scale is right."""

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        return ~super().draw(shape, rate)


class AtHalfTheRate(Core):
    """Mask and scale are those of half the rate: the mean is right, and the variance too small."""

    def mask(self, shape: tuple[int, ...], rate: float) -> Any:
        return super().mask(shape, rate / 2)

    def scale(self, rate: float) -> float:
        return super().scale(rate / 2)


class DrawnFor(Core):
    """Draws are shared as another unit wants it."""

    drawn: ClassVar[Sharing] = Sharing("element")

    def units(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.drawn.kept_dims(shape)


class SharedOverTheBatch(Core):
    """All entries of a batch have the same noise."""

    def units(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        units = super().units(shape)
        return (1, *units[1:]) if len(units) > 1 else units
