"""What finished takes sound like, in numbers and pictures; the extra `renderer[measure]`."""

from renderer.takes.measure.process import (
    Measurement,
    SoundFile,
    measure_files,
    measurement_names,
    measurements_without,
    missing_libraries,
    share_measurement,
    stored_measurement,
)

__all__ = [
    "Measurement",
    "SoundFile",
    "measure_files",
    "measurement_names",
    "measurements_without",
    "missing_libraries",
    "share_measurement",
    "stored_measurement",
]
