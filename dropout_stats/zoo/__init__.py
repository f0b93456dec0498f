"""The zoo: dropouts with exactly one fault, and correct ones that look unusual.

With them a harness is tested: it must kill the wrong ones and spare the correct ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.zoo import (
    annealed,
    axes,
    blocks,
    core,
    correct,
    counts,
    densities,
    dependence,
    gradient,
    indirect,
    interface,
    layers,
    limits,
    modes,
    noise,
    peers,
    precision,
    quantised,
    rate,
    recurrent,
    repeats,
    scale,
    seeds,
    several_values,
    units,
)
from dropout_stats.zoo.core import Core, TestScaledCore
from dropout_stats.zoo.specimen import Specimen, specimens_of

__all__ = ["ALL", "CORRECT", "WRONG", "Core", "Specimen", "TestScaledCore", "by_name", "choose"]

_FAMILIES = (
    scale,
    rate,
    annealed,
    modes,
    repeats,
    dependence,
    peers,
    gradient,
    precision,
    limits,
    interface,
    seeds,
    core,
    correct,
    units,
    axes,
    quantised,
    noise,
    densities,
    several_values,
    indirect,
    counts,
    blocks,
    layers,
    recurrent,
)
_SPECIMENS = tuple(chain.from_iterable(specimens_of(family) for family in _FAMILIES))

WRONG: tuple[Specimen, ...] = tuple(s for s in _SPECIMENS if s.is_wrong)
CORRECT: tuple[Specimen, ...] = tuple(s for s in _SPECIMENS if not s.is_wrong)
ALL: tuple[Specimen, ...] = WRONG + CORRECT

by_name: Mapping[str, Specimen] = {specimen.name: specimen for specimen in ALL}


def choose(names: Sequence[str]) -> tuple[Specimen, ...]:
    """Return the specimens of these names; all of them where no name is given."""
    for name in names:
        if name not in by_name:
            raise UsageError(f"there is no specimen {name!r}.{did_you_mean(name, by_name)}")
    return tuple(by_name[name] for name in names) or ALL
