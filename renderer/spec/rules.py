"""What must hold between the keys of a spec, and what text may not hold; each rule gives errors with their place."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from renderer.spec.checkpoints import default_max_duration
from renderer.spec.diagnostics import Diagnostic, Span
from renderer.spec.faults import at_key, at_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.song import Song, Variant
    from renderer.spec.schema import SongFile
    from renderer.spec.source import KeyPath
    from renderer.spec.toml import Parsed

# The tokenizers take these for control tokens wherever they stand. Source: the Qwen3 vocabulary with ACE-Step's codes
_CONTROL_TOKEN = re.compile(r"<\|[A-Za-z0-9_]{1,40}\|>|</?(?:think|tool_call|tool_response)>")


def faults_of(song: Song, spec: SongFile, parsed: Parsed) -> Iterator[Diagnostic]:
    """Every error between the keys of one spec."""
    yield from _seeds(song, parsed)
    yield from _variant_names(song, parsed)
    yield from _duration(song, spec, parsed)
    for variant in song.variants:
        yield from _interval(variant, parsed)
        yield from _loras(variant, parsed)
    yield from _texts(song, spec, parsed)


def _seeds(song: Song, parsed: Parsed) -> Iterator[Diagnostic]:
    if len(set(song.seeds)) == len(song.seeds):
        return
    seen: set[int] = set()
    for position, seed in enumerate(song.seeds):
        if seed in seen:
            yield at_value(
                parsed.source,
                ("seeds", position),
                code="seeds-duplicate",
                message=f"seed {seed} is there twice",
                why="both would be the same take",
                advice="drop one",
            )
        seen.add(seed)


def _variant_names(song: Song, parsed: Parsed) -> Iterator[Diagnostic]:
    seen: dict[str, str] = {}
    for name in (variant.name for variant in song.variants[1:]):
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            reason = f"file systems that ignore case can't tell it from `{other}`"
        elif re.fullmatch(r"s\d+", name):
            reason = "takes would look like those of a seed"
        else:
            continue
        yield at_key(
            parsed.source, ("variants", name), code="variant-name", message=f"`{name}` can't name a variant", why=reason
        )


def _duration(song: Song, spec: SongFile, parsed: Parsed) -> Iterator[Diagnostic]:
    duration = song.metas.duration
    if duration is None or (spec.metas.duration is None and spec.max_duration is None):
        return  # a default's fault is reported in renderer.toml
    tightest = min(song.variants, key=lambda variant: default_max_duration(variant.model))
    limit = song.max_duration or default_max_duration(tightest.model)
    if duration <= limit:
        return
    who = "`max_duration` says" if song.max_duration else f"model `{tightest.model}` is limited to"
    yield at_value(
        parsed.source,
        ("metas", "duration") if spec.metas.duration is not None else ("max_duration",),
        code="duration-limit",
        message=f"`duration` is {duration:g} s",
        why=f"{who} {limit:g} s",
        advice=f"ask for {limit:g} or less, or set `max_duration`",
    )


def _interval(variant: Variant, parsed: Parsed) -> Iterator[Diagnostic]:
    start, end = variant.inference.cfg_interval_start, variant.inference.cfg_interval_end
    table = ("variants", variant.name) if variant.name else ("inference",)
    named = (
        [key for key in ("cfg_interval_start", "cfg_interval_end") if parsed.source.has((*table, key))]
        if start > end
        else []
    )
    if named:
        yield at_value(
            parsed.source,
            (*table, named[0]),
            code="cfg-interval-order",
            message=f"the guidance interval runs from {start:g} to {end:g}",
            why="it starts after its end",
        )


def _loras(variant: Variant, parsed: Parsed) -> Iterator[Diagnostic]:
    table: KeyPath = ("variants", variant.name) if variant.name else ()
    for position, lora in enumerate(variant.lora):
        path = (*table, "lora", position, "path")
        if not lora.path.is_dir() and parsed.source.has((*table, "lora")):
            yield at_value(
                parsed.source,
                path,
                code="lora-missing",
                message="the adapter's folder is not there",
                why=f"looked for {lora.path}",
            )


def _texts(song: Song, spec: SongFile, parsed: Parsed) -> Iterator[Diagnostic]:
    texts: list[tuple[KeyPath, str]] = [(("caption",), spec.caption)]
    if isinstance(spec.lyrics, str):
        texts.append((("lyrics",), spec.lyrics))
    elif spec.lyrics is not None:
        for position, section in enumerate(spec.lyrics):
            texts += [
                (("lyrics", position, "section"), section.section),
                (("lyrics", position, "annotation"), section.annotation or ""),
                (("lyrics", position, "text"), section.text),
            ]
    if spec.inference.lm_negative_prompt:
        texts.append((("inference", "lm_negative_prompt"), spec.inference.lm_negative_prompt))
    for name, table in spec.variants.items():
        if table.lm_negative_prompt:
            texts.append((("variants", name, "lm_negative_prompt"), table.lm_negative_prompt))
    for path, text in texts:
        yield from _text(path, text, parsed)
    if spec.lyrics_file is not None:
        yield from _file_text(song.lyrics, parsed)


def _text(path: KeyPath, text: str, parsed: Parsed) -> Iterator[Diagnostic]:
    for offset, length, code, message, why in _forbidden(text):
        span = parsed.source.inside(path, offset, length)
        yield _fault(parsed, span, code, message, why)


def _file_text(text: str, parsed: Parsed) -> Iterator[Diagnostic]:
    span = parsed.source.value(("lyrics_file",))
    for _, _, code, message, why in _forbidden(text):
        yield _fault(parsed, span, code, f"{message} in the lyrics file", why)


def _fault(parsed: Parsed, span: Span, code: str, message: str, why: str) -> Diagnostic:
    return Diagnostic(
        code=code,
        message=message,
        file=parsed.source.path,
        span=span,
        excerpt=parsed.source.line(span.line),
        why=why,
        help="take it out",
    )


def _forbidden(text: str) -> Iterator[tuple[int, int, str, str, str]]:
    """Offset and length of what a text for the model may not hold, with code, message and reason."""
    if "<" in text:
        for match in _CONTROL_TOKEN.finditer(text):
            yield (
                match.start(),
                len(match[0]),
                "control-token",
                f"`{match[0]}` is a control token",
                "it would steer the model, not be sung",
            )
    if text.isprintable():
        return
    for offset, character in enumerate(text):
        if character not in "\n\t\r" and unicodedata.category(character) in {"Cc", "Cs"}:
            yield (
                offset,
                1,
                "control-character",
                f"a control character, U+{ord(character):04X}",
                "the model knows no such character",
            )
