"""The gap of one unit over activations, rates and strategies; and as JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product

from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.gap.activations import BY_NAME
from dropout_stats.gap.given import Given
from dropout_stats.gap.neuron import neuron
from dropout_stats.gap.result import Gap
from dropout_stats.gap.unit import STRATEGIES, layer_of
from dropout_stats.values import wrong

FORMAT = "dropout-stats gap 1"


@dataclass(frozen=True)
class Question:
    """One activation, at one rate, with one strategy."""

    activation: str
    rate: float
    strategy: str


@dataclass(frozen=True)
class Row:
    """A question and its answer, or why there is none: what f returns may be no double."""

    question: Question
    gap: Gap | None
    error: str | None = None


def questions(
    unit: Given, activations: Sequence[str], rates: Sequence[float], strategies: Sequence[str]
) -> list[Question]:
    """Everything to ask, in the order of the arguments; what cannot be asked is refused here.

    Nothing has been computed by then: a mistyped name at the end costs no time.

    Raises:
        UsageError: an argument makes no sense, or does not go with the unit.

    """
    if "all" in activations:
        activations = tuple(BY_NAME)
    _require_known("activations", activations, BY_NAME)
    _require_known("strategies", strategies, STRATEGIES)
    if not rates:
        raise wrong("rates", rates, "at least one rate")
    for rate, strategy in product(rates, strategies):
        layer_of(unit.weights, unit.values, unit.bias, rate, strategy)
    every = product(activations, rates, strategies)
    return list(dict.fromkeys(Question(*one) for one in every))


def answers(unit: Given, asked: Sequence[Question], tolerance: float) -> Iterator[Row]:
    """Answer one question after the other; one that has no answer does not cost the others."""
    for one in asked:
        try:
            yield Row(one, _answer(unit, one, tolerance))
        except UsageError as error:
            yield Row(one, None, str(error))


def _answer(unit: Given, one: Question, tolerance: float) -> Gap:
    return neuron(
        one.activation,
        unit.weights,
        unit.values,
        bias=unit.bias,
        rate=one.rate,
        strategy=one.strategy,
        tolerance=tolerance,
    )


def to_json(unit: Given, rows: Sequence[Row], tolerance: float) -> str:
    """Return the unit and the rows as JSON, each number to its last bit."""
    described = {
        "words": unit.words,
        "weights": unit.weights.tolist(),
        "inputs": unit.values.tolist(),
        "bias": unit.bias,
    }
    values = {
        "format": FORMAT,
        "unit": described,
        "tolerance": tolerance,
        "rows": [
            asdict(row.question) | (asdict(row.gap) if row.gap else {"error": row.error})
            for row in rows
        ],
    }
    return json.dumps(values, indent=1, allow_nan=False) + "\n"


def _require_known(name: str, given: Sequence[str], known: Collection[str]) -> None:
    if not given:
        raise UsageError(f"{name} must be some of {', '.join(known)}")
    for one in given:
        if one not in known:
            raise UsageError(
                f"{name} must be of {', '.join(known)}; got {one!r}.{did_you_mean(one, known)}"
            )
