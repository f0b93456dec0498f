"""The options of a run: what was asked for, made valid before anything else happens."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypedDict

from dropout_stats import checks
from dropout_stats.conventions import Conventions
from dropout_stats.dtypes import as_dtype
from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.expected import Expected
from dropout_stats.laws import AnyLaw, by_name, is_law
from dropout_stats.results import Case
from dropout_stats.values import (
    call_shapes,
    drop_rates,
    listed,
    number,
    require,
    text,
    whole,
    wrong,
)

DEFAULT_RATES = (0.001, 0.1, 0.3, 0.9, 0.999)
DEFAULT_RESOLUTION = 2.0**-10  # in standard deviations; at most 2^-11 of probability


class Options(TypedDict, total=False):
    """The keyword arguments of `check`, `assert_conforms`, `plan` and `parametrize_checks`.

    None stands for the default.

    Attributes:
        conventions: the interface that the target is held to; by default the one it declares.
        rates: drop rates; default .001, .1, .3, .9 and .999.
        dtypes: types it is fed; by default those it declares. The first is read most finely.
        shapes: shapes it is fed; the largest is that of the streams.
        checks: only the checks that match one of these ids or patterns, such as `"rate.*"`, or
            single cases, such as `"rate.marginal[0.1-float32]"`.
        skip: not what matches one of these.
        expected: failures that are known; they do not fail the report, but it fails where none of
            the cases that one of them matches does.
        false_alarm: total probability that a conforming target fails; default 1e-6.
        power: probability of catching a departure as large as a stated resolution; default 0.99.
        resolution: departure of the keep probability to resolve, in standard deviations of one
            unit; default 2**-10. The other resolutions follow from it.
        max_seconds: time for sampling; what is undecided then is inconclusive. Default 60.
        seed: seed of the run; fresh by default.

    """

    conventions: Conventions | None
    rates: Sequence[float] | None
    dtypes: Sequence[str] | None
    shapes: Sequence[Sequence[int]] | None
    checks: Sequence[str] | None
    skip: Sequence[str] | None
    expected: Sequence[Expected] | None
    false_alarm: float | None
    power: float | None
    resolution: float | None
    max_seconds: float | None
    seed: int | None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Valid options; `Options` says what each is, None is what the target decides."""

    law: AnyLaw | None = None
    conventions: Conventions = field(default_factory=Conventions)
    rates: tuple[float, ...] = DEFAULT_RATES
    dtypes: tuple[str, ...] | None = None
    shapes: tuple[tuple[int, ...], ...] | None = None
    checks: tuple[str, ...] | None = None
    skip: tuple[str, ...] = ()
    expected: tuple[Expected, ...] = ()
    false_alarm: float = 1e-6
    power: float = 0.99
    resolution: float = DEFAULT_RESOLUTION
    max_seconds: float = 60.0
    seed: int = field(default_factory=lambda: secrets.randbits(48))


def read_options(law: object, options: Mapping[str, Any]) -> Asked:
    """Return the valid options, the defaults for those that are missing or None.

    Raises:
        UsageError: an option is unknown or has a value that makes no sense.

    """
    for name in options:
        if name not in Options.__annotations__:
            raise UsageError(
                f"unknown option {name!r}.{did_you_mean(name, Options.__annotations__)}"
            )
    given = {"law": law, **options}
    return Asked(**{name: valid(name, value) for name, value in given.items() if value is not None})


def valid(name: str, value: Any) -> Any:
    """Return what `Asked` holds for one option; UsageError where the value makes no sense."""
    return _VALID[name](value)


def matches(case: Case, patterns: Iterable[str]) -> bool:
    """Whether a case is named, or its check matches a pattern (`*` and `?` as in file names)."""
    return any(case.matches(pattern) for pattern in patterns)


def _law(value: object) -> AnyLaw:
    if isinstance(value, str):
        return by_name(value)
    if not is_law(value):
        raise wrong("law", value, "a law such as laws.Inverted(), or its name such as 'inverted'")
    return value


def _conventions(value: object) -> Conventions:
    if not isinstance(value, Conventions):
        raise wrong("conventions", value, "a Conventions(...) such as Conventions(ndims=(2, 2))")
    return value


def _rates(values: object) -> tuple[float, ...]:
    return drop_rates("rates", values)


def _dtypes(values: object) -> tuple[str, ...]:
    dtypes = _some("dtypes", listed("dtypes", values, text, "a list of types such as ['float32']"))
    for name in dtypes:
        as_dtype(name)
    return dtypes


def _shapes(values: object) -> tuple[tuple[int, ...], ...]:
    return _some("shapes", call_shapes("shapes", values))


def _some(name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values without repetitions; there must be at least one."""
    if not values:
        raise UsageError(f"{name}=() leaves nothing to try: name at least one")
    return tuple(dict.fromkeys(values))


def _patterns(name: str, values: object) -> tuple[str, ...]:
    """Refuse patterns that match no check, with the nearest ids; the plan knows the cases."""
    patterns = listed(name, values, text, "a list of ids or patterns such as ['rate.*']")
    for pattern in patterns:
        check = pattern.partition("[")[0]
        if not any(fnmatchcase(known, check) for known in checks.by_id):
            raise UsageError(
                f"{name}: no check matches {pattern!r}.{did_you_mean(check, checks.by_id)} "
                "`dropout-stats list` shows all ids"
            )
    return patterns


def _expected(values: object) -> tuple[Expected, ...]:
    example = "a list of expectations such as [Expected('rate.*', reason='...')]"
    expected = listed("expected", values, _expectation, example)
    _patterns("expected", [one.check for one in expected])
    return expected


def _expectation(name: str, value: object) -> Expected:
    if not isinstance(value, Expected):
        raise wrong(name, value, "an Expected such as Expected('rate.*', reason='...')")
    return value


def _within(name: str, condition: Callable[[float], bool], expected: str) -> Callable[[Any], float]:
    """Make the validator of a number that meets a condition."""

    def validate(value: object) -> float:
        found = number(name, value)
        require(condition(found), name, value, expected)
        return found

    return validate


def _seed(value: object) -> int:
    seed = whole("seed", value)
    require(0 <= seed < 2**63, "seed", value, "an integer in [0, 2^63)")
    return seed


_VALID: dict[str, Callable[[Any], Any]] = {
    "law": _law,
    "conventions": _conventions,
    "rates": _rates,
    "dtypes": _dtypes,
    "shapes": _shapes,
    "checks": lambda values: _patterns("checks", values),
    "skip": lambda values: _patterns("skip", values),
    "expected": _expected,
    "false_alarm": _within("false_alarm", lambda p: 1e-100 <= p < 1, "in [1e-100, 1)"),
    "power": _within("power", lambda p: 0.5 <= p < 1, "in [0.5, 1)"),
    "resolution": _within("resolution", lambda r: 0 < r <= 0.5, "in (0, 0.5] standard deviations"),
    "max_seconds": _within("max_seconds", lambda s: s > 0, "positive"),
    "seed": _seed,
}
