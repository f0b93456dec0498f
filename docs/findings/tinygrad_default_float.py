"""tinygrad's dropout draws as many random bits as the default type of new tensors has."""

from importlib.metadata import version

from tinygrad import Context, Tensor, dtypes

UNITS, CALLS = 2**20, 16


def dropped(rate: float) -> int:
    """How many of UNITS * CALLS units of float32 are dropped."""
    x = Tensor.full((UNITS,), 1.0, dtype=dtypes.float32).contiguous().realize()
    with Context(TRAINING=1):
        return sum(int((x.dropout(rate) == 0).sum().item()) for _ in range(CALLS))


print("tinygrad", version("tinygrad"))
Tensor.manual_seed(0)
for default in ("float32", "float16", "bfloat16"):  # as the environment variable DEFAULT_FLOAT says
    with Context(DEFAULT_FLOAT=default):
        for rate in (0.001, 0.01, 0.1, 0.3, 0.9, 0.999):
            units = UNITS * CALLS
            share, error = dropped(rate) / units, (rate * (1 - rate) / units) ** 0.5
            off = (share - rate) / error
            print(f"{default} rate {rate}: dropped {share:.6f}, {off:+.1f} standard errors")
