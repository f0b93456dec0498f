"""The unit that a table of gaps is about: from files, or random weights that a seed states."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dropout_stats.errors import UsageError
from dropout_stats.gap.rounding import Floats

INPUTS = 64
SEED = 0
# Whatever bytes a file holds, NumPy answers with one of these.
_UNREADABLE = (OSError, ValueError, EOFError, MemoryError, OverflowError, zipfile.BadZipFile)


@dataclass(frozen=True, eq=False)
class Given:
    """One unit, and in words where it comes from."""

    weights: Floats
    values: Floats
    bias: float
    words: str


def given(
    weights_file: str | None,
    values_file: str | None,
    *,
    inputs: int | None = None,
    seed: int | None = None,
    bias: float = 0.0,
) -> Given:
    """Return the unit of these files; what they leave open is random, and stated by the seed.

    Args:
        weights_file: a .npy file; None draws weights with the variance 2 / inputs of He.
        values_file: a .npy file of the values of the inputs. None takes ones beside weights that
            are given, and otherwise draws what a relu returns of normal values.
        inputs: how many, where there is no file; None for 64.
        seed: of what is drawn; None for 0.
        bias: of the unit.

    Raises:
        UsageError: a file is not what it should be, or an argument has nothing to act on.

    """
    _require_use(weights_file, values_file, inputs, seed)
    seed = SEED if seed is None else seed
    rng = np.random.default_rng(seed)
    values = None if values_file is None else read(values_file)
    if weights_file is not None:
        weights = read(weights_file)
        values = np.ones(len(weights)) if values is None else values
        words = f"weights {_named(weights_file)}, inputs {_named(values_file, '1')}"
    else:
        number = (INPUTS if inputs is None else inputs) if values is None else len(values)
        weights = math.sqrt(2 / number) * rng.standard_normal(number)
        # half the square of a normal value is lost in a relu: the pre-activation has variance 1
        values = np.maximum(rng.standard_normal(number), 0.0) if values is None else values
        drawn = f"normal weights of variance 2/{number}"
        words = f"{drawn}, inputs {_named(values_file, 'relu(normal)')}, seed {seed}"
    return Given(weights, values, bias, f"{len(weights)} inputs: {words}, bias {bias:g}")


def read(file: str) -> Floats:
    """The finite numbers of a .npy file of one dimension, or a UsageError that names the file."""
    try:
        # opened here: NumPy leaves a broken archive open
        with Path(file).open("rb") as opened:
            array = np.load(opened, allow_pickle=False)
    except _UNREADABLE as error:
        raise UsageError(f"{file} cannot be read as a .npy file: {_first_line(error)}") from error
    if not isinstance(array, np.ndarray):
        raise UsageError(f"{file} holds several arrays; it must be a .npy file of one")
    if array.dtype.kind not in "biuf":
        raise UsageError(f"{file} must hold real numbers, but its dtype is {array.dtype}")
    if array.ndim != 1 or not array.size:
        raise UsageError(f"{file} must hold one number for each input, got shape {array.shape}")
    with np.errstate(over="ignore"):  # a long double may be larger than any double
        vector = array.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(vector))
    if wrong.size:
        place = int(wrong[0])
        raise UsageError(f"{file} must hold finite numbers, but [{place}] is {vector[place]}")
    return vector


def _require_use(
    weights_file: str | None, values_file: str | None, inputs: int | None, seed: int | None
) -> None:
    if inputs is not None and (weights_file is not None or values_file is not None):
        raise UsageError("--inputs is for a random unit; the number of inputs is that of the file")
    if seed is not None and weights_file is not None:
        raise UsageError("--seed is for random weights; with --weights nothing is random")


def _named(file: str | None, otherwise: str = "") -> str:
    return otherwise if file is None else f"of {Path(file).name}"


def _first_line(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).partition("\n")[0]
