"""Reference dropouts in NumPy: slow, obviously right, one for each law.

The draw of the mask and its application are separate functions of the law, so that every claim
about them can be confirmed exactly, by going through all masks.
"""

from __future__ import annotations

import shlex

import numpy as np
from numpy.typing import NDArray

from dropout_stats import dtypes
from dropout_stats.conventions import Conventions, RateDomain
from dropout_stats.laws import AnyLaw, is_indirect, is_two_valued, spelled
from dropout_stats.laws.reading import Array
from dropout_stats.target import Target


def reference(law: AnyLaw) -> Target:
    """Return the reference target of a law, with a generator of its own."""
    generators = [np.random.default_rng()]
    perform, pull = (law.perform, law.pull) if is_indirect(law) else (law.apply, law.apply)
    closed = is_two_valued(law)  # other noise has no finite variance at rate 1
    domain: RateDomain = "[0, 1]" if closed else "[0, 1)"

    def seed(number: int) -> None:
        generators[0] = np.random.default_rng(number)

    def train(x: Array, rate: float) -> Array:
        if not 0 <= rate <= 1 or (rate == 1 and not closed):
            raise ValueError(f"the rate must lie in {domain}, got {rate!r}")
        return perform(x, sample(x, rate), rate)

    def sample(x: Array, rate: float) -> NDArray[np.bool_]:
        """Draw a mask; where nothing can be dropped, draw nothing."""
        return law.sample(generators[0], x.shape, rate) if rate else np.ones(x.shape, np.bool_)

    def vjp(x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        mask = sample(x, rate)
        return perform(x, mask, rate), pull(dy, mask, rate)

    def peers(x: Array, rate: float, count: int) -> Array:
        return np.stack([train(x, rate) for _ in range(count)])

    def evaluate_vjp(x: Array, dy: Array, rate: float) -> tuple[Array, Array]:
        return law.evaluate(x, rate), law.evaluate(dy, rate)

    name = spelled(law)
    return Target(
        train=train,
        evaluate=law.evaluate,
        vjp=vjp,
        evaluate_vjp=evaluate_vjp,
        seed=seed,
        apply=perform,
        peers=peers,
        name=f"reference {law.name} dropout",
        law=law,
        spec=f"--law {shlex.quote(name)}" if name else None,
        conventions=Conventions(
            dtypes=dtypes.available(),
            rate_domain=domain,
            invalid_rates="raise",
            numpy_rates="kept",
            dropped_nonfinite="zero" if closed else "unspecified",
            randomness="owned",
            idle_draws="none",
            threads="independent",
        ),
    )
