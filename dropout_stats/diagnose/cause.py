"""What a cause is: failed checks, and what to say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dropout_stats.diagnose.failures import Failures
from dropout_stats.results import Diagnosis, Symptom


@dataclass(frozen=True)
class Cause:
    """One cause.

    Args:
        checks: ids or patterns of the checks whose failure it is.
        diagnosis: what to say of it.
        explains: ids or patterns of checks that need no cause of their own beside it.
        looks: symptoms of which the failure must have one; () for any failure.
        follows: ids or patterns of checks that it makes fail, where they have no other cause.

    """

    checks: tuple[str, ...]
    diagnosis: Diagnosis
    explains: tuple[str, ...] = ()
    looks: tuple[Symptom, ...] = ()
    follows: tuple[str, ...] = ()

    def is_there(self, failures: Failures, gone: set[str]) -> bool:
        """Whether one of its checks failed, and nothing before explained that."""
        return any(
            matches(check, self.checks) and failures.look(check, self.looks)
            for check in failures.checks - gone
        )


def cause_of(
    checks: Sequence[str],
    name: str,
    explanation: str,
    fix: str,
    *,
    explains: Sequence[str] = (),
    looks: Sequence[Symptom] = (),
    follows: Sequence[str] = (),
) -> Cause:
    """The cause that these checks are the failure of."""
    diagnosis = Diagnosis(name, explanation, fix)
    return Cause(tuple(checks), diagnosis, tuple(explains), tuple(looks), tuple(follows))


def matches(check: str, patterns: Sequence[str]) -> bool:
    """Whether a check is one of these ids, or matches one of these patterns."""
    return any(fnmatchcase(check, pattern) for pattern in patterns)
