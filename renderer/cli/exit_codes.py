"""What a command ends with, for the scripts that ask."""

from __future__ import annotations

EXIT_FINE = 0
"""All is well: everything that was asked for is done, or was done already."""
EXIT_FAULTS = 1
"""It ran, and not all is well: a take failed, a file is not what it was, this machine can't render."""
EXIT_USAGE = 2
"""It didn't run, or not on all it was given: a spec's error, a wrong option, a folder that can't be used."""
EXIT_DEADLINE = 3
"""A render was stopped by `--until` before its last take, and all that it did went well."""
EXIT_INTERRUPTED = 130
"""Ctrl-C or a signal ended it; what was done until then is on disk."""
