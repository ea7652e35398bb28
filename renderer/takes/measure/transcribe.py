"""Sound -> the words that a recogniser hears in it, with their times; in the measuring process only.

The recogniser is a Whisper as CTranslate2 has it, in a folder of the user's. Nothing is fetched: see `recogniser`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from math import gcd
from typing import TYPE_CHECKING, Any

from renderer.errors import ModelError
from renderer.takes.measure.word_errors import TranscribedWord

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    Sound = npt.NDArray[np.float32]

RATE = 16_000  # Hz; Whisper's
BEAMS = 5  # openai/whisper's own
SURE = 0.7  # of a language: from then on no later window of 30 s is asked
MOST_WINDOWS = 8  # that are asked for the language: four minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What is sung in a sound, as a recogniser hears it."""

    words: tuple[TranscribedWord, ...]
    language: str
    """That it was transcribed in: `en`."""
    recognised: str
    """That it sounds like."""
    probability: float
    """Of that."""


def transcribe(sound: Sound, rate: int, folder: Path, language: str | None, begin: float) -> Transcript:
    """Of float32 [frames, channels], sung in `language` from `begin` seconds on; None is the one that it sounds like.

    Raises: ModelError for a recogniser that can't be loaded, or doesn't know the language.
    """
    model, mono = _loaded(folder), _mono(sound, rate)
    recognised, probability = _recognised(model, mono[int(begin * RATE) :] if begin * RATE < len(mono) else mono)
    spoken = _known(model, language) or recognised
    segments, _ = model.transcribe(
        mono,
        language=spoken,
        beam_size=BEAMS,
        # One way through: other temperatures are drawn, and the same sound would have other words the next time.
        temperature=0.0,
        # A loop in one window would go on into the next.
        condition_on_previous_text=False,
        word_timestamps=True,
    )
    words = (word for segment in segments for word in segment.words or ())
    return Transcript(
        words=tuple(TranscribedWord(text=one.word, start=float(one.start), end=float(one.end)) for one in words),
        language=spoken,
        recognised=recognised,
        probability=probability,
    )


@cache
def _loaded(folder: Path) -> Any:
    """The recogniser, in 8 bits on the CPU: a GPU may be at a render."""
    faster_whisper = _imported()
    try:
        model = faster_whisper.WhisperModel(str(folder), device="cpu", compute_type="int8", local_files_only=True)
    except Exception as error:  # tokenizers raises nothing narrower
        raise ModelError(
            f"the recogniser in `{folder.name}` can't be loaded", why=str(error), help="convert it, or bring it, anew"
        ) from error
    bands = len(model.feature_extractor.mel_filters)
    if bands != model.model.n_mels:
        raise ModelError(
            f"the recogniser in `{folder.name}` hears {model.model.n_mels} bands of sound, not {bands}",
            why="its folder has no `preprocessor_config.json` that says so",
            help="copy that file of the model it was converted from beside `model.bin`",
        )
    return model


def _imported() -> Any:
    # ctranslate2 imports torch for its converters, where there is one: seconds, and a second OpenMP, for nothing.
    absent = [name for name in ("torch", "transformers") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None: such an import fails at once
    try:
        import faster_whisper  # noqa: PLC0415 - seconds, in the measuring process only
    finally:
        for name in absent:
            del sys.modules[name]
    return faster_whisper


def _recognised(model: Any, mono: Sound) -> tuple[str, float]:
    """The language that a sound is like, and how likely it is; English of a recogniser that knows no other."""
    if not model.model.is_multilingual:
        return "en", 1.0
    language, probability, _ = model.detect_language(
        audio=mono, language_detection_segments=MOST_WINDOWS, language_detection_threshold=SURE
    )
    return language, float(probability)


def _known(model: Any, language: str | None) -> str | None:
    """The language as long as the recogniser knows it; older ones lack Cantonese.

    Raises: ModelError where it knows English alone, which is another.
    """
    if not model.model.is_multilingual and language not in (None, "en"):
        raise ModelError(
            "the recogniser knows English alone",
            why=f"the lyrics are in `{language}`",
            help="name one whose name doesn't end in `.en`",
        )
    known = language is not None and model.hf_tokenizer.token_to_id(f"<|{language}|>") is not None
    return language if known and language in model.supported_languages else None


def _mono(sound: Sound, rate: int) -> Sound:
    from scipy.signal import resample_poly  # noqa: PLC0415 - as above

    mono: Sound = sound.mean(axis=1)
    shared = gcd(rate, RATE)
    return resample_poly(mono, RATE // shared, rate // shared).astype(mono.dtype) if rate != RATE else mono
