"""Zoneout, read out with a previous state that tells both states apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dropout_stats.callables import name_of
from dropout_stats.conventions import Conventions
from dropout_stats.dtypes import HALVES
from dropout_stats.errors import UsageError
from dropout_stats.laws import TestScaled
from dropout_stats.laws.reading import Array
from dropout_stats.readouts.common import Pass, finite, of_shape, require_functions, with_mask
from dropout_stats.target import Target

Step: TypeAlias = Callable[..., Any]  # (new, previous, rate)
StepVjp: TypeAlias = Callable[..., tuple[Any, Any, Any]]  # (new, previous, dy, rate)


def zoneout(
    step: Step,
    evaluate: Step | None = None,
    *,
    vjp: StepVjp | None = None,
    apply: Callable[..., Any] | None = None,
    seed: Callable[[int], object] | None = None,
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of zoneout, which keeps the state of a unit in place of updating it.

    Krueger et al. (2017): state = previous where a unit is dropped, new where it is kept, and their
    mean in evaluation. The target's input is the new state x, the previous one is 2x, and the
    output is 2x less the state: x or 0 in training, and x * keep_prob in evaluation. That is
    test-scaled dropout. A state that is neither of the two, or a sum of both, is no such value. In
    the backward pass one of the two gets all of dy and the other nothing, so that by the chain rule
    x gets 2 dy - dnew - 2 dprevious: dy or 0.

    Args:
        step: `step(new, previous, rate) -> state`: a training pass.
        evaluate: the same for the evaluation pass.
        vjp: `vjp(new, previous, dy, rate) -> (state, dnew, dprevious)`: a training pass and the
            gradients of both states, same noise.
        apply: `apply(new, previous, mask, rate)`: a training pass with the keep mask given.
        seed: `seed(n)`: resets the randomness.
        conventions: the interface that it declares.
        name: how reports call it.

    """
    require_functions(step=step, evaluate=evaluate, vjp=vjp, apply=apply)
    halves = [name for name in (conventions or Conventions()).dtypes if name in HALVES]
    if halves:
        raise UsageError(
            "updates are read from differences, which have too few digits in "
            f"{' and '.join(halves)}: ask for float32 or float64"
        )

    return Target(
        train=_updates_of(step),
        evaluate=_updates_of(evaluate) if evaluate else None,
        vjp=_updates_and_gradient_of(vjp) if vjp else None,
        apply=with_mask(_updates_of, apply) if apply else None,
        seed=seed,
        law=TestScaled(),
        conventions=conventions,
        name=name or f"updates of {name_of(step)}",
    )


def _updates_of(function: Step) -> Pass:
    def passed(x: Array, rate: float, **key: int) -> Array:
        previous = finite(2 * x)
        return previous - of_shape(function(x, previous, rate, **key), x.shape, "step")

    return passed


def _updates_and_gradient_of(vjp: StepVjp) -> Callable[..., tuple[Array, Array]]:
    def passed(x: Array, dy: Array, rate: float, **key: int) -> tuple[Array, Array]:
        previous = finite(2 * x)
        state, new, old = vjp(x, previous, finite(dy), rate, **key)
        y = previous - of_shape(state, x.shape, "vjp")
        dnew, dprevious = (of_shape(one, x.shape, "a gradient of vjp") for one in (new, old))
        update = dy - dprevious
        return y, np.asarray(update + (update - dnew))

    return passed
