"""Dropouts of packages that stand on PyTorch, and what each of them declares."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dropout_stats.conventions import Conventions, InvalidRates, RateDomain
from dropout_stats.laws import AnyLaw, DropBlock, Inverted

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

    """

    law: AnyLaw
    given: Mapping[str, Any] = field(default_factory=dict)
    ndims: tuple[int, int] = (0, 5)
    rate_domain: RateDomain = "[0, 1]"
    invalid_rates: InvalidRates = "unspecified"

    def over(self, conventions: Conventions) -> Conventions:
        """Those of PyTorch's own dropouts, with what is declared otherwise here."""
        return replace(
            conventions,
            ndims=self.ndims,
            rate_domain=self.rate_domain,
            invalid_rates=self.invalid_rates,
        )


def _blocks(law: DropBlock, ndim: int = 4, invalid_rates: InvalidRates = "unspecified") -> Declared:
    # The density that the paper gives for rate 1 leaves places that no block covers.
    return Declared(law, {"block_size": _BLOCK}, (ndim, ndim), "unspecified", invalid_rates)


_ROWS = Declared(_SAMPLE, {"mode": "row"}, invalid_rates="raise")
_OF_CHANNELS = DropBlock(unit="element", block_size=_BLOCK)
_OVER_CHANNELS = DropBlock(unit=(1,), block_size=_BLOCK, seeds="anywhere")
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
}


def declared(target: Any) -> Declared | None:
    """What a dropout of one of these packages declares; None for everything else."""
    package = str(getattr(target, "__module__", "")).partition(".")[0]
    return DECLARED.get(package, {}).get(getattr(target, "__name__", ""))


def filled(target: Any) -> Any:
    """The class or function, with what it takes beside the rate."""
    known = declared(target)
    return functools.partial(target, **known.given) if known and known.given else target
