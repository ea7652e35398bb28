"""ACE-Step's table as tests read it: what a stage more doesn't make wrong."""

from __future__ import annotations

from renderer.models.ace_step.protocol.names import AUDIO_TOKENS, REFERENCE, SOURCE
from renderer.models.ace_step.stages import FAMILY

OF_OTHER_SOUND = frozenset({SOURCE, REFERENCE, AUDIO_TOKENS})
"""Those that run for edits and reference voices alone."""
# What is only wanted runs where its model has more than the small sets of tests have.
STAGES = tuple(name for name, spec in FAMILY.stages.items() if not spec.wanted and name not in OF_OTHER_SOUND)
"""Those of a song that is made anew, of nothing but its spec."""
STORED = tuple(name for name in STAGES if not FAMILY.stages[name].gives_sound)


def from_stage(stage: str) -> tuple[str, ...]:
    """A stage and all that builds on it, in the table's order."""
    found = {stage}
    for name, spec in FAMILY.stages.items():
        if not found.isdisjoint(spec.needs.values()):
            found.add(name)
    return tuple(name for name in STAGES if name in found)


def arrows(stage: str) -> str:
    """The same as a plan tells it."""
    return " → ".join(from_stage(stage))
