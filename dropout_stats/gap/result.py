"""What a question about the gap is answered with."""

from __future__ import annotations

from dataclasses import dataclass


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
