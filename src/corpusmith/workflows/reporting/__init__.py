"""The report of a run: one self-contained HTML file that opens offline."""

from corpusmith.workflows.reporting.render import write_report

__all__ = ["write_report"]
