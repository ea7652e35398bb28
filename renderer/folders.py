"""What the folders of a song project are called."""

from __future__ import annotations

SPECS_FOLDER = "specs"
OUTPUTS_FOLDER = "outputs"
STORE_FOLDER = ".store"
"""In the outputs folder, which it marks as one that was rendered to."""
REPORT_FOLDER = "report"
"""In the outputs folder."""
