"""ACE-Step's own files become specs that mean the same; what a spec can't say is listed, and nothing else."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from renderer.errors import RendererError, SpecError, UsageError
from renderer.spec.imports.specs import Imported, read_foreign
from renderer.spec.schema import SongFile

if TYPE_CHECKING:
    from pathlib import Path

FOLK = {"caption": "folk, one guitar", "lyrics": "[Verse]\nrain on the roof"}


def imported(folder: Path, content: Any, name: str = "song.json") -> Imported:
    """The one spec of a foreign file, which the schema takes."""
    text = content if isinstance(content, str) else json.dumps(content)
    (song,) = read_foreign(text, folder / name).songs
    if isinstance(song, RendererError):
        raise song
    assert SongFile.model_validate(tomllib.loads(song.text(None)))
    return song


def listed(song: Imported) -> dict[str, str]:
    return {left.key: left.why for left in song.left_out}


def metas(folder: Path, **given: Any) -> dict[str, Any]:
    found: dict[str, Any] = imported(folder, FOLK | given).values.get("metas", {})
    return found


# Shapes: each a song of our own in the form of ACE-Step's files.


def test_an_example_of_custom_mode_becomes_its_song(tmp_path: Path) -> None:
    song = imported(
        tmp_path,
        {
            "think": True,
            "caption": " A slow waltz for two accordions. ",
            "lyrics": "[Intro]\r\n\r\n[Verse 1]\r\nthe hall is empty now  \r\n",
            "bpm": 84,
            "duration": 151,
            "keyscale": "E\u266d Minor",
            "language": "de",
            "timesignature": "3",
        },
    )

    assert song.values == {
        "caption": "A slow waltz for two accordions.",
        "lyrics": "[Intro]\n\n[Verse 1]\nthe hall is empty now\n",
        "metas": {"bpm": 84, "duration": 151, "keyscale": "Eb minor", "vocal_language": "de", "timesignature": "3"},
        "inference": {"thinking": True},
    }
    assert (song.left_out, song.notes) == ((), ())


@pytest.mark.parametrize(
    ("instrumental", "language", "expected"),
    [
        (False, "bn", {"lyrics": "", "metas": {"vocal_language": "bn"}}),
        (True, "unknown", {"instrumental": True}),
        (False, "unknown", {"lyrics": ""}),
        ("false", ["fr"], {"lyrics": "", "metas": {"vocal_language": "fr"}}),
        ("True", "", {"instrumental": True}),
        (0, None, {"lyrics": ""}),
        (1, "N/A", {"instrumental": True}),
        (None, "auto", {"lyrics": ""}),
    ],
)
def test_a_description_is_instrumental_only_when_it_says_so(
    tmp_path: Path, instrumental: object, language: object, expected: dict[str, Any]
) -> None:
    entry = {"description": "a lullaby for a rainy evening", "instrumental": instrumental, "vocal_language": language}
    song = imported(tmp_path, entry)

    assert song.values == {"caption": entry["description"], **expected}
    assert song.left_out == ()
    assert bool(song.notes) == ("lyrics" in expected)


def test_empty_lyrics_stand_in_the_spec_with_a_comment(tmp_path: Path) -> None:
    text = imported(tmp_path, {"description": 'he said\nlyrics = ""\nand left', "instrumental": False}).text(None)
    lines = text.splitlines()

    place = len(lines) - 1 - lines[::-1].index('lyrics = ""')
    assert lines[place - 1].startswith("# ")
    assert tomllib.loads(text) == {"caption": 'he said\nlyrics = ""\nand left', "lyrics": ""}


SAVED = {
    "task_type": "text2music", "instruction": "Fill the audio semantic mask based on the given conditions:",
    "reference_audio": None, "src_audio": None, "audio_codes": "", "caption": "dub techno", "global_caption": "",
    "lyrics": "[Instrumental]", "instrumental": False, "vocal_language": "unknown", "bpm": None, "keyscale": "",
    "timesignature": "", "duration": -1.0, "enable_normalization": True, "normalization_db": -1.0,
    "fade_in_duration": 0.0, "fade_out_duration": 0.0, "latent_shift": 0.0, "latent_rescale": 1.0,
    "inference_steps": 8, "seed": 77, "guidance_scale": 7.0, "use_adg": False, "cfg_interval_start": 0.0,
    "cfg_interval_end": 1.0, "shift": 3.0, "infer_method": "ode", "velocity_norm_threshold": 0.0,
    "velocity_ema_factor": 0.0, "timesteps": None, "repainting_start": 0.0, "repainting_end": -1,
    "chunk_mask_mode": "auto", "repaint_latent_crossfade_frames": 10, "repaint_wav_crossfade_sec": 0.0,
    "repaint_mode": "balanced", "repaint_strength": 0.5, "flow_edit_morph": False, "flow_edit_source_caption": "",
    "flow_edit_source_lyrics": "", "flow_edit_n_min": 0.0, "flow_edit_n_max": 1.0, "flow_edit_n_avg": 1,
    "audio_cover_strength": 1.0, "cover_noise_strength": 0.0, "thinking": True, "lm_temperature": 0.85,
    "lm_cfg_scale": 2.0, "lm_top_k": 0, "lm_top_p": 0.9, "lm_negative_prompt": "NO USER INPUT", "use_cot_metas": True,
    "use_cot_caption": True, "use_cot_lyrics": False, "use_cot_language": True, "use_constrained_decoding": True,
    "cot_bpm": None, "cot_keyscale": "", "cot_timesignature": "", "cot_duration": None,
    "cot_vocal_language": "unknown", "cot_caption": "", "cot_lyrics": "", "lora_loaded": False, "use_lora": False,
    "lora_scale": 1.0, "lora_weights_hash": "", "audio_format": "flac", "sampler_mode": "euler", "dcw_enabled": True,
    "dcw_mode": "double", "dcw_scaler": 0.05, "dcw_high_scaler": 0.02, "dcw_wavelet": "haar", "retake_seed": None,
    "retake_variance": 0.0,
}  # fmt: skip


def test_saved_parameters_that_ask_for_nothing_else_are_carried_over_without_a_word(tmp_path: Path) -> None:
    song = imported(tmp_path, SAVED)

    assert song.left_out == ()
    assert song.values["instrumental"] is True
    assert (song.values["seeds"], song.values["output"]) == ([77], {"format": "flac"})
    assert song.values["inference"]["use_constrained_decoding"] is True
    assert "metas" not in song.values


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("task_type", "cover"),
        ("instruction", "Extract the vocals:"),
        ("src_audio", "/home/someone/voice.wav"),
        ("enable_normalization", False),
        ("normalization_db", -6),
        ("use_adg", True),
        ("latent_shift", 0.1),
        ("latent_rescale", "0.9"),
        ("velocity_ema_factor", 0.2),
        ("fade_out_duration", 3),
        ("flow_edit_morph", "true"),
        ("use_cot_lyrics", True),
        ("use_format", True),
        ("sample_mode", "yes"),
        ("batch_size", 4),
        ("use_lora", True),
        ("lora_scale", 0.5),
        ("cot_bpm", 98),
        ("mp3_bitrate", "320k"),
        ("checkpoint_dir", "/data"),
        ("wobble", 3),
        ("wobble", {"deep": {"deeper": [1]}}),
    ],
)
def test_each_parameter_that_asks_for_something_else_is_listed(tmp_path: Path, key: str, value: object) -> None:
    song = imported(tmp_path, SAVED | {key: value})

    assert list(listed(song)) == [key]
    assert listed(song)[key]


CLI = """
project_root = "/home/someone/ACE-Step-1.5"
config_path = "acestep-v15-sft"
lm_model_path = "acestep-5Hz-lm-0.6B"
checkpoint_dir = "/home/someone/checkpoints"
backend = "vllm"
device = "auto"
offload_to_cpu = false
save_dir = "output"
audio_format = "wav"
caption = "sea shanty, male choir"
prompt = ""
lyrics = "words.txt"
duration = 95.0
instrumental = false
vocal_language = "en"
keyscale = ""
timesignature = "4/4"
task_type = "text2music"
repainting_start = 0.0
repainting_end = -1
lego_track = ""
sample_mode = false
sample_query = ""
use_format = false
inference_steps = 50
seed = -1
shift = 3.0
timesteps = "0.97, 0.76,0.5,0"
thinking = true
lm_top_k = 0
seeds = [3, 4, 3]
batch_size = 1
use_random_seed = false
allow_lm_batch = false
audio_codes = ""
"""


def test_the_command_lines_toml_reads_the_lyrics_beside_it(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("\ufeff[verse]\r\nhaul away\r\n", encoding="utf-8")
    song = imported(tmp_path, CLI, "config.toml")

    assert song.values["lyrics"] == "[verse]\nhaul away\n"
    assert (song.values["model"], song.values["lm"], song.values["seeds"]) == ("sft", "0.6B", [3, 4])
    assert song.values["metas"] == {"duration": 95, "vocal_language": "en", "timesignature": "4"}
    assert song.values["inference"]["timesteps"] == [0.97, 0.76, 0.5]
    assert song.values["output"] == {"format": "wav"}
    assert set(listed(song)) == {"project_root", "checkpoint_dir", "backend", "save_dir"}


@pytest.mark.parametrize(
    "written",
    ["../words.txt", "/etc/hostname", "~/words.txt", "sub/../../words.txt", "missing.txt", "link.txt", "C:\\words.txt"],
)
def test_a_lyrics_file_elsewhere_is_listed_and_not_read(tmp_path: Path, written: str) -> None:
    folder = tmp_path / "songs"
    folder.mkdir()
    (tmp_path / "words.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "words.txt")
    song = imported(folder, f"caption = 'shanty'\nlyrics = '{written}'\n", "config.toml")

    assert song.values["lyrics"] == ""
    assert list(listed(song)) == ["lyrics"]
    assert song.notes


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * 100_000])
def test_a_lyrics_file_that_can_not_be_read_is_listed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "words.txt").write_bytes(content)
    song = imported(tmp_path, 'caption = "shanty"\nlyrics = "words.txt"\n', "config.toml")

    assert (song.values["lyrics"], list(listed(song))) == ("", ["lyrics"])


@pytest.mark.parametrize("words", ["[verse] haul away", "one long line " * 40, "\\u0000", "la/la/la", "words.txt\\nla"])
def test_words_that_name_no_file_stay_words(tmp_path: Path, words: str) -> None:
    song = imported(tmp_path, f'caption = "shanty"\nlyrics = "{words}"\n', "config.toml")

    assert song.values["lyrics"]
    assert song.left_out == ()


def test_lyrics_that_the_lm_was_to_write_are_listed(tmp_path: Path) -> None:
    song = imported(tmp_path, 'caption = "shanty"\nlyrics = "generate"\nuse_cot_lyrics = true\n', "config.toml")

    assert song.values["lyrics"] == ""
    assert set(listed(song)) == {"lyrics", "use_cot_lyrics"}
    assert imported(tmp_path, {"caption": "shanty", "lyrics": "generate"}).values["lyrics"] == "generate\n"


def test_a_request_to_the_api_is_read_under_all_of_its_names(tmp_path: Path) -> None:
    song = imported(
        tmp_path,
        {
            "prompt": "dream pop",
            "lyrics": "[Verse]\nfar away",
            "audioDuration": "90.0",
            "keyScale": "C# Minor",
            "timeSignature": "4/4",
            "vocalLanguage": "en",
            "inferenceSteps": "8",
            "guidanceScale": 7,
            "inferMethod": "ODE",
            "ditModel": "acestep-v15-base",
            "useCotCaption": "false",
            "cot-language": False,
            "lmTopP": "0.8",
            "seed": "11,12",
            "audioCoverStrength": 1.0,
            "format": False,
            "taskType": "text2music",
            "thinking": "true",
        },
    )

    assert song.left_out == ()
    assert song.values == {
        "model": "base",
        "caption": "dream pop",
        "lyrics": "[Verse]\nfar away\n",
        "seeds": [11, 12],
        "metas": {"duration": 90, "keyscale": "C# minor", "timesignature": "4", "vocal_language": "en"},
        "inference": {
            "inference_steps": 8,
            "guidance_scale": 7,
            "infer_method": "ode",
            "use_cot_caption": False,
            "use_cot_language": False,
            "lm_top_p": 0.8,
            "thinking": True,
        },
    }


@pytest.mark.parametrize("wrapper", ["param_obj", "metas", "metadata", "userMetadata", "params", "audioConfig"])
@pytest.mark.parametrize("as_text", [True, False])
def test_tables_inside_a_request_are_read(tmp_path: Path, wrapper: str, as_text: bool) -> None:
    inside = {"bpm": 90, "keyScale": "A minor", "wobble": 1}
    song = imported(tmp_path, FOLK | {"bpm": 80, wrapper: json.dumps(inside) if as_text else inside})

    assert song.values["metas"] == {"bpm": 80, "keyscale": "A minor"}
    assert listed(song) == {
        f"{wrapper}.bpm": "`bpm` says something else, and comes first",
        f"{wrapper}.wobble": "no key of a spec",
    }


@pytest.mark.parametrize(
    ("request_", "caption", "lyrics", "left"),
    [
        ({"content": "<prompt>bossa nova</prompt>\n<lyrics>[verse]\nola</lyrics>"}, "bossa nova", "[verse]\nola\n", []),
        ({"content": [{"type": "text", "text": "<lyrics>ola</lyrics> bossa"}]}, "bossa", "ola\n", []),
        ({"content": "bossa nova, soft"}, "bossa nova, soft", "", []),
        (
            {"content": [{"type": "text", "text": "bossa"}, {"type": "input_audio", "input_audio": {"data": "AA"}}]},
            "bossa",
            "",
            ["messages"],
        ),
    ],
)
def test_a_chat_request_is_read_with_its_audio_config(
    tmp_path: Path, request_: dict[str, Any], caption: str, lyrics: str, left: list[str]
) -> None:
    song = imported(
        tmp_path,
        {
            "model": "acemusic/acestep-v15-turbo",
            "messages": [{"role": "system", "content": "x"}, {"role": "user", **request_}],
            "temperature": 0.7,
            "audio_config": {
                "duration": 60,
                "bpm": None,
                "vocal_language": "pt",
                "format": "mp3",
                "key_scale": "D Major",
            },
        },
    )

    assert (song.values["caption"], song.values["lyrics"], song.values["model"]) == (caption, lyrics, "turbo")
    assert song.values["metas"] == {"duration": 60, "vocal_language": "pt", "keyscale": "D major"}
    assert song.values["output"] == {"format": "mp3"}
    assert song.values["inference"] == {"lm_temperature": 0.7}
    assert list(listed(song)) == left


@pytest.mark.parametrize("said", ["[Verse 1]\nwalking home", "la\n" * 4, "a song with a [chorus] please"])
def test_a_chat_of_nothing_but_lyrics_lacks_its_caption(tmp_path: Path, said: str) -> None:
    chat = {"messages": [{"role": "user", "content": said}]}
    with pytest.raises(UsageError, match="no caption"):
        imported(tmp_path, chat)

    assert imported(tmp_path, chat | {"prompt": "folk"}).values["lyrics"] == said.strip() + "\n"


def test_answers_of_the_api_are_read(tmp_path: Path) -> None:
    formatted = {"caption": "folk", "lyrics": "la", "key_scale": "G Major", "duration": 40, "vocal_language": "unknown"}
    takes = [{"prompt": "folk", "lyrics": "la", "metas": {"bpm": 90, "genres": ""}, "file": "/v1/audio?path=x"}] * 2
    one = imported(tmp_path, {"data": formatted, "code": 200, "error": None, "extra": None})
    (two,) = read_foreign(
        json.dumps({"data": [{"task_id": "7", "status": 1, "result": json.dumps(takes)}], "code": 200, "extra": None}),
        tmp_path / "answer.json",
    ).songs

    assert one.values == {"caption": "folk", "lyrics": "la\n", "metas": {"keyscale": "G major", "duration": 40}}
    assert list(listed(one)) == ["code"]
    assert isinstance(two, Imported)
    assert two.values == {"caption": "folk", "lyrics": "la\n", "metas": {"bpm": 90}}
    assert listed(two)["result"] == "it holds 2 tables, and the first counts"


def test_a_chat_with_lyrics_beside_it_says_what_the_music_is(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "heavy bass\n[drop]"}]
    song = imported(tmp_path, {"messages": chat, "lyrics": "[verse]\nfeel", "audio_config": {"instrumental": False}})

    assert (song.values["caption"], song.values["lyrics"]) == ("heavy bass\n[drop]", "[verse]\nfeel\n")


# Values.


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90.0", 90), ("90", 90), (" 90.5 ", 90.5), (90.0, 90), ("120s", 120), ("2:30", 150), ("02:05.5", 125.5),
        ("1:00:00", None), ("0:09:30", 570), ("2m30s", 150), ("2 min", 120), ("2 minutes 5 seconds", 125),
        ("45 sec", 45), ("1.5 min", 90), ("3'20\"", 200), ("9e1", 90),
    ],
)  # fmt: skip
def test_durations_are_read_as_people_write_them(tmp_path: Path, written: object, seconds: float | None) -> None:
    assert metas(tmp_path, duration=written).get("duration") == seconds


@pytest.mark.parametrize("value", [None, "", "N/A", "auto", "none", " ", [], {}])
def test_what_leaves_a_key_open_is_left_out_without_a_word(tmp_path: Path, value: object) -> None:
    open_keys = (
        "bpm",
        "duration",
        "keyscale",
        "timesignature",
        "vocal_language",
        "seed",
        "timesteps",
        "shift",
        "model",
    )
    song = imported(tmp_path, FOLK | dict.fromkeys(open_keys, value))

    assert set(song.values) == {"caption", "lyrics"}
    assert song.left_out == ()


@pytest.mark.parametrize("value", [-1, 0, "-1", "0", -1.0, "0.0"])
def test_a_tempo_or_length_of_nothing_is_left_out_without_a_word(tmp_path: Path, value: object) -> None:
    song = imported(tmp_path, FOLK | {"bpm": value, "duration": value, "seed": -1})

    assert set(song.values) == {"caption", "lyrics"}
    assert song.left_out == ()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bpm", 900), ("bpm", "fast"), ("bpm", True), ("bpm", [90]), ("bpm", 10**400),
        ("bpm", float("nan")), ("duration", float("inf")), ("duration", 5), ("duration", "soon"),
        ("duration", "90,5"), ("duration", "2:75"), ("duration", {"min": 60}), ("keyscale", "Bb"),
        ("keyscale", 3), ("timesignature", "5/4"), ("timesignature", 7), ("vocal_language", "klingon"),
        ("vocal_language", ["en", "fr"]), ("vocal_language", 3), ("vocal_language", [None]),
        ("inference_steps", 0), ("guidance_scale", "strong"), ("retake_variance", 0.5),
        ("infer_method", "magic"), ("timesteps", "a,b"), ("timesteps", [0.1, 0.9]), ("thinking", "perhaps"),
        ("lm_top_p", 3), ("audio_format", "aac"), ("lm_negative_prompt", 3), ("title", 3), ("title", "x" * 400),
        ("seed", "abc"), ("seed", 2**32), ("seed", 1.5), ("seed", True), ("seeds", [{}]), ("seeds", [-1, -1]),
        ("model", "acestep-v15-mine"), ("model", "/m/acestep-v15-sft"), ("model", 3), ("lm", "../lm"),
        ("instrumental", "perhaps"), ("audio_codes", "none at all"), ("audio_codes", [1.5]),
        ("audio_codes", [64_000]), ("audio_codes", ["<|audio_code_1|>", "<|audio_code_2|>"]),
        ("audio_codes", [0] * 3001),
    ],
)  # fmt: skip
def test_a_value_that_a_spec_can_not_have_is_listed_with_its_reason(tmp_path: Path, key: str, value: object) -> None:
    song = imported(tmp_path, FOLK | {key: value})

    assert list(listed(song)) == [key]
    assert listed(song)[key]
    assert song.values == {"caption": FOLK["caption"], "lyrics": FOLK["lyrics"] + "\n"}


def test_a_tempo_with_a_fraction_is_taken_as_ace_step_takes_it_and_listed(tmp_path: Path) -> None:
    song = imported(tmp_path, FOLK | {"bpm": "92.5"})

    assert song.values["metas"] == {"bpm": 92}
    assert "taken as 92" in listed(song)["bpm"]


def test_seeds_that_can_be_rendered_again_are_kept(tmp_path: Path) -> None:
    song = imported(tmp_path, FOLK | {"seeds": ["5", -1, 7.0, 5, 2**32 - 1]})

    assert song.values["seeds"] == [5, 7, 2**32 - 1]
    assert list(listed(song)) == ["seeds"]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("Am", "A minor"),
        ("f♯ MIN", "F# minor"),
        ("B-flat Major", "Bb major"),
        ("H-Moll", "B minor"),
        ("c MAJ", "C major"),
    ],
)
def test_keys_are_read_as_people_write_them(tmp_path: Path, written: str, key: str) -> None:
    assert metas(tmp_path, keyScale=written) == {"keyscale": key}


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("EN", "en"),
        ("Spanish", "es"),
        ("zh-CN", "zh"),
        ("pt_BR", "pt"),
        ("日本語", "ja"),
        ("Bengali", "bn"),
        (["ko"], "ko"),
    ],
)
def test_languages_are_read_as_people_write_them(tmp_path: Path, written: object, code: str) -> None:
    assert metas(tmp_path, vocal_language=written) == {"vocal_language": code}


def test_upstreams_newer_settings_are_carried_over(tmp_path: Path) -> None:
    newer = {
        "dcw_enabled": "False",
        "dcw_mode": "Double",
        "dcw_scaler": "0.05",
        "dcwHighScaler": 0.02,
        "dcw_wavelet": "haar",
        "retake_seed": "41",
        "retake_variance": 0.2,
        "sampler_mode": "heun",
    }
    song = imported(tmp_path, FOLK | newer | {"vae_checkpoint": "scragvae"})

    assert song.left_out == ()
    assert song.values["vae"] == "scragvae"
    assert song.values["inference"] == {
        "dcw_enabled": False,
        "dcw_mode": "double",
        "dcw_scaler": 0.05,
        "dcw_high_scaler": 0.02,
        "dcw_wavelet": "haar",
        "retake_seed": 41,
        "retake_variance": 0.2,
        "sampler_mode": "heun",
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dcw_wavelet", "db4"),
        ("retake_seed", "1,2"),
        ("retakeSeed", -3),
        ("vae_checkpoint", "/models/vae"),
        ("dcw_mode", 3),
    ],
)
def test_newer_settings_that_can_not_be_had_are_listed(tmp_path: Path, key: str, value: object) -> None:
    assert list(listed(imported(tmp_path, FOLK | {key: value}))) == [key]


def test_what_nobody_sings_is_listed(tmp_path: Path) -> None:
    song = imported(tmp_path, FOLK | {"instrumental": True})

    assert song.values == {"caption": FOLK["caption"], "instrumental": True}
    assert "nobody sings" in listed(song)["lyrics"]
    for quiet in ("[Instrumental]", "[inst]\n", " ", ""):
        assert imported(tmp_path, FOLK | {"instrumental": True, "lyrics": quiet}).left_out == ()


def test_of_two_keys_that_mean_one_the_first_counts_and_the_other_is_listed(tmp_path: Path) -> None:
    song = imported(
        tmp_path, {"prompt": "jazz", "caption": "rock", "lyrics": "la", "language": "en", "vocalLanguage": "EN"}
    )

    assert song.values["caption"] == "jazz"
    assert list(listed(song)) == ["caption"]


def test_a_key_written_twice_is_listed(tmp_path: Path) -> None:
    song = imported(tmp_path, '{"caption": "folk", "lyrics": "la", "bpm": 80, "bpm": 90}')

    assert song.values["metas"] == {"bpm": 90}
    assert list(listed(song)) == ["bpm"]


def test_a_long_song_may_be_long(tmp_path: Path) -> None:
    song = imported(tmp_path, FOLK | {"duration": 300})

    assert (song.values["max_duration"], song.values["metas"]) == (300, {"duration": 300})
    assert song.notes


# Codes.


def test_codes_are_pinned_with_what_the_lm_had_decided(tmp_path: Path) -> None:
    codes = "".join(f"<|audio_code_{number}|>" for number in range(60))
    decided = {
        "cot_bpm": 98,
        "cot_keyscale": "A minor",
        "cot_duration": 12,
        "cot_vocal_language": "fr",
        "cot_caption": "x",
    }
    song = imported(tmp_path, FOLK | {"audio_codes": codes, "thinking": False, "bpm": 90, **decided})

    assert song.pinned is not None
    assert (song.pinned.codes, song.pinned.take, song.pinned.caption) == (
        tuple(range(60)),
        "song.json",
        FOLK["caption"],
    )
    assert song.values["metas"] == {"bpm": 90, "keyscale": "A minor", "duration": 12, "vocal_language": "fr"}
    assert not song.values.get("inference")
    assert list(listed(song)) == ["cot_caption"]


def test_a_duration_that_the_codes_do_not_have_is_listed(tmp_path: Path) -> None:
    song = imported(tmp_path, FOLK | {"audioCodeString": [7] * 60, "duration": 90})

    assert "metas" not in song.values or "duration" not in song.values["metas"]
    assert listed(song) == {"duration": "the codes last 12 s"}


# Lists and files.


def test_one_bad_song_of_a_list_costs_itself_and_says_why(tmp_path: Path) -> None:
    content = [FOLK, "rock", {"lyrics": "la"}, FOLK | {"caption": 3}, FOLK | {"lyrics": [1]}, None, FOLK | {"bpm": 80}]
    songs = read_foreign(json.dumps(content), tmp_path / "songs.json").songs

    assert [isinstance(song, Imported) for song in songs] == [True, False, False, False, False, False, True]
    assert all(isinstance(song, Imported) or song.message for song in songs)


def test_json_lines_and_wrapped_lists_are_lists(tmp_path: Path) -> None:
    lines = f"{json.dumps(FOLK)}\n\n{{broken\n{json.dumps(FOLK)}\n"
    songs = read_foreign(lines, tmp_path / "songs.jsonl").songs
    wrapped = read_foreign(json.dumps({"samples": [FOLK, FOLK], "metadata": {"a": 1}}), tmp_path / "set.json")

    assert [isinstance(song, Imported) for song in songs] == [True, False, True]
    assert (len(wrapped.songs), wrapped.is_list, [left.key for left in wrapped.left_out]) == (2, True, ["metadata"])


@pytest.mark.parametrize(
    ("line", "what"),
    [('"rain"', "a text"), ("null", "`null`"), ("3", "a number"), ("true", "true or false"), ("[1]", "a list")],
)
def test_what_stands_in_a_song_s_place_is_called_what_it_is(tmp_path: Path, line: str, what: str) -> None:
    (error,) = read_foreign(line, tmp_path / "songs.jsonl").songs

    assert isinstance(error, UsageError)
    assert error.why == f"a table is expected, this is {what}"


def test_a_song_with_lists_of_other_things_is_one_song(tmp_path: Path) -> None:
    song = imported(tmp_path, FOLK | {"results": [{"file": "a.flac", "score": 0.5}], "tracks": [{"stem": "drums"}]})

    assert song.values["caption"] == FOLK["caption"]
    assert set(listed(song)) == {"results", "tracks"}


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('{\n  // mine\n  "caption": "x"}', (2, 3), "comments"),
        ("{'caption': 'x'}", (1, 2), '"…"'),
        ("{\u201ccaption\u201d: 1}", (1, 2), "straight"),
        ("{caption: 1}", (1, 2), "keys"),
        ('{"caption": True}', (1, 13), "`true`"),
        ('{"caption": "x\ny"}', (1, 15), "\\n"),
        ('{"caption": "x"}\n{"caption": "y"}', (2, 1), ".jsonl"),
        ("", (1, 1), ""),
    ],
)
def test_broken_json_is_told_with_its_place(tmp_path: Path, text: str, place: tuple[int, int], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_foreign(text, tmp_path / "song.json")
    (fault,) = caught.value.diagnostics

    assert fault.span is not None
    assert (fault.code, (fault.span.line, fault.span.column)) == ("json-syntax", place)
    assert words in fault.help


@pytest.mark.parametrize("text", ['{"caption": "x",\n}', '[{"caption": "x"}, ]', '{"a": [1,], "b": 2}'])
def test_a_comma_too_many_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_foreign(text, tmp_path / "song.json")

    assert "take out the comma" in caught.value.diagnostics[0].help


@pytest.mark.parametrize("text", ["[]", "[" * 100_000, "[" + "9" * 5000 + "]", '{"a": 1e5', "nope"])
def test_what_holds_no_song_is_refused_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises((SpecError, UsageError)):
        read_foreign(text, tmp_path / "song.json")
