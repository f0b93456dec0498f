"""Transformers: DropPath of bfloat16 drops at other rates, and doubles some samples.

Needs torch and transformers. Prints, for each type and rate, the share of a million samples that
is dropped, the share that is doubled, and the mean of the output for an input of ones (1 is right).
"""

import torch
from transformers.models.swin.modeling_swin import SwinDropPath

SAMPLES = 1_000_000

for dtype in (torch.float32, torch.float16, torch.bfloat16):
    for rate in (0.001, 0.01, 0.1, 0.3, 0.9, 0.999):
        torch.manual_seed(0)
        y = SwinDropPath(rate).train()(torch.ones(SAMPLES, 1, dtype=dtype)).double()
        dropped = float((y == 0).double().mean())
        doubled = float((y > 1.5 / (1 - rate)).double().mean())
        print(
            f"{dtype} rate {rate}: dropped {dropped:.6f}, doubled {doubled:.6f}, "
            f"mean {y.mean().item():.4f}"
        )
