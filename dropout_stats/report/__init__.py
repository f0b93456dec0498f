"""What a run says, and the forms in which it says it: terminal, JSON, JUnit, HTML."""

from dropout_stats.report.model import Report

__all__ = ["Report"]
