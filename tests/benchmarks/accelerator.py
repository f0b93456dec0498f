"""Dropouts on a GPU: layers, fused and compiled kernels, attention; float32 and the half types.

No machine of the test suite has a GPU, so nothing runs this by itself. Cases whose framework is
missing are named and left out.
"""

from __future__ import annotations

import argparse
import fnmatch
import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np
from tables import print_table

import dropout_stats as ds

QUICK = {"resolution": 2.0**-5, "rates": [0.1, 0.5]}
COMPILED = {"rates": [0.1, 0.5], "skip": ["structure.*"]}
HALF_AND_SINGLE = ("float16", "bfloat16", "float32")
ATTENTION_SHAPE = (8, 8, 64, 64)
SHOWN = 3


class Case(NamedTuple):
    """A target, and the check that it must fail (None: it must pass)."""

    build: Callable[[str], ds.Target]
    fails: str | None = None
    options: dict[str, Any] = {}  # noqa: RUF012 - never written into


class Outcome(NamedTuple):
    """What became of a case."""

    case: str
    expected: str
    verdict: str
    failing: str
    diagnosis: str
    seconds: float
    report: str


# Torch: its own layers and functions


def adapted(spec: str, fails: str | None = None, *, options: Any = None, **adapter: Any) -> Case:
    """A dropout of torch, or of a package that stands on it, through the adapter."""
    return Case(lambda device: ds.adapt(spec, device=device, **adapter), fails, options or {})


def torch_user_function(make: Callable[[str], Any]) -> Callable[[str], ds.Target]:
    """A target of a function of a tensor and the rate that declares the interface of torch's."""

    def build(device: str) -> ds.Target:
        import torch

        call = make(device)

        def train(x: Any, rate: float) -> Any:
            from dropout_stats.adapters.torch import to_array, to_tensor

            return to_array(call(to_tensor(np.ascontiguousarray(x), device), rate))

        held = ds.Conventions(dtypes=HALF_AND_SINGLE, rate_argument="rate", ndims=(1, 4))
        return ds.Target(train=train, seed=torch.manual_seed, conventions=held)

    return build


def graphed(device: str) -> Any:
    """A captured CUDA graph for each shape and rate, replayed at every call."""
    import torch

    captured: dict[Any, Any] = {}

    def call(x: Any, rate: float) -> Any:
        at = (x.shape, x.dtype, rate)
        if at not in captured:
            held = x.clone()
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                torch.nn.functional.dropout(held, rate)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                y = torch.nn.functional.dropout(held, rate)
            captured[at] = graph, held, y
        graph, held, y = captured[at]
        held.copy_(x)
        graph.replay()
        return y.clone()

    return call


def replayed(device: str) -> Any:
    """A compiled kernel in a CUDA graph, which is what this mode of the compiler makes."""
    import torch

    torch._dynamo.config.recompile_limit = 10_000
    torch._dynamo.config.fail_on_recompile_limit_hit = True

    @torch.compile(mode="reduce-overhead")
    def kernel(x: Any, rate: float) -> Any:
        return torch.nn.functional.dropout(x, rate)

    return lambda x, rate: kernel(x, rate).clone()  # the next replay writes into the same memory


def fused(device: str) -> Any:
    """Bias, dropout and residual in one compiled kernel."""
    import torch

    torch._dynamo.config.recompile_limit = 10_000
    torch._dynamo.config.fail_on_recompile_limit_hit = True

    @torch.compile(dynamic=True)
    def kernel(x: Any, bias: Any, residual: Any, rate: float) -> Any:
        return residual + torch.nn.functional.dropout(x + bias, rate, True)

    def call(x: Any, rate: float) -> Any:
        return kernel(x, torch.zeros_like(x[..., :1]), torch.zeros_like(x), rate)

    return call


# Attention: the fused kernels of torch, and cuDNN's through JAX


def attention(backend: str, dtypes: tuple[str, ...], fails: str | None = None) -> Case:
    def build(device: str) -> ds.Target:
        import torch
        from torch.nn import attention as kernels

        from dropout_stats.adapters.torch import to_array, to_tensor

        chosen = getattr(kernels.SDPBackend, backend)

        def attend(query: Any, key: Any, value: Any, rate: float) -> Any:
            parts = [to_tensor(part, device) for part in (query, key, value)]
            with kernels.sdpa_kernel(chosen):
                return to_array(
                    torch.nn.functional.scaled_dot_product_attention(*parts, dropout_p=rate)
                )

        return ds.readouts.attention(
            attend,
            lambda query, key, value, rate: attend(query, key, value, 0.0),
            seed=torch.manual_seed,
            conventions=ds.Conventions(dtypes=dtypes, shapes=(ATTENTION_SHAPE,)),
        )

    return Case(build, fails)


def recurrent(device: str) -> ds.Target:
    """What is between two layers that hand positive inputs on as they are."""
    import torch

    from dropout_stats.adapters.torch import to_array, to_tensor

    torch.backends.cudnn.rnn.fp32_precision = "ieee"  # else the products are rounded
    torch.backends.cuda.matmul.allow_tf32 = False
    built: dict[Any, Any] = {}

    def layers(width: int, rate: float) -> Any:
        if (width, rate) not in built:
            network = torch.nn.RNN(
                width, width, num_layers=2, nonlinearity="relu", dropout=rate, batch_first=True
            ).to(device)
            with torch.no_grad():
                for name, weights in network.named_parameters():
                    if name.startswith("weight_ih"):
                        weights.copy_(torch.eye(width))
                    else:
                        weights.zero_()
            built[width, rate] = network
        return built[width, rate]

    def passed(x: Any, rate: float, training: bool) -> Any:
        network = layers(x.shape[-1], rate).train(training)
        with torch.no_grad():
            positive = to_tensor(np.abs(x), device)
            return to_array(network.to(positive.dtype)(positive)[0]) * np.sign(x)

    return ds.Target(
        train=lambda x, rate: passed(x, rate, training=True),
        evaluate=lambda x, rate: passed(x, rate, training=False),
        seed=torch.manual_seed,
        conventions=ds.Conventions(dtypes=HALF_AND_SINGLE, shapes=((64, 32, 64),)),
    )


def encoder_layer(device: str) -> ds.Target:
    """One dropout of a layer that has four, as it is called there."""
    import torch

    layer = torch.nn.TransformerEncoderLayer(64, 4, 128, dropout=0.1, batch_first=True).to(device)
    return ds.inside(layer, torch.randn(16, 32, 64, device=device)).targets["dropout1"]


def cudnn_attention(device: str) -> ds.Target:
    from jax import numpy as jnp
    from jax._src.cudnn.fused_attention_stablehlo import dot_product_attention

    def attend(query: Any, key: Any, value: Any, rate: float, seed: int) -> Any:
        parts = [jnp.asarray(part.swapaxes(1, 2)) for part in (query, key, value)]
        y = dot_product_attention(*parts, scale=1.0, dropout_rate=rate, seed=seed)
        return np.asarray(y).swapaxes(1, 2)

    drawn = iter(range(2**31))
    return ds.readouts.attention(
        lambda query, key, value, rate: attend(query, key, value, rate, next(drawn)),
        conventions=ds.Conventions(
            dtypes=("bfloat16",), shapes=(ATTENTION_SHAPE,), randomness="unspecified"
        ),
    )


# Kernels as users write them


def triton_kernel(*, blocks_differ: bool = True, vary: bool = True) -> Callable[[str], Any]:
    def make(device: str) -> Any:
        import torch
        import triton_kernels

        numbers = torch.Generator().manual_seed(0)

        def call(x: Any, rate: float) -> Any:
            seed = int(torch.randint(2**31, (), generator=numbers)) if vary else 0
            return triton_kernels.dropout(x, rate, seed, blocks_differ=blocks_differ)

        return call

    return make


def triton_layer(name: str) -> Callable[[str], ds.Target]:
    """A function with a backward pass, which draws its seeds from torch's generator."""

    def build(device: str) -> ds.Target:
        import triton_kernels

        target = ds.adapt(getattr(triton_kernels, name), device=device)
        held = replace(target.conventions, dtypes=HALF_AND_SINGLE, ndims=(1, 4))
        return replace(target, conventions=held)

    return build


def unseeded(build: Callable[[str], ds.Target]) -> Callable[[str], ds.Target]:
    """The same, for kernels that have a generator of their own."""

    def built(device: str) -> ds.Target:
        target = build(device)
        held = replace(target.conventions or ds.Conventions(), randomness="unspecified")
        return replace(target, seed=None, conventions=held)

    return built


def cupy_function(device: str) -> ds.Target:
    import cupy

    def train(x: Any, rate: float) -> Any:
        moved = cupy.asarray(x)
        kept = cupy.random.random_sample(moved.shape, dtype="float32") >= rate
        return cupy.asnumpy(cupy.where(kept, moved / moved.dtype.type(1 - rate), 0))

    held = ds.Conventions(dtypes=("float16", "float32", "float64"), randomness="unspecified")
    return ds.Target(train=train, conventions=held)


# JAX


def jitted(implementation: str) -> Callable[[str], ds.Target]:
    def build(device: str) -> ds.Target:
        import jax
        from jax import numpy as jnp

        @jax.jit
        def kernel(x: Any, rate: Any, key: Any) -> Any:
            kept = jax.random.bernoulli(
                jax.random.wrap_key_data(key, impl=implementation), 1 - rate, x.shape
            )
            return jnp.where(kept, x / (1 - rate), 0).astype(x.dtype)

        def train(x: Any, rate: float, key: int) -> Any:
            data = jax.random.key_data(jax.random.key(key, impl=implementation))
            return np.asarray(kernel(x, rate, data))

        held = ds.Conventions(
            dtypes=HALF_AND_SINGLE, rate_argument="rate", randomness="key", max_shapes=4
        )
        return ds.Target(train=train, conventions=held)

    return build


def at_home(spec: str, wrap: str = "") -> Callable[[str], ds.Target]:
    """A dropout whose framework puts its arrays where it wants."""
    return lambda device: ds.adapt(spec, **({"wrap": wrap} if wrap else {}))


def nnx_block(device: str) -> ds.Target:
    """A dropout in a model."""
    import jax
    from flax import nnx

    class Block(nnx.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            rngs = nnx.Rngs(0)
            self.into, self.out = nnx.Linear(32, 64, rngs=rngs), nnx.Linear(64, 32, rngs=rngs)
            self.drop = nnx.Dropout(0.2, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return self.out(self.drop(nnx.relu(self.into(x))))

    return ds.inside(Block(), jax.random.normal(jax.random.key(0), (128, 32))).targets["drop"]


HALVES = ("float16", "bfloat16")
SINGLE = {"dtypes": ["float32"]}
# What docs/findings says of the versions that were judged there.
REUSES_DRAWS = "calls.previous"
SHARES_ROWS = "dependence.axes"
SHORT_SUM = "rate.marginal"
ON_TORCH = os.environ.get("KERAS_BACKEND") == "torch"  # whose own dropout Keras calls
CASES: dict[str, Case] = {
    "torch Dropout": adapted("torch.nn:Dropout", REUSES_DRAWS),
    **{f"torch {n}": adapted(f"torch.nn:{n}") for n in ("Dropout1d", "Dropout2d", "Dropout3d")},
    **{f"torch {n}": adapted(f"torch.nn:{n}") for n in ("AlphaDropout", "FeatureAlphaDropout")},
    # Each rate, type and kind of pass is compiled.
    "torch Dropout, compiled": adapted("torch.nn:Dropout", compile=True, options=COMPILED),
    **{
        f"torch Dropout, {wrap}": adapted("torch.nn:Dropout", wrap=wrap, options=SINGLE)
        for wrap in ("checkpoint", "vmap", "export", "autocast")
    },
    "torch functional dropout": adapted("torch.nn.functional:dropout", REUSES_DRAWS),
    "torch native_dropout": adapted("torch:native_dropout", REUSES_DRAWS),
    "torch CUDA graph": Case(torch_user_function(graphed), REUSES_DRAWS),
    "torch bias, dropout, residual, compiled": Case(torch_user_function(fused), options=COMPILED),
    "torch compiled into CUDA graphs": Case(torch_user_function(replayed), options=COMPILED),
    "torch attention, math": attention("MATH", HALF_AND_SINGLE),
    "torch attention, memory-efficient": attention("EFFICIENT_ATTENTION", HALF_AND_SINGLE),
    "torch attention, flash": attention("FLASH_ATTENTION", HALVES, "rate.marginal"),
    "torch attention, cuDNN": attention("CUDNN_ATTENTION", HALVES, SHARES_ROWS),
    "torch attention, read out with its gradient": adapted(
        "torch.nn.functional:scaled_dot_product_attention"
    ),
    **{
        f"torch {n}, read out with its gradient": adapted(f"torch.nn:{n}")
        for n in ("MultiheadAttention", "RNN", "GRU", "LSTM")
    },
    "torch RNN, cuDNN, between layers": Case(recurrent, options={"skip": ["structure.values"]}),
    "torch TransformerEncoderLayer, in a model": Case(encoder_layer, options={"rates": [0.1]}),
    "torchvision StochasticDepth": adapted("torchvision.ops:StochasticDepth"),
    # In half precision they fail: docs/findings/index.md.
    **{
        f"torchvision {n}": adapted(f"torchvision.ops:{n}", options=SINGLE)
        for n in ("DropBlock2d", "DropBlock3d")
    },
    "timm DropPath": adapted("timm.layers:DropPath"),
    "timm DropBlock2d": adapted("timm.layers:DropBlock2d", options=SINGLE),
    "Transformers SwinDropPath": adapted(
        "transformers.models.swin.modeling_swin:SwinDropPath", SHORT_SUM
    ),
    "Transformers StableDropout": adapted("transformers.models.sew_d.modeling_sew_d:StableDropout"),
    **{
        f"PyTorch Geometric {n}": adapted(f"torch_geometric.utils:{n}")
        for n in ("dropout_edge", "dropout_node", "mask_feature")
    },
    # A seed is part of what is compiled there.
    "JAX attention, cuDNN": Case(
        cudnn_attention, SHARES_ROWS, {"resolution": 2.0**-6, "rates": [0.1]}
    ),
    "Triton": Case(unseeded(torch_user_function(triton_kernel()))),
    "Triton, one mask for all blocks": Case(
        unseeded(torch_user_function(triton_kernel(blocks_differ=False))), "dependence.lag"
    ),
    "Triton, one seed for all calls": Case(
        unseeded(torch_user_function(triton_kernel(vary=False))), "calls.repeated_mask"
    ),
    "Triton, drawn again in the backward pass": Case(triton_layer("Dropout")),
    "Triton, another mask in the backward pass": Case(
        triton_layer("FreshBackwardDropout"), "gradient.same_noise"
    ),
    "CuPy": Case(cupy_function),
    "JAX threefry, jitted": Case(jitted("threefry2x32")),
    "JAX rbg, jitted": Case(jitted("rbg")),
    "Equinox Dropout": Case(at_home("equinox.nn:Dropout")),
    **{
        f"Equinox Dropout, {wrap}": Case(at_home("equinox.nn:Dropout", wrap), options=QUICK)
        for wrap in ("jit", "vmap", "scan")
    },
    "Flax NNX Dropout": Case(at_home("flax.nnx:Dropout")),
    "Flax NNX Dropout, in a model": Case(nnx_block, options={"rates": [0.2]}),
    "Flax Linen Dropout": Case(at_home("flax.linen:Dropout")),
    "Flax Linen attention": Case(at_home("flax.linen:dot_product_attention_weights")),
    "Haiku dropout": Case(at_home("haiku:dropout")),
    "Penzai StochasticDropout": Case(at_home("penzai.nn.dropout:StochasticDropout")),
    # On the backend that KERAS_BACKEND names, which takes the GPU.
    **{
        f"Keras {n}": Case(at_home(f"keras.layers:{n}"))
        for n in (
            *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
            *("GaussianDropout", "AlphaDropout"),
        )
    },
    "Keras Dropout": Case(at_home("keras.layers:Dropout"), REUSES_DRAWS if ON_TORCH else None),
    "Keras random.dropout": Case(at_home("keras.random:dropout")),
}


def judged(task: tuple[str, str, bool]) -> Outcome:
    """Judge a case."""
    name, device, quick = task
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # processes share the device
    case = CASES[name]
    expected = case.fails or "pass"
    try:
        report = ds.check(
            case.build(device), seed=1, **{**(QUICK if quick else {}), **case.options}
        )
    except ImportError as error:
        return Outcome(name, expected, "not installed", str(error), "", 0.0, "")
    except Exception as error:  # noqa: BLE001 - the other cases go on
        last = str(error).strip().splitlines()[-1][:90] if str(error) else type(error).__name__
        return Outcome(name, expected, "error", last, "", 0.0, traceback.format_exc())
    failing = list(dict.fromkeys(result.check for result in report.failures))
    as_expected = case.fails in failing if case.fails else not failing
    named = report.diagnoses[0].name if report.diagnoses else ""
    return Outcome(
        name,
        expected if as_expected else f"not {expected}",
        report.verdict,
        ", ".join(failing[:SHOWN]) + (", ..." if failing[SHOWN:] else "") or "-",
        named,
        report.seconds,
        str(report),
    )


def outcomes(names: Sequence[str], device: str, quick: bool, workers: int) -> Iterator[Outcome]:
    """Judge each in a process of its own: a broken kernel takes its process along."""
    tasks = [(name, device, quick) for name in names]
    with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(judged, tasks, chunksize=1)


def made_of(device: str) -> str:
    """Name the device and the versions of what runs on it."""
    import torch

    names = (
        *("numpy", "torch", "triton", "torchvision", "timm", "transformers", "torch-geometric"),
        *("jax", "flax", "equinox", "dm-haiku", "penzai", "keras", "cupy-cuda13x"),
    )
    found = {d.metadata["Name"].lower(): d.version for d in metadata.distributions()}
    on = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    return ", ".join([on, *(f"{name} {found[name]}" for name in names if name in found)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Dropouts on a GPU.")
    parser.add_argument("cases", nargs="*", default=["*"], help="patterns: these cases alone")
    parser.add_argument("--device", default="cuda", help="torch's word for it")
    parser.add_argument("--quick", action="store_true", help="coarsely, at two rates")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--reports", action="store_true", help="print what fails in full")
    options = parser.parse_args(arguments)
    print(made_of(options.device))
    rows = []
    chosen = [name for name in CASES if any(fnmatch.fnmatch(name, one) for one in options.cases)]
    for outcome in outcomes(chosen, options.device, options.quick, options.workers):
        rows.append(outcome)
        print(f"{outcome.case}: {outcome.verdict} ({outcome.seconds:.1f} s)", flush=True)
        if options.reports and outcome.verdict != "pass":
            print(outcome.report, flush=True)
    heads = ("case", "expected", "verdict", "failing", "first diagnosis", "seconds")
    shown = [
        (*row[:5], f"{row.seconds:.1f}")
        for row in sorted(rows, key=lambda r: list(CASES).index(r.case))
    ]
    print_table(f"Dropouts on {options.device}", heads, shown)


if __name__ == "__main__":
    main()
