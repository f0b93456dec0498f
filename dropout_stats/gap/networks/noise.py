"""Random training passes of one row of inputs, and the part of their noise whose mean is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from dropout_stats.gap.networks.dense import Network
from dropout_stats.gap.networks.exact import gaps
from dropout_stats.gap.networks.intervals import Intervals, exactly, held
from dropout_stats.gap.networks.passes import evaluated
from dropout_stats.gap.rounding import Floats

_TOLERANCE = 1e-7  # of the mean of a first layer: far below what the draws can tell
_BLOCK = 1 << 20
_DRAWS_A_CONTROL = 16


class Draws(NamedTuple):
    """Of some passes, a row each.

    Args:
        outputs: less those of the evaluation pass; the masks of the readout are integrated.
        controls: noise whose mean is 0, up to `Sampler.unknown`.

    """

    outputs: Floats
    controls: Floats


@dataclass(frozen=True, eq=False)
class Sampler:
    """Draws for one row of inputs.

    The controls are what each mask adds to what it drops, whose mean is 0 given all before it. In
    the first random layer they are its outputs less their exact means, where f is smooth: of kinked
    f, these means would take longer than the draws. Where there are too many controls for the
    draws, those of the first layers are taken.

    Args:
        network: with a mask before its readout.
        row: the inputs.
        masks: how many draws there will be.

    """

    network: Network
    row: Floats
    masks: int

    @cached_property
    def evaluation(self) -> Intervals:
        """The evaluation pass."""
        value, halfwidth = evaluated(self.network, exactly(self.row[None]))
        return Intervals(value[0], halfwidth[0])

    @property
    def width(self) -> int:
        """How many controls there are."""
        return sum(self._controlled.values())

    @property
    def unknown(self) -> Floats:
        """How far the mean of each control may be from 0."""
        unknown = np.zeros(self.width)
        if self._centred:
            unknown[: self._controlled[self._first]] = self._means.halfwidth
        return unknown

    @property
    def block(self) -> int:
        """Draws at a time, so that a layer of them takes some megabytes."""
        widest = max(max(layer.matrix.shape) for layer in self.network.layers)
        return max(256, _BLOCK // int(widest))

    def draw(self, rng: np.random.Generator, size: int) -> Draws:
        """Draw so many passes."""
        with np.errstate(over="ignore", invalid="ignore"):
            drawn = self._drawn(rng, size)
        held("what a training pass computes", Intervals(*drawn))
        return drawn

    def _drawn(self, rng: np.random.Generator, size: int) -> Draws:
        x, controls = self._start, [np.zeros((size, 0))]
        for at in range(self._first, self.network.readout):
            dropped = self._dropped(at, x, rng, size)
            if at in self._controlled and not (at == self._first and self._centred):
                controls.append(dropped - x * self._mean_factor(at))
            x = self._applied(at, dropped)
            if at == self._first and self._centred:
                controls.append(x - self._means.value)
        return Draws(self._read_out(x) - self.evaluation.value, np.hstack(controls))

    @property
    def _first(self) -> int:
        return self.network.first_noise

    @cached_property
    def _start(self) -> Floats:
        """What the first random layer is given."""
        return evaluated(self.network, exactly(self.row[None]), stop=self._first).value

    @property
    def _centred(self) -> bool:
        """Whether the controls of the first random layer are its outputs less their means."""
        return self._first in self._controlled and self._smooth

    @property
    def _smooth(self) -> bool:
        return self.network.layers[self._first].activation.kernel is not None

    @cached_property
    def _means(self) -> Intervals:
        """Of the outputs of the first random layer."""
        layer, first = self.network.layers[self._first], self._first
        found = gaps(layer, self._start, self.network.strategy, _TOLERANCE)
        evaluation = evaluated(self.network, exactly(self._start), start=first, stop=first + 1)
        value, halfwidth = found.plus(evaluation)
        return Intervals(value[0], halfwidth[0])

    @cached_property
    def _controlled(self) -> dict[int, int]:
        """The number of controls of each layer that has some."""
        left, chosen = self.masks // _DRAWS_A_CONTROL, {}
        for at, size in self._candidates():
            if size <= left:
                chosen[at] = size
                left -= size
        return chosen

    def _candidates(self) -> Iterator[tuple[int, int]]:
        for at in range(self._first, self.network.readout):
            layer = self.network.layers[at]
            if layer.noisy:
                outputs, inputs = layer.matrix.shape
                yield at, int(outputs if at == self._first and self._smooth else inputs)

    def _mean_factor(self, at: int) -> float:
        """What a dropout multiplies the mean of its input by."""
        return 1.0 if self.network.strategy == "inverted" else 1 - self.network.layers[at].rate

    def _dropped(self, at: int, x: Floats, rng: np.random.Generator, size: int) -> Floats:
        layer = self.network.layers[at]
        if not layer.noisy:
            return x
        kept = rng.random((size, layer.matrix.shape[1])) >= layer.rate
        return kept * (x * (self._mean_factor(at) / (1 - layer.rate)))

    def _applied(self, at: int, x: Floats) -> Floats:
        layer = self.network.layers[at]
        return layer.activation.values(x @ layer.matrix.T + layer.shift)

    def _read_out(self, x: Floats) -> Floats:
        for at in range(self.network.readout, len(self.network.layers)):
            x = self._applied(at, x * self._mean_factor(at))
        return x
