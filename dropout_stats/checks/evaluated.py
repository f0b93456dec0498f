"""The factor of the evaluation pass, as far as a stream knows it."""

from __future__ import annotations

from dropout_stats.checks.stream import Stream


def lawful_evaluation_factor(stream: Stream) -> float:
    """The factor of the evaluation pass under the law."""
    return stream.setting.law.evaluation_factor(stream.setting.rate)


def evaluation_factor(stream: Stream) -> float:
    """The evaluation pass that was seen; the law's, where none was or it follows the law."""
    lawful, seen = lawful_evaluation_factor(stream), stream.evaluation_factor
    if seen is None or abs(seen - lawful) <= 4 * stream.setting.tolerance * abs(lawful):
        return lawful
    return seen
