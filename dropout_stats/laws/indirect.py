"""Laws of noise that is no fixed factor of its input: alpha dropout, and noise that is added.

Each says which input to hand to a target, and how to make of its output what a law with a factor
gives. That law is what all checks then ask about, and what the closed forms here are those of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeGuard, runtime_checkable

import numpy as np

from dropout_stats.errors import UsageError
from dropout_stats.laws.continuous import GaussianMultiplicative, Numbers
from dropout_stats.laws.law import OF_A_FACTOR, AnyLaw, Moments, TwoValued
from dropout_stats.laws.reading import Array


@runtime_checkable
class Indirect(Protocol):
    """How a target of such a law is asked, and how its answers are read.

    `in_half`: whether its noise can be read in half precision, too. `moments`: how reports call
    mean and variance of the law with a factor.
    """

    in_half: ClassVar[bool]
    moments: ClassVar[Moments]

    def hand(self, x: Array) -> Array:
        """The input of a training pass for an input of the law with a factor."""
        ...

    def judge(self, x: Array, y: Array, rate: float) -> Array:
        """The output of the law with a factor, of the output of the pass.

        `x` is its own input, and not the one that was handed over.
        """
        ...

    def judge_gradient(self, x: Array, y: Array, dx: Array, rate: float) -> Array:
        """The gradient of the law with a factor, of output and gradient of the pass."""
        ...

    def perform(self, x: Array, noise: Numbers, rate: float) -> Array:
        """A training pass of a conforming target, with the noise given."""
        ...

    def pull(self, dy: Array, noise: Numbers, rate: float) -> Array:
        """Its backward pass."""
        ...

    def fixed_rates(self) -> tuple[float, ...] | None:
        """The only rates that make sense; None: any."""
        ...


def is_indirect(law: AnyLaw) -> TypeGuard[Indirect]:
    """Whether a target of this law is asked through another one."""
    return isinstance(law, Indirect)


def moments_of(law: AnyLaw) -> Moments:
    """What mean and variance of the multiplier of a law are."""
    return law.moments if is_indirect(law) else OF_A_FACTOR


@runtime_checkable
class KeepsStandard(Protocol):
    """A law that keeps mean 0 and variance 1 of inputs from N(0, 1), and not the mean of each."""

    def of_standard(self, keep_prob: float, rate: float) -> tuple[float, float]:
        """Mean and variance of the outputs of such inputs, of which so many are kept."""
        ...


def keeps_standard(law: AnyLaw) -> TypeGuard[KeepsStandard]:
    """Whether a law is of that kind."""
    return isinstance(law, KeepsStandard)


@dataclass(frozen=True)
class Alpha(TwoValued):
    """Kept units become a x + b, dropped ones a s + b; A = a in evaluation.

    Klambauer et al., Self-Normalizing Neural Networks (2017): s is the limit of SELU far below 0,
    and a = ((1 - rate) (1 + rate s^2))^(-1/2) and b = -a rate s keep mean 0 and variance 1 of
    inputs that have them. At a given x the mean is another: a (1 - rate) x.

    The output less a s + b is a (x - s) or 0: two-valued dropout of x - s, whose kept factor is a.
    That is what is judged, and what the closed forms here are those of. An output of a dropped unit
    that is not a s + b is no such value, so b is held to its value, too.

    Args:
        unit: the elements that share one draw; `"channel"` for feature alpha dropout.
        rate_bits: as for `Inverted`.

    """

    name: ClassVar[str] = "alpha"
    in_half: ClassVar[bool] = False  # differences have too few digits
    saturated: ClassVar[float] = -1.7580993408473766
    moments: ClassVar[Moments] = Moments(
        "E[(A - v)/(a - s)]",
        "Var[A]/(a - s)^2",
        f"v is the output of a dropped unit, s = {saturated:.4g}",
    )
    # Inputs are so much larger than that limit that what is added to them is small.
    _stretch: ClassVar[float] = 64.0

    @property
    def handed_for_zero(self) -> float:
        """The input for which the target gets 0; exact, since the stretch is a power of 2."""
        return -self.saturated / self._stretch

    def constants(self, rate: float) -> tuple[float, float]:
        """A and b, at a rate below 1."""
        a = 1 / math.sqrt((1 - rate) * (1 + rate * self.saturated**2))
        return a, -a * rate * self.saturated

    def kept_factor(self, rate: float) -> float:
        """A."""
        return self.constants(rate)[0]

    def evaluation_factor(self, rate: float) -> float:  # noqa: ARG002 - the same at every rate
        """1: the evaluation pass is the identity."""
        return 1.0

    def of_standard(self, keep_prob: float, rate: float) -> tuple[float, float]:
        """0 and 1 where the keep probability is 1 - rate."""
        a, b = self.constants(rate)
        dropped = a * self.saturated + b
        mean = keep_prob * b + (1 - keep_prob) * dropped
        square = keep_prob * (a**2 + b**2) + (1 - keep_prob) * dropped**2
        return mean, square - mean**2

    def hand(self, x: Array) -> Array:
        """Stretch, and shift by s."""
        # An array, also where x has no dimensions.
        return _finite(np.asarray(x * x.dtype.type(self._stretch) + x.dtype.type(self.saturated)))

    def judge(self, x: Array, y: Array, rate: float) -> Array:  # noqa: ARG002 - as of any such law
        """Take off what dropped units become; at rate 1, and at what is no rate, nothing."""
        if not 0 <= rate < 1:
            return y
        a, b = self.constants(rate)
        dropped = a * self.saturated + b
        # A rate, or the limit, may have travelled through float32, whatever the type.
        near = 8 * float(np.finfo(np.float32).eps) * (abs(a * self.saturated) + abs(b))
        noise = y.astype(np.float64) - dropped
        return np.asarray(np.where(np.abs(noise) <= near, 0, noise / self._stretch), y.dtype)

    def judge_gradient(self, x: Array, y: Array, dx: Array, rate: float) -> Array:  # noqa: ARG002
        """The same: input and output are stretched alike."""
        return dx

    def perform(self, x: Array, noise: Numbers, rate: float) -> Array:
        """Alpha dropout, in the type of x."""
        if rate == 1:
            return np.zeros_like(x)
        a, b = (x.dtype.type(constant) for constant in self.constants(rate))
        return np.asarray(np.where(noise, x, x.dtype.type(self.saturated)) * a + b)

    def pull(self, dy: Array, noise: Numbers, rate: float) -> Array:
        """A dy where a unit was kept."""
        return self.apply(dy, noise, rate)

    def fixed_rates(self) -> None:
        """Any rate."""
        return


@dataclass(frozen=True)
class GaussianAdditive(GaussianMultiplicative):
    """A = a + noise, which is normal with mean 0; A = a in evaluation.

    The input times 1 + what was added is Gaussian multiplicative noise, exactly if what was added
    is Gaussian, whatever the input. That is what is judged, and what the closed forms are those of.
    The gradient is dy, whatever the noise: a backward pass that draws again cannot be told from one
    that does not.

    Args:
        unit: the elements that share one draw, as for `Inverted`.
        std: the standard deviation of the noise, whatever the rate; None: it is
            sqrt(rate / (1 - rate)), that of multiplicative noise.

    """

    name: ClassVar[str] = "gaussian-additive"
    in_half: ClassVar[bool] = False
    moments: ClassVar[Moments] = Moments("1 + E[A - a]", "Var[A]")

    std: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.std is not None and not 0.002 <= self.std <= 500:
            raise UsageError(f"std must lie between 0.002 and 500, got {self.std!r}")

    def variance(self, rate: float) -> float:
        """std^2, or rate / (1 - rate)."""
        return super().variance(rate) if self.std is None else self.std**2

    def floor(self, x: Array, rate: float) -> float:
        """What was added is a difference of input and output, and rounded as these are."""
        return 1 + float(np.abs(x).max(initial=0.0)) + 8 * math.sqrt(self.variance(rate))

    def hand(self, x: Array) -> Array:
        """The input itself."""
        return _finite(x)

    def judge(self, x: Array, y: Array, rate: float) -> Array:  # noqa: ARG002 - as of any such law
        """The input times 1 + what was added."""
        return np.asarray(x * (1 + (y - x)))

    def judge_gradient(self, x: Array, y: Array, dx: Array, rate: float) -> Array:  # noqa: ARG002
        """The gradient, which should be dy, times 1 + what was added."""
        return np.asarray(dx * (1 + (y - x)))

    def perform(self, x: Array, noise: Numbers, rate: float) -> Array:  # noqa: ARG002
        """Add the noise."""
        return np.asarray(x + (noise - 1)).astype(x.dtype)

    def pull(self, dy: Array, noise: Numbers, rate: float) -> Array:  # noqa: ARG002
        """Dy."""
        return dy.copy()

    def fixed_rates(self) -> tuple[float, ...] | None:
        """Where std is fixed, the one rate that has it."""
        return None if self.std is None else (self.std**2 / (1 + self.std**2),)


def _finite(x: Array) -> Array:
    if not np.isfinite(x).all():
        raise ValueError("noise that is no factor can be read at finite inputs only")
    return x
