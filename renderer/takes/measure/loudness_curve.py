"""An audio file -> how loud it is from second to second, on the scale of EBU R128; numpy and soundfile alone.

K-weighting by the filters' power response on each window's spectrum: of a window of three seconds that is the filters'
own result to a tenth of a decibel, and needs no filter that runs sample by sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

WINDOW_SECONDS = 3  # short-term loudness. Source: EBU Tech 3341, 2.2
STEP_SECONDS = 1
QUIETEST_LUFS = -70.0  # where R128 stops counting
_OFFSET = -0.691
_FILTER_RATE = 48_000
# Pre-filter and RLB filter at 48 kHz, as (b, a). Source: ITU-R BS.1770-5, annex 1, tables 1 and 2.
_FILTERS = (
    ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585)),
    ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)),
)


def loudness_curve(path: Path) -> tuple[float | None, ...]:
    """LUFS of the three seconds around each second, from the first on; None where it is silent.

    Raises: soundfile's errors for what can't be read.
    """
    import numpy as np  # noqa: PLC0415 - only where sounds are compared
    import soundfile  # noqa: PLC0415 - as above

    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    half, found = WINDOW_SECONDS * rate // 2, list[float | None]()
    for middle in range(rate * STEP_SECONDS // 2, max(len(sound), 1), rate * STEP_SECONDS):
        window = sound[max(0, middle - half) : middle + half]
        loudness = _loudness(window, rate) if len(window) else -np.inf
        found.append(round(float(loudness), 1) if loudness > QUIETEST_LUFS else None)
    return tuple(found)


def _loudness(window: npt.NDArray[np.float32], rate: int) -> float:
    """LUFS of samples [frames, channels]."""
    import numpy as np  # noqa: PLC0415 - as above

    spectrum = np.fft.rfft(window, axis=0)
    power = np.abs(spectrum) ** 2
    # Each bin but the first and, of an even number, the last stands for two.
    power[1 : -1 if len(window) % 2 == 0 else None] *= 2
    weights = _weights(np.fft.rfftfreq(len(window), 1 / rate))
    mean_square = (power * weights[:, None]).sum() / len(window) ** 2
    with np.errstate(divide="ignore"):
        return float(_OFFSET + 10 * np.log10(mean_square))


def _weights(hertz: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """How much power the filters leave at these frequencies."""
    import numpy as np  # noqa: PLC0415 - as above

    turn = np.exp(-2j * np.pi * np.minimum(hertz, _FILTER_RATE / 2) / _FILTER_RATE)
    found = np.ones(len(hertz))
    for numerator, denominator in _FILTERS:
        found *= np.abs(_at(numerator, turn) / _at(denominator, turn)) ** 2
    return found


def _at(coefficients: tuple[float, float, float], turn: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
    first, second, third = coefficients
    return first + second * turn + third * turn**2
