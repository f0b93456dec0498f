"""What one argument may be: each function returns the value, or says what it should have been."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from operator import index
from typing import Any, TypeVar

from dropout_stats.errors import UsageError

_Item = TypeVar("_Item")


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


def text(name: str, value: object) -> str:
    """A string."""
    require(isinstance(value, str), name, value, "a string")
    return str(value)


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
