"""The correct core that every specimen is built from; a fault is what a class body changes."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dropout_stats.conventions import Conventions
from dropout_stats.laws import AnyLaw, Inverted, TestScaled, two_valued
from dropout_stats.laws.reading import Array
from dropout_stats.target import Target
from dropout_stats.zoo.recorder import operations
from dropout_stats.zoo.specimen import correct

Mask = NDArray[np.bool_]


def promising(**changes: Any) -> Conventions:
    """Return what the core promises, with some promises changed."""
    promised: dict[str, Any] = {
        "rate_domain": "[0, 1]",
        "invalid_rates": "raise",
        "numpy_rates": "kept",
        "dropped_nonfinite": "zero",
        "randomness": "owned",
        "idle_draws": "none",
        "threads": "independent",
        "workers": "independent",
        "evaluation_graph": "empty",
    }
    return Conventions(**{**promised, **changes})


@correct
class Core:
    """Inverted dropout in NumPy, every step of which can be overridden."""

    law: ClassVar[AnyLaw] = Inverted()
    conventions: ClassVar[Conventions] = promising()

    def __init__(self) -> None:
        self.seed(None)

    def seed(self, number: int | None) -> None:
        """Start again from this number; None: from fresh entropy."""
        self._generator = np.random.default_rng(number)
        self._process = os.getpid()

    @property
    def rng(self) -> np.random.Generator:
        """The generator; a forked child gets one of its own, or it would repeat its parent."""
        if self._process != os.getpid():
            self._generator, self._process = np.random.default_rng(), os.getpid()
        return self._generator

    def uniforms(self, shape: tuple[int, ...]) -> Array:
        """Draw one number in [0, 1) for each unit."""
        return self.rng.random(shape)

    def draw(self, shape: tuple[int, ...], rate: float) -> Mask:
        """Draw a keep mask at a rate inside (0, 1)."""
        return np.asarray(self.uniforms(shape) >= rate)

    def units(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the noise of a call: 1 along the axes that share a draw."""
        return self.law.sharing.kept_dims(shape)

    def mask(self, shape: tuple[int, ...], rate: float) -> Mask:
        """Make a keep mask, an entry a unit; at the ends of the rate nothing is drawn."""
        units = self.units(shape)
        return np.full(units, rate == 0) if rate in (0, 1) else self.draw(units, rate)

    def scale(self, rate: float) -> float:
        """Factor of a kept value, at a rate below 1."""
        return two_valued(self.law).kept_factor(rate)

    def factor(self, rate: float) -> float:
        """Factor of the evaluation pass."""
        return self.law.evaluation_factor(rate)

    def require(self, rate: float) -> None:
        """Refuse a rate that is none."""
        if not 0 <= rate <= 1:
            raise ValueError(f"the rate must lie in [0, 1], got {rate!r}")

    def train(self, x: Array, rate: float) -> Any:
        """One training pass."""
        self.require(rate)
        return self.apply(x, self.mask(x.shape, rate), rate)

    def apply(self, x: Array, mask: Mask, rate: float) -> Array:
        """The training pass with the mask given."""
        if rate == 1:
            return np.zeros_like(x)
        scaled = x * x.dtype.type(self.scale(rate))
        return np.asarray(np.where(mask, scaled, x.dtype.type(0)))

    def evaluate(self, x: Array, rate: float) -> Array:
        """One evaluation pass."""
        factor = self.factor(rate)
        return x.copy() if factor == 1 else np.asarray(x * x.dtype.type(factor))

    def operations(self, x: Array, rate: float) -> tuple[str, ...]:
        """The operations of an evaluation pass."""
        return operations(self.evaluate, x, rate)

    def vjp(self, x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        """One training pass and its backward pass."""
        self.require(rate)
        mask = self.mask(x.shape, rate)
        y = self.apply(x, mask, rate)
        return y, self.backward(dy, y, mask, rate)

    def backward(self, dy: Array, y: Array, mask: Mask, rate: float) -> Array:
        """The backward pass of a training pass that gave y with this mask."""
        return self.apply(dy, mask, rate)

    def evaluate_vjp(self, x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        """One evaluation pass and its backward pass."""
        return self.evaluate(x, rate), np.asarray(dy * dy.dtype.type(self.factor(rate)))

    def peers(self, x: Array, rate: float, count: int) -> Array:
        """One training pass of each of several layers, workers, lanes or ranks."""
        self.require(rate)
        return np.stack([self.apply(x, self.mask(x.shape, rate), rate) for _ in range(count)])

    def target(self, **changes: Any) -> Target:
        """Make a target of these steps, some of them replaced."""
        steps = {
            "train": self.train,
            "evaluate": self.evaluate,
            "vjp": self.vjp,
            "evaluate_vjp": self.evaluate_vjp,
            "peers": self.peers,
            "operations": self.operations,
            "seed": self.seed,
            "name": type(self).__name__,
            "law": self.law,
            "conventions": self.conventions,
        }
        return Target(**{**steps, **changes})


@correct
class TestScaledCore(Core):
    """Test-scaled dropout: not scaled in training, multiplied by keep_prob in evaluation."""

    __test__: ClassVar[bool] = False  # pytest collects classes called Test*
    law: ClassVar[AnyLaw] = TestScaled()
