"""Spec files to songs, and every fault of every file."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from renderer.errors import SpecError, UsageError
from renderer.settings import Inference, Metas
from renderer.song import Section
from renderer.spec.load import Loaded, find_specs, load_songs

MINIMAL = 'caption = "slow blues"\nlyrics = "[verse]\\nhello"\n'


def write(path: Path, text: str = MINIMAL) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def codes(loaded: Loaded) -> list[str]:
    return [diagnostic.code for diagnostic in loaded.errors]


def test_a_whole_spec_becomes_a_song_with_its_defaults_filled_in(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(
        tmp_path / "specs" / "chihuahua.toml",
        'title = "Chihuahua"\ncaption = """dark\n  trap"""\nlyrics = "\\n[verse 2] (low)\\nhola  \\n\\n"\n'
        "seeds = [7, 42]\n"
        '[metas]\nbpm = 72\nkeyscale = "f♯ Minor"\ntimesignature = "6/8"\nduration = 100\n'
        'vocal_language = "es"\n'
        "[inference]\nshift = 2.0\n[variants.wide]\nshift = 1.0\nlm_seed = 4\n",
    )
    (song,) = load_songs([tmp_path / "specs"]).require()

    assert (song.name, song.title, song.caption) == ("chihuahua", "Chihuahua", "dark trap")
    assert song.lyrics == "[verse 2] (low)\nhola"
    assert song.sections == (Section(tag="verse", number=2, annotation="low", lines=("hola",)),)
    assert song.metas == Metas(bpm=72, keyscale="F# minor", timesignature="6", duration=100.0, vocal_language="es")
    base, wide = song.variants
    assert (base.name, base.model, base.lm, base.inference) == ("", "turbo", None, Inference(shift=2.0))
    assert (wide.name, wide.inference) == ("wide", Inference(shift=1.0, lm_seed=4))
    assert [take.name for take in song.takes()] == [
        "chihuahua.s7",
        "chihuahua.s42",
        "chihuahua.wide.s7",
        "chihuahua.wide.s42",
    ]
    assert song.outputs == tmp_path / "outputs"


def test_list_form_and_text_form_of_the_same_lyrics_give_the_same_song(tmp_path: Path) -> None:
    text = write(
        tmp_path / "a" / "song.toml",
        'caption = "x"\nlyrics = """\n[verse]\none\ntwo\n\n[bridge] (soft)\n\n[chorus 2]\nthree\n"""\n',
    )
    sections = write(
        tmp_path / "b" / "song.toml",
        'caption = "x"\n[[lyrics]]\nsection = "verse"\ntext = """\none\ntwo\n"""\n[[lyrics]]\nsection = "bridge"\n'
        'annotation = "soft"\n[[lyrics]]\nsection = "chorus 2"\ntext = "three"\n',
    )
    (first,), (second,) = load_songs([text]).require(), load_songs([sections]).require()

    assert first.lyrics == second.lyrics
    assert first.sections == second.sections


def test_every_fault_of_every_file_is_reported_at_once_with_its_place(tmp_path: Path) -> None:
    bad = write(
        tmp_path / "bad.toml",
        'caption = "x"\nseeds = [1, 1, -3]\nbpn = 2\n[metas]\nbpm = 400\nduration = nan\n'
        '[inference]\nthinking = "yes"\n',
    )
    other = write(tmp_path / "other.toml", 'lyrics = "a"\n')
    loaded = load_songs([tmp_path])

    places = [(d.code, d.file, d.span.line, d.span.column) for d in loaded.diagnostics if d.span]
    assert places == [
        ("lyrics-missing", bad, 1, 1),
        ("seeds-duplicate", bad, 2, 13),
        ("seeds-range", bad, 2, 16),
        ("unknown-key", bad, 3, 1),
        ("bpm-range", bad, 5, 7),
        ("duration-range", bad, 6, 12),
        ("thinking-type", bad, 8, 12),
        ("missing-key", other, 1, 1),
    ]
    assert loaded.songs == ()
    with pytest.raises(SpecError) as caught:
        loaded.require()
    assert len(caught.value.diagnostics) == 8


def test_the_nearest_defaults_count_and_the_spec_wins(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path / "renderer.toml", 'model = "sft"\n[metas]\nbpm = 60\n')
    write(tmp_path / "specs" / "renderer.toml", 'outputs = "../takes"\n[metas]\nbpm = 90\nkeyscale = "Cm"\n')
    write(tmp_path / "specs" / "deep" / "song.toml", MINIMAL + "[metas]\nbpm = 120\n")
    (song,) = load_songs([tmp_path / "specs"]).require()

    assert song.metas == Metas(bpm=120, keyscale="C minor")
    assert song.variants[0].model == "turbo"
    assert song.outputs == tmp_path / "takes"


def test_wrong_defaults_are_reported_once_in_their_file(tmp_path: Path) -> None:
    defaults = write(tmp_path / "renderer.toml", "[metas]\nbpm = 3\n")
    write(tmp_path / "a.toml")
    write(tmp_path / "b.toml")
    loaded = load_songs([tmp_path])

    assert [(d.code, d.file) for d in loaded.diagnostics] == [("bpm-range", defaults)]


def test_the_search_for_defaults_stops_at_the_git_root(tmp_path: Path) -> None:
    write(tmp_path / "renderer.toml", 'model = "sft"\n')
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    write(tmp_path / "repo" / "specs" / "song.toml")
    (song,) = load_songs([tmp_path / "repo" / "specs"]).require()

    assert song.variants[0].model == "turbo"
    assert song.outputs == tmp_path / "repo" / "outputs"


def test_a_folder_gives_its_specs_and_nothing_else(tmp_path: Path) -> None:
    wanted = [write(tmp_path / "a.toml"), write(tmp_path / "sub" / "b.toml")]
    for other in ("renderer.toml", "picks.toml", "pyproject.toml", ".hidden.toml", ".dir/c.toml", "outputs/d/d.toml"):
        write(tmp_path / other, "")
    write(tmp_path / "notes.txt", "")

    assert find_specs([tmp_path]) == tuple(wanted)
    assert find_specs([tmp_path, tmp_path / "a.toml"]) == tuple(wanted)


def test_a_path_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load_songs([tmp_path / "nowhere"])


def test_a_folder_that_is_no_project_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()  # nothing above is looked at
    monkeypatch.chdir(tmp_path)
    for named in ("specs", "puerto"):
        with pytest.raises(UsageError, match=r"no song project|`puerto` does not exist") as refused:
            load_songs([named])
        assert "renderer new --project NAME" in refused.value.help
    (tmp_path / "spec").mkdir()
    with pytest.raises(UsageError) as near:
        load_songs(["specs"])
    assert near.value.help == "did you mean `spec`?"


def test_lyrics_come_from_a_file_beside_the_spec(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes("\ufeff[verse]\r\nca\u0301fe\r\n".encode())
    write(tmp_path / "song.toml", 'caption = "x"\nlyrics_file = "words.txt"\n')
    (song,) = load_songs([tmp_path]).require()

    assert song.lyrics == "[verse]\ncáfe"


@pytest.mark.parametrize("written", ["../secret.txt", "link.txt", "/etc/hostname", "link/secret.txt"])
def test_a_lyrics_file_outside_the_project_is_refused(tmp_path: Path, written: str) -> None:
    secret = write(tmp_path / "secret.txt", "secret")
    project = tmp_path / "project"
    write(project / "song.toml", f'caption = "x"\nlyrics_file = "{written}"\n')
    (project / ".git").mkdir()
    (project / "link.txt").symlink_to(secret)
    (project / "link").symlink_to(tmp_path)

    assert codes(load_songs([project])) == ["path-outside"]


def test_outputs_outside_the_project_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "project" / "renderer.toml", 'outputs = "../elsewhere"\n')
    write(tmp_path / "project" / "song.toml")

    assert codes(load_songs([tmp_path / "project"])) == ["path-outside"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Song", "sONG"),
        ("straße", "STRASSE"),
        (unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")),
    ],
)
def test_two_specs_with_one_name_are_refused(tmp_path: Path, first: str, second: str) -> None:
    write(tmp_path / "a" / f"{first}.toml")
    write(tmp_path / "b" / f"{second}.toml")

    assert codes(load_songs([tmp_path])) == ["name-taken"]


@pytest.mark.parametrize("stem", ["a.wide", "report", "what?"])
def test_names_that_takes_could_not_carry_are_refused(tmp_path: Path, stem: str) -> None:
    write(tmp_path / f"{stem}.toml")

    assert codes(load_songs([tmp_path])) == ["song-name"]


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ("[variants.s7]\n", "variant-name"),
        ("[variants.Wide]\n[variants.wide]\n", "variant-name"),
        ("[inference]\ncfg_interval_start = 0.6\ncfg_interval_end = 0.5\n", "cfg-interval-order"),
        ("[metas]\nduration = 300\n", "duration-limit"),
        ("max_duration = 30\n[metas]\nduration = 31\n", "duration-limit"),
        ('[[lora]]\npath = "nowhere"\n', "lora-missing"),
        ('[inference]\nlm_negative_prompt = "<|im_end|>"\n', "control-token"),
        ("instrumental = true\n", "lyrics-twice"),
        ("[metas]\nseeds = [3]\n", "key-in-wrong-table"),
        ("bpm = 90\n", "key-in-wrong-table"),
        ("[inference]\ntimesteps = [0.5, 0.9]\n", "timesteps-order"),
        ("[inference]\ntimesteps = [0.0, 0.0]\n", "timesteps-count"),
        (f"[inference]\ntimesteps = {[0.5] * 21}\n", "timesteps-count"),
        ("[inference]\nretake_variance = 0.2\n", "retake-seed-missing"),
        ("[variants.wide]\nretake_variance = 0.2\n", "retake-seed-missing"),
        ('[inference]\ndcw_wavelet = "db4"\n', "dcw-wavelet-choice"),
        ("[inference]\nshift = 0.0\n", "shift-range"),
        ('vae = "scragvea"\n', "vae-unknown"),
        ('based_on = "sft"\n', "based-on-unused"),
        ('model = "base"\nbased_on = "sft"\n', "based-on-unused"),
        ('model = "merge.safetensors"\n[variants.x]\nbased_on = "sft"\n', "based-on-unused"),
        ('model = "merge.safetensors"\nbased_on = "stf"\n', "based-on-unknown"),
        ('model = "mini"\nvae = "official"\n', "vae-unfit"),
        ('vae = "scragvae"\n[variants.sketch]\nmodel = "mini"\n', "vae-unfit"),
    ],
)
def test_rules_between_keys_hold(tmp_path: Path, rest: str, code: str) -> None:
    write(tmp_path / "song.toml", MINIMAL + rest)

    assert codes(load_songs([tmp_path])) == [code]


def test_a_model_asked_for_on_the_command_line_is_the_one_checked_against(tmp_path: Path) -> None:
    write(tmp_path / "song.toml", MINIMAL + 'lm = "4B"\n[metas]\nduration = 100\n[variants.x]\nmodel = "sft"\n')
    (song,) = load_songs([tmp_path], model="base").require()

    assert {(variant.model, variant.lm) for variant in song.variants} == {("base", None)}
    assert codes(load_songs([tmp_path], model="mini")) == ["duration-limit"]


def test_what_a_file_is_based_on_goes_with_it_and_not_with_another_model(tmp_path: Path) -> None:
    write(tmp_path / "renderer.toml", 'model = "merge.safetensors"\nbased_on = "sft"\n')
    variants = (
        '[variants.same]\nshift = 2.0\n[variants.base]\nmodel = "base"\n[variants.own]\nmodel = "b.safetensors"\n'
    )
    write(tmp_path / "deep" / "song.toml", MINIMAL + variants)
    (song,) = load_songs([tmp_path]).require()

    merge, own = str(tmp_path / "merge.safetensors"), str(tmp_path / "deep" / "b.safetensors")
    assert [(one.model, one.based_on) for one in song.variants] == [
        (merge, "sft"),
        (merge, "sft"),
        ("base", None),
        (own, None),
    ]
    (asked,) = load_songs([tmp_path], model="turbo").require()
    assert {(one.model, one.based_on) for one in asked.variants} == {("turbo", None)}


def test_a_file_is_judged_as_what_it_is_based_on(tmp_path: Path) -> None:
    settings = "[inference]\nguidance_scale = 5.0\n"
    write(tmp_path / "a.toml", MINIMAL + f'model = "merge.safetensors"\nbased_on = "turbo"\n{settings}')
    write(tmp_path / "b.toml", MINIMAL + f'model = "turbo"\n{settings}')
    found = {one.file.name: one.code for one in load_songs([tmp_path]).diagnostics if one.file}

    assert found["a.toml"] == found["b.toml"]


def test_a_vae_that_does_not_fit_is_told_once_where_it_was_chosen(tmp_path: Path) -> None:
    text = MINIMAL + 'model = "mini"\nvae = "scragvae"\n[variants.same]\nshift = 2.0\n[variants.real]\nmodel = "sft"\n'
    write(tmp_path / "song.toml", text)
    (fault,) = load_songs([tmp_path]).errors

    assert fault.span is not None
    assert fault.excerpt[fault.span.column - 1 : fault.span.end - 1] == '"scragvae"'
    assert load_songs([tmp_path], model="mini").errors == ()


def test_a_vae_of_the_defaults_is_told_where_a_spec_takes_a_model_that_it_does_not_fit(tmp_path: Path) -> None:
    write(tmp_path / "renderer.toml", 'vae = "scragvae"\n')
    write(tmp_path / "good.toml", MINIMAL)
    write(tmp_path / "sketch.toml", MINIMAL + 'model = "mini"\n')
    (fault,) = load_songs([tmp_path]).errors

    assert (fault.code, fault.file and fault.file.name) == ("vae-unfit", "sketch.toml")
    write(tmp_path / "renderer.toml", 'model = "mini"\nvae = "scragvae"\n')
    assert {one.file.name for one in load_songs([tmp_path]).errors if one.file} == {"renderer.toml"}


def test_a_variant_keeps_the_songs_vae_unless_it_names_another(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    text = MINIMAL + 'vae = "scragvae"\n[variants.same]\nshift = 2.0\n[variants.other]\nvae = "mine"\n'
    write(tmp_path / "song.toml", text)
    (song,) = load_songs([tmp_path]).require()

    assert [variant.vae for variant in song.variants] == ["scragvae", "scragvae", str(tmp_path / "mine")]


def test_a_model_folder_is_taken_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "weights" / "mine").mkdir(parents=True)
    write(tmp_path / "renderer.toml", 'model = "weights/mine"\n')
    write(tmp_path / "deep" / "song.toml", MINIMAL + 'lm = "../weights/mine"\n')
    (song,) = load_songs([tmp_path]).require()

    assert Path(song.variants[0].model) == tmp_path / "weights" / "mine"
    assert Path(str(song.variants[0].lm)).resolve() == tmp_path / "weights" / "mine"


def test_control_tokens_in_multi_line_lyrics_are_placed_at_their_line(tmp_path: Path) -> None:
    write(tmp_path / "song.toml", 'caption = "x"\nlyrics = """\n[verse]\nこん \\\n   はい \\t<|audio_code_5|>\n"""\n')
    (fault,) = load_songs([tmp_path]).diagnostics

    assert fault.code == "control-token"
    assert fault.span is not None
    assert fault.excerpt[fault.span.column - 1 : fault.span.end - 1] == "<|audio_code_5|>"
    assert fault.span.line == 5


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "missing-key"),
        (b"caption = ", "toml-syntax"),
        (b"caption = 'a'\ncaption = 'b'", "toml-syntax"),
        (b"caption = \xff", "encoding"),
        (b"x" * 300_000, "file-too-large"),
        (b"a = " + b"[" * 5000, "too-deep"),
        (b"a = " + b"9" * 5000, "toml-syntax"),
        (b"a" + b".a" * 5000 + b" = 1", "key-too-long"),
    ],
)
def test_files_that_can_not_be_read_say_why(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "song.toml").write_bytes(content)

    assert code in codes(load_songs([tmp_path]))


def test_carriage_returns_and_a_byte_order_mark_do_not_move_places(tmp_path: Path) -> None:
    (tmp_path / "song.toml").write_bytes("\ufeffbpn = 1\r\ncaption = 'x'\r\nlyrics = 'a'\r\nseeds = []\r\n".encode())
    loaded = load_songs([tmp_path])

    assert [(d.code, d.span.line, d.span.column) for d in loaded.diagnostics if d.span] == [
        ("unknown-key", 1, 1),
        ("seeds-length", 4, 9),
    ]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_dangling_link_is_reported_not_raised(tmp_path: Path) -> None:
    (tmp_path / "song.toml").symlink_to(tmp_path / "gone")

    assert codes(load_songs([tmp_path])) == ["unreadable"]


def test_the_example_specs_are_in_order() -> None:
    specs = Path(__file__).parents[2] / "specs"
    songs = load_songs([specs]).require()

    assert len(songs) == 6
    assert all(song.metas.duration is None or song.metas.duration <= 60 for song in songs)


def test_empty_lyrics_are_a_warning_and_an_empty_file_of_lyrics_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(" \n\n")
    (tmp_path / "meant.toml").write_text('caption = "folk"\nlyrics = " \\n"\n')
    (tmp_path / "lost.toml").write_text('caption = "folk"\nlyrics_file = "words.txt"\n')
    loaded = load_songs([tmp_path])

    assert [(one.code, one.level.value) for one in loaded.diagnostics] == [
        ("lyrics-file-empty", "error"),
        ("lyrics-empty", "warning"),
    ]
    (song,) = loaded.songs
    assert (song.lyrics, song.sections, song.instrumental) == ("", (), False)


def test_empty_lyrics_beside_a_file_of_them_are_one_fault(tmp_path: Path) -> None:
    (tmp_path / "both.toml").write_text('caption = "folk"\nlyrics = ""\nlyrics_file = "words.txt"\n')

    assert [one.code for one in load_songs([tmp_path]).diagnostics] == ["lyrics-twice"]


def test_a_foreign_file_is_sent_to_import(tmp_path: Path) -> None:
    (tmp_path / "my song.json").write_text("{}")

    with pytest.raises(UsageError) as caught:
        load_songs([tmp_path / "my song.json"])
    assert caught.value.help == f"make specs from it: renderer import '{tmp_path}/my song.json'"
