"""How faults print at width 80, character by character.

`RENDERER_WRITE_SNAPSHOTS=1 pytest tests/spec/test_snapshots.py` writes the snapshots anew; read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from renderer.spec.diagnostics import plain
from renderer.spec.load import load_songs

SNAPSHOTS = Path(__file__).parent / "snapshots"
HEAD = 'caption = "slow blues"\n'
SOUND = HEAD + "instrumental = true\n"

CASES: dict[str, bytes | str] = {
    "empty-file": "",
    "byte-order-mark": b"\xef\xbb\xbfbpn = 3\n" + SOUND.encode(),
    "carriage-returns": (SOUND + "[metas]\nbpm = 400\n").replace("\n", "\r\n"),
    "invalid-utf-8": b'caption = "caf\xe9"\n',
    "five-megabytes": b"# " + b"x" * 5_000_000,
    "deep-nesting": "seeds = " + "[" * 3000 + "]" * 3000,
    "long-dotted-key": ".".join("a" * 1 for _ in range(200)) + " = 1\n",
    "huge-integer": SOUND + "seeds = [" + "9" * 5000 + "]\n",
    "large-integer": SOUND + "seeds = [99999999999999999999]\n",
    "nan": SOUND + "[metas]\nduration = nan\n",
    "inf": SOUND + "[inference]\nshift = -inf\n",
    "markup": SOUND + '[output]\nformat = "[/red] [verse] [bold]"\n',
    "control-characters": SOUND + '[output]\nformat = "\\u001b[31m \\u202e"\n',
    "wide-chinese": SOUND + 'variants = { "安静" = { shift = 1.0 } }\n',
    "wide-japanese": 'title = "日本の歌"\ncaption = "夜の東京 <|im_end|> 静か"\ninstrumental = true\n',
    "wide-emoji": 'caption = "🎸🎸 loud <|audio_code_3|>"\ninstrumental = true\n',
    "combining-marks": 'caption = "cafe\u0301 no\u0308el <think> soft"\ninstrumental = true\n',
    "long-line": f'caption = "{"soft piano and " * 12}<|im_end|>{" and strings" * 12}"\ninstrumental = true\n',
    "lyrics-line": HEAD + 'lyrics = """\n[verse]\nthe rain\n<|im_start|> came down\n"""\n',
    "lyrics-escapes": HEAD + 'lyrics = "[verse]\\n\\tthe \\u00e9 <|im_start|> rain"\n',
    "lyrics-literal": HEAD + "lyrics = '''\n[verse]\nthe <think> rain'''\n",
    "lyrics-list": HEAD + '[[lyrics]]\nsection = "verse"\ntext = "a"\n[[lyrics]]\nsection = ""\ntxt = "b"\n',
    "lyrics-number": HEAD + "lyrics = 3\n",
    "lyrics-twice": SOUND + 'lyrics = "[verse]\\na"\n',
    "lyrics-missing": HEAD,
    "lyrics-empty": HEAD + 'lyrics = "  "\n',
    "lyrics-file-missing": HEAD + 'lyrics_file = "words.txt"\n',
    "lyrics-file-outside": HEAD + 'lyrics_file = "../../words.txt"\n',
    "unknown-key": SOUND + 'captoin = "x"\n',
    "unknown-table": SOUND + "[meta]\nbpm = 90\n",
    "other-name": SOUND + 'prompt = "x"\ntempo = 90\n',
    "other-name-too": SOUND + "seeds = [4]\nseed = 3\nbpm = 90\ntempo = 90\n[metas]\nbpm = 100\n",
    "unsupported": SOUND + "use_adg = true\n[inference]\naudio_cover_strength = 0.5\n",
    "wrong-table": SOUND + "bpm = 90\n[metas]\nseeds = [3]\nshift = 3.0\n",
    "belongs-to-defaults": SOUND + 'outputs = "takes"\n',
    "bpm-text": SOUND + '[metas]\nbpm = "90"\n',
    "bpm-fraction": SOUND + "[metas]\nbpm = 90.0\n",
    "bpm-date": SOUND + "[metas]\nbpm = 1979-05-27\n",
    "keyscale": SOUND + '[metas]\nkeyscale = "H moll"\n',
    "timesignature": SOUND + '[metas]\ntimesignature = "5/4"\n',
    "language-name": SOUND + '[metas]\nvocal_language = "Spanish"\n',
    "language-region": SOUND + '[metas]\nvocal_language = "en-GB"\n',
    "language-none": SOUND + '[metas]\nvocal_language = "xx"\n',
    "seed-alone": SOUND + "seeds = 3\n",
    "seeds-none": SOUND + "seeds = []\n",
    "seeds-twice": SOUND + "seeds = [1, 2, 1, -4]\n",
    "thinking-text": SOUND + '[inference]\nthinking = "false"\n',
    "solver": SOUND + '[inference]\ninfer_method = "odee"\n',
    "timesteps-order": SOUND + "[inference]\ntimesteps = [0.3, 0.9]\n",
    "guidance-interval": SOUND + "[inference]\ncfg_interval_start = 0.8\ncfg_interval_end = 0.2\n",
    "variant-names": SOUND + '[variants.s7]\nshift = 1.0\n[variants."a b"]\nshift = 1.0\n',
    "variant-key": SOUND + "[variants.wide]\nshifft = 1.0\n",
    "variant-of-songs": SOUND
    + "[variants.a]\ntitle = 'a'\nmax_duration = 90\n"
    + "[variants.b.metas]\nbpm = 90\n[variants.b.inference]\nshift = 2.0\n",
    "table-in-table": SOUND + '[metas.output]\nformat = "flac"\n',
    "bpm-nan": SOUND + "[metas]\nbpm = nan\n",
    "empty-numbered": HEAD + 'lyrics = """\n[verse 2]\n\n[chorus]\nwe rise\n"""\n',
    "model-unknown": SOUND + 'model = "turbbo"\n',
    "duration-limit": SOUND + "[metas]\nduration = 500\n",
    "allow-unknown": SOUND + 'allow = ["unusual-bmp"]\n',
    "unquoted-text": "caption = slow blues\n",
    "unclosed-text": 'caption = "slow blues\ninstrumental = true\n',
    "unclosed-lyrics": HEAD + 'lyrics = """\n[verse]\nthe rain\n',
    "twice-the-key": HEAD + HEAD,
    "backslash": 'caption = "slow \\ blues"\n',
    "equals-missing": "caption\n",
    "curly-quotes": "caption = \u201cslow blues\u201d\n",
    "colon": "caption: slow blues\n",
    "conflict": SOUND + "<<<<<<< HEAD\nseeds = [1]\n=======\nseeds = [2]\n>>>>>>> other\n",
    "conflict-in-lyrics": HEAD + 'lyrics = """\n[verse]\n<<<<<<< HEAD\nrain\n"""\n',
    "seeds-random": SOUND + "seeds = [-1]\n",
    "duration-clock": SOUND + '[metas]\nduration = "2:30"\n',
    "bpm-half": SOUND + "[metas]\nbpm = 92.5\n",
    "keyscale-mode": SOUND + '[metas]\nkeyscale = "Bb"\n',
    "heading-marks": HEAD + 'lyrics = """\n**[Verse 1]:** the rain\n"""\n',
    "lyric-times": HEAD + 'lyrics = """\n[verse]\n[00:12.00]the rain\n[00:14.00]came down\n"""\n',
    "lora-path": SOUND + '[[lora]]\nscale = 3.0\npath = "nowhere"\n',
    "lint-warning": SOUND + "[inference]\nshift = 4.5\n",
    "lint-note": SOUND + "[metas]\nbpm = 200\n",
}


def shown(folder: Path, content: bytes | str) -> str:
    """What `renderer check` would print."""
    (folder / ".git").mkdir(parents=True)
    file = folder / "song.toml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    diagnostics = load_songs([file]).diagnostics
    return "\n\n".join(plain(one, width=80) for one in diagnostics) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_faults_print_as_they_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    text = shown(Path(), CASES[case])
    snapshot = SNAPSHOTS / f"{case}.txt"
    if os.environ.get("RENDERER_WRITE_SNAPSHOTS"):
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(text, encoding="utf-8")

    assert text == snapshot.read_text(encoding="utf-8")
    assert text.startswith(("error[", "warning[", "note["))


def test_no_snapshot_is_left_over() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.txt")} == set(CASES)
