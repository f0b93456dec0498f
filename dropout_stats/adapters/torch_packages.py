"""Dropouts of packages that stand on PyTorch, and what each of them declares."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from dropout_stats.conventions import Conventions, EvaluationGraph, InvalidRates, RateDomain
from dropout_stats.errors import HarnessError
from dropout_stats.laws import AnyLaw, DropBlock, Inverted, Law
from dropout_stats.laws.sharing import Unit

_SAMPLE = Inverted(unit="sample")
_BLOCK = 3  # of those that can be asked for, the smallest that is more than an element


@dataclass(frozen=True)
class Declared:
    """One dropout of a package.

    Args:
        law: its law.
        given: what it is built or called with, beside the rate.
        ndims: the dimensions that it takes.
        rate_domain: whether it drops all at rate 1.
        invalid_rates: whether it refuses what is no rate.
        evaluation_graph: whether its evaluation pass holds no operation.
        read_out: makes a function of units of one of something else.

    """

    law: AnyLaw
    given: Mapping[str, Any] = field(default_factory=dict)
    ndims: tuple[int, int] = (0, 5)
    rate_domain: RateDomain = "[0, 1]"
    invalid_rates: InvalidRates = "unspecified"
    evaluation_graph: EvaluationGraph = "empty"
    read_out: Callable[[Any], Any] | None = None

    def over(self, conventions: Conventions) -> Conventions:
        """Those of PyTorch's own dropouts, with what is declared otherwise here."""
        return replace(
            conventions,
            ndims=self.ndims,
            rate_domain=self.rate_domain,
            invalid_rates=self.invalid_rates,
            evaluation_graph=self.evaluation_graph,
        )


def _of_loops(drop: Any) -> Any:
    """A function that drops edges or nodes, as one of units: each is a node with an edge to itself.

    What is kept is what the graph that is returned still has.
    """
    import torch

    @functools.wraps(drop)
    def looped(x: Any, p: float, training: bool = True) -> Any:
        loops = torch.arange(len(x), device=x.device).repeat(2, 1)
        left = drop(loops, p, training=training)[0][0]
        return torch.zeros_like(x).index_copy(0, left, x[left])

    looped.__signature__ = inspect.signature(looped, follow_wrapped=False)  # type: ignore[attr-defined]
    return looped


def _kept_or_not(rate: float) -> dict[float, float]:
    return {0.0: rate, 1.0: 1 - rate}


def _masked(unit: Unit, ndim: int, read_out: Callable[[Any], Any] | None = None) -> Declared:
    """What is kept stays as it is, in training and evaluation."""
    law = Law("masked", atoms=_kept_or_not, unit=unit)
    return Declared(law, {}, (ndim, ndim), evaluation_graph="unspecified", read_out=read_out)


def _blocks(law: DropBlock, ndim: int = 4, invalid_rates: InvalidRates = "unspecified") -> Declared:
    # The density that the paper gives for rate 1 leaves places that no block covers.
    return Declared(law, {"block_size": _BLOCK}, (ndim, ndim), "unspecified", invalid_rates)


_ROWS = Declared(_SAMPLE, {"mode": "row"}, invalid_rates="raise")
_OF_CHANNELS = DropBlock(unit="element", block_size=_BLOCK)
_OVER_CHANNELS = DropBlock(unit=(1,), block_size=_BLOCK, seeds="anywhere")
# By package and name, which may be a pattern.
DECLARED: dict[str, dict[str, Declared]] = {
    "timm": {
        "DropPath": Declared(_SAMPLE),
        "drop_path": Declared(_SAMPLE),
        "DropBlock2d": _blocks(_OVER_CHANNELS),
        "drop_block_2d": _blocks(_OVER_CHANNELS),
    },
    "torchvision": {
        "StochasticDepth": _ROWS,
        "stochastic_depth": _ROWS,
        "DropBlock2d": _blocks(_OF_CHANNELS, invalid_rates="raise"),
        "DropBlock3d": _blocks(_OF_CHANNELS, 5, "raise"),
        "drop_block2d": _blocks(_OF_CHANNELS, invalid_rates="raise"),
        "drop_block3d": _blocks(_OF_CHANNELS, 5, "raise"),
    },
    "transformers": {
        "*DropPath": Declared(_SAMPLE, rate_domain="unspecified"),
        "StableDropout": Declared(Inverted(), rate_domain="unspecified"),
        "EsmFoldDropout": Declared(
            Inverted(unit=(1,)),
            {"batch_dim": 1},
            (2, 5),
            invalid_rates="raise",
            evaluation_graph="unspecified",  # it multiplies by ones
        ),
    },
    "torch_geometric": {
        "dropout_edge": _masked("element", 1, _of_loops),
        "dropout_node": _masked("element", 1, _of_loops),
        "mask_feature": _masked((0,), 2),
    },
}


def declared(target: Any, name: str) -> Declared | None:
    """What a dropout of one of these packages declares; None for what is of another.

    Raises:
        HarnessError: it is of one of them, and what it declares is not known.

    """
    package = str(getattr(target, "__module__", "")).partition(".")[0]
    if package not in DECLARED:
        return None
    known = DECLARED[package]
    for pattern, one in known.items():
        if fnmatchcase(getattr(target, "__name__", ""), pattern):
            return one
    raise HarnessError(
        f"{name} is not one of {package}'s dropouts whose law is known to this version "
        f"({', '.join(known)}). If one of the laws holds for it all the same, wrap it in a "
        "function (x, rate) of your own and say which (--law)"
    )


def filled(target: Any, known: Declared | None) -> Any:
    """The class or function of units, with what it takes beside the rate."""
    if known and known.read_out:
        target = known.read_out(target)
    return functools.partial(target, **known.given) if known and known.given else target
