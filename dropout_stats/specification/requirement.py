"""A requirement: one check, with its number and all that there is to say about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from dropout_stats import checks, zoo
from dropout_stats.checks import Check
from dropout_stats.specification.failure import Failure, failure
from dropout_stats.specification.families import Family, by_name
from dropout_stats.specification.protocol import tested
from dropout_stats.specification.resolution import resolves
from dropout_stats.zoo.specimen import Specimen


@dataclass(frozen=True)
class Requirement:
    """What a conforming dropout has to do, in one respect.

    Nothing is written here: all of it is the check's, the zoo's or the plan's.

    Args:
        number: what it is cited by, such as `R6.1`: its family and its place there.
        family: its family.
        check: the check that asks it.
        broken_by: the wrong specimens of the zoo that this check must fail.

    """

    number: str
    family: Family
    check: Check
    broken_by: tuple[Specimen, ...]

    @property
    def id(self) -> str:
        """The id of the check."""
        return self.check.id

    @property
    def question(self) -> str:
        """What the check asks."""
        return self.check.question

    @property
    def demands(self) -> str:
        """The requirement itself."""
        return self.check.demands

    @property
    def why(self) -> str:
        """What goes wrong where it is not met."""
        return self.check.why

    @property
    def reports(self) -> tuple[str, ...]:
        """Threads that report a target which did not meet it, each as `owner/repo#number`."""
        return tuple(thread for specimen in self.broken_by for thread in specimen.threads)

    @property
    def tested(self) -> str:
        """How it is tested."""
        return tested(self.check)

    @property
    def resolves(self) -> str:
        """The departures that a run at the default budget is planned to catch."""
        return resolves(self.check)

    @cached_property
    def failure(self) -> Failure:
        """What a report says where it is not met."""
        return failure(self.id)


def requirements(of: Sequence[Check] = checks.ALL) -> tuple[Requirement, ...]:
    """Number the checks, in their order."""
    places: dict[str, int] = {}
    found = []
    for check in of:
        family = by_name[check.id.partition(".")[0]]
        places[family.name] = place = places.get(family.name, 0) + 1
        broken_by = tuple(specimen for specimen in zoo.WRONG if specimen.killed_by == check.id)
        found.append(Requirement(f"R{family.number}.{place}", family, check, broken_by))
    return tuple(found)
