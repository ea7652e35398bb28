"""A checked spec and its project's defaults -> Song: the spec wins, then `renderer.toml`, then known good values."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from renderer.files import from_home, is_folder, is_regular
from renderer.song import INSTRUMENTAL_LYRICS, Content, Lora, Pinned, Song, Variant
from renderer.spec import lyrics as lyrics_text
from renderer.spec.checkpoints import CHECKPOINTS, DEFAULT_MODEL, LMS, VAES, is_dit_file, published_as
from renderer.spec.diagnostics import Diagnostic
from renderer.spec.error_at import error_at
from renderer.spec.families import MODELS
from renderer.spec.inside import outside
from renderer.spec.pins import read_pinned
from renderer.spec.schema import VariantTable
from renderer.spec.stand_ins import is_kept_inside, where_kept
from renderer.spec.take_edits import take_edit, without_lm
from renderer.spec.take_names import song_name
from renderer.spec.toml import read_text
from renderer.spec.values import inference_of, metas_of, output_of, pick_of
from renderer.spec.variant_view import CONTENT_KEYS, as_spec, edited_from, has_content, table_in

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping
    from pathlib import Path

    from renderer.spec.project import Overrides, SpecFolder
    from renderer.spec.schema import EditTable, LoraTable, SongFile
    from renderer.spec.toml import Parsed

MAX_LYRICS_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSpec:
    """A spec on its way to a song: its keys checked one by one, not yet against each other."""

    spec: SongFile
    parsed: Parsed
    project: SpecFolder


def build_song(draft: CheckedSpec) -> tuple[Song, list[Diagnostic]]:
    """The song, and what is wrong with lyrics and codes files, which are then empty."""
    spec, parsed, project = draft.spec, draft.parsed, draft.project
    content, faults = _content(draft)
    variants = []
    for variant in _variants(draft):
        if variant.name and has_content(draft, variant.name):
            own, others = _content(as_spec(draft, variant.name))
            if variant.edit:  # as long as its source, whatever `renderer.toml` says
                own = replace(own, metas=replace(own.metas, duration=None))
            faults += [fault for fault in others if fault not in faults]
            written = CONTENT_KEYS & table_in(spec, variant.name).model_fields_set
            variants.append(replace(variant, content=own, written=written))
        else:
            variants.append(variant)
    defaults, name = project.defaults, song_name(parsed.source.path)
    song = Song(
        name=name,
        title=unicodedata.normalize("NFC", spec.title.strip()) if spec.title else name,
        **{one.name: getattr(content, one.name) for one in fields(Content)},
        variants=tuple(variants),
        renders_base=spec.base is not False,
        output=output_of(defaults.output, spec.output),
        pick=pick_of(defaults.pick, spec.pick),
        max_duration=spec.max_duration or defaults.max_duration,
        source=parsed.source.path,
        outputs=project.outputs,
        device=defaults.device,
    )
    return song, faults


def _content(draft: CheckedSpec) -> tuple[Content, list[Diagnostic]]:
    spec, parsed, project = draft.spec, draft.parsed, draft.project
    faults = list(_lyrics_faults(spec, parsed))
    lyrics = "" if faults else _lyrics(spec, parsed, project)
    text = lyrics if isinstance(lyrics, str) else ""
    if isinstance(lyrics, Diagnostic):
        faults.append(lyrics)
    style = spec.annotation_style or project.defaults.annotation_style
    if style in {"paren", "bracket"}:
        text = lyrics_text.restyled(text, style)
    pinned = read_pinned(draft)
    if isinstance(pinned, Diagnostic):
        faults.append(pinned)
    content = Content(
        caption=one_line(spec.caption),
        lyrics=text,
        sections=lyrics_text.parse(text),
        instrumental=bool(spec.instrumental) or lyrics_text.is_instrumental(text),
        metas=metas_of(project.defaults.metas, spec.metas),
        seeds=tuple(spec.seeds or (0,)),
        pinned=pinned if isinstance(pinned, Pinned) else None,
    )
    return content, faults


def one_line(caption: str) -> str:
    """A caption as the model takes it: NFC, in one line, since a line end inside would change how the LM reads it."""
    return " ".join(unicodedata.normalize("NFC", caption).split())


def _lyrics_faults(spec: SongFile, parsed: Parsed) -> Iterator[Diagnostic]:
    given = [key for key in ("lyrics", "lyrics_file") if getattr(spec, key) is not None]
    if spec.instrumental:
        given.append("instrumental")
    if not given:
        yield error_at(
            parsed.source,
            parsed.source.key(("instrumental",) if parsed.source.has(("instrumental",)) else ("lyrics",)),
            code="lyrics-missing",
            message="the song has no lyrics",
            advice="write `lyrics`, `lyrics_file` or `instrumental = true`",
        )
    elif len(given) > 1:
        yield error_at(
            parsed.source,
            parsed.source.key((given[1],)),
            code="lyrics-twice",
            message=f"`{given[0]}` and `{given[1]}` are both there",
            why="only one can say what is sung",
            advice="keep one of them",
        )


def _lyrics(spec: SongFile, parsed: Parsed, project: SpecFolder) -> str | Diagnostic:
    if spec.instrumental:
        return INSTRUMENTAL_LYRICS
    if isinstance(spec.lyrics, list):
        return lyrics_text.unified(
            lyrics_text.written((section.section, section.annotation, section.text) for section in spec.lyrics)
        )
    if spec.lyrics is not None:
        return lyrics_text.unified(spec.lyrics)  # written as empty they are sent as empty; a lint asks for words
    raw = _from_file(spec.lyrics_file or "", parsed, project)
    if isinstance(raw, Diagnostic):
        return raw
    text = lyrics_text.unified(raw)
    if text:
        return text
    return error_at(
        parsed.source,
        parsed.source.value(("lyrics_file",)),
        code="lyrics-file-empty",
        message="the lyrics file is empty",
        advice='write the words into it; `lyrics = ""` asks for a song without any',
    )


def _from_file(written: str, parsed: Parsed, project: SpecFolder) -> str | Diagnostic:
    path = where_kept(project.folder / written)
    if "\0" in written or not is_kept_inside(path, project.root):
        return outside(parsed, ("lyrics_file",), written, project.root)
    if not is_regular(path):
        return error_at(
            parsed.source,
            parsed.source.value(("lyrics_file",)),
            code="lyrics-file-missing",
            message="the lyrics file is not there",
            why=f"looked for `{written}` beside the spec",
        )
    return read_text(path, max_bytes=MAX_LYRICS_BYTES)


def _variants(draft: CheckedSpec) -> Iterator[Variant]:
    spec, project = draft.spec, draft.project
    defaults, folder = project.defaults, project.folder
    above = project.defaults_path.parent if project.defaults_path else folder
    base = Variant(
        name="",
        model=_model(spec.model, folder, MODELS) or _model(defaults.model, above, MODELS) or DEFAULT_MODEL,
        based_on=_model(spec.based_on, folder) if spec.model else _model(defaults.based_on, above),
        lm=_model(spec.lm, folder, LMS) or _model(defaults.lm, above, LMS),
        inference=inference_of(defaults.inference, spec.inference),
        lora=_loras(defaults.lora or [], above) if spec.lora is None else _loras(spec.lora, folder),
        vae=_vae(spec.vae, folder) or _vae(defaults.vae, above),
        reference_audio=_audio(spec.reference_audio, folder, _audio(defaults.reference_audio, above, None)),
    )
    known = {"": base} | {name: _variant(base, name, table, folder) for name, table in spec.variants.items()}
    for name in (one for one in spec.edits if one not in known):
        known[name] = _edit(draft, known, name)
    for variant in known.values():
        yield _overridden(variant, project.overrides)


def _edit(draft: CheckedSpec, known: Mapping[str, Variant], name: str) -> Variant:
    """A variant that is made from a take: what its table leaves out is as in that take, where it is of this song."""
    above = edited_from(draft, name)
    base = known.get(above) or _edit(draft, known, above)
    variant = _variant(base, name, draft.spec.edits[name], draft.project.folder)
    return replace(variant, inference=without_lm(variant.inference), edit=take_edit(draft, name))


def _variant(base: Variant, name: str, table: VariantTable | EditTable, folder: Path) -> Variant:
    return Variant(
        name=name,
        model=_model(table.model, folder, MODELS) or base.model,
        based_on=_model(table.based_on, folder) if table.model else base.based_on,
        lm=(_model(table.lm, folder, LMS) if isinstance(table, VariantTable) else None) or base.lm,
        inference=inference_of(table, base=base.inference),
        lora=base.lora if table.lora is None else _loras(table.lora, folder),
        vae=_vae(table.vae, folder) or base.vae,
        reference_audio=_audio(table.reference_audio, folder, base.reference_audio),
    )


def _overridden(variant: Variant, overrides: Overrides) -> Variant:
    if overrides.model is not None:
        return replace(variant, model=overrides.model, based_on=None, lm=overrides.lm, vae=overrides.vae)
    if overrides.lm is None and overrides.vae is None:
        return variant
    return replace(variant, lm=overrides.lm or variant.lm, vae=overrides.vae or variant.vae)


def _model(written: str | None, folder: Path, known: Container[str] = CHECKPOINTS) -> str | None:
    """A known name, also as it is published; a folder or a DiT's file, relative to the file naming it, as its path."""
    if written is None or written in known:
        return written
    path = from_home(written)
    if path.is_absolute():
        return str(path)
    beside = folder / path
    if written.startswith(".") or is_dit_file(written) or is_folder(where_kept(beside)):
        return str(beside)
    published = published_as(written)
    return published if published in known else written


def _vae(written: str | None, folder: Path) -> str | None:
    """A known name as it is; anything else a folder relative to the file naming it, whether it is there or not."""
    return written if written is None or written in VAES else str(folder / from_home(written))


def _audio(written: str | None, folder: Path, inherited: Path | None) -> Path | None:
    """An audio file relative to the file naming it; an empty text is none."""
    return inherited if written is None else folder / from_home(written) if written else None


def _loras(tables: list[LoraTable], folder: Path) -> tuple[Lora, ...]:
    return tuple(Lora(path=folder / from_home(table.path), scale=table.scale) for table in tables)
