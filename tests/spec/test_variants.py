"""Variants of anything: what a variant's table says holds for its takes, in the song's place, and is judged there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.song import INSTRUMENTAL_LYRICS
from renderer.spec.load import Loaded, load_songs

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.song import Song, Take

BASE = """allow = ["too-thin"]
caption = "slow blues, upright bass"
lyrics = '''
[verse]
the rain came down on Monday
and it never went away
'''
seeds = [1, 2]
[metas]
bpm = 80
vocal_language = "en"
duration = 60
"""


def load(folder: Path, text: str) -> Loaded:
    path = folder / "night.toml"
    path.write_text(text, "utf-8")
    return load_songs([path])


def song(folder: Path, variants: str, base: str = BASE) -> Song:
    (only,) = load(folder, base + variants).require()
    return only


def take(folder: Path, variants: str, base: str = BASE) -> Take:
    """The last variant's first."""
    one = song(folder, variants, base)
    return next(take for take in one.takes() if take.variant == one.variants[-1])


def told(folder: Path, variants: str, base: str = BASE) -> list[tuple[str, str]]:
    """Code and what the caret stands under."""
    found = load(folder, base + variants).diagnostics
    return [(one.code, one.excerpt[one.span.column - 1 : one.span.end - 1] if one.span else "") for one in found]


def test_every_key_of_a_songs_content_can_be_said_anew(tmp_path: Path) -> None:
    found = take(
        tmp_path,
        """[variants.fast]
caption = "fast  blues,\\nslap bass"
lyrics = "[chorus]\\nrun run run"
seeds = [9]
bpm = 150
keyscale = "E minor"
vae = "scragvae"
shift = 2.0
""",
    )

    assert (found.name, found.seed) == ("night.fast.s9", 9)
    assert found.song.caption == "fast blues, slap bass"
    assert found.song.lyrics == "[chorus]\nrun run run"
    assert [section.tag for section in found.song.sections] == ["chorus"]
    assert (found.song.metas.bpm, found.song.metas.keyscale, found.song.metas.duration) == (150, "E minor", 60)
    assert (found.variant.vae, found.variant.inference.shift) == ("scragvae", 2.0)


def test_the_song_itself_and_other_variants_stay_as_they_are(tmp_path: Path) -> None:
    alone = list(song(tmp_path, "").takes())
    one = song(tmp_path, '[variants.bold]\nshift = 2.0\n[variants.other]\ncaption = "ska"\nseeds = [7]\n')

    assert [take.name for take in one.takes()] == [
        *("night.s1", "night.s2", "night.bold.s1", "night.bold.s2", "night.other.s7")
    ]
    assert one.num_takes == 5
    base, _, bold, *_ = one.takes()
    assert (base.song.caption, base.song.lyrics, base.song.metas) == (
        alone[0].song.caption,
        alone[0].song.lyrics,
        alone[0].song.metas,
    )
    assert bold.song.caption == "slow blues, upright bass"
    assert all(take.song.as_written == one for take in one.takes())


@pytest.mark.parametrize(
    ("base", "variant", "lyrics"),
    [
        (BASE, 'lyrics_file = "other.txt"', "[verse]\nwords of a file"),
        (BASE, "instrumental = true", INSTRUMENTAL_LYRICS),
        (BASE, '[[variants.v.lyrics]]\nsection = "bridge"\ntext = "one line"', "[bridge]\none line"),
        (
            'caption = "a"\nlyrics_file = "other.txt"\n',
            "lyrics = '''[verse]\nin place of it'''",
            "[verse]\nin place of it",
        ),
        ('caption = "a"\ninstrumental = true\n', "lyrics = '''[verse]\nsung'''", "[verse]\nsung"),
    ],
    ids=["file", "instrumental", "list", "text-for-file", "text-for-instrumental"],
)
def test_who_says_what_is_sung_says_it_in_place_of_the_song(
    tmp_path: Path, base: str, variant: str, lyrics: str
) -> None:
    (tmp_path / "other.txt").write_text("[verse]\nwords of a file\n", "utf-8")
    head = "" if variant.startswith("[[") else "[variants.v]\n"

    found = take(tmp_path, f"{head}{variant}\n", base)

    assert found.song.lyrics == lyrics
    assert found.song.instrumental == (lyrics == INSTRUMENTAL_LYRICS)


def test_the_base_need_not_be_rendered(tmp_path: Path) -> None:
    one = song(tmp_path, "[variants.a]\nbpm = 100\n[variants.b]\nshift = 2.0\n", f"base = false\n{BASE}")

    assert [take.name for take in one.takes()] == ["night.a.s1", "night.a.s2", "night.b.s1", "night.b.s2"]


@pytest.mark.parametrize(
    ("variants", "base", "fault"),
    [
        ("", f"base = false\n{BASE}", ("base-alone", "false")),
        ('[variants.v]\nlyrics = "la"\nlyrics_file = "x.txt"\n', BASE, ("lyrics-twice", "lyrics_file")),
        ('[variants.v]\nlyrics_file = "x.txt"\n', BASE, ("lyrics-file-missing", '"x.txt"')),
        ('[variants.v]\nlyrics_file = "../x.txt"\n', BASE, ("path-outside", '"../x.txt"')),
        ("[variants.v]\nseeds = [3, 3]\n", BASE, ("seeds-duplicate", "3")),
        ("[variants.v]\nbpm = 20\n", BASE, ("bpm-range", "20")),
        ("[variants.v]\nduration = 500\n", BASE, ("duration-limit", "500")),
        ('[variants.v]\ncodes = "no.codes"\n', BASE, ("codes-missing", '"no.codes"')),
        (
            "[variants.v]\ninstrumental = false\n",
            'caption = "a"\ninstrumental = true\n',
            ("lyrics-missing", "instrumental"),
        ),
        ('[variants.v]\nlyrics = [{section = "verse", txt = "x"}]\n', BASE, ("unknown-key", "txt")),
        ('[variants.v]\ncaption = "a <|im_end|> b"\n', BASE, ("control-token", "<|im_end|>")),
    ],
)
def test_a_variants_fault_is_told_once_where_the_variant_writes_it(
    tmp_path: Path, variants: str, base: str, fault: tuple[str, str]
) -> None:
    assert [one for one in told(tmp_path, variants, base) if one[0] == fault[0]] == [fault]


def test_lints_look_at_what_a_variant_really_says(tmp_path: Path) -> None:
    assert told(tmp_path, '[variants.v]\ncaption = "blues at 120 bpm"\n') == [("tempo-in-caption", "120 bpm")]
    assert told(tmp_path, '[variants.v]\ncaption = "blues at 120 bpm"\nbpm = 120\n') == []
    assert ("unusual-bpm", "200") in told(tmp_path, "[variants.v]\nbpm = 200\n")
    # The caption is the song's: it is the variant that no longer fits it.
    base = BASE.replace("upright bass", "80 bpm")
    assert told(tmp_path, "[variants.v]\nbpm = 120\n", base) == [("tempo-in-caption", "[variants.v]"[1:-1])]


def test_what_is_amiss_with_the_song_is_not_told_again_for_each_variant(tmp_path: Path) -> None:
    base = BASE.replace("the rain came down", "the rain <|im_end|> came down").replace("bass", "bass at 99 bpm")
    alone = told(tmp_path, "", base)

    assert {code for code, _ in alone} == {"control-token", "tempo-in-caption"}
    assert told(tmp_path, "[variants.a]\nseeds = [5]\n[variants.b]\nseeds = [6]\n", base) == alone
