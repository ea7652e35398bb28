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
        (["plan", "nigth.s1"], 2, "did you mean `night-bus.s1`"),
        (
            ["plan", "xyzzy"],
            2,
            "`xyzzy` does not exist\n  = help: name a song (`ash`, `night-bus`), a spec file or a folder",
        ),
        (["pin", "hsa.s1"], 2, "did you mean `ash.s1`"),
        (["plan", "spces/night-bus.toml"], 2, "did you mean `specs/night-bus.toml`?"),
        (["plan", "spces/nigth-bus.toml"], 2, "did you mean `specs/night-bus.toml`?"),
        (
            ["keep", "nigth-bus.s1", "--out", "otuputs"],
            2,
            "there is no folder `otuputs`\n  = help: did you mean `outputs`?",
        ),
        (["pick", "--out", "otuputs"], 2, "did you mean `outputs`?"),
        (["export", "ash.s1", "--to", "x", "--out", "otuputs"], 2, "did you mean `outputs`?"),
        (["share", "ash.s1", "--out", "otuputs"], 2, "did you mean `outputs`?"),
        (["store", "verify", "--out", "otuputs"], 2, "did you mean `outputs`?"),
        (["store", "gc", "--out", "otuputs"], 2, "did you mean `outputs`?"),
        (["store", "gc", "spesc"], 2, "did you mean `specs`?"),
        (["show", "outputs/nigth.flac"], 2, "did you mean `outputs/night.flac`?"),
        (["import", "outputs/nigth.json"], 2, "did you mean `outputs/night.json`?"),
        (["new", "x", "--from", "ahs"], 2, "`specs/ahs.toml` does not exist\n  = help: did you mean `specs/ash.toml`?"),
        (["album", "spesc"], 2, "`spesc` is no album"),
        (["album", "spesc"], 2, "did you mean `specs`?"),
        (["album", "outputs"], 2, "renderer new --album"),
        (["models", "fetch", "turbo", "--dir", "otuputs"], 2, "did you mean `outputs`?"),
        (["models", "fetch", "turbo", "--dir", "it's"], 2, "did you mean `it's-mine`?"),
        (["models", "fetch", "turbo", "--dir", "x" * 300], 2, "does not exist"),
        (["models", "fetch", "turbo", "--dir", "x" * 300 + "/b"], 2, "does not exist"),
        (["keep", "ash.s1", "--out", "x" * 300 + "/b"], 2, "there is no folder `xxx"),
        (["keep", "ash.s1", "--out", "x/" * 1500], 2, "there is no folder `x/x"),
        (["check", "spces/../spces/nigth-bus.toml"], 2, "did you mean `specs/../specs/night-bus.toml`?"),
        (["check", "--modell", "mini"], 2, "there is no option `--modell`\n  = help: did you mean `--model`?"),
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
    for name in ("night-bus", "ash"):
        (tmp_path / "specs" / f"{name}.toml").write_text(
            'model = "mini"\ncaption = "x"\ninstrumental = true\nseeds = [1]\n[metas]\nduration = 20\n'
        )
    (tmp_path / "outputs").mkdir()
    (tmp_path / "it's-mine").mkdir()
    (tmp_path / "outputs" / "night.flac").touch()
    (tmp_path / "outputs" / "night.json").touch()
    monkeypatch.chdir(tmp_path)

    assert run(arguments) == code
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "a.s1"], ["`--to` is missing", "the folder that they are written into", "--to FOLDER"]),
        (["fix", "--at", "2..3"], ["`TAKE` is missing", "renderer fix [OPTIONS] TAKE;"]),
        (["models", "fetch"], ["`NAME...` is missing", "renderer models fetch --help tells more"]),
        (["render", "--out"], ["`--out` wants a value", "the outputs folder", "--out FOLDER"]),
        (["check", "--json=3"], ["`--json` takes no value", "the same as --format json"]),
        (["--version=3"], ["`--version` takes no value", "renderer --help"]),
        (["show", "--mixed=1"], ["`--mixed` takes no value", "renderer show --help tells more"]),
        (["store", "gc", "--yes=1"], ["`--yes` takes no value", "renderer store gc --help tells more"]),
        (["check", "--format", "jsno"], ["`--format`: `jsno` is not one of `text`, `json`", "did you mean `json`?"]),
        (["render", "--workers", "two"], ["`--workers`: `two` is no whole number from 1 on", "--workers N"]),
        (["render", "--workers", "it's"], ["`--workers`: `it's` is no whole number from 1 on"]),
        (["report", "--port", "99999"], ["`--port`: `99999` is no whole number from 0 to 65535"]),
        (["bench", "night-bus"], ["`night-bus` is more than it takes", "renderer bench --help tells more"]),
        (["render", "--zzz"], ["there is no option `--zzz`", "renderer render --help tells more"]),
        (["render", "--until", "noon"], ["`noon` is no time of day", "write it like 07:00"]),
        (["render", "--seeds", "7..1"], ["`7..1` is no span of seeds", "it ends before it begins"]),
        (["store", "gc", "--older-than", "old"], ["`old` is no age", "write 14d, 12h or 2w"]),
        (["diff", "a.s1", "--to", "x"], ["--to goes with --page", "add --page"]),
        (["pick", "--keep"], ["--keep wants --best", "renderer pick --best 2 --keep"]),
    ],
    ids=" ".join,
)
def test_what_the_command_line_lacks_is_told_as_every_other_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: list[str]
) -> None:
    assert run(arguments) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    first, *more = captured.err.splitlines()
    assert first.startswith("error: ")
    assert more
    assert all(line.startswith(("  = why: ", "  = help: ")) for line in more)
    assert [words for words in told if words not in captured.err] == []
