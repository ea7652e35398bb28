"""When silence is a hang: by what was asked for, then by the pace that was shown."""

from __future__ import annotations

from renderer.run.watchdog import Silence, Watchdog
from tests.models.ace_step.asks import codes_request
from tests.run.test_pace import job

WATCHDOG = Watchdog(least_seconds=10.0, per_second=1.0, pace_factor=3.0, loading_seconds=100.0)


def running() -> Silence:
    """Of a song of ten seconds: 20 s."""
    return WATCHDOG.of_running([job("a", codes_request())])


def test_a_worker_may_be_silent_as_long_as_its_longest_job_explains() -> None:
    silence = running()

    silence.lasts(silence.limit_seconds)
    assert silence.fault is None
    silence.lasts(0.5)

    assert silence.fault is not None
    assert "its stage hangs" in silence.fault.why


def test_a_sign_of_life_ends_the_silence_and_a_slow_pace_allows_longer_ones() -> None:
    silence = running()
    limit = silence.limit_seconds

    silence.lasts(limit - 1)
    silence.ends()
    silence.lasts(2 * limit)

    assert silence.fault is None
    silence.lasts(2 * limit)
    assert silence.fault is not None


def test_reading_weights_takes_as_long_as_a_slow_network_and_no_pace_allows_more() -> None:
    silence = WATCHDOG.of_loading()

    silence.lasts(99.0)
    silence.ends()
    silence.lasts(100.5)

    assert silence.fault is not None
    assert "loading hangs" in silence.fault.why
