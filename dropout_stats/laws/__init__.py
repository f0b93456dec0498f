"""The laws that a target may be held to."""

from __future__ import annotations

from typing import TypeGuard

from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.laws.inverted import Inverted
from dropout_stats.laws.law import Law
from dropout_stats.laws.reading import Reading, Violation
from dropout_stats.laws.test_scaled import TestScaled

__all__ = ["Inverted", "Law", "Reading", "TestScaled", "Violation", "by_name", "is_law"]

_LAWS: dict[str, type[Inverted] | type[TestScaled]] = {
    law.name: law for law in (Inverted, TestScaled)
}


def by_name(name: str) -> Law:
    """Return the law of this name, as the command line and reports write it."""
    if name not in _LAWS:
        raise UsageError(
            f"unknown law {name!r}: expected one of {', '.join(_LAWS)}.{did_you_mean(name, _LAWS)}"
        )
    return _LAWS[name]()


def is_law(value: object) -> TypeGuard[Law]:
    """Whether a value has all that a law has; the class of a law is none yet."""
    return isinstance(value, Law) and not isinstance(value, type)
