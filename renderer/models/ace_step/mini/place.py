"""Where the embedded model lies: in the package itself. No torch here."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
"""`mini`: the diffusers layout with `lm/` beside it, float16 on disk."""
