"""Dropout in Triton, as its users write it: a counter-based generator asked at each offset."""

from __future__ import annotations

from typing import Any

import torch
import triton
from triton import language as tl

_BLOCK = 1024


@triton.jit
def _kernel(  # noqa: PLR0917 - a kernel is called by place
    x,
    y,
    size,
    keep,
    seed,
    blocks_differ: tl.constexpr,
    block: tl.constexpr,
):
    within = tl.arange(0, block)
    offsets = tl.program_id(0) * block + within
    inside = offsets < size
    values = tl.load(x + offsets, mask=inside)
    kept = tl.rand(seed, offsets if blocks_differ else within) < keep
    tl.store(y + offsets, tl.where(kept, values / keep, 0.0), mask=inside)


def dropout(x: Any, rate: float, seed: int, *, blocks_differ: bool = True) -> Any:
    """Drop values of a tensor on a GPU.

    Args:
        x: the tensor.
        rate: the probability to drop.
        seed: of the generator.
        blocks_differ: whether a block of 1024 draws at its own offsets; else all draw one mask.

    """
    y = torch.empty_like(x)
    grid = (triton.cdiv(x.numel(), _BLOCK),)
    if x.numel():
        _kernel[grid](x, y, x.numel(), 1 - rate, seed, blocks_differ, _BLOCK)
    return y
