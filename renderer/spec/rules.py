"""What must hold between the keys of a spec; each rule gives errors with their place."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.files import is_folder
from renderer.song import MAX_TAKES
from renderer.spec.audio_files import audio_faults
from renderer.spec.checkpoints import (
    CHECKPOINTS,
    DIT_FILE_SUFFIX,
    LMS,
    VAES,
    checkpoint_of,
    default_max_duration,
    is_dit_file,
    published_as,
)
from renderer.spec.edits import new_value
from renderer.spec.error_at import error_at
from renderer.spec.families import MODELS
from renderer.spec.lints.table import ALLOWABLE
from renderer.spec.near import same_but_case, suggestion
from renderer.spec.schema import EditTable, tables_of
from renderer.spec.stand_ins import where_kept
from renderer.spec.variant_view import as_song, as_spec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from renderer.song import PickSettings, Pinned, Song, Variant
    from renderer.spec.build import CheckedSpec
    from renderer.spec.diagnostics import Diagnostic
    from renderer.spec.schema import SongFile
    from renderer.spec.source import KeyPath, Source
    from renderer.spec.toml import Parsed


_CALLED = {"lm": "LM", "vae": "VAE", "based_on": "model"}


def faults_of(song: Song, draft: CheckedSpec) -> Iterator[Diagnostic]:
    """Every error between the keys of one spec."""
    parsed = draft.parsed
    yield from unknown_codes(parsed.source, draft.spec.allow or ())
    yield from _models(draft)
    yield from _base(draft)
    yield from _num_takes(song, parsed)
    yield from _variant_names(song, parsed)
    yield from _pick(song, draft)
    own = tuple(variant for variant in song.variants if variant.content is not None)
    common = tuple(variant for variant in song.variants if variant.content is None)
    yield from _content(replace(song, variants=common) if own else song, draft)
    for variant in own:
        yield from _content(as_song(song, variant), as_spec(draft, variant.name))
    for variant in song.variants:
        yield from unfit_vae(parsed.source, _table(variant), variant.trained_as, variant.vae)
        yield from _interval(variant, parsed)
        yield from _retake(variant, parsed)
        yield from _loras(variant, parsed)
    yield from _references(draft)


def _content(song: Song, draft: CheckedSpec) -> Iterator[Diagnostic]:
    """Of what a song says, or a variant in its place."""
    yield from _seeds(song, draft.parsed)
    yield from _duration(song, draft.spec, draft.parsed)
    yield from _pinned(song, draft)


def _references(draft: CheckedSpec) -> Iterator[Diagnostic]:
    for table, values in tables_of(draft.spec):
        if values.reference_audio:
            path, folder = (*table, "reference_audio"), draft.project.folder
            yield from audio_faults(draft.parsed, path, values.reference_audio, folder, draft.project.root)


def _base(draft: CheckedSpec) -> Iterator[Diagnostic]:
    if draft.spec.base is False and not draft.spec.variants and not draft.spec.edits:
        source = draft.parsed.source
        yield error_at(
            source,
            source.value(("base",)),
            code="base-alone",
            message="there is nothing to render",
            why="`base` is false, and the song has no variants and no edits",
            advice="take `base` out, or write a variant",
        )


def _seeds(song: Song, parsed: Parsed) -> Iterator[Diagnostic]:
    if len(set(song.seeds)) == len(song.seeds):
        return
    seen: set[int] = set()
    for position, seed in enumerate(song.seeds):
        if seed in seen:
            yield error_at(
                parsed.source,
                parsed.source.value(("seeds", position)),
                code="seeds-duplicate",
                message=f"seed {seed} is there twice",
                why="both would be the same take",
                advice="drop one",
            )
        seen.add(seed)


def _num_takes(song: Song, parsed: Parsed) -> Iterator[Diagnostic]:
    num_takes = song.num_takes
    if num_takes > MAX_TAKES:
        yield error_at(
            parsed.source,
            parsed.source.key(("seeds",)),
            code="too-many-takes",
            message=f"the song has {num_takes:,} takes",
            why=f"of {len(song.rendered)} variants with their seeds; a song has {MAX_TAKES:,} at most",
            advice="take fewer seeds, or fewer variants",
        )


def _pick(song: Song, draft: CheckedSpec) -> Iterator[Diagnostic]:
    pick, source = song.pick, draft.parsed.source
    # That of `renderer.toml` is for the songs that it fits, and leaves the others whole.
    if draft.spec.pick is None or pick is None:
        return
    if pick.finish > pick.plans:
        yield finish_fault(source, pick)
    for variant in song.rendered:
        own = song.as_in(variant)
        if variant.edit is None and song.pick_in(variant) is None and pick.finish < len(pick.seeds(own.seeds)):
            pinned = own.pinned is not None
            yield error_at(
                source,
                source.key(("pick",)),
                code="pick-without-plans",
                message="`[pick]` has no plans to pick from",
                why="every take follows the pinned codes" if pinned else "`thinking` is off, so the LM writes none",
                advice="take `[pick]` out",
            )
            return


def finish_fault(source: Source, pick: PickSettings) -> Diagnostic:
    """The fault of more takes to finish than there are plans, in a file that has the table."""
    key = next(key for key in (("pick", "finish"), ("pick", "plans"), ("pick",)) if source.has(key))
    return error_at(
        source,
        source.key(key),
        code="pick-finish",
        message=f"`finish` is {pick.finish}, `plans` {pick.plans}",
        why="only what was planned can be finished",
        advice=f"write `plans = {pick.finish}` or more, or `finish = {pick.plans}` or less",
    )


def _variant_names(song: Song, parsed: Parsed) -> Iterator[Diagnostic]:
    seen: dict[str, str] = {}
    for variant in song.variants[1:]:
        name = variant.name
        # An edit named like a variant is told of at both.
        other = seen.setdefault(f"{variant.table[0]}.{name.casefold()}", name)
        if other != name:
            reason = f"file systems that ignore case can't tell it from `{other}`"
        elif re.fullmatch(r"s\d+", name):
            reason = "takes would look like those of a seed"
        else:
            continue
        yield error_at(
            parsed.source,
            parsed.source.key(variant.table),
            code="variant-name",
            message=f"`{name}` can't name {'an edit' if variant.edit else 'a variant'}",
            why=reason,
        )


def _duration(song: Song, spec: SongFile, parsed: Parsed) -> Iterator[Diagnostic]:
    duration = song.metas.duration
    if duration is None or ("duration" not in spec.metas.model_fields_set and spec.max_duration is None):
        return  # a default's fault is reported in renderer.toml
    tightest = min(song.variants, key=lambda variant: default_max_duration(variant.trained_as))
    limit = song.max_duration or default_max_duration(tightest.trained_as)
    if duration <= limit:
        return
    who = "`max_duration` says" if song.max_duration else f"model `{tightest.trained_as}` is limited to"
    yield error_at(
        parsed.source,
        parsed.source.value(("metas", "duration") if "duration" in spec.metas.model_fields_set else ("max_duration",)),
        code="duration-limit",
        message=f"`duration` is {duration:g} s",
        why=f"{who} {limit:g} s",
        advice=f"ask for {limit:g} or less, or set `max_duration`",
    )


def _pinned(song: Song, draft: CheckedSpec) -> Iterator[Diagnostic]:
    pinned, source = song.pinned, draft.parsed.source
    if pinned is None:
        return
    duration = song.metas.duration
    if duration is not None and abs(duration - pinned.seconds) >= 1:
        own = "duration" in draft.spec.metas.model_fields_set
        yield error_at(
            source,
            source.value(("metas", "duration") if own else ("codes",)),
            code="codes-duration",
            message=f"`duration` is {duration:g} s, the pinned codes last {pinned.seconds:g} s",
            why="the song is as long as its codes",
            advice=f"take `duration` out, or write {pinned.seconds:g}",
        )
    if not any(variant.inference.thinking for variant in song.variants):
        yield error_at(
            source,
            source.value(("codes",)),
            code="codes-unused",
            message="codes are pinned, but nothing follows them",
            why="`thinking` is off",
            advice="take one of the two out",
        )
    yield from _codebook(song, pinned, source)


def _codebook(song: Song, pinned: Pinned, source: Source) -> Iterator[Diagnostic]:
    largest = max(pinned.codes)
    for model in dict.fromkeys(one.trained_as for one in song.variants if one.inference.thinking):
        checkpoint = checkpoint_of(model)
        if checkpoint is not None and largest >= checkpoint.num_codes:
            yield error_at(
                source,
                source.value(("codes",)),
                code="codes-model",
                message=f"the pinned codes go up to {largest}, those of model `{model}` to {checkpoint.num_codes - 1}",
                why="they were written for another model",
                advice="render with the model that they were written for, or take `codes` out",
            )


def _table(variant: Variant) -> KeyPath:
    """Where a variant's own keys stand; the base's are the spec's."""
    return variant.table


def _interval(variant: Variant, parsed: Parsed) -> Iterator[Diagnostic]:
    start, end = variant.inference.cfg_interval_start, variant.inference.cfg_interval_end
    table = variant.table or ("inference",)
    named = (
        [key for key in ("cfg_interval_start", "cfg_interval_end") if parsed.source.has((*table, key))]
        if start > end
        else []
    )
    if named:
        yield error_at(
            parsed.source,
            parsed.source.value((*table, named[0])),
            code="cfg-interval-order",
            message=f"the guidance interval runs from {start:g} to {end:g}",
            why="it starts after its end",
        )


def _retake(variant: Variant, parsed: Parsed) -> Iterator[Diagnostic]:
    inference = variant.inference
    path = (*(variant.table or ("inference",)), "retake_variance")
    if not inference.retake_variance or inference.retake_seed is not None:
        return
    if not variant.name or parsed.source.has(path):
        yield error_at(
            parsed.source,
            parsed.source.value(path),
            code="retake-seed-missing",
            message=f"`retake_variance` is {inference.retake_variance:g} without a `retake_seed`",
            why="the noise is turned towards another seed's, and a random one could not be rendered again",
            advice="write `retake_seed`",
        )


def _loras(variant: Variant, parsed: Parsed) -> Iterator[Diagnostic]:
    table = _table(variant)
    for position, lora in enumerate(variant.lora):
        path = (*table, "lora", position, "path")
        if not is_folder(where_kept(lora.path)) and parsed.source.has((*table, "lora")):
            yield error_at(
                parsed.source,
                parsed.source.value(path),
                code="lora-missing",
                message="the adapter's folder is not there",
                why=f"looked for {lora.path}",
            )


def unknown_codes(source: Source, codes: Sequence[str]) -> Iterator[Diagnostic]:
    """The errors of codes in `allow` that are no warning's or note's."""
    for position, code in enumerate(codes):
        if code not in ALLOWABLE:
            yield error_at(
                source,
                source.value(("allow", position)),
                code="allow-choice",
                message=f"`{code}` can't be allowed",
                why="it is no warning's or note's code",
                advice=suggestion(code, ALLOWABLE),
            )


def _models(draft: CheckedSpec) -> Iterator[Diagnostic]:
    project = draft.project
    for path, table in tables_of(draft.spec):
        if project.overrides.model is None:
            yield from unknown_model(draft.parsed.source, (*path, "model"), table.model, project.folder)
            yield from based_on_faults(draft.parsed.source, path, table.model, table.based_on, project.folder)
        if project.overrides.model is None and project.overrides.lm is None:
            lm = None if isinstance(table, EditTable) else table.lm
            yield from unknown_lm(draft.parsed.source, (*path, "lm"), lm, project.folder)
        if project.overrides.model is None and project.overrides.vae is None:
            yield from unknown_vae(draft.parsed.source, (*path, "vae"), table.vae, project.folder)


def unknown_model(source: Source, path: KeyPath, written: str | None, folder: Path) -> Iterator[Diagnostic]:
    """The error of a model that is neither a known name nor a folder."""
    yield from _unknown_name(source, path, written, folder, MODELS)


def based_on_faults(
    source: Source, table: KeyPath, model: str | None, based_on: str | None, folder: Path
) -> Iterator[Diagnostic]:
    """The errors of a `based_on`: alone, beside a model that needs none, or naming nothing."""
    if based_on is None:
        return
    path = (*table, "based_on")
    if model is None or not is_dit_file(model):
        told = "no `model` stands beside it" if model is None else f"`{model}` is a name or a folder, and whole"
        yield error_at(
            source,
            source.key(path),
            code="based-on-unused",
            message="`based_on` has no effect",
            why=f"it completes a DiT in one file, and {told}",
            advice=f'write it beside `model = "….{DIT_FILE_SUFFIX[1:]}"`, or take it out',
        )
    yield from _unknown_name(source, path, based_on, folder, tuple(CHECKPOINTS))


def unknown_lm(source: Source, path: KeyPath, written: str | None, folder: Path) -> Iterator[Diagnostic]:
    """The error of an LM that is neither a known name nor a folder."""
    yield from _unknown_name(source, path, written, folder, LMS)


def unknown_vae(source: Source, path: KeyPath, written: str | None, folder: Path) -> Iterator[Diagnostic]:
    """The error of a VAE that is neither a known name nor a folder."""
    yield from _unknown_name(source, path, written, folder, VAES)


def unfit_vae(source: Source, table: KeyPath, model: str, vae: str | None) -> Iterator[Diagnostic]:
    """The error of a known VAE with a known model whose latents it can't decode, where `table` writes either."""
    checkpoint = CHECKPOINTS.get(model)
    if checkpoint is None or not checkpoint.own_latents or vae not in VAES:
        return  # before the places in the file are looked for, which takes its time
    written = next((path for key in ("vae", "model") if source.has(path := (*table, key))), None)
    if written:
        yield error_at(
            source,
            source.value(written),
            code="vae-unfit",
            message=f"the VAE `{vae}` can't decode what `{model}` makes",
            why=f"it was trained on ACE-Step's latents, and those of `{model}` are its own",
            advice="take `vae` out, or name a model of ACE-Step's",
        )


def _unknown_name(
    source: Source, path: KeyPath, written: str | None, folder: Path, known: Collection[str]
) -> Iterator[Diagnostic]:
    # Whether the weights that a path names are on this machine is a matter for rendering, not for checking.
    if written is None or "/" in written or written.startswith(("~", ".")):
        return
    if written in known or published_as(written) in known:
        return
    if path[-1] == "model" and is_dit_file(written):
        return
    if not is_folder(where_kept(folder / written)):
        yield error_at(
            source,
            source.value(path),
            code=f"{str(path[-1]).replace('_', '-')}-unknown",
            message=f"there is no {_CALLED.get(str(path[-1]), path[-1])} `{written}`",
            why="it is neither a known name nor a folder",
            advice=suggestion(written, known) or "known are " + ", ".join(known),
            edits=new_value(source, path, f'"{same}"') if (same := same_but_case(written, known)) else (),
        )
