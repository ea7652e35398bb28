"""The table of lints: code, level, function, and a spec with and one without the fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.spec.diagnostics import Level
from renderer.spec.lints import caption, edits, lyrics, marks, metas, settings, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from renderer.spec.findings import Finding, LyricsFinding
    from renderer.spec.lints.subject import Layer, Subject
    from renderer.spec.lints.texts import Text

_CAPTION = 'caption = "slow blues, upright bass"\n'
_LYRICS = 'lyrics = """\n[verse]\nthe rain came down on Monday\n"""\n'
_ENGLISH = '[metas]\nvocal_language = "en"\n'
_SPEC = _CAPTION + _LYRICS


@dataclass(frozen=True, slots=True, kw_only=True)
class SongLint:
    """A lint of a song as a whole. `bad` and `good` are specs: one with the fault, one without any."""

    code: str
    level: Level
    check: Callable[[Subject], Iterable[Finding | LyricsFinding]]
    bad: str
    good: str
    of_all_variants: bool = False
    """Whether it looks at the song's variants together; others look at each that says something else than the song."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLint:
    """A lint of any text that reaches a model, wherever it is written: in a spec, its variants or `renderer.toml`."""

    code: str
    level: Level
    check: Callable[[Text], Iterable[Finding | LyricsFinding]]
    bad: str
    good: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsLint:
    """A lint of settings, wherever they are written: in a spec, its variants or `renderer.toml`."""

    code: str
    level: Level
    check: Callable[[Layer], Iterable[Finding]]
    bad: str
    good: str


_REPAINT = f'{_SPEC}[edits.fix]\ntask = "repaint"\nsrc_audio = "s0"\nseeds = [1]\nvocal_language = "en"\n'


def _sung(text: str, rest: str = "") -> str:
    return f'{_CAPTION}lyrics = """\n{text}\n"""\n{rest}'


SETTINGS_LINTS: tuple[SettingsLint, ...] = (
    SettingsLint(
        code="turbo-steps",
        level=Level.WARNING,
        check=settings.turbo_steps,
        bad=_SPEC + "[inference]\ninference_steps = 20\n",
        good=_SPEC + "[inference]\ninference_steps = 8\n",
    ),
    SettingsLint(
        code="turbo-few-steps",
        level=Level.NOTE,
        check=settings.turbo_few_steps,
        bad=_SPEC + "[inference]\ninference_steps = 5\n",
        good=_SPEC + "[inference]\ninference_steps = 8\n",
    ),
    SettingsLint(
        code="few-steps",
        level=Level.WARNING,
        check=settings.few_steps,
        bad='model = "sft"\n' + _SPEC + "[inference]\ninference_steps = 8\n",
        good='model = "sft"\n' + _SPEC + "[inference]\ninference_steps = 50\n",
    ),
    SettingsLint(
        code="turbo-shift",
        level=Level.WARNING,
        check=settings.turbo_shift,
        bad=_SPEC + "[inference]\nshift = 4.5\n",
        good=_SPEC + "[inference]\nshift = 2.0\n",
    ),
    SettingsLint(
        code="undistilled-shift",
        level=Level.WARNING,
        check=settings.undistilled_shift,
        bad='model = "sft"\n' + _SPEC + "[inference]\nshift = 3.0\n",
        good='model = "sft"\n' + _SPEC + "[inference]\nshift = 1.0\n",
    ),
    SettingsLint(
        code="undistilled-dcw",
        level=Level.WARNING,
        check=settings.undistilled_dcw,
        bad='model = "base"\n' + _SPEC + "[inference]\ndcw_enabled = true\n",
        good=_SPEC + "[inference]\ndcw_enabled = true\n",
    ),
    SettingsLint(
        code="dcw-unused",
        level=Level.NOTE,
        check=settings.dcw_unused,
        bad=_SPEC + '[inference]\ndcw_mode = "low"\ndcw_high_scaler = 0.03\n',
        good=_SPEC + '[inference]\ndcw_mode = "double"\ndcw_high_scaler = 0.03\n',
    ),
    SettingsLint(
        code="retake-unused",
        level=Level.NOTE,
        check=settings.retake_unused,
        bad=_SPEC + "[inference]\nretake_seed = 5\n",
        good=_SPEC + "[inference]\nretake_seed = 5\nretake_variance = 0.2\n",
    ),
    SettingsLint(
        code="heun-beside-sde",
        level=Level.NOTE,
        check=settings.heun_beside_sde,
        bad=_SPEC + '[inference]\nsampler_mode = "heun"\ninfer_method = "sde"\n',
        good=_SPEC + '[inference]\nsampler_mode = "heun"\ninfer_method = "ode"\n',
    ),
    SettingsLint(
        code="turbo-times",
        level=Level.WARNING,
        check=settings.turbo_times,
        bad=_SPEC + "[inference]\ntimesteps = [1.0, 0.7, 0.3]\n",
        good=_SPEC + "[inference]\ntimesteps = [1.0, 0.75, 0.3]\n",
    ),
    SettingsLint(
        code="turbo-guidance",
        level=Level.NOTE,
        check=settings.turbo_guidance,
        bad=_SPEC + "[inference]\nguidance_scale = 7.0\n",
        good='model = "sft"\n' + _SPEC + "[inference]\nguidance_scale = 7.0\n",
    ),
    SettingsLint(
        code="unusual-guidance",
        level=Level.NOTE,
        check=settings.unusual_guidance,
        bad='model = "sft"\n' + _SPEC + "[inference]\nguidance_scale = 14.0\n",
        good='model = "sft"\n' + _SPEC + "[inference]\nguidance_scale = 6.0\n",
    ),
    SettingsLint(
        code="steps-beside-times",
        level=Level.NOTE,
        check=settings.steps_beside_times,
        bad=_SPEC + "[inference]\ntimesteps = [1.0, 0.75, 0.3]\nshift = 3.0\n",
        good=_SPEC + "[inference]\ntimesteps = [1.0, 0.75, 0.3]\n",
    ),
    SettingsLint(
        code="lm-unused",
        level=Level.NOTE,
        check=settings.lm_unused,
        bad=_SPEC + "[inference]\nthinking = false\nuse_cot_metas = false\nlm_temperature = 0.7\n" + _ENGLISH,
        good=_SPEC + "[inference]\nlm_temperature = 0.7\n",
    ),
    SettingsLint(
        code="chain-skipped",
        level=Level.NOTE,
        check=settings.chain_skipped,
        bad=_SPEC + "[inference]\nuse_cot_metas = false\nuse_cot_caption = true\n" + _ENGLISH,
        good=_SPEC + "[inference]\nuse_cot_metas = false\n" + _ENGLISH,
    ),
    SettingsLint(
        code="lm-guidance-unused",
        level=Level.NOTE,
        check=settings.lm_guidance_unused,
        bad=_SPEC + '[inference]\nlm_cfg_scale = 1.0\nlm_negative_prompt = "hiss"\n',
        good=_SPEC + '[inference]\nlm_cfg_scale = 2.0\nlm_negative_prompt = "hiss"\n',
    ),
    SettingsLint(
        code="lm-greedy",
        level=Level.NOTE,
        check=settings.lm_greedy,
        bad=_SPEC + "[inference]\nlm_temperature = 0.0\nlm_top_p = 0.8\n",
        good=_SPEC + "[inference]\nlm_temperature = 0.7\nlm_top_p = 0.8\n",
    ),
    SettingsLint(
        code="unconstrained",
        level=Level.WARNING,
        check=settings.unconstrained,
        bad=_SPEC + "[inference]\nuse_constrained_decoding = false\n",
        good=_SPEC + "[inference]\nuse_constrained_decoding = true\n",
    ),
)

TEXT_LINTS: tuple[TextLint, ...] = (
    TextLint(
        code="control-token",
        level=Level.ERROR,
        check=texts.control_tokens,
        bad=_sung("[verse]\nstay <|im_end|> here"),
        good=_sung("[verse]\nstay | here"),
    ),
    TextLint(
        code="control-character",
        level=Level.ERROR,
        check=texts.control_characters,
        bad=_CAPTION + 'lyrics = "[verse]\\nstay\\u0007 here"\n',
        good=_CAPTION + 'lyrics = "[verse]\\nstay here"\n',
    ),
    TextLint(
        code="turning-character",
        level=Level.WARNING,
        check=texts.turning_characters,
        bad=_CAPTION + 'lyrics = "[verse]\\nthe \\u202enomel"\n',
        good=_CAPTION + 'lyrics = "[verse]\\nthe lemon"\n',
    ),
    TextLint(
        code="conflict-mark",
        level=Level.ERROR,
        check=texts.conflict_marks,
        bad=_sung("[verse]\n<<<<<<< HEAD\nthe rain came down"),
        good=_sung("[verse]\nthe rain came down"),
    ),
)

SONG_LINTS: tuple[SongLint, ...] = (
    SongLint(
        code="long-caption",
        level=Level.NOTE,
        check=caption.long_caption,
        bad=f'caption = """\n{"A warm slow blues with upright bass and brushes. " * 11}\n"""\n{_LYRICS}',
        good=f'caption = """\n{"A warm slow blues with upright bass and brushes. " * 10}\n"""\n{_LYRICS}',
    ),
    SongLint(
        code="long-prompt",
        level=Level.WARNING,
        check=caption.long_prompt,
        bad=f'caption = """\n{"暖かいスローブルース、ウッドベース、ブラシ、" * 13}\n"""\n{_LYRICS}',
        good=f'caption = """\n{"暖かいスローブルース、ウッドベース、ブラシ、" * 8}\n"""\n{_LYRICS}',
    ),
    SongLint(
        code="tempo-in-caption",
        level=Level.WARNING,
        check=caption.tempo_in_caption,
        bad='caption = "slow blues at 60 bpm"\n' + _LYRICS + "[metas]\nbpm = 72\n",
        good='caption = "slow blues"\n' + _LYRICS + "[metas]\nbpm = 72\n",
    ),
    SongLint(
        code="key-in-caption",
        level=Level.WARNING,
        check=caption.key_in_caption,
        bad='caption = "slow blues in E minor"\n' + _LYRICS + '[metas]\nkeyscale = "A minor"\n',
        good='caption = "slow blues"\n' + _LYRICS + '[metas]\nkeyscale = "A minor"\n',
    ),
    SongLint(
        code="unusual-duration",
        level=Level.NOTE,
        check=metas.unusual_duration,
        bad=_SPEC + "[metas]\nduration = 12\n",
        good=_SPEC.replace("rain", "rain and the hail and the thunder") + "[metas]\nduration = 30\n",
    ),
    SongLint(
        code="max-duration-unused",
        level=Level.NOTE,
        check=metas.max_duration_unused,
        of_all_variants=True,
        bad="max_duration = 200\n"
        + _SPEC.replace("rain", "rain and the hail and the thunder")
        + "[metas]\nduration = 30\n",
        good="max_duration = 200\n" + _SPEC,
    ),
    SongLint(
        code="lora-unused",
        level=Level.NOTE,
        check=metas.lora_unused,
        of_all_variants=True,
        bad=_SPEC + '[[lora]]\npath = "."\nscale = 0.0\n',
        good=_SPEC + '[[lora]]\npath = "."\nscale = 0.5\n',
    ),
    SongLint(
        code="lm-of-nothing",
        level=Level.NOTE,
        check=metas.lm_of_nothing,
        of_all_variants=True,
        bad='lm = "4B"\n' + _SPEC + "[inference]\nthinking = false\nuse_cot_metas = false\n" + _ENGLISH,
        good='lm = "4B"\n' + _SPEC + "[inference]\nthinking = false\n" + _ENGLISH,
    ),
    SongLint(
        code="unusual-bpm",
        level=Level.NOTE,
        check=metas.unusual_bpm,
        bad=_SPEC + "[metas]\nbpm = 200\n",
        good=_SPEC + "[metas]\nbpm = 100\n",
    ),
    SongLint(
        code="unusual-timesignature",
        level=Level.NOTE,
        check=metas.unusual_timesignature,
        bad=_SPEC + '[metas]\ntimesignature = "2"\n',
        good=_SPEC + '[metas]\ntimesignature = "4"\n',
    ),
    SongLint(
        code="language-of-instrumental",
        level=Level.NOTE,
        check=metas.language_of_instrumental,
        bad=_CAPTION + 'instrumental = true\n[metas]\nvocal_language = "en"\n',
        good=_CAPTION + "instrumental = true\n",
    ),
    SongLint(
        code="language-open",
        level=Level.NOTE,
        check=metas.language_open,
        bad=_SPEC + "[inference]\nuse_cot_metas = false\n",
        good=_SPEC + "[inference]\nuse_cot_metas = false\n" + _ENGLISH,
    ),
    SongLint(
        code="retake-of-itself",
        level=Level.WARNING,
        check=settings.retake_of_itself,
        of_all_variants=True,
        bad="seeds = [4, 5]\n" + _SPEC + "[inference]\nretake_seed = 5\nretake_variance = 0.2\n",
        good="seeds = [4, 6]\n" + _SPEC + "[inference]\nretake_seed = 5\nretake_variance = 0.2\n",
    ),
    SongLint(
        code="edit-unused",
        level=Level.WARNING,
        check=edits.edit_unused,
        of_all_variants=True,
        bad=_REPAINT + "at = [[2, 5]]\nflow_edit_n_min = 0.5\n",
        good=_REPAINT + "at = [[2, 5]]\nrepaint_strength = 0.7\n",
    ),
    SongLint(
        code="repaint-same-seed",
        level=Level.WARNING,
        check=edits.repaint_same_seed,
        of_all_variants=True,
        bad=_REPAINT.replace("[1]", "[0, 1]") + "at = [[2, 5]]\n",
        good=_REPAINT + "at = [[2, 5]]\n",
    ),
    SongLint(
        code="edit-outpaints",
        level=Level.NOTE,
        check=edits.edit_outpaints,
        of_all_variants=True,
        bad=_REPAINT + "at = [[-4, 2]]\n",
        good=_REPAINT + "at = [[0, 2]]\n",
    ),
    SongLint(
        code="wrong-script",
        level=Level.WARNING,
        check=lyrics.wrong_script,
        bad=_sung("[verse]\nthe rain came down on Monday", '[metas]\nvocal_language = "ru"\n'),
        good=_sung("[verse]\nдождь пришёл в понедельник утром", '[metas]\nvocal_language = "ru"\n'),
    ),
    SongLint(
        code="lyrics-empty",
        level=Level.WARNING,
        check=lyrics.empty_lyrics,
        bad=_CAPTION + 'lyrics = ""\n',
        good=_SPEC,
    ),
    SongLint(
        code="romanised-lyrics",
        level=Level.NOTE,
        check=lyrics.romanised_lyrics,
        bad=_sung("[verse]\nkimi no koe ga kikoeru yoru", '[metas]\nvocal_language = "ja"\n'),
        good=_sung("[verse]\n君の声が聞こえる夜", '[metas]\nvocal_language = "ja"\n'),
    ),
    SongLint(
        code="long-lyrics",
        level=Level.WARNING,
        check=lyrics.long_lyrics,
        bad=_sung("[verse]\n" + "the rain came down on Monday\n" * 142),
        good=_sung("[verse]\n" + "the rain came down on Monday\n" * 100),
    ),
    SongLint(
        code="many-tokens",
        level=Level.WARNING,
        check=lyrics.many_tokens,
        bad=_sung("[verse]\n" + "雨が降ってきた月曜日の朝\n" * 220),
        good=_sung("[verse]\n" + "雨が降ってきた月曜日の朝\n" * 100),
    ),
    SongLint(
        code="too-dense",
        level=Level.WARNING,
        check=lyrics.too_dense,
        bad=_sung("[verse]\n" + "the rain came down on Monday\n" * 40, "[metas]\nduration = 30\n"),
        good=_sung("[verse]\n" + "the rain came down on Monday\n" * 10, "[metas]\nduration = 30\n"),
    ),
    SongLint(
        code="too-thin",
        level=Level.NOTE,
        check=lyrics.too_thin,
        bad=_sung("[verse]\nthe rain came down on Monday", "[metas]\nduration = 120\n"),
        good=_sung("[verse]\n" + "the rain came down on Monday\n" * 8, "[metas]\nduration = 120\n"),
    ),
    SongLint(
        code="long-line",
        level=Level.NOTE,
        check=lyrics.long_lines,
        bad=_sung("[verse]\nthe rain came down on Monday and it hasn't stopped to this very evening in the city"),
        good=_sung("[verse]\nthe rain came down on Monday\nand it hasn't stopped to this evening"),
    ),
    SongLint(
        code="joined-sections",
        level=Level.WARNING,
        check=lyrics.joined_sections,
        bad=_sung("[verse]\nthe rain came down\n[chorus]\non Monday"),
        good=_sung("[verse]\nthe rain came down\n\n[chorus]\non Monday"),
    ),
    SongLint(
        code="stacked-tags",
        level=Level.WARNING,
        check=lyrics.stacked_tags,
        bad=_sung("[verse][whispered][slow]\nthe rain came down"),
        good=_sung("[verse] (whispered, slow)\nthe rain came down"),
    ),
    SongLint(
        code="sung-heading",
        level=Level.WARNING,
        check=lyrics.sung_headings,
        bad=_sung("(Chorus)\nthe rain came down"),
        good=_sung("[chorus]\nthe rain came down"),
    ),
    SongLint(
        code="chord-marks",
        level=Level.WARNING,
        check=marks.chord_marks,
        bad=_sung("[verse]\nAm          F\nthe rain came down"),
        good=_sung("[verse]\nthe rain came down", '[metas]\nkeyscale = "A minor"\n'),
    ),
    SongLint(
        code="time-marks",
        level=Level.WARNING,
        check=marks.time_marks,
        bad=_sung("[verse]\n[00:12.00]the rain came down"),
        good=_sung("[verse]\nthe rain came down"),
    ),
    SongLint(
        code="repeat-marks",
        level=Level.WARNING,
        check=marks.repeat_marks,
        bad=_sung("[chorus]\nthe rain came down\n(repeat x2)"),
        good=_sung("[chorus]\nthe rain came down\nthe rain came down"),
    ),
    SongLint(
        code="singer-labels",
        level=Level.WARNING,
        check=marks.singer_labels,
        bad=_sung("[verse]\nMale: the rain came down"),
        good=_sung("[verse - male]\nthe rain came down"),
    ),
    SongLint(
        code="header-lines",
        level=Level.WARNING,
        check=marks.header_lines,
        bad=_sung("Style: slow blues\n\n[verse]\nthe rain came down"),
        good=_sung("[verse]\nthe rain came down"),
    ),
    SongLint(
        code="markup",
        level=Level.WARNING,
        check=marks.markup,
        bad=_sung("[verse]\nthe rain came down<br>"),
        good=_sung("[verse]\nthe rain came down"),
    ),
    SongLint(
        code="spaced-letters",
        level=Level.WARNING,
        check=marks.spaced_letters,
        bad=_sung("[verse]\nt h e r a i n"),
        good=_sung("[verse]\nthe rain"),
    ),
    SongLint(
        code="unknown-tag",
        level=Level.NOTE,
        check=lyrics.unknown_tags,
        bad=_sung("[chrous]\nthe rain came down"),
        good=_sung("[chorus]\nthe rain came down"),
    ),
    SongLint(
        code="untagged",
        level=Level.NOTE,
        check=lyrics.untagged,
        bad=_sung("the rain came down on Monday\n" * 8),
        good=_sung("[verse]\n" + "the rain came down on Monday\n" * 8),
    ),
    SongLint(
        code="empty-section",
        level=Level.NOTE,
        check=lyrics.empty_sections,
        bad=_sung("[verse]\n\n[chorus]\nthe rain came down"),
        good=_sung("[intro]\n\n[chorus]\nthe rain came down"),
    ),
    SongLint(
        code="invisible-character",
        level=Level.WARNING,
        check=lyrics.invisible_characters,
        bad=_sung("[verse]\nthe ra\u200bin came down"),
        good=_sung("[verse]\nthe rain came down"),
    ),
)

Lint = TextLint | SongLint | SettingsLint
LINTS: tuple[Lint, ...] = TEXT_LINTS + SONG_LINTS + SETTINGS_LINTS
ALLOWABLE = tuple(sorted(lint.code for lint in LINTS if lint.level is not Level.ERROR))
