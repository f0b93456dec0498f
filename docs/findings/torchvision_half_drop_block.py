"""Torchvision: DropBlock of float16 becomes all zeros above 65,504 kept elements.

Needs torch and torchvision. Prints, for each type and size, the mean of the output for an input of
ones (1 is right), the share that is not zero, and the factor of kept elements beside n / k.
"""

import torch
from torchvision.ops import drop_block2d

for dtype in (torch.float32, torch.float16, torch.bfloat16):
    for shape in ((1, 16, 56, 56), (2, 64, 56, 56)):
        torch.manual_seed(0)
        y = drop_block2d(torch.ones(shape, dtype=dtype), p=0.1, block_size=7).double()
        kept = int((y != 0).sum())
        factor = f"{y.max().item():.6g}, n / k = {y.numel() / kept:.6g}" if kept else "-"
        share = kept / y.numel()
        print(f"{dtype} {shape}: mean {y.mean().item():.6g}, not zero {share:.4f}, factor {factor}")
