"""What finished takes sound like, in numbers and pictures; the extra `renderer[measure]`."""

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
from renderer.takes.measure.values import SoundFile, SoundPair

__all__ = [
    "Measurement",
    "SoundFile",
    "SoundPair",
    "measure_files",
    "measurement_names",
    "measurements_without",
    "missing_libraries",
    "share_measurement",
    "stored_difference",
    "stored_measurement",
]
