"""The two strategies in training: which hyper-parameters give one trajectory.

Both compute one function where W_inverted = keep_prob * W_test_scaled. Training keeps it so if the
step of an optimiser in W is keep_prob times as long, and its gradient is 1 / keep_prob times as
large. All factors here are powers of keep_prob that follow from these two lines;
docs/explanation/gap-in-training.md has the proof.
"""

from __future__ import annotations

from dataclasses import dataclass

from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.values import number, require, text

_ANY = ("coupled", "decoupled", "independent")


@dataclass(frozen=True)
class Equivalence:
    """What turns the training of a test-scaled dropout into that of an inverted one.

    Multiply what the layer after the test-scaled dropout has by these. Only its weights, which
    multiply the units that are dropped, are meant: its bias and all other parameters keep theirs.

    Args:
        optimizer: which the factors are for.
        rate: the drop rate.
        weights: W itself, at the start. It then holds at every step.
        lr: the learning rate, at every step of its schedule.
        eps: what is added to a root, or below it; 1 where the optimiser has none.
        weight_decay: its coefficient.
        accumulator: what a mean or sum of squared gradients starts with, if not 0.
        max_norm: the largest norm of W, or of its rows, that is projected to.
        clip: the threshold where the gradient of W is clipped alone, by its norm or each element.
        gradient_in_norm: multiply the gradient of the *inverted* W by this where the norm of all
            gradients is computed. The threshold of the norm is unchanged, and so is what the
            gradients are multiplied by.

    """

    optimizer: str
    rate: float
    weights: float
    lr: float
    eps: float
    weight_decay: float
    accumulator: float
    max_norm: float
    clip: float
    gradient_in_norm: float


@dataclass(frozen=True)
class _Optimiser:
    """What matters of an optimiser.

    Args:
        degree: its step, before the learning rate, is homogeneous of this degree in all gradients:
            1 where they are added up, 0 where they are divided by their size.
        decays: the ways in which it decays weights, the usual one first.
        eps: where its eps may be, the usual place first.
        trust: the step is as long as W itself, by a ratio of norms.

    """

    degree: int
    decays: tuple[str, ...] = _ANY
    eps: tuple[str, ...] = ()
    trust: bool = False


_ROOT = ("outside", "inside")
_OPTIMISERS = {
    "sgd": _Optimiser(1),
    "momentum": _Optimiser(1),  # Polyak (1964)
    "nesterov": _Optimiser(1),  # Sutskever et al. (2013)
    "adagrad": _Optimiser(0, eps=_ROOT),  # Duchi, Hazan and Singer (2011)
    "rmsprop": _Optimiser(0, eps=_ROOT),  # Tieleman and Hinton (2012)
    "adam": _Optimiser(0, eps=_ROOT),  # Kingma and Ba (2015)
    "adamw": _Optimiser(0, decays=_ANY[1:], eps=_ROOT),  # Loshchilov and Hutter (2019)
    "signsgd": _Optimiser(0),  # Bernstein et al. (2018)
    "lion": _Optimiser(0, decays=_ANY[1:]),  # Chen et al. (2023)
    "lars": _Optimiser(1, decays=("coupled",), eps=("outside",), trust=True),  # You et al. (2017)
    "lamb": _Optimiser(0, decays=("decoupled",), eps=_ROOT, trust=True),  # You et al. (2020)
}


def equivalent(
    optimizer: str, *, rate: float, decay: str | None = None, eps: str | None = None
) -> Equivalence:
    """The hyper-parameters with which inverted dropout trains as test-scaled dropout does.

    With the same masks, both then compute the same outputs in every training and evaluation pass,
    up to rounding; bit for bit where 1 - rate is a power of two and nothing over- or underflows.

    Args:
        optimizer: `"sgd"`, `"momentum"`, `"nesterov"`, `"adagrad"`, `"rmsprop"` (with or without
            momentum, centred or not), `"adam"` (AMSGrad too), `"adamw"`, `"signsgd"`, `"lion"`,
            `"lars"` or `"lamb"`.
        rate: the drop rate, in [0, 1), the same at all steps.
        decay: `"coupled"`: weight_decay * W is added to the gradient, as of an L2 penalty;
            `"decoupled"`: lr * weight_decay * W is subtracted from W (LAMB: with its ratio of
            norms as a further factor); `"independent"`: weight_decay * W is, whatever lr is. None:
            decoupled for adamw, lion and lamb, else coupled.
        eps: `"outside"`: sqrt(v) + eps; `"inside"`: sqrt(v + eps). For LARS, what is added to its
            denominator. None: outside.

    Returns:
        The factors, from test-scaled to inverted.

    Raises:
        UsageError: the optimiser is unknown or has no such decay or eps, or the rate is not in
            [0, 1).

    """
    kind = _optimiser(optimizer)
    dropped = number("rate", rate)
    require(0 <= dropped < 1, "rate", rate, "in [0, 1)")
    decay = _one_of("decay", decay, kind.decays, optimizer)
    eps = _one_of("eps", eps, kind.eps, optimizer)
    keep_prob = 1 - dropped
    step = 1 + kind.degree  # the gradient brings keep_prob^-degree, and keep_prob is to come out
    decays = {
        "coupled": -2,  # keep_prob * weight_decay is to shrink as the gradient does
        "decoupled": -step,  # lr * weight_decay is to stay
        "independent": 0,
    }
    roots = {"": 0, "outside": -1, "inside": -2}  # as the gradient, and as its square
    return Equivalence(
        optimizer=optimizer,
        rate=dropped,
        weights=keep_prob,
        lr=keep_prob ** (0 if kind.trust else step),  # a ratio of norms brings what is needed
        eps=keep_prob ** roots[eps],
        weight_decay=keep_prob ** decays[decay],
        accumulator=keep_prob**-2,
        max_norm=keep_prob,
        clip=1 / keep_prob,
        gradient_in_norm=keep_prob,
    )


def _optimiser(name: str) -> _Optimiser:
    if text("optimizer", name) not in _OPTIMISERS:
        known = ", ".join(_OPTIMISERS)
        raise UsageError(
            f"optimizer must be one of {known}; got {name!r}.{did_you_mean(name, _OPTIMISERS)}"
        )
    return _OPTIMISERS[name]


def _one_of(argument: str, value: str | None, known: tuple[str, ...], optimizer: str) -> str:
    """What was asked for, or the usual; "" where there is nothing to choose from."""
    if value is None:
        return known[0] if known else ""
    choices = " or ".join(map(repr, known)) or "left out"
    require(value in known, f"{argument} of {optimizer}", value, choices)
    return value
