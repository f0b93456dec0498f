"""What a run at the default budget is planned to resolve, in words."""

from __future__ import annotations

from functools import lru_cache

from dropout_stats import api
from dropout_stats.checks import Check, StreamCheck
from dropout_stats.laws import GaussianMultiplicative, Inverted
from dropout_stats.references import reference
from dropout_stats.zoo.several_values import TernaryCore

_EXACT = "Exact: every departure is seen in the calls that are made."


def resolves(check: Check) -> str:
    """Say which departures a check catches in a default run on a reference target."""
    if not isinstance(check, StreamCheck) or not check.unit:
        return _EXACT
    if check.follows:
        return f"What `{check.follows}` resolves ({_span(check.follows)}), as {check.unit}."
    return f"{_span(check.id)}: {check.unit}."


def _span(check: str) -> str:
    """The finest and the coarsest planned resolution, and where."""
    planned = _planned()[check]
    (low, where_low), (high, where_high) = (
        choose(planned, key=lambda pair: pair[0]) for choose in (min, max)
    )
    if low == high:
        return f"{_rounded(low)} at {where_low}"
    return f"{_rounded(low)} at {where_low} to {_rounded(high)} at {where_high}"


def _rounded(number: float) -> str:
    """Two digits, and no exponent for a number that is easily read without."""
    return f"{float(f'{number:.2g}'):g}"


@lru_cache(maxsize=1)
def _planned() -> dict[str, list[tuple[float, str]]]:
    """Planned resolutions and where, by the id of the check: under the first law that it has."""
    found: dict[str, list[tuple[float, str]]] = {}
    for law in (Inverted(), GaussianMultiplicative(), TernaryCore.law):
        of_law: dict[str, list[tuple[float, str]]] = {}
        for planned in api.plan(reference(law)).cases:
            if planned.resolution:
                pair = (planned.resolution, planned.case.where)
                of_law.setdefault(planned.case.check, []).append(pair)
        found = of_law | found
    return found
