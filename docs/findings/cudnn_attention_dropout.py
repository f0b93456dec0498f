"""cuDNN's attention kernel drops the weights of two rows together.

Queries and keys are 0 and the values are the unit matrix, so the output is the matrix of weights
after dropout. Independent masks agree with probability rate**2 + (1 - rate)**2.
"""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

HEADS = 64
BACKENDS = (
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
)


def kept(backend: SDPBackend, rate: float, queries: int, keys: int) -> torch.Tensor:
    """The mask, of shape (heads, queries, keys)."""
    value = torch.eye(keys, device="cuda", dtype=torch.bfloat16).expand(1, HEADS, keys, keys)
    query = torch.zeros(1, HEADS, queries, keys, device="cuda", dtype=torch.bfloat16)
    with sdpa_kernel(backend):
        out = scaled_dot_product_attention(
            query, torch.zeros_like(value), value.contiguous(), dropout_p=rate
        )
    return out[0] > 0


print(torch.__version__, torch.cuda.get_device_name(), "cuDNN", torch.backends.cudnn.version())
torch.manual_seed(0)
for rate in (0.1, 0.5):
    expected = rate**2 + (1 - rate) ** 2
    for backend in BACKENDS:
        for queries, keys in ((64, 64), (128, 128), (512, 128)):
            mask = kept(backend, rate, queries, keys)
            agree = {
                distance: (mask[:, distance:] == mask[:, :-distance]).float().mean().item()
                for distance in range(1, 33)
            }
            most = max(agree, key=lambda distance: abs(agree[distance] - expected))
            print(
                f"{backend.name} rate {rate} queries {queries} keys {keys}: kept "
                f"{mask.float().mean().item():.4f}; rows {most} apart agree in {agree[most]:.4f}, "
                f"expected {expected:.4f}; 1 apart {agree[1]:.4f}, 2 apart {agree[2]:.4f}, "
                f"4 apart {agree[4]:.4f}, 8 apart {agree[8]:.4f}"
            )
mask = kept(SDPBackend.CUDNN_ATTENTION, 0.5, 64, 64)[0]
for row in mask[:12].int().tolist():
    print("".join(map(str, row)))
