"""Dropout of float16 and bfloat16 tensors on a GPU draws a part of the call before again."""

import torch

RATE = 0.5


def share_that_agrees(dtype: torch.dtype, size: int, distance: int) -> tuple[int, int]:
    """How often the first four of eight units are what units so far on were in the call before."""
    x = torch.ones(size, device="cuda", dtype=dtype)
    before = torch.nn.functional.dropout(x, RATE) > 0
    after = torch.nn.functional.dropout(x, RATE) > 0
    first = after.view(-1, 8)[:, :4]
    same = first == before.view(-1, 8)[:, distance : distance + 4]
    return int(same.sum()), same.numel()


print(torch.__version__, torch.cuda.get_device_name())
torch.manual_seed(0)
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    for size in (2**12, 2**16, 2**20, 2**24):
        for distance in (0, 4):
            same, of = share_that_agrees(dtype, size, distance)
            print(
                f"{dtype} size {size} distance {distance}: {same} of {of} agree = {same / of:.4f}"
            )
