"""Mean and variance over every mask, of a target that takes its noise from outside."""

from __future__ import annotations

import itertools
import math

import numpy as np

from dropout_stats.call import Caller
from dropout_stats.checks.bench import Bench
from dropout_stats.checks.check import TWO_VALUED, Probe
from dropout_stats.laws import is_dependent
from dropout_stats.laws.indirect import moments_of
from dropout_stats.laws.law import OF_A_FACTOR
from dropout_stats.laws.reading import Array, kept_tolerance
from dropout_stats.laws.sharing import Sharing
from dropout_stats.results import Case, Finding

_UNITS = 8


def _ask(bench: Bench, case: Case) -> Finding:
    if not bench.caller.can_apply:
        return Finding("not-applicable", "the target does not take its noise from outside (apply)")
    if is_dependent(bench.law):
        return Finding(
            "not-applicable", "the law gives its masks no probability as of independent units"
        )
    rate, dtype = case.rate or 0.0, case.dtype
    sharing = bench.law.sharing
    shape = _shape(sharing, bench.conventions.ndims)
    x = bench.inputs(shape, dtype, case.id)
    masks = sharing.kept_dims(shape)
    mean, variance = _summed(bench.caller, x, masks, rate, bench.law.keep_probs(rate)[0])
    given = np.asarray(x, np.float64)
    tolerance = 4 * kept_tolerance(bench.conventions.output_dtype(dtype), rate)
    # Of an indirect law the input and the output are those of a law with a factor.
    read = "" if moments_of(bench.law) == OF_A_FACTOR else " of the output as it is read"
    for name, got, factor, scale in (
        ("E[A]", mean, bench.law.mean(rate), given),
        ("Var[A]", variance, bench.law.variance(rate), given**2),
    ):
        expected = factor * scale
        wrong = ~(np.abs(got - expected) <= tolerance * (np.abs(expected) + abs(factor) * scale**2))
        if wrong.any():
            place = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
            return Finding(
                "fail",
                f"summed over all {2**_UNITS} masks, {name}{read} at index {place} is "
                f"{got[place]:.9g}; expected {expected[place]:.9g} for the input "
                f"{given[place]:.9g}",
            )
    return Finding("pass", f"E[A] and Var[A] are exact, summed over all {2**_UNITS} masks")


def _shape(sharing: Sharing, ndims: tuple[int, int]) -> tuple[int, ...]:
    """Eight units in a rank that the target takes; one unit for scalars alone."""
    if ndims[1] == 0:
        return ()
    rank = max(1, ndims[0])
    own = rank - len(sharing.axes(rank))
    return sharing.call_shape((_UNITS, *(1,) * (own - 1)), rank)


def _summed(
    caller: Caller, x: Array, masks: tuple[int, ...], rate: float, keep_prob: float
) -> tuple[Array, Array]:
    first, second = np.zeros(x.shape), np.zeros(x.shape)
    for bits in itertools.product((False, True), repeat=math.prod(masks)):
        mask = np.array(bits).reshape(masks)
        chance = (1 - keep_prob) ** int((~mask).sum()) * keep_prob ** int(mask.sum())
        y = caller.apply(x.copy(), mask, rate).astype(np.float64)
        first += chance * y
        second += chance * y**2
    return first, second - first**2


ENUMERATED = Probe(
    id="moments.enumerated",
    question="Summed over every mask, are mean and variance exactly the law's?",
    why="With the noise handed in there is nothing random left: the formula itself is checked.",
    demands="Where a target takes its noise from outside, mean and variance over all masks "
    "shall be exactly the law's.",
    how="All 256 masks of eight units are handed to `Target.apply`, with one input. The outputs "
    "and their squares, weighted with the law's probability of each mask, are summed and "
    "compared with E[A] and Var[A], up to rounding. Nothing is random.",
    places="rate and dtype",
    ask=_ask,
    laws=TWO_VALUED,
)
