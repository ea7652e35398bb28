"""A misspelt command, model, path, song or device is told with what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["rendr"], 2, "there is no command `rendr`\n  = help: did you mean `render`?"),
        (["chekc"], 2, "there is no command `chekc`\n  = help: did you mean `check`?"),
        (["xyzzy"], 2, "there is no command `xyzzy`\n  = help: there are check, show, plan"),
        (["models", "fetsh"], 2, "there is no command `fetsh`\n  = help: did you mean `fetch`?"),
        (["models", "fetch", "trubo"], 2, "`trubo` is no known model\n  = help: did you mean `turbo`?"),
        (["store", "verfy"], 2, "there is no command `verfy`\n  = help: did you mean `verify`?"),
        (["check", "--model", "mni"], 2, "there is no model `mni`"),
        (["check", "specs/nigth-bus.toml"], 2, "did you mean `specs/night-bus.toml`?"),
        (["check", "spec"], 2, "did you mean `specs`?"),
        (["check", "--explain", "sung-headings"], 2, "did you mean `sung-heading`?"),
        (["plan", "--device", "cdua"], 2, "there is no device `cdua`\n  = help: did you mean `cuda`?"),
        (["plan", "--model", "mini", "--dtype", "fp16"], 2, "did you mean `float16`?"),
        (["plan", "nigth-bus"], 2, "did you mean `night-bus`"),
        (["show", "night-bus.s2"], 2, "did you mean `night-bus.s1`"),
        (["render", "--executor", "lokal"], 2, "there is no executor `lokal`\n  = help: did you mean `local`?"),
        (["watch", "--executor", "x"], 2, "there is no executor `x`\n  = help: write one of local"),
        (["check", "--modell", "mini"], 2, "Did you mean '--model'?"),
    ],
)
def test_a_misspelt_name_comes_with_the_one_that_was_meant(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "night-bus.toml").write_text(
        'model = "mini"\ncaption = "x"\ninstrumental = true\nseeds = [1]\n[metas]\nduration = 20\n'
    )
    monkeypatch.chdir(tmp_path)

    assert run(arguments) == code
    assert words in capsys.readouterr().err
