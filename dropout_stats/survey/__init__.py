"""A compliance table: released dropouts, each judged in every type that it declares."""

from dropout_stats.survey.model import Cell, Row, Survey
from dropout_stats.survey.run import survey

__all__ = ["Cell", "Row", "Survey", "survey"]
