"""Report -> one page that opens from disk: values (what it shows), view, page, and their template."""

from renderer.output.report.page import Served, render_page, write_report
from renderer.output.report.peaks import encode_peaks
from renderer.output.report.values import (
    Failure,
    FormerTake,
    Measured,
    Outcome,
    Report,
    ReportJob,
    ReportLoad,
    ReportRun,
    ReportSong,
    ReportTake,
)

__all__ = [
    "Failure",
    "FormerTake",
    "Measured",
    "Outcome",
    "Report",
    "ReportJob",
    "ReportLoad",
    "ReportRun",
    "ReportSong",
    "ReportTake",
    "Served",
    "encode_peaks",
    "render_page",
    "write_report",
]
