"""The laws that a target may be held to."""

from __future__ import annotations

from typing import TypeGuard

from dropout_stats.laws.continuous import (
    GaussianMultiplicative,
    LogNormalMultiplicative,
    UniformMultiplicative,
)
from dropout_stats.laws.custom import Law
from dropout_stats.laws.dependent import Dependent, is_dependent
from dropout_stats.laws.drop_block import DropBlock
from dropout_stats.laws.exact_count import ExactCount
from dropout_stats.laws.indirect import Alpha, GaussianAdditive, Indirect, is_indirect
from dropout_stats.laws.inverted import Inverted
from dropout_stats.laws.law import AnyLaw, Kind, TwoValued, is_two_valued, two_valued
from dropout_stats.laws.naming import by_name, spelled
from dropout_stats.laws.reading import Reading, Violation
from dropout_stats.laws.several_valued import SeveralValued, values_of
from dropout_stats.laws.test_scaled import TestScaled

__all__ = [
    "Alpha",
    "AnyLaw",
    "Dependent",
    "DropBlock",
    "ExactCount",
    "GaussianAdditive",
    "GaussianMultiplicative",
    "Indirect",
    "Inverted",
    "Kind",
    "Law",
    "LogNormalMultiplicative",
    "Reading",
    "SeveralValued",
    "TestScaled",
    "TwoValued",
    "UniformMultiplicative",
    "Violation",
    "by_name",
    "is_dependent",
    "is_indirect",
    "is_law",
    "is_two_valued",
    "spelled",
    "two_valued",
    "values_of",
]


def is_law(value: object) -> TypeGuard[AnyLaw]:
    """Whether a value has all that a law has; the class of a law is none yet."""
    return isinstance(value, AnyLaw) and not isinstance(value, type)
