"""Functions of pieces: a piece is a stretch on which f is a0 + a1 z + a2 z^2 + a3 e^z.

f'' is made of the jumps of f' between the pieces and a density (docs/explanation/gap.md, 2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dropout_stats.gap.rounding import Floats

Complexes = NDArray[np.complex128]

LEAK = 0.01  # the slope of leaky_relu below 0


@dataclass(frozen=True)
class Pieces:
    """f is coefficients[j] = (a0, a1, a2, a3) between ends[j - 1] and ends[j].

    Args:
        ends: where the pieces meet, increasing.
        coefficients: one more than ends.
        jumps: (s, jump of f' at s).
        density: the least and the most of f'' between the jumps.
        smooth_part: the transform of that density; None where there is none.
        mass: the integral of f''.
        moment: the integral of s f''(s).

    """

    ends: tuple[float, ...]
    coefficients: tuple[tuple[float, float, float, float], ...]
    jumps: tuple[tuple[float, float], ...]
    mass: float
    moment: float
    density: tuple[float, float] = (0.0, 0.0)
    smooth_part: Callable[[Floats], Complexes] | None = None

    @property
    def size(self) -> float:
        """At least the integral of |f''|."""
        return sum(abs(jump) for _, jump in self.jumps) + 2 * self.density[1] * (
            self.ends[-1] - self.ends[0] if len(self.ends) > 1 else 1.0
        )


_ZERO, _LINE = (0.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0)


def _elu_part(t: Floats) -> Complexes:
    return np.asarray(1 / (1 - 1j * t), np.complex128)


def _hardswish_part(t: Floats) -> Complexes:
    return np.asarray(2 * np.sin(3 * t) / (3 * t) + 0j, np.complex128)


RELU = Pieces((0.0,), (_ZERO, _LINE), ((0.0, 1.0),), 1.0, 0.0)
LEAKY = Pieces((0.0,), ((0.0, LEAK, 0.0, 0.0), _LINE), ((0.0, 1 - LEAK),), 1 - LEAK, 0.0)
ABS = Pieces((0.0,), ((0.0, -1.0, 0.0, 0.0), _LINE), ((0.0, 2.0),), 2.0, 0.0)
HARDTANH = Pieces(
    (-1.0, 1.0),
    ((-1.0, 0.0, 0.0, 0.0), _LINE, (1.0, 0.0, 0.0, 0.0)),
    ((-1.0, 1.0), (1.0, -1.0)),
    0.0,
    -2.0,
)
RELU6 = Pieces(
    (0.0, 6.0), (_ZERO, _LINE, (6.0, 0.0, 0.0, 0.0)), ((0.0, 1.0), (6.0, -1.0)), 0.0, -6.0
)
ELU = Pieces(
    (0.0,), ((-1.0, 0.0, 0.0, 1.0), _LINE), (), 1.0, -1.0, density=(0.0, 1.0), smooth_part=_elu_part
)
HARDSWISH = Pieces(
    (-3.0, 3.0),
    (_ZERO, (0.0, 0.5, 1 / 6, 0.0), _LINE),
    ((-3.0, -0.5), (3.0, -0.5)),
    1.0,
    0.0,
    density=(0.0, 1 / 3),
    smooth_part=_hardswish_part,
)
