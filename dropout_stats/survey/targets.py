"""The released dropouts that a survey goes through; a framework is imported when its turn comes."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import packages_distributions, version
from typing import Any

from dropout_stats.errors import UsageError, did_you_mean

# By module; docs/frameworks.md says what each of them declares.
_RELEASED: dict[str, tuple[str, ...]] = {
    "torch.nn": (
        "Dropout",
        "Dropout1d",
        "Dropout2d",
        "Dropout3d",
        "AlphaDropout",
        "FeatureAlphaDropout",
        "MultiheadAttention",
        "RNN",
        "GRU",
        "LSTM",
    ),
    "torch.nn.functional": (
        "dropout",
        "dropout1d",
        "dropout2d",
        "dropout3d",
        "alpha_dropout",
        "feature_alpha_dropout",
        "scaled_dot_product_attention",
    ),
    "torch": ("native_dropout",),
    "torchvision.ops": (
        "StochasticDepth",
        "DropBlock2d",
        "DropBlock3d",
        "stochastic_depth",
        "drop_block2d",
        "drop_block3d",
    ),
    "timm.layers": ("DropPath", "DropBlock2d", "drop_path", "drop_block_2d"),
    "transformers.models.swin.modeling_swin": ("SwinDropPath",),
    "transformers.models.sew_d.modeling_sew_d": ("StableDropout",),
    "transformers.models.esm.modeling_esmfold": ("EsmFoldDropout",),
    "torch_geometric.utils": ("dropout_edge", "dropout_node", "mask_feature"),
    "equinox.nn": ("Dropout",),
    "flax.nnx": ("Dropout",),
    "flax.linen": ("Dropout", "dot_product_attention_weights"),
    "haiku": ("dropout",),
    "penzai.nn.dropout": ("StochasticDropout",),
    "tensorflow.nn": ("dropout",),
    "tensorflow.nn.experimental": ("stateless_dropout", "general_dropout"),
    "keras.layers": (
        "Dropout",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "GaussianDropout",
        "AlphaDropout",
    ),
    "keras.random": ("dropout",),
    "paddle.nn": ("Dropout", "Dropout2D", "Dropout3D", "AlphaDropout"),
    "paddle.nn.functional": ("dropout", "dropout2d", "dropout3d", "alpha_dropout"),
    "mlx.nn": ("Dropout", "Dropout2d", "Dropout3d"),
    "thinc.api": ("Dropout",),
    "tinygrad": ("Tensor.dropout",),
    "onnxruntime": ("InferenceSession",),
    "onnx.reference": ("ReferenceEvaluator",),
    "numpy_ml.neural_nets.wrappers": ("Dropout",),
}
_ON_JAX: tuple[dict[str, Any], ...] = ({}, {"wrap": "jit"}, {"wrap": "vmap"})
_OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "torch.nn:Dropout": (
        {},
        {"compile": "aot_eager"},  # what needs no compiler of C++
        {"wrap": "checkpoint"},
        {"wrap": "vmap"},
        {"wrap": "export"},
        {"wrap": "replay"},
    ),
    "equinox.nn:Dropout": _ON_JAX,
    "flax.nnx:Dropout": _ON_JAX,
    "tensorflow.nn:dropout": ({}, {"jit_compile": True}),
    "tensorflow.nn.experimental:stateless_dropout": ({}, {"jit_compile": True}),
    "paddle.nn:Dropout": ({}, {"mode": "downscale_in_infer"}),
}
# What else must be installed.
_NEEDS = {
    "equinox": ("jax",),
    "flax": ("jax",),
    "haiku": ("jax",),
    "penzai": ("jax",),
    "onnxruntime": ("onnx",),
    "timm": ("torch",),
    "torch_geometric": ("torch",),
    "torchvision": ("torch",),
    "transformers": ("torch",),
}
_BACKENDS = {"keras": ("jax", "tensorflow", "torch")}


@dataclass(frozen=True)
class Surveyed:
    """One target of a survey.

    Args:
        spec: its import string.
        options: those of its adapter.
        is_released: whether it is of the table above; what is not there is not looked for before
            it is imported.

    """

    spec: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    is_released: bool = False

    @property
    def name(self) -> str:
        """The import string, with the options."""
        return " ".join([self.spec, *(f"{key}={value}" for key, value in self.options.items())])

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that it is made of, by the names that are imported."""
        root = self.spec.partition(":")[0].partition(".")[0]
        return (root, *_NEEDS.get(root, ())) if self.is_released else ()

    def missing(self) -> tuple[str, ...]:
        """What is not installed of what it needs; of several backends one is enough."""
        absent = [name for name in self.packages if not _is_installed(name)]
        backends = _BACKENDS.get(self.packages[0], ()) if self.packages else ()
        if backends and not any(map(_is_installed, backends)):
            absent.append(" or ".join(backends))
        return tuple(absent)

    def versions(self) -> dict[str, str]:
        """The versions of its packages, by the names under which they were installed.

        Of several backends of Keras the one that the environment names, if it does.
        """
        found, chosen = _distributions(), os.environ.get("KERAS_BACKEND")
        several = _BACKENDS.get(self.packages[0], ()) if self.packages else ()
        backends = [name for name in several if name == chosen] or several
        names = [name for root in (*self.packages, *backends) for name in found.get(root, ())]
        return {name: version(name) for name in dict.fromkeys(names)}


@cache
def _distributions() -> Mapping[str, list[str]]:
    """By what is imported, the names under which it was installed: a look into every package."""
    return packages_distributions()


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _released() -> Iterator[Surveyed]:
    for module, names in _RELEASED.items():
        for spec in (f"{module}:{name}" for name in names):
            for options in _OPTIONS.get(spec, ({},)):
                yield Surveyed(spec, options, is_released=True)


RELEASED = tuple(_released())


def choose(asked: Iterable[str]) -> tuple[Surveyed, ...]:
    """Return the targets that are named; all of the table, if none is.

    Args:
        asked: import strings, those of the table also as patterns (`torch.*`).

    Raises:
        UsageError: a pattern that nothing of the table matches.

    """
    chosen = [one for name in asked for one in _named(name)]
    return tuple({one.name: one for one in chosen}.values()) or RELEASED


def _named(name: str) -> list[Surveyed]:
    found = [one for one in RELEASED if fnmatchcase(one.spec, name)]
    if found:
        return found
    if "*" in name or ":" not in name:
        raise UsageError(
            f"{name!r} matches no released dropout of this survey, and is no import string "
            f"package.module:attribute.{did_you_mean(name, [one.spec for one in RELEASED])}"
        )
    return [Surveyed(name)]
