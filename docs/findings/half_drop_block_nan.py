"""DropBlock of float16 is NaN everywhere where a call keeps nothing: 0 times n / (0 + eps) in half.

Needs torch, and timm or torchvision. In each type, and for inputs of ones of one shape, prints how
many of 4,000 calls kept nothing, and in how many of these the output was 0 or NaN.
"""

import importlib
from collections import Counter

import torch

FUNCTIONS = (("timm.layers", "drop_block_2d"), ("torchvision.ops", "drop_block2d"))
CALLS, RATE, BLOCK, SHAPE = 4_000, 0.3, 3, (1, 1, 3, 3)

print(torch.__version__)
for place, name in FUNCTIONS:
    try:
        drop_block = getattr(importlib.import_module(place), name)
    except ImportError as error:
        print(f"{place}: {error}")
        continue
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        torch.manual_seed(0)
        seen: Counter[str] = Counter()
        for _ in range(CALLS):
            y = drop_block(torch.ones(SHAPE, dtype=dtype), RATE, block_size=BLOCK)
            seen["NaN" if y.isnan().all() else "kept some" if y.any() else "all zero"] += 1
        print(f"{place}.{name} {dtype} {SHAPE}: {dict(sorted(seen.items()))}")
