"""What is known to fail, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, Literal, get_args

from dropout_stats.dtypes import as_dtype
from dropout_stats.errors import UsageError, did_you_mean
from dropout_stats.results import Case
from dropout_stats.values import listed, number, require, text, whole, wrong

Kind = Literal["bug", "convention"]


@dataclass(frozen=True)
class Expected:
    """A failure that is known, so that it does not fail the report.

    It is met where at least one of the cases that it matches fails. The failing ones become
    `expected-failure`; the others stay what they are. Where none fails, those that pass become
    `unexpected-pass`, which fails the report: the expectation is out of date.

    Args:
        check: id of a check, a pattern such as `"rate.*"`, or the name of one case such as
            `"rate.marginal[0.1-float32]"`.
        reason: why it fails, in words for whoever reads the report.
        kind: `bug`: it is to be repaired; `convention`: it is meant to be so.
        when: fields that a case must have to match: `dtype`, `rate`, `shape`, `variant`.
        strict: whether all cases that it matches must fail, rather than at least one.

    Raises:
        UsageError: an argument has a value that makes no sense.

    """

    check: str
    _: KW_ONLY
    reason: str
    kind: Kind = "bug"
    when: Mapping[str, Any] = field(default_factory=dict, hash=False)
    strict: bool = False

    def __post_init__(self) -> None:
        for name in ("check", "reason"):
            value = text(f"Expected({name}=...)", getattr(self, name))
            require(bool(value.strip()), f"Expected({name}=...)", value, "a text that is not empty")
        if self.kind not in get_args(Kind):
            raise wrong("Expected(kind=...)", self.kind, "'bug' or 'convention'")
        require(isinstance(self.strict, bool), "Expected(strict=...)", self.strict, "True or False")
        object.__setattr__(self, "when", _when(self.when))

    def __str__(self) -> str:
        return " where ".join([repr(self.check), *([self.condition] if self.when else [])])

    @property
    def condition(self) -> str:
        """The fields that a case must have, in words."""
        return " and ".join(f"{name} is {value!r}" for name, value in self.when.items())

    @property
    def words(self) -> str:
        """Kind and reason, e.g. `bug: the threshold has 8 bits`."""
        return f"{self.kind}: {self.reason}"

    @property
    def names_a_case(self) -> bool:
        """Whether it names one case rather than a check or a pattern."""
        return "[" in self.check

    def matches(self, case: Case) -> bool:
        """Whether it expects this case to fail."""
        return case.matches(self.check) and all(
            getattr(case, name) == value for name, value in self.when.items()
        )


def expected_from(tables: object) -> tuple[Expected, ...]:
    """Build expectations from plain values, as a configuration file holds them.

    Raises:
        UsageError: they are no list of tables, a key is unknown or missing, or its value makes no
            sense.

    """
    example = 'a list of tables such as [{ check = "rate.*", reason = "..." }]'
    return listed("expected", tables, _one_from, example)


def require_planned(expected: Expected, cases: Sequence[Case]) -> None:
    """Raise UsageError, with what comes nearest, unless the plan has a case that is matched."""
    if any(expected.matches(case) for case in cases):
        return
    named = [case for case in cases if case.matches(expected.check)]
    if not named:
        known = [case.id if expected.names_a_case else case.check for case in cases]
        raise UsageError(
            f"expected: the plan has no case {expected.check!r}."
            f"{did_you_mean(expected.check, dict.fromkeys(known))} "
            "Its rate and type must be among those of the run"
        )
    there = "; ".join(
        f"{name}: {', '.join(dict.fromkeys(repr(getattr(case, name)) for case in named))}"
        for name in expected.when
    )
    raise UsageError(f"expected: the plan has no case {expected}. Its cases have {there}")


def _one_from(name: str, values: object) -> Expected:
    require(isinstance(values, Mapping), name, values, "a table with the keys check and reason")
    given: dict[str, Any] = dict(values)  # type: ignore[call-overload]  # a Mapping
    known = [one.name for one in fields(Expected)]
    for key in given:
        if key not in known:
            raise UsageError(f"unknown key {key!r} in {given!r}.{did_you_mean(str(key), known)}")
    for key in ("check", "reason"):
        if key not in given:
            raise UsageError(f"the key {key!r} is missing in {given!r}")
    return Expected(given.pop("check"), **given)


def _when(values: object) -> dict[str, Any]:
    name = "Expected(when=...)"
    require(isinstance(values, Mapping), name, values, "a mapping such as {'dtype': 'bfloat16'}")
    given: dict[Any, Any] = dict(values)  # type: ignore[call-overload]  # a Mapping
    for key in given:
        if key not in _VALID:
            raise UsageError(
                f"{name}: a case has no field {key!r}.{did_you_mean(str(key), _VALID)} "
                f"It has {', '.join(_VALID)}"
            )
    return {key: _VALID[key](f"{name}: {key}", value) for key, value in given.items()}


def _dtype(name: str, value: object) -> str:
    return as_dtype(text(name, value)).name


def _rate(name: str, value: object) -> float:
    rate = number(name, value)
    require(0 <= rate <= 1, name, value, "in [0, 1]")
    return rate


def _shape(name: str, value: object) -> tuple[int, ...]:
    return listed(name, value, whole, "a shape such as (16, 64)")


_VALID: dict[str, Callable[[str, Any], Any]] = {
    "dtype": _dtype,
    "rate": _rate,
    "shape": _shape,
    "variant": text,
}
