"""The declared interface of a target: how it takes its rate, dtypes, randomness and edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from dropout_stats.dtypes import as_dtype
from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.values import call_shapes, drop_rates, listed, require, text, whole, wrong

RateArgument = Literal["rate", "keep_prob"]
RateDomain = Literal["unspecified", "[0, 1]", "[0, 1)"]
InvalidRates = Literal["unspecified", "raise"]
NumpyRates = Literal["unspecified", "kept"]
DroppedNonfinite = Literal["unspecified", "zero", "propagate"]
Randomness = Literal["global", "key", "owned", "none", "unspecified"]
IdleDraws = Literal["unspecified", "none"]
Independence = Literal["unspecified", "independent"]
UpstreamGradient = Literal["unchanged", "consumed"]
Peers = Literal["independent", "same"]
EvaluationGraph = Literal["unspecified", "empty"]
_ALLOWED: dict[str, tuple[str | None, ...]] = {
    "rate_argument": (None, *get_args(RateArgument)),
    "rate_domain": get_args(RateDomain),
    "invalid_rates": get_args(InvalidRates),
    "numpy_rates": get_args(NumpyRates),
    "dropped_nonfinite": get_args(DroppedNonfinite),
    "randomness": (None, *get_args(Randomness)),
    "idle_draws": get_args(IdleDraws),
    "threads": get_args(Independence),
    "workers": get_args(Independence),
    "peers": get_args(Peers),
    "dy": get_args(UpstreamGradient),
    "evaluation_graph": get_args(EvaluationGraph),
}


@dataclass(frozen=True, kw_only=True)
class Conventions:
    """What a target declares about its interface; probability belongs to the law.

    Args:
        dtypes: the floating-point types that it takes.
        compute_dtype: the type of its output, where that is not the type of the input.
        rate_argument: whether it is handed the drop `"rate"` or the `"keep_prob"` = 1 - rate; None:
            as its parameter is named, else the rate.
        rate_domain: `"[0, 1]"`: rate 1 must drop everything; `"[0, 1)"`: rate 1 is invalid;
            `"unspecified"`: what happens at rate 1 is only recorded.
        invalid_rates: `"raise"`: -0.1, 1.1, NaN (and 1 outside the domain) must raise;
            `"unspecified"`: they are not tried.
        numpy_rates: `"kept"`: a rate that is a NumPy number leaves the type of the output as it is.
        dropped_nonfinite: what a dropped NaN or infinity becomes: `"zero"`, or NaN where the mask
            is multiplied (`"propagate"`); `"unspecified"`: it is only recorded.
        randomness: where its noise comes from: `"global"` generators, a `"key"` handed to each
            call, a generator that it has `"owned"`, or `"none"`; `"unspecified"`: what its seed
            does is only recorded; None: as its parameters are named, else global.
        idle_draws: `"none"`: evaluation passes, and training passes at rate 0, draw nothing.
        threads: `"independent"`: calls in several threads at once draw masks of their own.
        workers: `"independent"`: so do forked processes.
        peers: `"independent"`: the peers of `Target.peers` draw masks of their own; `"same"`: they
            must agree, as ranks do that hold copies of one activation.
        dy: `"consumed"`: the backward pass may write into the gradient that it is handed.
        evaluation_graph: `"empty"`: the traced evaluation pass holds no operation, where the law
            makes it the identity.
        rates: the only drop rates that it can be asked for, where its own is fixed or follows from
            a step; None: any in the domain.
        shapes: the only shapes that it takes, such as that of a layer inside a model; None: any.
        ndims: smallest and largest number of dimensions that it takes.
        max_shapes: at most so many shapes are tried, where each costs a compilation.

    """

    dtypes: tuple[str, ...] = ("float32",)
    compute_dtype: str | None = None
    rate_argument: RateArgument | None = None
    rate_domain: RateDomain = "unspecified"
    invalid_rates: InvalidRates = "unspecified"
    numpy_rates: NumpyRates = "unspecified"
    dropped_nonfinite: DroppedNonfinite = "unspecified"
    randomness: Randomness | None = None
    idle_draws: IdleDraws = "unspecified"
    threads: Independence = "unspecified"
    workers: Independence = "unspecified"
    peers: Peers = "independent"
    dy: UpstreamGradient = "unchanged"
    evaluation_graph: EvaluationGraph = "unspecified"
    rates: tuple[float, ...] | None = None
    shapes: tuple[tuple[int, ...], ...] | None = None
    ndims: tuple[int, int] = (0, 5)
    max_shapes: int | None = None

    def __post_init__(self) -> None:
        valid = {
            "dtypes": _dtypes(self.dtypes),
            "rates": None if self.rates is None else _fixed_rates(self.rates),
            "shapes": None if self.shapes is None else call_shapes(_SHAPES, self.shapes),
            "ndims": _ndims(self.ndims),
            "max_shapes": None if self.max_shapes is None else _positive(self.max_shapes),
        }
        for name, value in valid.items():
            object.__setattr__(self, name, value)
        if self.compute_dtype is not None:
            as_dtype(text("Conventions(compute_dtype=...)", self.compute_dtype))
        for name, allowed in _ALLOWED.items():
            _choose(name, getattr(self, name), allowed)

    def output_dtype(self, dtype: str) -> str:
        """The declared type of the output for an input of this type."""
        return self.compute_dtype or dtype

    def from_rate(self, rate: float) -> float:
        """Return the number to hand to the target for this drop rate."""
        return 1 - rate if self.rate_argument == "keep_prob" else rate

    def allows(self, rate: float) -> bool:
        """Whether it can be asked for this drop rate."""
        return self.rates is None or rate in self.rates

    def leaves_out(self, dtype: str, ndim: int) -> str:
        """What is not declared of such inputs, in words; empty where they are."""
        low, high = self.ndims
        if dtype not in self.dtypes:
            return f"inputs of {dtype}"
        return "" if low <= ndim <= high else f"inputs of {ndim} dimensions"

    def over(self, adapted: Conventions | None) -> Conventions:
        """These conventions, with what they leave at its default filled from the target's own."""
        if adapted is None:
            return self
        left = {
            f.name: getattr(adapted, f.name)
            for f in fields(self)
            if getattr(self, f.name) == f.default
        }
        return replace(self, **left)


def conventions_from(values: Mapping[str, Any]) -> Conventions:
    """Build conventions from plain values, as a configuration file holds them."""
    expected = "a table of conventions such as { ndims = [2, 2] }"
    require(isinstance(values, Mapping), "conventions", values, expected)
    known = [field.name for field in fields(Conventions)]
    for name in values:
        if name not in known:
            raise UsageError(f"unknown convention {name!r}.{did_you_mean(name, known)}")
    return Conventions(**values)


def from_words(name: str, words: str) -> Any:
    """Return the value of one convention from the words of a command line."""
    if name == "dtypes":
        return tuple(part.strip() for part in words.split(","))
    try:
        if name == "rates":
            return tuple(float(part) for part in words.split(","))
        if name == "shapes":
            return tuple(_shape_from(part) for part in words.split(","))
        if name == "ndims":
            return tuple(int(part) for part in words.split(","))
        return int(words) if name == "max_shapes" else words
    except ValueError:
        return words  # Conventions says what it must be


def to_words(value: Any) -> str:
    """Return the words that `from_words` reads as this value."""
    if not isinstance(value, tuple):
        return str(value)
    return ",".join("x".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in value)


def _shape_from(words: str) -> tuple[int, ...]:
    """A shape as the command line writes it: 16x1024."""
    return tuple(int(part) for part in words.split("x"))


def _dtypes(values: object) -> tuple[str, ...]:
    name = "Conventions(dtypes=...)"
    names = listed(name, values, text, "a tuple of types such as ('float32',)")
    require(bool(names), name, values, "at least one type")
    for one in names:
        as_dtype(one)
    return names


_SHAPES = "Conventions(shapes=...)"


def _fixed_rates(values: object) -> tuple[float, ...]:
    name = "Conventions(rates=...)"
    rates = drop_rates(name, values, "a tuple of rates such as (0.1,)")
    require(any(0 < rate < 1 for rate in rates), name, values, "rates, one of them inside (0, 1)")
    return rates


def _ndims(values: object) -> tuple[int, int]:
    name, expected = "Conventions(ndims=...)", "(smallest, largest) with 0 <= smallest <= largest"
    try:
        low, high = listed(name, values, whole, expected)
    except ValueError:  # a UsageError is one, too
        raise wrong(name, values, expected) from None
    require(0 <= low <= high, name, values, expected)
    return low, high


def _positive(value: object) -> int:
    number = whole("Conventions(max_shapes=...)", value)
    require(number > 0, "Conventions(max_shapes=...)", value, "at least 1")
    return number


def _choose(name: str, value: object, allowed: tuple[str | None, ...]) -> None:
    if not isinstance(value, str | None) or value not in allowed:
        raise UsageError(
            f"Conventions({name}={value!r}): expected one of {', '.join(map(repr, allowed))}."
            f"{did_you_mean(str(value), filter(None, allowed))}"
        )
