"""The gap: how fast, against enumeration, Monte Carlo, evaluations of f and forward passes.

    python tests/benchmarks/gap.py [--quick]

Every ratio comes from within this run: each time is the smallest of several, taken in turns, of
the processor rather than the clock, since long calls are interrupted more than short ones. Set
OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit, ndtr
from tables import print_table

import dropout_stats as ds

Call = Callable[[], Any]
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gelu": lambda z: z * ndtr(z),
    "sigmoid": expit,
    "tanh": np.tanh,
    "softplus": lambda z: np.logaddexp(z, 0),
    "silu": lambda z: z * expit(z),
}


def seconds(*calls: Call, repeats: int) -> list[float]:
    """The smallest time of each call, the calls taking turns."""
    best = [np.inf] * len(calls)
    for _ in range(repeats):
        for place, call in enumerate(calls):
            start = time.process_time()
            call()
            best[place] = min(best[place], time.process_time() - start)
    return best


def unit(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Weights of He's scale, and inputs as a rectified layer has them."""
    return rng.normal(0, np.sqrt(2 / n), n), np.abs(rng.normal(size=n))


def gap(name: str, data: tuple[np.ndarray, np.ndarray], **options: Any) -> Call:
    return lambda: ds.gap.neuron(name, *data, **{"rate": 0.5, **options})


def sampled(data: tuple[np.ndarray, np.ndarray], masks: int, rng: np.random.Generator) -> Call:
    """A plain Monte-Carlo estimate for gelu: so many masks, one product, f."""
    weights, inputs = data

    def call() -> float:
        z = ((rng.random((masks, len(inputs))) >= 0.5) * (inputs / 0.5)) @ weights
        return float((z * ndtr(z)).mean())

    return call


def short(value: float) -> str:
    return f"{value:.3g}"


F = {"gelu": lambda z: z * ndtr(z), "relu": lambda z: np.maximum(z, 0)}


def by_masks(name: str, data: tuple[np.ndarray, np.ndarray]) -> Call:
    """The gap at rate 0.5 over a matrix of all masks, so many rows at a time."""
    steps, n, f = data[0] * data[1] / 0.5, len(data[0]), F[name]

    def call() -> float:
        total = 0.0
        for first in range(0, 1 << n, 1 << 14):
            numbers = np.arange(first, min(first + (1 << 14), 1 << n))
            total += float(f((numbers[:, None] >> np.arange(n) & 1) @ steps).sum())
        return total / 2**n - float(f(np.array(data[0] @ data[1])))

    return call


def enumerated(name: str, data: tuple[np.ndarray, np.ndarray]) -> Call:
    """The gap at rate 0.5 by the sums of two halves: their outer sum, f, two products."""
    halves = np.array_split(data[0] * data[1] / 0.5, 2)
    f = F[name]

    def call() -> float:
        sums = [np.zeros(1), np.zeros(1)]
        for place, half in enumerate(halves):
            for step in half:
                sums[place] = np.concatenate((sums[place], sums[place] + step))
        chances = [np.full(len(part), 1 / len(part)) for part in sums]
        values = f(np.add.outer(*sums))
        return float(chances[0] @ (values @ chances[1]) - f(np.array(data[0] @ data[1])))

    return call


def against_enumeration(rng: np.random.Generator, quick: bool) -> None:
    rows = []
    cases = [("gelu", 14), ("relu", 16)] if quick else [("gelu", 20), ("gelu", 24), ("relu", 26)]
    for name, n in cases:
        data = unit(n, rng)
        found, listed = gap(name, data), enumerated(name, data)
        fast = seconds(found, repeats=20 if quick else 2000)[0]
        slow = seconds(listed, repeats=1 if quick else 5)[0]
        plain = seconds(by_masks(name, data), repeats=1)[0]
        certified = gap(name, data, method="enumeration")
        proved = seconds(certified, repeats=1 if quick else 3)[0]
        one, other = found(), certified()
        rows.append(
            (
                name,
                n,
                one.method,
                f"{fast * 1e3:.3f}",
                f"{slow * 1e3:.1f}",
                f"{slow / fast:.0f}",
                f"{plain / fast:.0f}",
                f"{proved / fast:.0f}",
                short(abs(one.value - other.value)),
                short(one.halfwidth),
            )
        )
    heads = (
        "f",
        "n",
        "method",
        "ms",
        "enumeration ms",
        "ratio",
        "masks",
        "ours",
        "difference",
        "halfwidth",
    )
    print_table("Against vectorised enumeration, rate 0.5", heads, rows)
    print("ratio: to sums of two halves; masks: to a matrix of all masks; ours: to our own")
    print("target: gelu n = 24 at least 3000, relu n = 26 at least 150")


def against_monte_carlo(rng: np.random.Generator, quick: bool) -> None:
    rows = []
    for n in (100,) if quick else (100, 1000, 10_000):
        data = unit(n, rng)
        found = gap("gelu", data)
        repeats = 3 if quick else max(5, 20_000 // n)
        fast, slow = seconds(found, sampled(data, 1000, rng), repeats=repeats)
        halfwidth = found().halfwidth
        rows.append(
            (n, f"{fast * 1e3:.3f}", f"{slow * 1e3:.3f}", f"{slow / fast:.1f}", short(halfwidth))
        )
    heads = ("n", "ms", "1000 masks ms", "ratio", "halfwidth")
    print_table("gelu against 1000 masks of Monte Carlo, rate 0.5", heads, rows)
    print("target: n = 1000 certified to 1e-12 in at most the time of the masks")


def kinked(rng: np.random.Generator, quick: bool) -> None:
    rows = []
    cases = [(24, 1e-12, 0.5)]
    if not quick:
        cases += [(40, 1e-12, 0.5), (40, 1e-12, 0.3), (500, 1e-7, 0.5)]
        cases += [(5000, 1e-7, rate) for rate in (0.5, 0.3, 0.1)]
    for n, tolerance, rate in cases:
        data = unit(n, rng)
        found = gap("relu", data, tolerance=tolerance, rate=rate)
        took = seconds(found, repeats=3 if n == 40 else 7)[0]
        one = found()
        rows.append((n, rate, one.method, f"{took * 1e3:.1f}", short(one.halfwidth)))
    print_table("relu", ("n", "rate", "method", "ms", "halfwidth"), rows)
    print("target: n = 5000 certified to 1e-7 in at most 50 ms")


def accuracy(rng: np.random.Generator, quick: bool) -> None:
    """Meeting in the middle, against the exact law of integer weights in many digits."""
    import mpmath

    n, rows = (12 if quick else 40), []
    for rate in (0.5, 0.3):
        integers = rng.integers(-64, 65, n)
        found = ds.gap.neuron(
            "relu", integers / 128, np.ones(n), rate=rate, strategy="test-scaled",
            method="meet-in-the-middle",
        )  # fmt: skip
        with mpmath.workdps(40):
            drop = mpmath.mpf(rate)
            law = {0: mpmath.mpf(1)}
            for integer in integers.tolist():
                after: dict[int, mpmath.mpf] = {}
                for place, chance in law.items():
                    after[place] = after.get(place, 0) + drop * chance
                    after[place + integer] = after.get(place + integer, 0) + (1 - drop) * chance
                law = after
            mean = (1 - drop) * int(integers.sum())
            whole = mpmath.fsum(chance * max(place, 0) for place, chance in law.items())
            truth = (whole - max(mean, 0)) / 128
            error = float(abs(mpmath.mpf(found.value) - truth))
        rows.append((n, rate, short(error), short(found.halfwidth)))
    heads = ("n", "rate", "error", "halfwidth")
    print_table("relu by meeting in the middle, against 40 digits", heads, rows)
    print("target: error at most 1e-14")


def against_evaluations(rng: np.random.Generator, quick: bool) -> None:
    rows = []
    data, points = unit(100, rng), rng.normal(size=1000)
    evaluations: dict[str, Call] = {
        "gelu": lambda: points * ndtr(points),
        "tanh": lambda: np.tanh(points),
        "softplus": lambda: np.logaddexp(0, points),
    }
    for name, evaluate in evaluations.items():
        fast, once = seconds(gap(name, data), evaluate, repeats=10 if quick else 300)
        rows.append((name, f"{fast * 1e3:.3f}", f"{once * 1e3:.4f}", f"{fast / once:.0f}"))
    heads = ("f", "ms", "f on 1000 values ms", "ratio")
    print_table("n = 100, frequencies cached, against evaluations of f", heads, rows)
    print("target: at most 100")


def of_a_layer(rng: np.random.Generator, quick: bool) -> None:
    """All units over a batch, against dropout forward passes of the same layer."""
    n, batch = (64, 8) if quick else (1024, 128)
    weights = rng.normal(0, np.sqrt(2 / n), (n, n))
    inputs = np.abs(rng.normal(size=(batch, n)))
    rows = []
    cases = [("gelu", 0.5, 1e-7)]
    if not quick:
        cases += [("gelu", 0.5, 1e-4), ("gelu", 0.5, 1e-9), ("gelu", 0.2, 1e-7)]
        cases += [(name, 0.5, 1e-7) for name in ("sigmoid", "tanh", "softplus", "silu")]
    for name, rate, tolerance in cases:
        options: dict[str, Any] = {"rate": rate, "method": "power-sums", "tolerance": tolerance}
        found = partial(ds.gap.layer, name, weights, inputs, **options)
        passed = partial(forward, name, weights, inputs, rate, rng)
        took, once = seconds(found, passed, repeats=1 if quick else 7)
        gaps, worst = found(), 0.0
        for row, neuron in zip(
            *(rng.integers(0, len(part), 30) for part in (inputs, weights)), strict=True
        ):
            one = ds.gap.neuron(name, weights[neuron], inputs[row], rate=rate)
            worst = max(worst, abs(one.value - gaps.value[row, neuron]))
        times = f"{took * 1e3:.1f}", f"{once * 1e3:.2f}", f"{took / once:.1f}"
        rows.append((name, rate, tolerance, *times, short(gaps.halfwidth.max()), short(worst)))
    heads = ("f", "rate", "tolerance", "ms", "pass ms", "ratio", "halfwidth", "difference")
    print_table(f"A layer of {n} units of {n} inputs, {batch} samples", heads, rows)
    print("target: gelu certified to 1e-7 in at most 30 forward passes")


def forward(
    name: str, weights: np.ndarray, inputs: np.ndarray, rate: float, rng: np.random.Generator
) -> np.ndarray:
    """One training pass: fresh masks, scaled inputs, one product, f."""
    kept = (rng.random(inputs.shape) >= rate) * (inputs / (1 - rate))
    return FUNCTIONS[name](kept @ weights.T)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rng = np.random.default_rng(1)
    tables = (against_enumeration, against_monte_carlo, kinked, accuracy, against_evaluations)
    for table in (*tables, of_a_layer):
        table(rng, quick)


if __name__ == "__main__":
    main()
