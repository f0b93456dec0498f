"""PyTorch: modules and functions on tensors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from dropout_stats import dtypes
from dropout_stats.adapters.bridge import Bridge, declared_law, wrapper_of
from dropout_stats.adapters.torch_layers import ReadOut, read_out_of
from dropout_stats.adapters.torch_packages import Declared, declared, filled
from dropout_stats.conventions import Conventions
from dropout_stats.errors import HarnessError, UsageError, did_you_mean
from dropout_stats.laws import Alpha, AnyLaw, Inverted
from dropout_stats.laws.reading import Array
from dropout_stats.signatures import builds_layers
from dropout_stats.target import Target

_CONVENTIONS = Conventions(
    dtypes=dtypes.available(),
    rate_argument="rate",
    rate_domain="[0, 1]",
    invalid_rates="raise",
    randomness="global",
    evaluation_graph="empty",
)
_CHANNEL = Inverted(unit="channel")
LAWS: dict[str, AnyLaw] = {
    "Dropout": Inverted(),
    "AlphaDropout": Alpha(),
    "FeatureAlphaDropout": Alpha(unit="channel"),
    "alpha_dropout": Alpha(),
    "feature_alpha_dropout": Alpha(unit="channel"),
    "Dropout1d": _CHANNEL,
    "Dropout2d": _CHANNEL,
    "Dropout3d": _CHANNEL,
    "dropout": Inverted(),
    "native_dropout": Inverted(),
    "dropout1d": _CHANNEL,
    "dropout2d": _CHANNEL,
    "dropout3d": _CHANNEL,
}
# Each new shape of a compiled layer may cost seconds.
MAX_SHAPES = 8
# Batch, channels, and what the name says. With one dimension fewer they mean one sample without a
# batch, or warn.
NDIMS = {f"{word}ropout{n}d": n + 2 for word in "dD" for n in (1, 2, 3)}
# A user's own layer or function promises none of that; it may have a generator of its own.
_UNDECLARED = Conventions(dtypes=("float32",), randomness="unspecified")


def adapt(
    target: Any,
    name: str,
    *,
    device: str = "cpu",
    compile: bool | str = False,  # noqa: A002 - torch's word
    wrap: str | None = None,
) -> Target:
    """Adapt a class of layers, a `torch.autograd.Function`, or a function of a tensor and the rate.

    Args:
        target: the class or function.
        name: how reports call it.
        device: where the tensors live.
        compile: whether to judge it through `torch.compile`; or its backend, of which `"aot_eager"`
            needs no compiler of C++.
        wrap: what training passes are entered through: `"checkpoint"` computes them again in the
            backward pass, `"vmap"` maps them over the first axis, `"export"` runs the exported
            program, `"replay"` the operations of a first pass again (on a processor: a CUDA graph
            needs a function that captures it), `"autocast"` those in which PyTorch chooses the
            types.

    """
    if isinstance(target, torch.nn.Module):
        raise HarnessError(
            f"{name} is an instance, whose rate is fixed; hand over the class, or\n"
            f"    dropout_stats.adapt(lambda x, rate: ..., framework='torch')"
        )
    read_out = read_out_of(target)
    if read_out:
        if compile or wrap:
            raise UsageError(f"{name} is read out as it is: compile= and wrap= do not apply")
        return _read(read_out, name, device)
    if target is torch.native_dropout:
        target = native_dropout
    others = declared(target, name)
    law, conventions = _declared_by(target, name, others)
    target = filled(target, others)
    if law and device == "cpu" and not compile:
        # Draws of the default generator hold its lock; a graph's first calls are another matter.
        conventions = replace(conventions, threads="independent")
    if wrap == "replay" and device != "cpu":
        raise UsageError(
            "wrap='replay' records the operations of a pass on a processor. On another device "
            "capture a graph in a function (x, rate) of your own, one for each shape, type and rate"
        )
    if compile or wrap == "export":
        conventions = replace(conventions, max_shapes=MAX_SHAPES)
    if wrap == "vmap":
        conventions = _with_rows(conventions, law)
    bridge = _bridge(device, conventions, lanes=not compile and not wrap)
    bridge = replace(bridge, wrapper=wrapper_of(wrap, _WRAPPERS))
    if others or target is native_dropout:
        bridge = replace(bridge, lanes=None)  # vmap refuses noise that is drawn in place
    if isinstance(target, type) and issubclass(target, torch.autograd.Function):
        target = _applied(target)
    if not builds_layers(target):
        target = _compiled(target, _backend(compile)) if compile else target
        return bridge.of_function(target, name, law=law)
    target = _compiled_layers(target, _backend(compile)) if compile else target
    return bridge.of_layer_class(target, name, law=law)


def _read(read_out: ReadOut, name: str, device: str) -> Target:
    """A target of the noise inside a layer."""
    passes = read_out.passes(device)
    return Target(
        train=passes["train"],
        evaluate=passes["evaluate"],
        vjp=passes["vjp"],
        seed=torch.manual_seed,
        state=_state(device),
        law=Inverted(),
        name=name,
        conventions=read_out.over(_CONVENTIONS),
    )


def native_dropout(x: torch.Tensor, p: float, training: bool = True) -> Any:
    """`torch.native_dropout`, which shows no signature, and returns its mask."""
    return torch.native_dropout(x, p, training)


native_dropout.__module__ = "torch"


def _declared_by(
    target: Any, name: str, others: Declared | None
) -> tuple[AnyLaw | None, Conventions]:
    if others:
        return others.law, others.over(_CONVENTIONS)
    law = declared_law(target, "torch", LAWS, name)
    if law is None:
        return None, _UNDECLARED
    if target is native_dropout:
        # It makes a mask in evaluation, and checks the rate on a processor alone.
        held = replace(_CONVENTIONS, evaluation_graph="unspecified", invalid_rates="unspecified")
        return law, held
    ndim = NDIMS.get(target.__name__)
    return law, replace(_CONVENTIONS, ndims=(ndim, ndim)) if ndim else _CONVENTIONS


def _with_rows(conventions: Conventions, law: AnyLaw | None) -> Conventions:
    """Calls that have a first axis to be mapped over; a row must not mean something else."""
    low, high = conventions.ndims
    if low > 1 or (law and not law.sharing.is_trivial):
        raise UsageError(
            "wrap='vmap' maps over the samples of a batch, which this layer takes as a whole: "
            "map it in a function (x, rate) of your own"
        )
    return replace(conventions, ndims=(1, high))


def _checkpointed(call: Any) -> Any:
    from torch.utils.checkpoint import checkpoint

    return lambda x, key: checkpoint(lambda v: call(v, key), x, use_reentrant=False)


def _mapped(call: Any) -> Any:
    return lambda x, key: torch.func.vmap(lambda row: call(row, key), randomness="different")(x)


def _exported(call: Any) -> Any:
    class Module(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
        def forward(self, x: torch.Tensor) -> Any:
            return call(x, None)

    return _by_program("exported", lambda x: torch.export.export(Module(), (x,)).module())


def _replayed(call: Any) -> Any:
    from torch.fx.experimental.proxy_tensor import make_fx

    return _by_program("recorded", make_fx(lambda x: call(x, None)))


def _by_program(kind: str, program: Any) -> Any:
    """Passes through the program that is made of a first one, for each shape and type."""
    programs: dict[Any, Any] = {}

    def run(x: torch.Tensor, key: Any) -> Any:
        if key is not None:
            raise TypeError(f"what is {kind} draws by itself, and takes no key or generator")
        place = (tuple(x.shape), x.dtype)
        if place not in programs:
            programs[place] = program(x.detach())
        return programs[place](x)

    return run


def _autocast(call: Any) -> Any:
    def run(x: torch.Tensor, key: Any) -> Any:
        with torch.autocast(x.device.type, torch.bfloat16):
            return call(x, key)

    return run


_WRAPPERS = {
    "checkpoint": _checkpointed,
    "vmap": _mapped,
    "export": _exported,
    "replay": _replayed,
    "autocast": _autocast,
}


def _backend(compiled: bool | str) -> str:
    """The backend of `torch.compile`; its own default, if none is named."""
    if compiled is True:
        return "inductor"
    known = torch.compiler.list_backends(exclude_tags=())
    if compiled not in known:
        raise UsageError(
            f"compile must be true or a backend of torch.compile ({', '.join(known)}), got "
            f"{compiled!r}.{did_you_mean(str(compiled), known)}"
        )
    return str(compiled)


def _compiled(function: Any, backend: str) -> Any:
    return functools.wraps(function)(_without_limit(torch.compile(function, backend=backend)))


def _compiled_layers(layer: type[torch.nn.Module], backend: str) -> Any:
    @functools.wraps(layer, updated=())
    def build(*args: Any, **kwargs: Any) -> Any:
        compiled = torch.compile(layer(*args, **kwargs), backend=backend)
        compiled.forward = _without_limit(compiled.forward)
        return compiled

    return build


def _without_limit(compiled: Any) -> Any:
    """Compile again for each rate and type: beyond a limit what runs is not the compiled code."""
    from torch._dynamo import config

    limits = {"recompile_limit": 2**20, "accumulated_recompile_limit": 2**20}

    def call(*args: Any, **kwargs: Any) -> Any:
        with config.patch(**limits, fail_on_recompile_limit_hit=True):
            return compiled(*args, **kwargs)

    return call


def _applied(function: type[torch.autograd.Function]) -> Any:
    """The function that a `torch.autograd.Function` defines, with the parameters of `forward`."""

    def apply(*args: Any) -> Any:
        return function.apply(*args)

    parameters = list(inspect.signature(function.forward).parameters.values())
    if function.setup_context is torch.autograd.Function.setup_context:
        parameters = parameters[1:]  # the first is the context
    apply.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=parameter.POSITIONAL_ONLY) for parameter in parameters]
    )
    apply.__qualname__ = function.__qualname__
    return apply


def _bridge(device: str, conventions: Conventions, *, lanes: bool = True) -> Bridge:
    return Bridge(
        to_native=lambda x: to_tensor(x, device),
        to_numpy=to_array,
        to_key=_to_key(device),
        vjp=vjp,
        seed=torch.manual_seed,
        state=_state(device),
        lanes=_lanes if lanes else None,
        operations=operations if lanes else None,
        conventions=conventions,
        framework="torch",
    )


def operations(call: Any, x: torch.Tensor) -> list[str]:
    """Names of the operations that the output of a traced call needs."""
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(call)(x).graph
    graph.eliminate_dead_code()
    return [str(node.target) for node in graph.nodes if node.op == "call_function"]


def _lanes(call: Any, x: torch.Tensor, keys: Sequence[int]) -> Any:
    mapped = torch.func.vmap(lambda v: call(v, keys[0]), randomness="different")
    return mapped(x.expand(len(keys), *x.shape))


def _state(device: str) -> Any:
    def state() -> bytes:
        states = [torch.get_rng_state()]
        if torch.device(device).type == "cuda":
            states.append(torch.cuda.get_rng_state(device))
        return b"".join(one.numpy().tobytes() for one in states)

    return state


def to_tensor(x: Array, device: Any) -> torch.Tensor:
    """The array as a tensor of the same type."""
    x = _taken(x)
    if x.dtype.name == "bfloat16":
        return torch.from_numpy(x.view(np.int16)).view(torch.bfloat16).to(device)
    return torch.from_numpy(x).to(device)


def _taken(x: Array) -> Array:
    """The array, copied where no tensor can be a view of it; other strides stay as they are."""
    can_view = x.flags.writeable and all(stride >= 0 for stride in x.strides)
    return x if can_view else x.copy()


def to_array(y: Any) -> Any:
    """The tensor, or each of a tuple of them, as an array; anything else as it is."""
    if isinstance(y, tuple):
        return tuple(to_array(item) for item in y)
    if not isinstance(y, torch.Tensor):
        return y
    y = y.detach().cpu()
    if y.dtype == torch.bfloat16:
        return y.contiguous().view(torch.int16).numpy().view(dtypes.as_dtype("bfloat16"))
    return y.numpy()


def _to_key(device: str) -> Any:
    def to_key(parameter: str, key: int) -> Any:
        if parameter in ("generator", "rng"):
            return torch.Generator(device).manual_seed(key)
        return key

    return to_key


def vjp(call: Any, x: torch.Tensor, dy: torch.Tensor) -> tuple[Any, Any]:
    """One pass and its gradient, from the same noise."""
    x = x.clone().requires_grad_()
    answer = call(x * 1)  # a layer may write into its input, but not into a leaf
    y = answer[0] if isinstance(answer, tuple) else answer
    if not y.requires_grad:
        return y, torch.zeros_like(x)
    y.backward(dy)  # torch.autograd.grad is refused under reentrant checkpointing
    return y, torch.zeros_like(x) if x.grad is None else x.grad
