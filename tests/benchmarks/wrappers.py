"""Dropouts in a wrapper, right and wrong ones, at default settings: float32, nothing skipped.

A mask that a compiled function holds, a key that is not split over lanes or steps, noise that a
checkpoint does not bring back: each must be killed, and named, and its right counterpart spared.
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from runs import spread
from tables import print_table

import dropout_stats as ds

SECONDS = 600.0  # compiled calls are slow, and time is not what is judged here
KEYED = ds.Conventions(randomness="key", ndims=(2, 4), max_shapes=2)
FEW = ds.Conventions(max_shapes=2)
_AGAIN = "the same mask comes back"
_SHARED = "units do not draw independently"
_DISAGREES = "the backward pass disagrees with its forward pass"


class Wrapped(NamedTuple):
    """One wrapped dropout.

    Args:
        name: framework, wrapper and what is special.
        build: makes what is judged.
        diagnosis: the first that it must get; empty for a right one.
        conventions: what it is held to.

    """

    name: str
    build: Callable[[], Any]
    diagnosis: str = ""
    conventions: ds.Conventions | None = None


class Outcome(NamedTuple):
    """What came of one; the report where it is not what it must be."""

    name: str
    verdict: str
    failed: int
    diagnosis: str
    seconds: float
    is_right: bool
    report: str


def bernoulli(x: Any, rate: Any, key: Any) -> Any:
    """Inverted dropout on arrays of JAX, from a key."""
    import jax

    kept = jax.random.bernoulli(key, 1 - rate, x.shape)
    return jax.numpy.where(kept, x / (1 - rate), 0).astype(x.dtype)


def baked() -> Any:
    """A compiled function that holds its key."""
    import jax

    key = jax.random.key(0)
    return jax.jit(lambda x, rate: bernoulli(x, rate, key))


def over_lanes(*, split: bool) -> Any:
    """A function that is mapped over rows, each with its own key or all with one."""
    import jax

    def mapped(x: Any, rate: Any, key: Any) -> Any:
        keys = jax.random.split(key, len(x))
        if split:
            return jax.vmap(lambda row, own: bernoulli(row, rate, own))(x, keys)
        return jax.vmap(lambda row: bernoulli(row, rate, key))(x)

    return jax.jit(mapped)


def over_steps() -> Any:
    """A scan over rows whose steps have one key."""
    import jax

    def scanned(x: Any, rate: Any, key: Any) -> Any:
        return jax.lax.scan(lambda _, row: (0, bernoulli(row, rate, key)), 0, x)[1]

    return jax.jit(scanned)


def through_jax(wrap: str) -> Any:
    """A function with a key, in a wrapper of the adapter."""

    def dropout(x: Any, rate: Any, key: Any) -> Any:
        return bernoulli(x, rate, key)

    return ds.adapt(dropout, framework="jax", wrap=wrap)


def unsplit() -> Any:
    """A function with keys of its own, which a wrapper cannot split."""
    import jax

    keys = itertools.count()

    def dropout(x: Any, rate: Any) -> Any:
        return bernoulli(x, rate, jax.random.key(next(keys)))

    return ds.adapt(dropout, framework="jax", wrap="vmap")


def checkpointed(*, preserved: bool, reentrant: bool) -> Any:
    """A layer whose forward pass is computed again in the backward pass."""
    import torch
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(torch.nn.Module):
        """A dropout in a checkpoint."""

        def __init__(self, p: float = 0.5) -> None:
            super().__init__()
            self.dropout = torch.nn.Dropout(p)

        def forward(self, x: Any) -> Any:
            """Drop; in training through the checkpoint."""
            if not self.training:
                return self.dropout(x)
            how = {"use_reentrant": reentrant, "preserve_rng_state": preserved}
            return checkpoint(self.dropout, x, **how)

    return Checkpointed


def by_numpy(wrap: str) -> Any:
    """A function whose mask the host draws, so that tracing makes a constant of it."""
    import numpy as np
    import torch

    def dropout(x: Any, rate: float) -> Any:
        kept = torch.from_numpy(np.random.default_rng().random(tuple(x.shape)) >= rate)
        return torch.where(kept, x / (1 - rate), 0.0)

    return ds.adapt(dropout, framework="torch", wrap=wrap)


def layer(spec: str, wrap: str) -> Any:
    """A released layer in a wrapper of its adapter."""
    return ds.adapt(spec, wrap=wrap)


def wrapped() -> Iterator[Wrapped]:
    """All of them, wrong ones before right ones."""
    yield Wrapped("jax jit, key baked in", baked, _AGAIN)
    yield Wrapped("jax vmap, one key", lambda: over_lanes(split=False), _SHARED, KEYED)
    yield Wrapped("jax scan, one key", over_steps, _SHARED, KEYED)
    # What compiles reads such a key once, so that the lanes and the calls have one mask.
    yield Wrapped("jax vmap, keys of the host", unsplit, _AGAIN, FEW)
    yield Wrapped("torch export, mask held", lambda: by_numpy("export"), _AGAIN)
    yield Wrapped("torch replay, mask held", lambda: by_numpy("replay"), _AGAIN)
    yield Wrapped("torch vmap, one mask", lambda: by_numpy("vmap"), _SHARED)
    for preserved, reentrant in itertools.product((False, True), (True, False)):
        state = f"{'re-entrant' if reentrant else 'other'}, state {'kept' if preserved else 'lost'}"
        yield Wrapped(
            f"torch checkpoint, {state}",
            lambda p=preserved, r=reentrant: checkpointed(preserved=p, reentrant=r),
            "" if preserved else _DISAGREES,
        )
    yield Wrapped("jax vmap, key split", lambda: over_lanes(split=True), "", KEYED)
    for wrap in ("jit", "vmap", "scan", "checkpoint", "export"):
        yield Wrapped(f"jax function, {wrap}", lambda w=wrap: through_jax(w), "", KEYED)
    for wrap in ("jit", "scan"):
        make = lambda w=wrap: layer("equinox.nn:Dropout", w)  # noqa: E731
        yield Wrapped(f"equinox layer, {wrap}", make, "", FEW)
    for wrap in ("checkpoint", "vmap", "export", "replay"):
        yield Wrapped(f"torch layer, {wrap}", lambda w=wrap: layer("torch.nn:Dropout", w))


def judged(task: tuple[int, float | None]) -> Outcome:
    """Judge the one of this number; a number, for functions do not go to another process."""
    number, resolution = task
    one = list(wrapped())[number]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "None of the inputs have requires_grad")
        report = ds.check(
            one.build(),
            conventions=one.conventions,
            dtypes=["float32"],
            resolution=resolution,
            max_seconds=SECONDS,
            seed=number,
        )
    first = report.diagnoses[0].name if report.diagnoses else ""
    right = report.verdict == ("fail" if one.diagnosis else "pass") and first == one.diagnosis
    said = "" if right else f"{one.name}: seed {number}\n{report}"
    failed = len({result.check for result in report.failures})
    return Outcome(one.name, report.verdict, failed, first, report.seconds, right, said)


def main() -> None:
    """Print a row for each wrapped dropout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    names = [one.name for one in wrapped()]
    tasks = [(number, None) for number in range(len(names))]
    if asked.quick:
        tasks = [(names.index("torch checkpoint, re-entrant, state lost"), 2.0**-3)]
    rows = []
    for outcome in spread(judged, tasks, 1 if asked.quick else asked.workers):
        seconds, right = f"{outcome.seconds:.1f}", "yes" if outcome.is_right else "NO"
        named = outcome.diagnosis or "-"
        rows.append((outcome.name, outcome.verdict, outcome.failed, named, right, seconds))
        print(*rows[-1], flush=True)
        print(outcome.report, end="\n" if outcome.report else "", flush=True)
    heads = ("dropout", "verdict", "failed checks", "first diagnosis", "as it must be", "seconds")
    print_table("Dropouts in a wrapper, float32", heads, rows)
    print("target: all are as they must be")


if __name__ == "__main__":
    main()
