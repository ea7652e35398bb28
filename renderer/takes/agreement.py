"""Whether what is heard is what was wanted: tempos, keys."""

from __future__ import annotations

BPM_TOLERANCE = 0.04  # of the tempo; what trackers and ears agree on
_FELT = (0.5, 1.0, 2.0)  # half and double time
_PITCHES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHIFTS = {"#": 1, "♯": 1, "b": -1, "♭": -1}


def same_tempo(wanted: float, measured: float) -> bool:
    """Whether two tempos are one, half and double time included: what is felt at 140 is often counted at 70."""
    return any(abs(measured * factor - wanted) <= BPM_TOLERANCE * wanted for factor in _FELT)


def tempo_difference(wanted: float, measured: float) -> float:
    """How far the nearest of what may be felt is from the wanted tempo, as a share of that."""
    return min(abs(measured * factor - wanted) for factor in _FELT) / wanted


def same_key(wanted: str, measured: str) -> bool:
    """Whether two keys are one: `Db major` is `C# major`; its relative minor is not.

    A text that names no key, as an LM without a grammar may write, asks for none: any key is as good.
    """
    keys = _pitch_and_mode(wanted), _pitch_and_mode(measured)
    return None in keys or keys[0] == keys[1]


def keys_apart(one: str, other: str) -> int | None:
    """Fifths between two keys on the circle, 0 to 6, a key and its relative being one; None where one is no key."""
    keys = [_pitch_and_mode(key) for key in (one, other)]
    # A fifth is seven semitones; a minor key's relative major lies three above it.
    places = [(key[0] + (3 if key[1] == "minor" else 0)) * 7 % 12 for key in keys if key is not None]
    if len(places) < len(keys):
        return None
    apart = abs(places[0] - places[1])
    return min(apart, 12 - apart)


def _pitch_and_mode(keyscale: str) -> tuple[int, str] | None:
    note, _, mode = keyscale.strip().partition(" ")
    if not note or note[0].upper() not in _PITCHES or not set(note[1:]) <= _SHIFTS.keys():
        return None
    return (_PITCHES[note[0].upper()] + sum(_SHIFTS[sign] for sign in note[1:])) % 12, mode.lower()
