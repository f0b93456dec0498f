"""What one argument may be: each function returns the value, or says what it should have been."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from numbers import Real
from operator import index
from typing import Any, TypeVar

from dropout_stats.errors import UsageError, did_you_mean

_Item = TypeVar("_Item")
LARGEST_CALL = 2**26
NEAREST_RATE = 1e-6  # a rate nearer to 0 or 1 is lost in the rounding of float32


def wrong(name: str, value: object, expected: str) -> UsageError:
    """The error of an argument that is something else than expected."""
    return UsageError(f"{name} must be {expected}, got {value!r}")


def require(condition: bool, name: str, value: object, expected: str) -> None:
    """Raise UsageError unless the condition on the value holds."""
    if not condition:
        raise wrong(name, value, expected)


def number(name: str, value: object) -> float:
    """A real number, as a float; True and False are none."""
    require(isinstance(value, Real) and not isinstance(value, bool), name, value, "a number")
    try:
        return float(value)  # type: ignore[arg-type]  # a Real
    except OverflowError:
        raise wrong(name, value, "a number that a float can hold") from None


def whole(name: str, value: object) -> int:
    """An integer; True, False and 3.0 are none."""
    try:
        require(not isinstance(value, bool), name, value, "an integer")
        return index(value)  # type: ignore[arg-type]  # where it is none, it raises
    except TypeError:
        raise wrong(name, value, "an integer") from None


def drop_rates(
    name: str, values: object, expected: str = "a list of rates such as [0.1, 0.9]"
) -> tuple[float, ...]:
    """Drop rates: 0, 1, and what is far enough from both."""
    rates = listed(name, values, number, expected)
    require(bool(rates), name, values, "at least one rate")
    for rate in rates:
        require(0 <= rate <= 1, name, rate, "in [0, 1]")
        near = min(rate, 1 - rate)
        away = f"0, 1, or {NEAREST_RATE:g} away from both"
        require(near in (0, 1) or near >= NEAREST_RATE, name, rate, away)
    return rates


def call_shapes(name: str, values: object) -> tuple[tuple[int, ...], ...]:
    """Shapes of calls, none of them empty."""
    shapes = listed(name, values, _shape, "a list of shapes such as [(16, 64)]")
    require(bool(shapes), name, values, "at least one shape")
    return shapes


def _shape(name: str, value: object) -> tuple[int, ...]:
    expected = "a tuple of positive lengths such as (16, 64)"
    try:
        shape = listed(name, value, whole, expected)
    except UsageError:
        raise wrong(name, value, expected) from None
    require(all(length > 0 for length in shape), name, value, expected)
    fits = f"at most {LARGEST_CALL} elements: several inputs, and tables of them, are held at once"
    require(math.prod(shape) <= LARGEST_CALL, name, value, fits)
    return shape


def text(name: str, value: object) -> str:
    """A string."""
    require(isinstance(value, str), name, value, "a string")
    return str(value)


def word_or_none(name: str, value: object, known: Collection[str]) -> str | None:
    """One of the words that are known, or None."""
    if value is None or (isinstance(value, str) and value in known):
        return value
    meant = did_you_mean(value, known) if isinstance(value, str) else ""
    raise UsageError(f"{name} must be None or one of {', '.join(known)}; got {value!r}.{meant}")


def listed(
    name: str, values: object, of: Callable[[str, Any], _Item], expected: str
) -> tuple[_Item, ...]:
    """The items of an argument that takes several; one string or number is none.

    Args:
        name: the argument.
        values: what was given.
        of: `of(name, item)` returns a valid item or raises UsageError.
        expected: the whole in words, with an example.

    """
    single = isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable)
    require(not single, name, values, expected)
    try:
        items: list[Any] = list(values)  # type: ignore[call-overload]  # an Iterable
    except TypeError:  # an array without dimensions says that it can be iterated over
        raise wrong(name, values, expected) from None
    return tuple(of(f"each of {name}", item) for item in items)
