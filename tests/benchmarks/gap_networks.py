"""The gap of a network: against plain Monte Carlo, and against all masks.

    python tests/benchmarks/gap_networks.py [--quick]

Every ratio comes from within this run: each time is the smallest of several, taken in turns, of
the processor rather than the clock. Set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse

import numpy as np
from gap import seconds, short
from scipy.special import ndtr
from tables import print_table

import dropout_stats as ds
from dropout_stats.gap.sequence import relative_halfwidth

FUNCTIONS = {
    "identity": lambda z: z,
    "gelu": lambda z: z * ndtr(z),
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
}
BLOCK = 2048


def network(widths: list[int], f: str, rate: float, rng: np.random.Generator) -> list[ds.gap.Dense]:
    """He-scaled hidden layers of f and a linear one, dropout before all but the first."""
    layers = []
    for at, inputs in enumerate(widths[:-1]):
        weights = rng.normal(0, np.sqrt(2 / inputs), (widths[at + 1], inputs))
        last = at == len(widths) - 2
        layers.append(ds.gap.Dense(weights, f="identity" if last else f, rate=rate if at else 0.0))
    return layers


def trained(layers: list[ds.gap.Dense], x: np.ndarray, masks: list[np.ndarray]) -> np.ndarray:
    """Plain training passes, inverted, with these masks of the layers that have a dropout."""
    h, left = x[None], iter(masks)
    for layer in layers:
        if layer.rate:
            h = next(left) * (h * (1 / (1 - layer.rate)))
        h = FUNCTIONS[layer.f](h @ layer.weights.T)
    return h


def sampled(
    layers: list[ds.gap.Dense], x: np.ndarray, masks: int, rng: np.random.Generator
) -> np.ndarray:
    """So many plain training passes."""
    outputs = []
    for start in range(0, masks, BLOCK):
        size = min(BLOCK, masks - start)
        drawn = [rng.random((size, d.weights.shape[1])) >= d.rate for d in layers if d.rate]
        outputs.append(trained(layers, x, drawn))
    return np.concatenate(outputs)


def against_plain_monte_carlo(rng: np.random.Generator, quick: bool) -> None:
    masks, rows = (2048 if quick else 1 << 14), []
    for f in ("gelu", "relu"):
        for rate in (0.2,) if quick else (0.2, 0.5):
            for width in (16,) if quick else (64, 256):
                layers = network([64, width, width, width, 1], f, rate, rng)
                inputs = rng.normal(size=(1 if quick else 4, 64))
                plain = np.mean([sampled(layers, x, masks, rng).var() for x in inputs])
                found = ds.gap.network(layers, inputs, masks=masks, method="monte-carlo")
                # the variance of one draw, as if those of the first batch had been in the mean
                left = ((found.halfwidth / relative_halfwidth(masks, masks)) ** 2).mean()
                ours, theirs = seconds(
                    lambda layers=layers, x=inputs: ds.gap.network(
                        layers, x[:1], masks=masks, method="monte-carlo"
                    ),
                    lambda layers=layers, x=inputs: sampled(layers, x[0], masks, rng),
                    repeats=1 if quick else 5,
                )
                rows.append(
                    (
                        f,
                        rate,
                        width,
                        f"{plain / left:.1f}",
                        f"{plain / left * theirs / ours:.1f}",
                        f"{ours * 1e3:.0f}",
                        f"{theirs * 1e3:.0f}",
                        short(float(found.halfwidth.mean())),
                    )
                )
    heads = ("f", "rate", "width", "equal masks", "equal time", "ms", "plain ms", "halfwidth")
    print_table(f"Variance of plain Monte Carlo over ours, {masks} masks", heads, rows)
    print("target: more than 1 at equal time")


def against_all_masks(rng: np.random.Generator, quick: bool) -> None:
    width, rows = (4 if quick else 8), []
    numbers = np.arange(1 << 2 * width)
    kept = (numbers[:, None] >> np.arange(2 * width) & 1).astype(float)
    for f in ("gelu", "relu", "tanh"):
        layers, x = network([5, width, width, 1], f, 0.5, rng), rng.normal(size=5)
        masks = [kept[:, :width], kept[:, width:]]

        def listed(layers=layers, x=x, masks=masks) -> float:
            return float(trained(layers, x, masks).mean())

        def exactly(layers=layers, x=x) -> ds.gap.NetworkGap:
            return ds.gap.network(layers, x[None], tolerance=1e-12)

        still = [ds.gap.Dense(layer.weights, f=layer.f) for layer in layers]
        difference = listed() - float(trained(still, x, [])[0, 0]) - exactly().value[0, 0]
        ours, theirs = seconds(exactly, listed, repeats=2 if quick else 9)
        rows.append(
            (
                f,
                exactly().method,
                short(abs(difference)),
                short(exactly().halfwidth[0, 0]),
                f"{ours * 1e3:.1f}",
                f"{theirs * 1e3:.1f}",
            )
        )
    heads = ("f", "method", "difference", "halfwidth", "ms", "all masks ms")
    print_table(f"Two nonlinear layers of {width} units against all masks", heads, rows)
    print("target: difference at most 1e-14")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rng = np.random.default_rng(1)
    for table in (against_plain_monte_carlo, against_all_masks):
        table(rng, quick)


if __name__ == "__main__":
    main()
