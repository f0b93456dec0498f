"""Attention by the flash kernel compares 8 random bits with its rate."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

HEADS, SIZE, CALLS = 512, 128, 8


def share_kept(backend: SDPBackend, rate: float) -> tuple[int, int]:
    """Count the weights that are kept: with zeros for queries and keys they are the output."""
    value = torch.eye(SIZE, device="cuda", dtype=torch.bfloat16).repeat(1, HEADS, 1, 1)
    zeros = torch.zeros_like(value)
    count = 0
    for _ in range(CALLS):
        with sdpa_kernel(backend):
            out = scaled_dot_product_attention(zeros, zeros, value, dropout_p=rate)
        count += int((out > 0).sum())
    return count, CALLS * value.numel()


print(torch.__version__, torch.cuda.get_device_name())
torch.manual_seed(0)
for rate in (0.001, 0.01, 0.1, 0.3, 0.5, 0.9):
    for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION):
        kept, of = share_kept(backend, rate)
        error = (rate * (1 - rate) / of) ** 0.5
        print(
            f"{backend.name} rate {rate}: kept {kept} of {of} = {kept / of:.6f} +- {error:.6f}, "
            f"declared {1 - rate:.6f}; {256 * kept / of:.3f} of 256"
        )
