"""What finished takes sound like, in numbers and pictures; the extras `renderer[measure]` and `renderer[asr]`."""

from renderer.takes.measure.difference import stored_difference
from renderer.takes.measure.process import (
    Measurement,
    measure_files,
    measurement_names,
    measurements_without,
    missing_libraries,
    share_measurement,
    stored_measurement,
)
from renderer.takes.measure.sung_words import stored_word_errors
from renderer.takes.measure.values import SoundFile, SoundPair, SungFile, WordErrors

__all__ = [
    "Measurement",
    "SoundFile",
    "SoundPair",
    "SungFile",
    "WordErrors",
    "measure_files",
    "measurement_names",
    "measurements_without",
    "missing_libraries",
    "share_measurement",
    "stored_difference",
    "stored_measurement",
    "stored_word_errors",
]
