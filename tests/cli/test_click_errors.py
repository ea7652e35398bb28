"""What click refuses of numbers is told with the limits that the option has."""

from __future__ import annotations

import click
import pytest

from renderer.cli.click_errors import as_usage_error

OPEN = click.FloatRange(min=0, max=1, min_open=True)


@pytest.mark.parametrize(
    ("kind", "typed", "told"),
    [
        (OPEN, "0", "`0.0` is no number above 0 and up to 1"),
        (OPEN, "it's", "`it's` is no number above 0 and up to 1"),
        (click.FloatRange(min=0, max=1, max_open=True), "1", "`1.0` is no number from 0 on and below 1"),
        (click.IntRange(min=0, min_open=True), "0", "`0` is no whole number above 0"),
        (click.IntRange(max=5), "6", "6 is not in the range x<=5"),
    ],
    ids=str,
)
def test_a_number_is_told_with_the_limits_it_has(kind: click.ParamType[float], typed: str, told: str) -> None:
    command = click.Command("sing", params=[click.Option(["--loud"], type=kind)])
    with pytest.raises(click.UsageError) as refused:
        command.main(["--loud", typed], standalone_mode=False)

    assert as_usage_error(refused.value).message == f"`--loud`: {told}"
