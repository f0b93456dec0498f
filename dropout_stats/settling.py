"""What becomes of results where failures are expected: the rule, for one case and for a run.

An expected case that fails is an `expected-failure`. One that passes stays a pass, unless it was
named by itself or the expectation is strict. An expectation of which no case fails is out of date;
its cases that pass, or else those that are not applicable, are then each an `unexpected-pass`.
Inconclusive cases and errors stay what they are: with one among its cases, nobody knows whether
an expectation is out of date.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dropout_stats.expected import Expected
from dropout_stats.results import Case, Result


def settle(
    results: Sequence[Result], expected: Sequence[Expected], absent: Sequence[Case] = ()
) -> tuple[Result, ...]:
    """Return the results as the expectations make them.

    Args:
        results: what was found, whatever was expected.
        expected: the expectations.
        absent: cases of the full plan that were not run. An expectation that matches one of them
            is not called out of date: that case might have failed.

    """
    settled = [settle_one(result, expected) for result in results]
    for one in expected:
        if _is_out_of_date(one, results, absent):
            settled = _disappointed(one, settled)
    return tuple(settled)


def settle_one(result: Result, expected: Iterable[Expected]) -> Result:
    """Return one result as the expectations make it, as far as it alone can tell."""
    matching = [one for one in expected if one.matches(result.case)]
    if result.verdict == "fail" and matching:
        first = matching[0]
        message = f"{result.message}\nexpected to fail ({first.words})"
        return replace(result, verdict="expected-failure", message=message, expected=first.words)
    for one in matching:
        if one.names_a_case and result.verdict in ("pass", "not-applicable"):
            return _unexpected(result, one, f"it {_does(result)}")
        if one.strict and result.verdict == "pass":
            return _unexpected(result, one, "not all of its cases do")
    return result


def left_open(
    results: Sequence[Result], expected: Sequence[Expected], absent: Sequence[Case]
) -> tuple[str, ...]:
    """Say which expectations were not judged, since not all of their cases were run."""
    said = []
    for one in expected:
        missing = sum(one.matches(case) for case in absent)
        found = [result for result in results if one.matches(result.case)]
        if missing and not any(result.verdict == "expected-failure" for result in found):
            said.append(
                f"{one} is expected to fail, but {missing} of the {missing + len(found)} cases "
                "that it matches were not run: whether the expectation still holds is not judged"
            )
    return tuple(said)


def _is_out_of_date(one: Expected, results: Sequence[Result], absent: Sequence[Case]) -> bool:
    verdicts = {result.verdict for result in results if one.matches(result.case)}
    decided = bool(verdicts) and verdicts <= {"pass", "not-applicable"}
    return decided and not any(one.matches(case) for case in absent)


def _disappointed(one: Expected, results: Sequence[Result]) -> list[Result]:
    """The cases of an expectation of which none fails, each as an unexpected pass."""
    own = {result.verdict for result in results if one.matches(result.case)}
    if "unexpected-pass" in own and "pass" not in own:
        return list(results)
    verdict = "pass" if "pass" in own else "not-applicable"
    return [
        _unexpected(result, one, f"none of its cases does; those that were tried {_do(verdict)}")
        if result.verdict == verdict and one.matches(result.case)
        else result
        for result in results
    ]


def _unexpected(result: Result, one: Expected, instead: str) -> Result:
    narrow = "" if one.names_a_case else " or narrow"
    message = (
        f"{one} is expected to fail ({one.words}), but {instead}: remove{narrow} the expectation"
    )
    return replace(result, verdict="unexpected-pass", message=message, expected=one.words)


def _does(result: Result) -> str:
    return "passes" if result.verdict == "pass" else f"is not applicable ({result.message})"


def _do(verdict: str) -> str:
    return "pass" if verdict == "pass" else "are not applicable"
