"""Laws whose units do not draw independently: what a mask of theirs says, as independent bits.

A mask that obeys such a law is turned, with random numbers of ours, into bits that are independent
and set with the keep probability, exactly. Every check of independent draws then holds for them.
docs/explanation/dependent-units.md has the proofs.
"""

from __future__ import annotations

import hashlib
import math
from typing import ClassVar, NamedTuple, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dropout_stats.laws.law import AnyLaw
from dropout_stats.laws.reading import AnyReader, Array, Reading
from dropout_stats.laws.sharing import Sharing

Mask = NDArray[np.bool_]


class Shown(NamedTuple):
    """What one mask shows.

    Args:
        bits: independent and set with the keep probability, if the mask obeys the law; of the
            shape of the draws.
        log_chance: no less than the log-probability of the mask.
        torn: how many units are impossible by themselves, such as parts of blocks.
        first_torn: the first of them.
        miscount: what is wrong with the number of kept units, in words.

    """

    bits: Mask
    log_chance: float
    torn: int = 0
    first_torn: tuple[int, ...] | None = None
    miscount: str | None = None


@runtime_checkable
class Dependent(Protocol):
    """How the masks of such a law are read; they have one entry for each element or shared draw.

    `fixes_count`: whether the number of kept units is fixed.
    """

    fixes_count: ClassVar[bool]

    @property
    def sharing(self) -> Sharing:
        """Which elements share one draw."""
        ...

    def independent(self, mask: Mask, rate: float, rng: np.random.Generator) -> Shown:
        """Make independent bits of the mask of one call."""
        ...

    def keep_range(self, shape: tuple[int, ...], rate: float) -> tuple[float, float]:
        """The least and the largest probability that a unit of such a call is kept."""
        ...

    def agreement(self, shape: tuple[int, ...], rate: float) -> float:
        """No less than the log-probability that the masks of two such calls agree."""
        ...

    def without_moments(self, shape: tuple[int, ...], rate: float) -> str | None:
        """Why mean and variance of the law are not those of each unit of such a call.

        None: they are.
        """
        ...


def is_dependent(law: AnyLaw) -> TypeGuard[Dependent]:
    """Whether units of this law do not draw independently."""
    return isinstance(law, Dependent)


def keep_range(law: AnyLaw, shape: tuple[int, ...], rate: float) -> tuple[float, ...]:
    """Between which probabilities a unit of such a call may be kept; one, where it is known."""
    return law.keep_range(shape, rate) if is_dependent(law) else law.keep_probs(rate)


def without_moments(law: AnyLaw, shape: tuple[int, ...], rate: float) -> str | None:
    """Why mean and variance of the law are not those of each unit of a call; None: they are."""
    return law.without_moments(shape, rate) if is_dependent(law) else None


def agreement(law: AnyLaw, shape: tuple[int, ...], rate: float) -> float:
    """No less than the log-probability that the bits of two calls of this shape agree.

    Two independent bits agree with probability q^2 + (1 - q)^2.
    """
    if is_dependent(law):
        return law.agreement(shape, rate)
    keep_prob = law.keep_probs(rate)[0]
    return law.sharing.units(shape) * agreement_of_bits(keep_prob)


def agreement_of_bits(keep_prob: float) -> float:
    """The log-probability that two bits agree."""
    return math.log(keep_prob**2 + (1 - keep_prob) ** 2)


class DependentReader:
    """Reads outputs of a law whose units depend on each other.

    Args:
        law: the law.
        reader: reads the mask, of elements or shared draws.
        x: the input; several peers lie along its first axis.
        rate: the drop rate.
        peers: whether there are several.

    """

    def __init__(
        self,
        law: Dependent,
        reader: AnyReader,
        x: Array,
        rate: float,
        *,
        peers: bool,
    ) -> None:
        self._law, self._reader, self._rate = law, reader, rate
        own = x.shape[peers:]
        shared = law.sharing.axes(len(own))
        draws = (length for axis, length in enumerate(own) if axis not in shared)
        self._shape = (len(x) if peers else 1, *draws)
        # Apart from the target's, and the same in every run of one seed, from which inputs follow.
        self._rng = np.random.default_rng(list(hashlib.sha256(x.tobytes()).digest()))

    def read(self, y: Array) -> Reading:
        """Read one output, of the shape of the input and any real type."""
        reading = self._reader.read(y)
        masks = reading.mask().reshape(self._shape)
        shown = [self._law.independent(mask, self._rate, self._rng) for mask in masks]
        bits = np.stack([one.bits for one in shown])
        torn = next((one for one in shown if one.torn), None)
        return reading._replace(
            units=bits.size,
            kept=int(np.count_nonzero(bits)),
            packed=np.packbits(bits, bitorder="little"),
            drawn=(reading.packed, reading.units),
            log_chance=math.fsum(one.log_chance for one in shown),
            torn=reading.torn + sum(one.torn for one in shown),
            first_torn=reading.first_torn or (torn.first_torn if torn else None),
            miscount=next((one.miscount for one in shown if one.miscount), None),
        )
