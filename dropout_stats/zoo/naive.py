"""The test of dropout that most projects ship, and how little it sees.

One rate, 0.5; one input, ones; a loose tolerance on the mean. Of the 22 specimens that are
flagged `naive`, one for each class of bugs that such tests are known to meet, it kills four: a
missing scale, dropping in evaluation, a fresh mask in the backward pass, a seed that is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dropout_stats.target import Target
from dropout_stats.zoo.specimen import Specimen

_RATE = 0.5
_SEED = 1


def complaints(target: Target) -> tuple[str, ...]:
    """Return what the naive test holds against a target; () if it passes."""
    x = np.ones(1000)
    y, again, repeated = _train_twice_and_repeat(target, x)
    held = {
        "the mean is 1": abs(y.mean() - 1) < 0.1,
        "values are 0 or 2": bool(np.isin(y, (0, 2)).all()),
        "two calls differ": not np.array_equal(y, again),
        "the same seed gives the same output": np.array_equal(y, repeated),
    }
    if target.evaluate is not None:
        held["evaluation is the identity"] = np.array_equal(target.evaluate(x, _RATE), x)
    if target.vjp is not None:
        out, grad = target.vjp(x, np.ones(1000), _RATE)
        held["the gradient of the sum is the output"] = np.array_equal(out, grad)
    return tuple(claim for claim, holds in held.items() if not holds)


def caught(specimens: Iterable[Specimen]) -> tuple[str, ...]:
    """Return the names of the specimens that the naive test fails."""
    return tuple(specimen.name for specimen in specimens if complaints(specimen.build()))


def _train_twice_and_repeat(target: Target, x: Any) -> tuple[Any, Any, Any]:
    if target.seed is None:
        raise ValueError("the naive test needs a target that can be seeded")
    target.seed(_SEED)
    y, again = target.train(x, _RATE), target.train(x, _RATE)
    target.seed(_SEED)
    return y, again, target.train(x, _RATE)
