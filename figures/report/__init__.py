"""`report.html`: everything that a run found, in one file that works from disk without a network."""

from figures.report.page import FILE, report_html, write_report

__all__ = ["FILE", "report_html", "write_report"]
