"""What a target is fed: values that are distinct, never zero, of mixed sign and scale."""

from __future__ import annotations

import math
import zlib

import numpy as np

from dropout_stats import dtypes
from dropout_stats.laws.reading import Array

# Inputs must be independent of the target's noise, so no generator of ours may ever start from a
# number that is handed to the target: each purpose has its own branch of the seed.
_DOMAIN = int.from_bytes(b"dropout", "big")
PURPOSES = ("inputs", "target", "keys")


def branch(seed: int, purpose: str, *labels: object) -> np.random.SeedSequence:
    """The seed sequence of one purpose in one place of a run."""
    words = [PURPOSES.index(purpose), *(zlib.crc32(repr(label).encode()) for label in labels)]
    return np.random.SeedSequence([_DOMAIN, seed, *words])


def distinct(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """Return values that differ in size from each other, of either sign, in random order.

    Magnitudes are spread evenly in the logarithm, one in each stratum: over 2^-3 .. 2^3, or over
    2^-8 .. 2^8 where the type has fewer than 10 bits of fraction and six octaves would not hold
    enough different values.
    """
    size = math.prod(shape)
    octaves = 3.0 if dtypes.precision(dtype).mantissa_bits >= 10 else 8.0
    place = (rng.permutation(size) + rng.uniform(0.25, 0.75, size)) / max(size, 1)
    signs = rng.choice((-1.0, 1.0), size)
    values = signs * np.exp2(octaves * (2 * place - 1))
    return values.astype(dtypes.as_dtype(dtype)).reshape(shape)
