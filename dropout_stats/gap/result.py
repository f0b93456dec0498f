"""What a question about the gap is answered with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Gap:
    """A number, and how far it can be off.

    Args:
        value: the gap, or the expectation that was asked for.
        halfwidth: the true number is within this of `value`; if not `certified`, with the
            confidence or under the assumption that the method states.
        method: how it was computed.
        certified: the halfwidth is proved: truncation, rounding and all.

    """

    value: float
    halfwidth: float
    method: str
    certified: bool

    @property
    def low(self) -> float:
        """The lower end."""
        return self.value - self.halfwidth

    @property
    def high(self) -> float:
        """The upper end."""
        return self.value + self.halfwidth


@dataclass(frozen=True, eq=False)
class Gaps:
    """The gaps of all units of a layer over a batch; every field an array (batch, neurons).

    Args:
        value: the gaps.
        halfwidth: each true gap is within this of its value, as for `Gap`.
        method: how each was computed.
        certified: whether its halfwidth is proved.

    """

    value: NDArray[np.floating[Any]]
    halfwidth: NDArray[np.floating[Any]]
    method: NDArray[np.object_]
    certified: NDArray[np.bool_]

    @property
    def low(self) -> NDArray[np.floating[Any]]:
        """The lower ends."""
        return np.asarray(self.value - self.halfwidth)

    @property
    def high(self) -> NDArray[np.floating[Any]]:
        """The upper ends."""
        return np.asarray(self.value + self.halfwidth)
