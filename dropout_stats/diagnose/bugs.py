"""Bugs by what they make of what was observed, as functions of the rate.

What was observed are the share of kept units, the factor of a kept value and the factor of the
evaluation pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_OfRate = Callable[[float], float]
DROPS = -1.0  # stands for an evaluation pass that drops


@dataclass(frozen=True)
class Signature:
    """One bug, by what it makes of each observable; None: what the law says.

    Args:
        name: the bug in a few words.
        keep: share of kept units.
        kept: factor of a kept value.
        evaluation: factor of the evaluation pass.
        explanation: why it looks like this.
        fix: what to change.
        laws: names of the laws under which it is a bug; () for all.

    """

    name: str
    explanation: str
    fix: str
    keep: _OfRate | None = None
    kept: _OfRate | None = None
    evaluation: _OfRate | None = None
    laws: tuple[str, ...] = ()


def _one(_: float) -> float:
    return 1.0


def _zero(_: float) -> float:
    return 0.0


def _rate(rate: float) -> float:
    return rate


def _keep_prob(rate: float) -> float:
    return 1 - rate


def _over_rate(rate: float) -> float:
    return 1 / rate


def _over_keep_prob(rate: float) -> float:
    return 1 / (1 - rate)


def _keep_prob_squared(rate: float) -> float:
    return (1 - rate) ** 2


def _over_keep_prob_squared(rate: float) -> float:
    return 1 / (1 - rate) ** 2


def _drops(_: float) -> float:
    return DROPS


def _applied(times: int) -> Signature:
    return Signature(
        "applied several times",
        f"a unit is kept with probability (1 - rate)^{times} and kept values are "
        f"a/(1 - rate)^{times}: {times} dropouts in a row. The mean is still right, so a test of "
        "the mean cannot see it",
        "drop once, and hand the result on",
        keep=lambda rate: (1 - rate) ** times,
        kept=lambda rate: 1 / (1 - rate) ** times,
        laws=("inverted",),
    )


_BOTH_HALVES = "At rate 0.5 the two are the same number, so a test at 0.5 cannot see it."

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        "no scaling",
        "kept values pass unchanged in training and the evaluation pass is the identity, so the "
        "mean of the training pass is keep_prob * a while evaluation gives a",
        "divide by 1 - rate in training (inverted), or multiply by 1 - rate in evaluation and "
        "declare laws.TestScaled()",
        kept=_one,
        evaluation=_one,
    ),
    Signature(
        "test-scaled dropout held to the inverted law",
        "kept values pass unchanged in training and the evaluation pass multiplies by keep_prob: "
        "this is the other strategy, done right",
        "declare laws.TestScaled() (--law test-scaled), or divide by 1 - rate in training and "
        "leave evaluation alone",
        kept=_one,
        evaluation=_keep_prob,
        laws=("inverted",),
    ),
    Signature(
        "inverted dropout held to the test-scaled law",
        "kept values are divided by keep_prob in training and the evaluation pass is the identity: "
        "this is the other strategy, done right",
        "declare laws.Inverted() (--law inverted)",
        kept=_over_keep_prob,
        evaluation=_one,
        laws=("test-scaled",),
    ),
    Signature(
        "multiplied by keep_prob in training",
        "kept values are a * (1 - rate); they should be a/(1 - rate): a product stands where a "
        "division belongs",
        "divide by 1 - rate",
        kept=_keep_prob,
        laws=("inverted",),
    ),
    Signature(
        "keep probability and drop rate swapped in the scale",
        "kept values are a/rate; they should be a/(1 - rate): scaled by 1/rate. " + _BOTH_HALVES,
        "divide by 1 - rate",
        kept=_over_rate,
    ),
    Signature(
        "keep probability and drop rate swapped in the mask",
        "a unit is kept with probability rate; it should be 1 - rate. The scale is right. "
        + _BOTH_HALVES,
        "keep where uniform >= rate (or draw the mask with probability 1 - rate)",
        keep=_rate,
    ),
    Signature(
        "keep probability and drop rate swapped in mask and scale",
        "a unit is kept with probability rate and divided by rate: the number handed over is used "
        "as the keep probability throughout. " + _BOTH_HALVES,
        "if the parameter is meant to be the keep probability, declare "
        "Conventions(rate_argument='keep_prob'); otherwise use 1 - rate in both places",
        keep=_rate,
        kept=_over_rate,
        laws=("inverted",),
    ),
    Signature(
        "scaled twice",
        "kept values are a/(1 - rate)^2: two places divide by keep_prob",
        "remove one of the two divisions",
        kept=_over_keep_prob_squared,
    ),
    Signature(
        "applied twice",
        "a unit is kept with probability (1 - rate)^2 and kept values are a/(1 - rate)^2: two "
        "dropouts in a row. The mean is still right, so a test of the mean cannot see it",
        "remove one of the two dropouts",
        keep=_keep_prob_squared,
        kept=_over_keep_prob_squared,
        laws=("inverted",),
    ),
    Signature(
        "applied twice",
        "a unit is kept with probability (1 - rate)^2: two dropouts in a row",
        "remove one of the two dropouts",
        keep=_keep_prob_squared,
        laws=("test-scaled",),
    ),
    *(_applied(times) for times in range(3, 13)),
    Signature(
        "scaled in both modes",
        "training divides by keep_prob and evaluation multiplies by keep_prob: each strategy "
        "scales in one of the passes only",
        "make evaluation the identity (inverted), or do not scale in training (test-scaled)",
        kept=_over_keep_prob,
        evaluation=_keep_prob,
    ),
    Signature(
        "scaled in both modes",
        "the evaluation pass divides by keep_prob, as only the training pass of inverted dropout "
        "does",
        "make evaluation the identity",
        evaluation=_over_keep_prob,
        laws=("inverted",),
    ),
    Signature(
        "evaluation scaled by the rate instead of keep_prob",
        "the evaluation pass multiplies by rate; it should multiply by 1 - rate. " + _BOTH_HALVES,
        "multiply by 1 - rate in evaluation",
        kept=_one,
        evaluation=_rate,
    ),
    Signature(
        "evaluation scaled by the rate",
        "the evaluation pass multiplies by rate; inverted dropout leaves evaluation alone",
        "make evaluation the identity",
        evaluation=_rate,
        laws=("inverted",),
    ),
    Signature(
        "dropping in evaluation",
        "the evaluation pass drops units as the training pass does: the mode does not reach it",
        "return the input unchanged (inverted) or times 1 - rate (test-scaled) in evaluation",
        evaluation=_drops,
    ),
    Signature(
        "never dropping",
        "every unit is kept, and unchanged: the training pass is the identity",
        "check that the mask is applied, that its result is used, that the rate arrives, and that "
        "training mode is on",
        keep=_one,
        kept=_one,
    ),
    Signature(
        "never dropping",
        "every unit is kept: the scale is applied, but no mask",
        "check that the mask is drawn with the rate and applied",
        keep=_one,
    ),
    Signature(
        "always dropping",
        "no unit is kept",
        "check the comparison that makes the mask, and that the rate is not truncated to an "
        "integer",
        keep=_zero,
    ),
)
