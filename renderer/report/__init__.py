"""Report -> one page that opens from disk: values (what it shows), view, page, and their template."""

from renderer.report.page import Served, render_page, write_report
from renderer.report.values import (
    Failure,
    FormerTake,
    MadeFrom,
    Outcome,
    Report,
    ReportJob,
    ReportLoad,
    ReportLyrics,
    ReportRun,
    ReportSong,
    ReportTake,
    SectionMark,
    SkippedLine,
    SpecFault,
)
from renderer.takes.peaks import encode_peaks

__all__ = [
    "Failure",
    "FormerTake",
    "MadeFrom",
    "Outcome",
    "Report",
    "ReportJob",
    "ReportLoad",
    "ReportLyrics",
    "ReportRun",
    "ReportSong",
    "ReportTake",
    "SectionMark",
    "Served",
    "SkippedLine",
    "SpecFault",
    "encode_peaks",
    "render_page",
    "write_report",
]
