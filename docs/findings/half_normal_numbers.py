"""How far normal numbers of half precision reach: `python half_normal_numbers.py jax`, or `torch`.

2^26 numbers of each type; how many are farther from 0 than some ends, and the largest.
"""

import math
import sys

import numpy as np
from numpy.typing import NDArray

DRAWS, PART = 1 << 26, 1 << 22
BEYOND = (2.0, 2.5, 3.0, 3.5, 4.0)
Sizes = NDArray[np.float32]


def of_jax(name: str, part: int) -> Sizes:
    import jax

    drawn = jax.random.normal(jax.random.key(part), (PART,), getattr(jax.numpy, name))
    return np.asarray(drawn.astype("float32"))


def of_torch(name: str, part: int) -> Sizes:
    import torch

    torch.manual_seed(part)
    drawn = torch.randn(PART, dtype=getattr(torch, name))
    return np.asarray(drawn.float().numpy())


def main() -> None:
    draw = {"jax": of_jax, "torch": of_torch}[sys.argv[1]]
    lawful = [math.erfc(end / math.sqrt(2)) for end in BEYOND]
    print("type", "largest", *(f"beyond {end}" for end in BEYOND), "variance", sep="\t")
    print("law", "about 5.5", *(f"{share:.3g}" for share in lawful), "1", sep="\t")
    for name in ("float32", "float16", "bfloat16"):
        counts, largest, square = np.zeros(len(BEYOND)), 0.0, 0.0
        for part in range(DRAWS // PART):
            sizes = np.abs(draw(name, part))
            largest = max(largest, float(sizes.max()))
            counts += [np.count_nonzero(sizes > end) for end in BEYOND]
            square += float(np.square(sizes, dtype=np.float64).sum())
        shares = [f"{count / DRAWS:.3g}" for count in counts]
        print(name, f"{largest:.4g}", *shares, f"{square / DRAWS:.5f}", sep="\t")


if __name__ == "__main__":
    main()
