"""The declared interface of a target: how it takes its rate, dtypes, randomness and edges."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from dropout_stats import dtypes as _dtypes
from dropout_stats.errors import UsageError, did_you_mean

RateArgument = Literal["rate", "keep_prob"]
RateDomain = Literal["unspecified", "[0, 1]", "[0, 1)"]
InvalidRates = Literal["unspecified", "raise"]
DroppedNonfinite = Literal["unspecified", "zero", "propagate"]
Randomness = Literal["global", "key", "owned", "none"]


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
        invalid_rates: `"raise"`: -0.1, 1.1, NaN (and 1 outside the domain) must raise.
        dropped_nonfinite: what a dropped NaN or infinity becomes: `"zero"`, or NaN where the mask
            is multiplied (`"propagate"`); `"unspecified"`: it is only recorded.
        randomness: where its noise comes from: `"global"` generators, a `"key"` handed to each
            call, a generator that it has `"owned"`, or `"none"`; None: as its parameters are named,
            else global.
        ndims: smallest and largest number of dimensions that it takes.
        max_shapes: at most so many shapes are tried, where each costs a compilation.

    """

    dtypes: tuple[str, ...] = ("float32",)
    compute_dtype: str | None = None
    rate_argument: RateArgument | None = None
    rate_domain: RateDomain = "unspecified"
    invalid_rates: InvalidRates = "unspecified"
    dropped_nonfinite: DroppedNonfinite = "unspecified"
    randomness: Randomness | None = None
    ndims: tuple[int, int] = (0, 5)
    max_shapes: int | None = None

    def __post_init__(self) -> None:
        for name in self.dtypes + ((self.compute_dtype,) if self.compute_dtype else ()):
            _dtypes.as_dtype(name)
        if not self.dtypes:
            raise UsageError("Conventions(dtypes=()) leaves nothing to try: name at least one")
        _choose("rate_argument", self.rate_argument, (None, *get_args(RateArgument)))
        _choose("rate_domain", self.rate_domain, get_args(RateDomain))
        _choose("invalid_rates", self.invalid_rates, get_args(InvalidRates))
        _choose("dropped_nonfinite", self.dropped_nonfinite, get_args(DroppedNonfinite))
        _choose("randomness", self.randomness, (None, *get_args(Randomness)))
        low, high = self.ndims
        if not 0 <= low <= high:
            raise UsageError(
                f"ndims must be (smallest, largest) with 0 <= smallest, got {self.ndims}"
            )
        if self.max_shapes is not None and self.max_shapes < 1:
            raise UsageError(f"max_shapes must be at least 1, got {self.max_shapes!r}")

    def output_dtype(self, dtype: str) -> str:
        """The declared type of the output for an input of this type."""
        return self.compute_dtype or dtype

    def from_rate(self, rate: float) -> float:
        """Return the number to hand to the target for this drop rate."""
        return 1 - rate if self.rate_argument == "keep_prob" else rate

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


def conventions_from(values: dict[str, Any]) -> Conventions:
    """Build conventions from plain values, as a configuration file holds them."""
    known = [field.name for field in fields(Conventions)]
    for name in values:
        if name not in known:
            raise UsageError(f"unknown convention {name!r}.{did_you_mean(name, known)}")
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Conventions(**{**values, **lists})


def _choose(name: str, value: object, allowed: tuple[str | None, ...]) -> None:
    if value not in allowed:
        raise UsageError(
            f"Conventions({name}={value!r}): expected one of {', '.join(map(repr, allowed))}."
            f"{did_you_mean(str(value), filter(None, allowed))}"
        )
