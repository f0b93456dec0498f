"""The floating-point types that a target may declare, bfloat16 included where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from functools import cache

import numpy as np

from dropout_stats.errors import UsageError, did_you_mean

KNOWN = ("float16", "bfloat16", "float32", "float64")
HALVES = ("float16", "bfloat16")


def has_bfloat16() -> bool:
    """Whether the package that brings bfloat16 to NumPy is installed."""
    return importlib.util.find_spec("ml_dtypes") is not None


def available() -> tuple[str, ...]:
    """The known types that this installation can make arrays of, float32 first."""
    others = [
        name for name in KNOWN if name != "float32" and (name != "bfloat16" or has_bfloat16())
    ]
    return ("float32", *others)


@cache
def as_dtype(name: str) -> np.dtype[np.generic]:
    """Return the NumPy type of this name; bfloat16 is `ml_dtypes.bfloat16`."""
    if name not in KNOWN:
        raise UsageError(
            f"unknown dtype {name!r}: expected one of {', '.join(KNOWN)}."
            f"{did_you_mean(name, KNOWN)}"
        )
    if name != "bfloat16":
        return np.dtype(name)
    if not has_bfloat16():
        raise UsageError(
            "dtype 'bfloat16' needs the package ml_dtypes: pip install 'dropout-stats[bfloat16]'"
        )
    bfloat16: np.dtype[np.generic] = np.dtype(importlib.import_module("ml_dtypes").bfloat16)
    return bfloat16


@dataclass(frozen=True)
class Precision:
    """What a type can hold.

    Args:
        eps: distance from 1 to the next number.
        tiny: smallest positive number.
        mantissa_bits: stored bits of the fraction.
        normal: smallest positive number that is not subnormal.
        largest: largest finite number.

    """

    eps: float
    tiny: float
    mantissa_bits: int
    normal: float
    largest: float


@cache
def precision(name: str) -> Precision:
    """Return what the type of this name can hold."""
    dtype = as_dtype(name)
    if name == "bfloat16":
        info = importlib.import_module("ml_dtypes").finfo(dtype)
    else:
        info = np.finfo(dtype)
    return Precision(
        eps=float(info.eps),
        tiny=float(info.smallest_subnormal),
        mantissa_bits=int(info.nmant),
        normal=float(info.smallest_normal),
        largest=float(info.max),
    )


def working(name: str) -> np.dtype[np.generic]:
    """The type in which arrays of this type are compared: exact, and fast in NumPy."""
    return np.dtype(np.float64 if name == "float64" else np.float32)
