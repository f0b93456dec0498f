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
    x = x.contiguous()  # a call and its backward pass, in whatever order, draw at the same offsets
    y = torch.empty_like(x)
    grid = (triton.cdiv(x.numel(), _BLOCK),)
    if x.numel():
        _kernel[grid](x, y, x.numel(), 1 - rate, seed, blocks_differ, _BLOCK)
    return y


class Dropout(torch.autograd.Function):  # type: ignore[misc]  # torch has no types here
    """Dropout that keeps its seed and no mask: the backward pass draws the mask again."""

    @staticmethod
    def forward(context: Any, x: Any, rate: float) -> Any:
        context.rate, context.seed = rate, _drawn()
        return dropout(x, rate, context.seed)

    @staticmethod
    def backward(context: Any, dy: Any) -> Any:
        return dropout(dy, context.rate, context.seed), None


class FreshBackwardDropout(Dropout):
    """The same, with a seed of its own in the backward pass."""

    @staticmethod
    def backward(context: Any, dy: Any) -> Any:
        return dropout(dy, context.rate, _drawn()), None


def _drawn() -> int:
    return int(torch.randint(2**31, ()))
