"""Dropout inside a layer: targets whose input is what the dropout acts on.

A layer that drops attention weights, connections or updates of a state hides them in sums. With
inputs that are chosen for it the sums have one term each, so that the layer gives its noise away:
nothing is recovered by fitting, and every check is asked as of a dropout that stands alone. Under
`Conventions(randomness="key")` the layer gets the keyword `key`, as `Target.train` does; what it
attends to must then have another name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dropout_stats.callables import name_of
from dropout_stats.conventions import Conventions
from dropout_stats.laws import AnyLaw, GaussianMultiplicative, Law, TestScaled
from dropout_stats.laws.reading import Array
from dropout_stats.laws.sharing import Unit
from dropout_stats.target import Target

Attend: TypeAlias = Callable[..., Any]  # (query, key, value, rate)
Connect: TypeAlias = Callable[..., Any]  # (inputs, weights, rate)
Step: TypeAlias = Callable[..., Any]  # (new, previous, rate)
Pass: TypeAlias = Callable[..., Array]  # (x, rate)


def attention(
    attend: Attend,
    evaluate: Attend | None = None,
    *,
    seed: Callable[[int], object] | None = None,
    law: AnyLaw | None = None,
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of attention that drops its weights.

    Queries and keys are 0, so all weights are 1/keys before dropout, and the values are the unit
    matrix, so the output *is* the matrix of weights. The target's input, of shape (batch, heads,
    queries, keys), is multiplied by it, times the number of keys.

    Args:
        attend: `attend(query, key, value, rate) -> output`: a training pass without a mask; query
            and output of shape (batch, heads, queries, features), key and value of (batch, heads,
            keys, features). Here there are as many features as keys.
        evaluate: the same for the evaluation pass.
        seed: `seed(n)`: resets the randomness.
        law: the law that its weights follow.
        conventions: the interface that it declares; four dimensions, unless it says otherwise.
        name: how reports call it.

    """
    return Target(
        train=_weights_of(attend),
        evaluate=_weights_of(evaluate) if evaluate else None,
        seed=seed,
        law=law,
        conventions=conventions or Conventions(ndims=(4, 4)),
        name=name or f"weights of {name_of(attend)}",
    )


def _weights_of(attend: Attend) -> Pass:
    def weighted(x: Array, rate: float, **key: int) -> Array:
        lead, length = x.shape[:-2], x.shape[-1]
        unit = np.broadcast_to(np.eye(length, dtype=x.dtype), (*lead, length, length)).copy()
        query, keys = np.zeros_like(x), np.zeros_like(unit)
        found = _of_shape(np.asarray(attend(query, keys, unit, rate, **key)), x.shape, "attend")
        return np.asarray(x * (found * found.dtype.type(length)))

    return weighted


def dropconnect(
    connect: Connect,
    evaluate: Connect | None = None,
    *,
    seed: Callable[[int], object] | None = None,
    law: AnyLaw | None = None,
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of a linear layer that drops its weights (Wan et al. 2013).

    The inputs are the unit matrix, so the outputs are the weights; the target's input is the
    weights.

    Args:
        connect: `connect(inputs, weights, rate) -> outputs`: a training pass without a bias; inputs
            of shape (batch, features), weights of (features, neurons), outputs of (batch, neurons).
        evaluate: the same for the evaluation pass.
        seed: `seed(n)`: resets the randomness.
        law: the law that its weights follow.
        conventions: the interface that it declares; two dimensions, unless it says otherwise.
        name: how reports call it.

    """

    def weights_of(function: Connect) -> Pass:
        def passed(x: Array, rate: float, **key: int) -> Array:
            outputs = function(np.eye(x.shape[0], dtype=x.dtype), _finite(x), rate, **key)
            return _finite(_of_shape(np.asarray(outputs), x.shape, "connect"))

        return passed

    return Target(
        train=weights_of(connect),
        evaluate=weights_of(evaluate) if evaluate else None,
        seed=seed,
        law=law,
        conventions=conventions or Conventions(ndims=(2, 2)),
        name=name or f"weights of {name_of(connect)}",
    )


def zoneout(
    step: Step,
    evaluate: Step | None = None,
    *,
    seed: Callable[[int], object] | None = None,
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of zoneout, which keeps the state of a unit in place of updating it.

    Krueger et al. (2017): state = previous where a unit is dropped, new where it is kept, and their
    mean in evaluation. The target's input is the new state x, the previous one is 2x, and the
    output is 2x less the state: x or 0 in training, and x * keep_prob in evaluation. That is
    test-scaled dropout. A state that is neither of the two, or a sum of both, is no such value.

    Args:
        step: `step(new, previous, rate) -> state`: a training pass.
        evaluate: the same for the evaluation pass.
        seed: `seed(n)`: resets the randomness.
        conventions: the interface that it declares.
        name: how reports call it.

    """

    def updates_of(function: Step) -> Pass:
        def passed(x: Array, rate: float, **key: int) -> Array:
            previous = _finite(2 * x)
            return previous - _of_shape(
                np.asarray(function(x, previous, rate, **key)), x.shape, "step"
            )

        return passed

    return Target(
        train=updates_of(step),
        evaluate=updates_of(evaluate) if evaluate else None,
        seed=seed,
        law=TestScaled(),
        conventions=conventions,
        name=name or f"updates of {name_of(step)}",
    )


def additive(
    train: Callable[..., Any],
    evaluate: Callable[..., Any] | None = None,
    *,
    seed: Callable[[int], object] | None = None,
    unit: Unit = "element",
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of Gaussian noise that is added, with a standard deviation in place of a rate.

    The rates of the run stand for the deviations sqrt(rate / (1 - rate)). The output is the input
    times 1 + what was added: Gaussian multiplicative noise of that rate, whatever the input, if and
    only if what was added is Gaussian with that deviation, whatever the input.

    Args:
        train: `train(x, std) -> y`: a training pass.
        evaluate: the same for the evaluation pass.
        seed: `seed(n)`: resets the randomness.
        unit: the elements that share one draw.
        conventions: the interface that it declares. In half precision what was added cannot be read
            to the digits that matter.
        name: how reports call it.

    """

    def noise_of(function: Callable[..., Any]) -> Pass:
        def passed(x: Array, rate: float, **key: int) -> Array:
            given = function(_finite(x), _deviation(rate), **key)
            y = _of_shape(np.asarray(given), x.shape, "train")
            return np.asarray(x * (1 + (y - x)))

        return passed

    return Target(
        train=noise_of(train),
        evaluate=noise_of(evaluate) if evaluate else None,
        seed=seed,
        law=GaussianMultiplicative(unit=unit),
        conventions=conventions,
        name=name or f"noise of {name_of(train)}",
    )


def _deviation(rate: float) -> float:
    return math.sqrt(rate / (1 - rate))


# The limit of SELU far below 0, which dropped units are set to (Klambauer et al. 2017).
SATURATED = -1.7580993408473766
_STRETCH = 64.0  # inputs are so much larger than that limit that what is added to them is small


def alpha_constants(rate: float) -> tuple[float, float]:
    """A and b of alpha dropout, with which a * A + b has mean 0 and variance 1 where x has.

    A is x where a unit is kept and `SATURATED` where it is dropped. Klambauer et al., Self-
    Normalizing Neural Networks (2017): a = ((1 - rate) (1 + rate s^2))^(-1/2) and b = -a rate s,
    where s is the limit.
    """
    a = 1 / math.sqrt((1 - rate) * (1 + rate * SATURATED**2))
    return a, -a * rate * SATURATED


def alpha(
    train: Callable[..., Any],
    evaluate: Callable[..., Any] | None = None,
    *,
    seed: Callable[[int], object] | None = None,
    unit: Unit = "element",
    conventions: Conventions | None = None,
    name: str = "",
) -> Target:
    """Make a target of alpha dropout, whose dropped units have a value that is not 0.

    A kept unit becomes a x + b, a dropped one a s + b (`alpha_constants`). Less the latter, that is
    a (x - s) or 0: two-valued dropout of x - s with the kept factor a, which is what is judged. An
    output of a dropped unit that is not a s + b is no such value, so b is held to its value, too.

    Args:
        train: `train(x, rate) -> y`: a training pass.
        evaluate: the same for the evaluation pass, which is the identity.
        seed: `seed(n)`: resets the randomness.
        unit: the elements that share one draw; `"channel"` for feature alpha dropout.
        conventions: the interface that it declares; rates in [0, 1) and single precision or more.
        name: how reports call it.

    """

    def passed(x: Array, rate: float, **key: int) -> Array:
        shifted = _finite(x * x.dtype.type(_STRETCH) + x.dtype.type(SATURATED))
        y = _of_shape(np.asarray(train(shifted, rate, **key)), x.shape, "train")
        a, b = alpha_constants(rate) if rate else (1.0, 0.0)
        dropped = a * SATURATED + b
        noise = y.astype(np.float64) - dropped
        near = 8 * np.finfo(y.dtype).eps * (abs(a * SATURATED) + abs(b))
        return np.asarray(np.where(np.abs(noise) <= near, 0, noise / _STRETCH), y.dtype)

    return Target(
        train=passed,
        evaluate=evaluate,
        seed=seed,
        law=Law(
            "alpha",
            atoms=lambda rate: {0.0: rate, (alpha_constants(rate)[0] if rate else 1.0): 1 - rate},
            unit=unit,
        ),
        conventions=conventions or Conventions(rate_domain="[0, 1)"),
        name=name or name_of(train),
    )


def _finite(x: Array) -> Array:
    if not np.isfinite(x).all():
        raise ValueError("a readout by sums and differences takes finite inputs")
    return x


def _of_shape(found: Array, shape: tuple[int, ...], what: str) -> Array:
    if found.shape != shape:
        raise ValueError(f"{what} returned the shape {found.shape}; expected {shape}")
    return found
