"""Which stages ACE-Step's switches run, and what each stage is then asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from renderer.errors import UsageError
from renderer.models.ace_step.protocol.stage_requests import ask_cot, ask_latents, take_context
from renderer.models.ace_step.stages import FAMILY
from renderer.models.catalog import zoo
from renderer.models.family import ask_stages
from renderer.plan.keys import canonical
from renderer.settings import Metas
from renderer.spec.load import load_songs
from tests.models.ace_step.requests_of import Requests, requests_of

if TYPE_CHECKING:
    from pathlib import Path


SUNG = 'caption = "slow blues"\nlyrics = "[verse]\\nthe rain"\nseeds = [7]\n'
NO_METAS = Metas()
HEADS = ((2, (6,)),)
ALL_GIVEN = '[metas]\nbpm = 90\nkeyscale = "Am"\ntimesignature = "3/4"\nduration = 61.5\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def asked(folder: Path, text: str, *, model: str = "turbo", preview: float | None = None) -> Requests:
    path = folder / "a.toml"
    path.write_text(text, "utf-8")
    (song,) = load_songs([path]).require()
    (take,) = song.takes()
    return requests_of(take, zoo.model_facts(model), preview)


def switched(*switches: str) -> str:
    return SUNG + "[inference]\n" + "".join(f"{switch}\n" for switch in switches)


@pytest.mark.parametrize(
    ("text", "phases"),
    [
        (SUNG, ("cot", "codes")),
        (switched("thinking = false"), ("cot",)),
        (switched("use_cot_metas = false"), ("codes",)),
        (switched("use_cot_metas = false", "use_cot_caption = true", "use_cot_language = true"), ("codes",)),
        (switched("use_cot_caption = true"), ("cot", "codes")),
        (switched("use_cot_caption = false", "use_cot_language = false"), ("cot", "codes")),
        (switched("thinking = false", "use_cot_metas = false"), ()),
        (switched("thinking = false", "use_cot_metas = false", "use_cot_caption = true"), ()),
        (switched("use_constrained_decoding = false"), ("cot", "codes")),
        (SUNG + ALL_GIVEN, ("codes",)),
        (SUNG + ALL_GIVEN + "[inference]\nthinking = false\n", ()),
        (SUNG + ALL_GIVEN.replace("bpm = 90\n", ""), ("cot", "codes")),
        ('caption = "x"\ninstrumental = true\nseeds = [7]\n', ("cot", "codes")),
    ],
)
def test_the_switches_run_the_phases_that_upstreams_do(folder: Path, text: str, phases: tuple[str, ...]) -> None:
    found = asked(folder, text)

    assert tuple(name for name in ("cot", "codes") if getattr(found, name) is not None) == phases


def test_nothing_given_asks_for_nothing(folder: Path) -> None:
    """Where upstream would fail for want of metas."""
    found = asked(folder, switched("use_cot_metas = false"))

    assert found.codes is not None
    assert found.codes.metas == found.latents.metas == NO_METAS
    assert found.waveform.duration is None


def test_what_is_given_is_asked_of_every_stage(folder: Path) -> None:
    found = asked(folder, SUNG + ALL_GIVEN)

    given = Metas(bpm=90, keyscale="A minor", timesignature="3", duration=61.5)
    assert found.codes is not None
    assert (found.codes.metas, found.latents.metas, found.waveform.duration) == (given, given, 61.5)


@pytest.mark.parametrize(
    ("switch", "stage", "name", "value"),
    [
        ("use_cot_caption = false", "cot", "use_cot_caption", False),
        ("use_cot_caption = false", "latents", "use_cot_caption", False),
        ("use_cot_caption = true", "cot", "use_cot_caption", True),
        ("use_cot_caption = true", "latents", "use_cot_caption", True),
        ("use_cot_language = false", "cot", "use_cot_language", False),
        ("use_cot_language = false", "latents", "use_cot_language", False),
        ("lm_seed = 5", "cot", "lm_seed", 5),
        ("lm_seed = 5", "codes", "seed", 7),
        ("lm_seed = 5", "latents", "seed", 7),
        ('infer_method = "sde"', "latents", "infer_method", "sde"),
        ("timesteps = [1.0, 0.5]", "latents", "timesteps", (1.0, 0.5)),
    ],
)
def test_a_setting_reaches_the_stages_it_is_meant_for(
    folder: Path, switch: str, stage: str, name: str, value: Any
) -> None:
    assert getattr(getattr(asked(folder, switched(switch)), stage), name) == value


@pytest.mark.parametrize(
    ("switch", "name", "value"),
    [
        ("use_constrained_decoding = false", "use_constrained_decoding", False),
        ("lm_top_k = 40", "lm_top_k", 40),
        ("lm_temperature = 0.5", "lm_temperature", 0.5),
    ],
)
def test_both_phases_draw_by_the_same_settings(folder: Path, switch: str, name: str, value: Any) -> None:
    found = asked(folder, switched(switch))

    assert found.cot is not None
    assert found.codes is not None
    assert getattr(found.cot, name) == getattr(found.codes, name) == value


@pytest.mark.parametrize(
    ("switch", "name", "value"),
    [
        ("", "lm_negative_prompt", "NO USER INPUT"),
        ("", "lm_cfg_scale", 2.0),
        ('lm_negative_prompt = "hiss"', "lm_negative_prompt", "hiss"),
        ("lm_cfg_scale = 3.0", "lm_cfg_scale", 3.0),
    ],
)
def test_guidance_is_for_codes_and_never_for_a_chain_of_thought(
    folder: Path, switch: str, name: str, value: Any
) -> None:
    found = asked(folder, switched(switch))

    assert found.cot is not None
    assert found.codes is not None
    assert getattr(found.codes, name) == value
    assert found.cot == asked(folder, switched("")).cot
    assert not found.cot.guided


def test_an_instrumental_is_sent_as_upstream_spells_it(folder: Path) -> None:
    found = asked(folder, 'caption = "x"\ninstrumental = true\nseeds = [7]\n')

    assert found.cot is not None
    assert found.codes is not None
    assert {found.cot.lyrics, found.codes.lyrics, found.latents.lyrics} == {"[Instrumental]"}


@pytest.mark.parametrize(
    ("model", "expected"), [("turbo", (8, 2.4, 1.0)), ("turbo-shift1", (8, 2.4, 1.0)), ("sft", (20, 2.4, 6.0))]
)
def test_a_checkpoint_is_asked_only_what_it_was_made_for(
    folder: Path, model: str, expected: tuple[int, float, float]
) -> None:
    text = switched("inference_steps = 20", "shift = 2.4", "guidance_scale = 6.0")

    latents = asked(folder, text, model=model).latents

    assert (latents.inference_steps, latents.shift, latents.guidance_scale) == expected


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 7, 8])
def test_turbo_runs_the_steps_asked_for_up_to_eight(folder: Path, steps: int) -> None:
    assert asked(folder, switched(f"inference_steps = {steps}")).latents.inference_steps == steps


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("turbo", (8, 3.0, 1.0, True)),
        ("xl-turbo", (8, 3.0, 1.0, True)),
        ("turbo-shift1", (8, 1.0, 1.0, True)),
        ("base", (50, 1.0, 7.0, False)),
        ("xl-sft-diffusers", (50, 1.0, 7.0, False)),
    ],
)
def test_what_a_spec_leaves_out_comes_from_its_checkpoint(
    folder: Path, model: str, expected: tuple[int, float, float, bool]
) -> None:
    latents = asked(folder, SUNG, model=model).latents

    assert (latents.inference_steps, latents.shift, latents.guidance_scale, latents.dcw_enabled) == expected


def test_own_times_leave_nothing_to_steps_and_shift(folder: Path) -> None:
    times = "timesteps = [1.0, 0.75, 0.3, 0.0]"

    (plain, set_twice) = (
        asked(folder, switched(times, *more)).latents for more in ((), ("shift = 2.0", "inference_steps = 6"))
    )

    assert plain == set_twice
    assert (plain.inference_steps, plain.shift) == (3, 1.0)


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ((), (True, "double", 0.05, 0.02)),
        (("dcw_enabled = true",), (True, "double", 0.05, 0.02)),
        (("dcw_scaler = 0.1", "dcw_high_scaler = 0.0"), (True, "double", 0.1, 0.0)),
        (('dcw_mode = "low"', "dcw_high_scaler = 0.5"), (True, "low", 0.05, None)),
        (('dcw_mode = "high"', "dcw_scaler = 0.06"), (True, "high", 0.06, None)),
        (('dcw_mode = "pix"',), (True, "pix", 0.05, None)),
        (("dcw_enabled = false",), (False, None, None, None)),
        (("dcw_enabled = false", 'dcw_mode = "low"', "dcw_scaler = 0.3"), (False, None, None, None)),
        (("dcw_scaler = 0.0", "dcw_high_scaler = 0.0"), (False, None, None, None)),
        (('dcw_mode = "pix"', "dcw_scaler = 0.0"), (False, None, None, None)),
        (('dcw_mode = "high"', "dcw_scaler = 0.0", "dcw_high_scaler = 0.5"), (False, None, None, None)),
    ],
)
def test_of_dcw_only_what_does_something_is_asked(
    folder: Path, switches: tuple[str, ...], expected: tuple[object, ...]
) -> None:
    found = asked(folder, switched(*switches)).latents

    assert (found.dcw_enabled, found.dcw_mode, found.dcw_scaler, found.dcw_high_scaler) == expected


def test_undistilled_checkpoints_run_dcw_only_when_told(folder: Path) -> None:
    asked_plainly = asked(folder, switched("dcw_scaler = 0.2"), model="sft").latents

    assert not asked_plainly.dcw_enabled
    assert asked(folder, switched("dcw_enabled = true", "dcw_scaler = 0.2"), model="sft").latents.dcw_scaler == 0.2


@pytest.mark.parametrize(
    ("switches", "moved"),
    [
        (("dcw_enabled = true", 'dcw_mode = "double"', "dcw_scaler = 0.05", "dcw_high_scaler = 0.02"), False),
        (("inference_steps = 8", "shift = 3.0"), False),
        (("inference_steps = 30",), False),
        (('sampler_mode = "euler"', "retake_variance = 0.0", "retake_seed = 9"), False),
        (('dcw_wavelet = "haar"',), False),
        (("dcw_enabled = false",), True),
        (("dcw_high_scaler = 0.03",), True),
        (("inference_steps = 7",), True),
        (("shift = 2.5",), True),
        (('sampler_mode = "heun"',), True),
        (("retake_variance = 0.1", "retake_seed = 9"), True),
    ],
)
def test_writing_a_default_out_moves_no_key(folder: Path, switches: tuple[str, ...], *, moved: bool) -> None:
    plain, other = (canonical(asked(folder, text).latents) for text in (SUNG, switched(*switches)))

    assert (plain != other) is moved


def test_settings_that_are_off_are_in_no_key(folder: Path) -> None:
    """What is left of a request: texts, what the LM decides, and what has no neutral value."""
    assert set(canonical(asked(folder, SUNG, model="sft").latents)) == {
        *("caption", "lyrics", "metas", "use_cot_caption", "use_cot_language", "max_duration"),
        *("inference_steps", "guidance_scale", "seed"),
    }
    assert set(canonical(asked(folder, SUNG + ALL_GIVEN, model="sft").latents)) == {
        *("caption", "lyrics", "metas", "inference_steps", "guidance_scale", "seed"),
    }


def test_heuns_method_is_one_for_ode(folder: Path) -> None:
    both, ode = (
        asked(folder, switched('sampler_mode = "heun"', f'infer_method = "{method}"')).latents.sampler_mode
        for method in ("sde", "ode")
    )

    assert (both, ode) == ("euler", "heun")


@pytest.mark.parametrize("model", ["turbo", "mini"])
def test_a_song_may_last_as_long_as_its_max_duration_says(folder: Path, model: str) -> None:
    long = asked(folder, SUNG + "max_duration = 600\n[metas]\nduration = 600\n", model=model)

    assert long.waveform.duration == 600
    assert long.codes is not None
    assert long.codes.max_duration == 600


def test_a_song_longer_than_its_model_s_default_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="asks for 100 s, `mini` makes at most 60 s") as refused:
        asked(folder, SUNG + "[metas]\nduration = 100\n", model="mini")

    assert "max_duration" in (refused.value.help or "")


@pytest.mark.parametrize("rest", ["", "[output]\ntimestamps = true\n[pick]\nplans = 3\nfinish = 1\n"])
@pytest.mark.parametrize("drawn", ["", "[inference]\nlm_temperature = 0\nretake_variance = 0.2\nretake_seed = 4\n"])
def test_each_seed_is_asked_as_if_it_were_alone(folder: Path, drawn: str, rest: str) -> None:
    (folder / "a.toml").write_text(SUNG.replace("[7]", "[7, 8, 9]") + drawn + rest, "utf-8")
    (song,) = load_songs([folder / "a.toml"]).require()
    first, *others = (take_context(take, zoo.model_facts("turbo"), None, HEADS) for take in song.takes())

    assert [ask_stages(FAMILY.stages, first.beside(other.take)) for other in others] == [
        ask_stages(FAMILY.stages, other) for other in others
    ]
    assert [ask_latents(first.beside(other.take)).seed for other in others] == [8, 9]


def test_what_hangs_on_no_seed_is_asked_once(folder: Path) -> None:
    """So that the takes of a song share their chain of thought's job, and it is keyed once."""
    (folder / "a.toml").write_text(SUNG.replace("[7]", "[7, 8]"), "utf-8")
    (song,) = load_songs([folder / "a.toml"]).require()
    one, other = song.takes()
    context = take_context(one, zoo.model_facts("turbo"), None)

    assert ask_cot(context) is ask_cot(context.beside(other))
