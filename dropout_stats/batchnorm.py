"""What dropout before a batch normalisation does to its running variance.

In training a normalisation sees features with noise, and in evaluation without. It divides by the
variance of the former in both. Li et al., Understanding the Disharmony between Dropout and Batch
Normalization by Variance Shift (2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dropout_stats.errors import UsageError
from dropout_stats.laws import AnyLaw, is_dependent, is_indirect
from dropout_stats.laws.reading import Array
from dropout_stats.values import number, require

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """What the noise of one dropout does to the batch normalisation behind it.

    Args:
        dropout: the name of the dropout.
        layer: the name of the one linear layer between them; None: there is none.
        ratio: variance of each feature in evaluation over that in training, in closed form, of the
            inputs that reached the dropout; shape (features,), NaN for a feature that is constant.
        learnt: the same, seen: its variance in an evaluation pass over the running variance; None
            where the normalisation has learnt nothing yet.

    """

    dropout: str
    layer: str | None
    ratio: _Floats
    learnt: _Floats | None

    def of(self, norm: str) -> str:
        """The warning, where the normalisation has this name."""
        between = "with nothing" if self.layer is None else f"with the linear layer {self.layer}"
        seen = (
            "" if self.learnt is None else f"; over its running variance it is {_said(self.learnt)}"
        )
        return (
            f"batch normalisation {norm} comes after {self.dropout}, {between} between: it divides "
            "by the variance of features with noise, of which that in evaluation is "
            f"{_said(self.ratio)} (closed form, for this input){seen}"
        )


def _said(ratios: _Floats) -> str:
    known = ratios[np.isfinite(ratios)]
    if not len(known):
        return "unknown, since all features are constant"
    low, middle, high = np.quantile(known, (0, 0.5, 1))
    features = f"{low:.3g} to {high:.3g} times over {len(known)} features"
    return f"{middle:.3g} times in the median, {features}"


def variance_shift(
    law: AnyLaw, rate: float, inputs: Array, weights: Array | None = None
) -> NDArray[np.float64]:
    """Variance of features in evaluation over that in training, over a batch and all noise.

    With a = E[M], v = Var[M] and the evaluation factor s of the law, a feature z = sum_i w_i x_i of
    inputs x_i that are dropped one by one has

        s^2 Var[z] / (a^2 Var[z] + v sum_i w_i^2 E[x_i^2]),

    where Var and E are over the batch. It is the same for inverted and for test-scaled dropout.
    Below 1 the activations of an evaluation pass are too small by its root.

    Args:
        law: the law of the dropout, whose units are single elements.
        rate: the drop rate, below 1.
        inputs: what is dropped; shape (batch, inputs).
        weights: of the layer between dropout and normalisation, of shape (inputs, features); None:
            there is none.

    Returns:
        The ratio for each feature; NaN for one that is constant.

    Raises:
        UsageError: the noise of the law is no factor, or is shared; or a shape does not fit.

    """
    require(0 <= number("rate", rate) < 1, "rate", rate, "in [0, 1)")
    if is_indirect(law) or is_dependent(law) or not law.sharing.is_trivial:
        raise UsageError(f"{law} is no factor of single elements: there is no closed form for it")
    x = np.asarray(inputs, np.float64)
    w = np.eye(x.shape[-1]) if weights is None else np.asarray(weights, np.float64)
    if x.ndim != 2 or w.ndim != 2 or w.shape[0] != x.shape[1]:
        raise UsageError(
            f"inputs must have the shape (batch, inputs) and weights (inputs, features), got "
            f"{x.shape} and {w.shape}"
        )
    return ratio_of(law, rate, (x @ w).var(axis=0), np.mean(x**2, axis=0) @ w**2)


def ratio_of(law: AnyLaw, rate: float, clean: _Floats, power: _Floats) -> _Floats:
    """The same of features whose variance without noise is `clean`.

    Args:
        law: the law.
        rate: the drop rate, below 1.
        clean: Var[z] over the batch where nothing is dropped; shape (features,).
        power: sum_i w_i^2 E[x_i^2], likewise.

    """
    with np.errstate(invalid="ignore"):
        shown = law.evaluation_factor(rate) ** 2 * clean
        noisy = law.mean(rate) ** 2 * clean + law.variance(rate) * power
        return np.asarray(shown / noisy, np.float64)
