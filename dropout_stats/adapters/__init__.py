"""From whatever names a dropout to a `Target`: one file a framework, imported on use."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from dropout_stats.adapters import plugins
from dropout_stats.adapters.arrays import choose
from dropout_stats.adapters.locate import broken, locate, spec_of
from dropout_stats.callables import underlying
from dropout_stats.errors import HarnessError, UsageError, did_you_mean
from dropout_stats.target import Target

# The root package of a framework, and the adapter that knows it. A class belongs to the first
# framework among its bases, a function to that of its module; everything else to its arrays.
FRAMEWORKS = (
    "torch",
    "equinox",
    "flax",
    "haiku",
    "jax",
    "keras",
    "mlx",
    "numpy_ml",
    "onnx",
    "onnxruntime",
    "paddle",
    "penzai",
    "tensorflow",
    "thinc",
    "tinygrad",
)
# How the package is called where it is installed from, if it has another name there.
_PACKAGES = {
    "haiku": "dm-haiku",
    "mlx": "mlx[cpu]",
    "paddle": "paddlepaddle",
    "tensorflow": "tensorflow-cpu",
}
# Packages whose functions name no framework; what their classes derive from is told by the bases.
_STANDS_ON = {"timm": "torch", "torch_geometric": "torch", "torchvision": "torch"}
# Models that can be looked into: their framework, what they have, and the module that does it.
_MODELS = (
    ("torch", "named_modules", "torch_model"),
    ("equinox", "__call__", "equinox_model"),
    ("flax", "eval", "flax_model"),
    ("flax", "apply", "linen_model"),
    ("keras", "weights", "keras_model"),
)


def adapt(target: object, *, framework: str | None = None, **options: Any) -> Target:
    """Return the target that an object or an import string names.

    Args:
        target: a `Target`, an import string, a function, or a layer class.
        framework: the adapter to use (`"numpy"`, `"torch"`, ...); by default that of the object,
            or of the arrays that it takes.
        **options: options of that adapter, e.g. `device="cuda"` for torch.

    Raises:
        HarnessError: it cannot be found, imported or adapted; the message says what to do.
        UsageError: an option that the adapter does not have.

    """
    name = target if isinstance(target, str) else _name(target)
    found = _locate(target) if isinstance(target, str) else target
    if isinstance(found, Target):
        if options or framework:
            raise UsageError(f"a Target takes no options, got {', '.join(options) or 'framework'}")
        return replace(found, spec=shlex.quote(target)) if isinstance(target, str) else found
    if not callable(found):
        raise HarnessError(
            f"{name if isinstance(target, str) else repr(target)} is no target (it is of the type "
            f"{type(found).__name__}): a target is a dropout_stats.Target, a function "
            "(x, rate[, training]) or a layer class"
        )
    known = framework or _framework_of(found)

    def adapted(framework: str) -> Target:
        return _with_options(_adapter(framework).adapt, found, name, options)

    if known:
        return replace(adapted(known), spec=_spec(target, framework, options))
    chosen = choose(found, name, adapted)
    notes = ((chosen.note,) if chosen.note else ()) + chosen.target.notes
    spec = _spec(target, chosen.framework if chosen.note else None, options)
    return replace(chosen.target, notes=notes, spec=spec)


def inside(model: object, *inputs: Any, **options: Any) -> Any:
    """Make a target of each dropout inside a model.

    Args:
        model: a `torch.nn.Module`, an `equinox.Module`, an `nnx.Module` or a `linen.Module` of
            Flax, or a `keras.Layer`, such as a model of Keras.
        *inputs: what the model is called with.
        **options: more of it, by name; see `inside` of `torch_model`, `equinox_model`,
            `flax_model`, `linen_model` and `keras_model` in `dropout_stats.adapters`.

    Returns:
        `targets`: for each dropout that the model calls, by name; `idle`: names of those whose rate
        is 0 or 1; `unused`: names of those that it does not call; `shifted`: names of batch
        normalisations that come after one that drops, and `shifts`: by how much, where that is
        known; `mapped`: names of dropouts whose input a transformation hides; `enclosed`: layers of
        PyTorch that drop inside themselves, and how they are judged; `evaluation_differs`: how two
        evaluation passes of the model differ, where something that is no target draws.

    Raises:
        HarnessError: it is no such model, cannot be called so, or holds no dropout.

    """
    framework = None if isinstance(model, type) else _framework_of(model)
    known = (name for root, has, name in _MODELS if root == framework and hasattr(model, has))
    adapter = next(known, None)
    if adapter is None:
        raise HarnessError(
            f"{_name(model)} is no model whose layers can be looked into: hand over a "
            "torch.nn.Module, an equinox.Module, a flax.nnx.Module, a flax.linen.Module or a "
            "keras.Model, and what it is called with"
        )
    found = importlib.import_module(f"dropout_stats.adapters.{adapter}")
    return found.inside(model, *inputs, **options)


def _spec(target: object, framework: str | None, options: dict[str, Any]) -> str | None:
    """The words of the command line that name it; None where there are none."""
    place = target if isinstance(target, str) else spec_of(target)
    if place is None:
        return None
    given = {**({"framework": framework} if framework else {}), **options}
    pairs = (("--option", f"{key}={value}") for key, value in given.items())
    return shlex.join([place, *(word for pair in pairs for word in pair)])


def _locate(spec: str) -> object:
    place = spec.rpartition(":")[0]
    root = place.partition(".")[0]
    if root in _frameworks() and not place.endswith(".py"):
        prepare = getattr(_adapter(root), "prepare", None)
        if prepare:
            prepare()
    return locate(spec)


def _frameworks() -> set[str]:
    return {*FRAMEWORKS, *plugins.names()}


def _adapter(framework: str) -> Any:
    brought = plugins.load(framework)
    if brought:
        return brought
    known = ("numpy", *FRAMEWORKS, *sorted(plugins.names()))
    if framework not in known:
        raise UsageError(
            f"unknown framework {framework!r}: expected one of {', '.join(known)}."
            f"{did_you_mean(framework, known)}"
        )
    try:
        return importlib.import_module(f"dropout_stats.adapters.{framework}")
    except Exception as error:
        missing = _missing(error)
        if missing is None:  # it is there and broken
            raise broken(framework, error) from error
        packages = [
            _PACKAGES.get(root, root.replace("_", "-"))
            for root in dict.fromkeys((framework, missing))  # it may stand on another framework
        ]
        raise HarnessError(
            f"the adapter for {framework} needs a package that is not installed: "
            f"pip install {shlex.join(packages)}"
        ) from error


def _missing(error: Exception) -> str | None:
    """The package that an import did not find; None where it raised for another reason."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    root = error.name.partition(".")[0]
    return root if importlib.util.find_spec(root) is None else None


def _framework_of(target: object) -> str | None:
    if isinstance(target, partial) and isinstance(underlying(target), type):
        target = underlying(target)
    family = target.__mro__ if isinstance(target, type) else type(target).__mro__
    modules = [getattr(target, "__module__", None), *(base.__module__ for base in family)]
    roots = [str(module).partition(".")[0] for module in modules]
    known = _frameworks()
    return next((root for root in (_STANDS_ON.get(r, r) for r in roots) if root in known), None)


def _name(target: object) -> str:
    if isinstance(target, Target):
        return target.name
    return getattr(target, "__qualname__", type(target).__name__)


def _with_options(
    function: Callable[..., Target], found: object, name: str, options: dict[str, Any]
) -> Target:
    known = [
        p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY
    ]
    for option in options:
        if option not in known:
            raise UsageError(
                f"the adapter of {name} has no option {option!r}; it has "
                f"{', '.join(known) or 'none'}.{did_you_mean(option, known)}"
            )
    return function(found, name, **options)
