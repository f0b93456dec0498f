"""What a law is: the closed forms that a target is held to."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import (
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    Protocol,
    TypeAlias,
    TypeGuard,
    runtime_checkable,
)

import numpy as np
from numpy.typing import NDArray

from dropout_stats.laws.grid import keep_probs, valid_bits
from dropout_stats.laws.reading import AnyReader, Array, Reader, Reading, kept_tolerance
from dropout_stats.laws.sharing import Sharing, Unit

Kind: TypeAlias = Literal["two-valued", "several-valued", "continuous"]


@runtime_checkable
class AnyLaw(Protocol):
    """The declared probability law of a training pass, and the function of an evaluation pass.

    A training pass multiplies each unit by an independent multiplier M, all elements of a unit by
    the same one. Under a two-valued law M is a kept factor with the keep probability and 0
    otherwise; under a several-valued one it is one of any values, under a continuous one it has a
    density. Whatever it is, a unit has one bit, which is set with a known probability.
    """

    kind: ClassVar[Kind]

    @property
    def name(self) -> str:
        """How reports call it."""
        ...

    @property
    def sharing(self) -> Sharing:
        """Which elements share one draw."""
        ...

    def keep_probs(self, rate: float) -> tuple[float, ...]:
        """Probabilities of a unit's bit that are lawful: that it is kept, or above the median, say.

        The nearest to 1 - rate comes first.
        """
        ...

    def evaluation_factor(self, rate: float) -> float:
        """Return the factor of the evaluation pass."""
        ...

    def mean(self, rate: float) -> float:
        """E[M]."""
        ...

    def variance(self, rate: float) -> float:
        """Var[M]."""
        ...

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], rate: float) -> NDArray[Any]:
        """Draw the noise of a call of this shape, which broadcasts to it: a keep mask, or M."""
        ...

    def apply(self, x: Array, noise: NDArray[Any], rate: float) -> Array:
        """One training pass with the noise given."""
        ...

    def evaluate(self, x: Array, rate: float) -> Array:
        """One evaluation pass."""
        ...

    def reader(self, x: Array, rate: float, dtype: str, *, peers: bool = False) -> AnyReader:
        """Prepare the reading of outputs of type `dtype` for this input.

        Where it holds the input of several peers, they lie along the first axis.
        """
        ...

    def read(self, x: Array, y: Array, rate: float) -> Reading:
        """The inverse of `apply`: recover the noise from input and output."""
        ...

    def bits(self, x: Array, y: Array, rate: float) -> NDArray[np.bool_]:
        """The bit of each element: whether it was kept, or multiplied by more than the median, say.

        It follows from input and output.
        """
        ...


class Moments(NamedTuple):
    """What mean and variance of a multiplier are, where a is the input and A the output."""

    mean: str
    variance: str
    where: str = ""  # what their other letters are


OF_A_FACTOR = Moments("E[A]/a", "Var[A]/a^2")


def parameters_of(law: object) -> str:
    """The parameters of a law that are not the default ones, as Python writes them."""
    values = ((field, getattr(law, field.name)) for field in fields(law))  # type: ignore[arg-type]
    return ", ".join(f"{field.name}={value!r}" for field, value in values if value != field.default)


@dataclass(frozen=True)
class TwoValued:
    """Closed forms shared by the laws whose multiplier is 0 or one kept factor.

    Args:
        rate_bits: the keep probability is held as a multiple of 2^-rate_bits: either neighbour of
            1 - rate is lawful, and the closed forms are those of the nearest. The kept factor stays
            that of the rate. None: the keep probability is 1 - rate.
        unit: the elements that share one draw: `element`, `channel` (all axes but the first two),
            `channel-last` (all but the first and the last), `sample` (all but the first), or a
            tuple of the axes that share one.

    """

    name: ClassVar[str]
    kind: ClassVar[Kind] = "two-valued"

    unit: Unit = "element"
    rate_bits: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        Sharing(self.unit)  # refuses what is none
        valid_bits(self.rate_bits)

    def __str__(self) -> str:
        return f"{type(self).__name__}({parameters_of(self)})"

    @property
    def sharing(self) -> Sharing:
        """Which elements share one draw."""
        return Sharing(self.unit)

    def keep_probs(self, rate: float) -> tuple[float, ...]:
        """1 - rate, or its neighbours on the grid, the nearest first."""
        return keep_probs(rate, self.rate_bits)

    def keep_prob(self, rate: float) -> float:
        """The nearest of them."""
        return self.keep_probs(rate)[0]

    def kept_factor(self, rate: float) -> float:
        """Return the multiplier of a kept unit."""
        raise NotImplementedError

    def evaluation_factor(self, rate: float) -> float:
        """Return the factor of the evaluation pass."""
        raise NotImplementedError

    def mean(self, rate: float) -> float:
        """E[M] = keep_prob * kept factor; 0 at rate 1."""
        return 0.0 if rate == 1 else self.keep_prob(rate) * self.kept_factor(rate)

    def variance(self, rate: float) -> float:
        """Var[M] = keep_prob * (1 - keep_prob) * kept factor^2; 0 at rate 1."""
        if rate == 1:
            return 0.0
        keep_prob = self.keep_prob(rate)
        return (1 - keep_prob) * keep_prob * self.kept_factor(rate) ** 2

    def support(self, rate: float) -> tuple[float, ...]:
        """The values that M takes with positive probability."""
        if rate == 1:
            return (0.0,)
        kept = self.kept_factor(rate)
        return (kept,) if rate == 0 else (0.0, kept)

    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], rate: float
    ) -> NDArray[np.bool_]:
        """Draw a keep mask, an entry a unit: True with the keep probability."""
        drawn = rng.random(self.sharing.kept_dims(shape))
        return np.asarray(drawn >= 1 - self.keep_prob(rate))

    def apply(self, x: Array, noise: NDArray[np.bool_], rate: float) -> Array:
        """Multiply the kept units by the kept factor, in the type of x; the others become 0."""
        if rate == 1:
            return np.zeros_like(x)
        scaled = x * x.dtype.type(self.kept_factor(rate))
        return np.asarray(np.where(noise, scaled, x.dtype.type(0)))

    def evaluate(self, x: Array, rate: float) -> Array:
        """Multiply by the evaluation factor, in the type of x."""
        return np.asarray(x * x.dtype.type(self.evaluation_factor(rate)))

    def reader(self, x: Array, rate: float, dtype: str, *, peers: bool = False) -> AnyReader:
        """Prepare the reading of outputs of type `dtype` for this input; rate below 1."""
        shared = self.sharing.of_peers(x.ndim, peers=peers)
        return Reader(x, self.kept_factor(rate), kept_tolerance(dtype, rate), dtype, shared)

    def read(self, x: Array, y: Array, rate: float) -> Reading:
        """Recover the keep mask from x (finite, nowhere 0) and y, and what cannot be."""
        return self.reader(x, rate, y.dtype.name).read(y)

    def bits(self, x: Array, y: Array, rate: float) -> NDArray[np.bool_]:  # noqa: ARG002 - as a law
        """Where a unit was kept; x is nowhere 0."""
        return np.asarray(y != 0)


def is_two_valued(law: AnyLaw) -> TypeGuard[TwoValued]:
    """Whether the multiplier is 0 or one kept factor."""
    return law.kind == "two-valued"


def two_valued(law: AnyLaw) -> TwoValued:
    """The law, which must be two-valued: for checks that are asked of such laws alone."""
    if not is_two_valued(law):
        raise TypeError(f"{law} has no kept value")
    return law
