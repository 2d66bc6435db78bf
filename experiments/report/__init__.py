"""`report.html`: a run's results on one self-contained page."""

from experiments.report.page import write_report

__all__ = ["write_report"]
