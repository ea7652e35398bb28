"""What made a take: recipe -> tags in the audio and a TOML beside it, and back.

The recipe holds only what its keys hold, plus versions: equal takes have equal recipes, whenever and wherever they were
made. Dates, device and timings go into the sidecar, below `[made]`. Neither holds a path, a user or a host.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import tomli_w

from renderer import __version__
from renderer.artifacts import CotMetas
from renderer.errors import UsageError
from renderer.files import read_regular, why_refused
from renderer.formats.read import read_tag
from renderer.json_values import to_json
from renderer.models.family import family_of
from renderer.settings import EditSettings
from renderer.song import SectionWindow, TakeSource
from renderer.spec.near import how_to_read
from renderer.store.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.song import Lora, Take, Window

MOST_NESTED = 12  # of tables and lists; ours have four


def make_recipe(
    take: Take,
    *,
    keys: Mapping[str, str],
    decided: CotMetas | None,
    weights: Mapping[str, str],
    settings: Mapping[str, str | int | float],
    versions: Mapping[str, str],
    effective: Mapping[str, object] | None = None,
    vae: str | None = None,
    degraded: tuple[str, ...] = (),
    cut: tuple[str, ...] = (),
) -> Recipe:
    """The recipe of one take: its spec with all defaults filled in, what the LM decided, keys, weights, versions.

    `keys` and `weights` by stage and part; `settings` are those that change bytes (dtype, tiles, slots); `effective`
    are inference settings as the checkpoint ran them, where the spec's own may be without effect; `vae` is the VAE that
    decoded, None for the set's own, which a spec may name, too; `degraded` says how the take had to be made with less
    than they ask, `cut` which of its texts the DiT didn't hear to their end.
    """
    spec = take_spec(take)
    inference = {**spec["inference"], **(effective or {})}
    return Recipe(
        take=take.name,
        spec=_without_none({**spec, "vae": vae, "inference": inference or None}),
        decided=decided,
        settings=settings,
        keys=keys,
        weights=weights,
        versions={"renderer": __version__, **versions},
        degraded=degraded or None,
        cut=cut or None,
        pinned=_pinned(take),
        edit=edit_told(take),
        chain=tuple(_link(source) for source in take.sources) or None,
    )


def _link(take: Take) -> dict[str, Any]:
    return _without_none({"take": take.name, "spec": take_spec(take), "pinned": _pinned(take), "edit": edit_told(take)})  # type: ignore[no-any-return]  # a table less what isn't there


def recipe_tags(recipe: Recipe, level: str, note: str) -> dict[str, str]:
    """Tags for the audio file: everything (`full`), only the keys (`key`), or nothing (`none`).

    `note` is what the take's family says of how it came to be.
    """
    notes = {"comment": note, "software": f"renderer {recipe.versions['renderer']}"}
    levels = {
        "full": song_tags(recipe)
        | {"seed": str(recipe.spec["seeds"][0])}
        | notes
        | {"renderer_recipe": _compact(to_json(recipe))},
        "key": notes | {"renderer_recipe": _compact({"recipe": recipe.recipe, "keys": recipe.keys})},
        "none": {},
    }
    return levels[level]


def recipe_toml(recipe: Recipe, *, prompts: Mapping[str, str], made: Mapping[str, object]) -> str:
    """The sidecar: the recipe, the prompts as sent, and `made` (when, on what, how long each stage took)."""
    return tomli_w.dumps(
        _without_none({**to_json(recipe), "prompts": dict(prompts), "made": dict(made)}), multiline_strings=True
    )


def read_recipe(path: Path) -> dict[str, Any]:
    """The recipe in an audio file's tags or in the TOML beside it (then with `prompts` and `made`).

    Raises: UsageError when the file has none.
    """
    try:
        found = read_regular(path).decode() if path.suffix == ".toml" else read_tag(path, "renderer_recipe")
        recipe = _clean(_parse(found, path)) if found else None
    except OSError as error:
        advice = how_to_read(path, error)
        raise UsageError(f"`{path.name}` can't be read", why=why_refused(error), help=advice) from error
    except RecursionError as error:
        raise UsageError(f"`{path.name}` can't be read", why="its recipe is nested too deeply") from error
    except ValueError as error:
        raise UsageError(f"`{path.name}` can't be read", why=str(error)) from error
    if not isinstance(recipe, dict) or not isinstance(recipe.get("keys"), dict):
        raise UsageError(
            f"`{path.name}` holds no recipe",
            why='it was not rendered here, lost its tags, or was written with `recipe = "none"`',
            help="give the `.toml` beside the audio file",
        )
    return recipe


def take_spec(take: Take) -> dict[str, Any]:
    """All that was asked for the take and that its model reads, in the shape of a spec file: an import is a copy."""
    song, variant = take.song, take.variant
    words = {"instrumental": True} if song.instrumental else {"lyrics": song.lyrics}
    spec: dict[str, Any] = {
        "title": song.title,
        "caption": song.caption,
        **words,
        "seeds": [take.seed],
        "model": folder_name(variant.model),
        "based_on": folder_name(variant.based_on) if variant.based_on else None,
        "lm": folder_name(variant.lm) if variant.lm else None,
        "vae": folder_name(variant.vae) if variant.vae else None,
        "reference_audio": variant.reference_audio.name if variant.reference_audio else None,
        "max_duration": song.max_duration,
        "metas": dataclasses.asdict(song.metas),
        "inference": _inference(take),
        "output": dataclasses.asdict(song.output),
    }
    if variant.lora:
        spec["lora"] = [_lora(lora) for lora in variant.lora]
    return spec


def edit_told(take: Take) -> dict[str, object] | None:
    """How a take is made from another or from a file, by ACE-Step's names; windows in seconds, or by section."""
    edit = take.variant.edit
    if edit is None:
        return None
    usual = {one.name: one.default for one in dataclasses.fields(EditSettings)}
    settings = {name: getattr(edit, name) for name, value in usual.items() if getattr(edit, name) != value}
    windows = [_window_told(one) for one in edit.at]
    told: dict[str, object] = {
        "task_type": edit.task,
        "src_audio": edit.source.take if isinstance(edit.source, TakeSource) else edit.source.path.name,
        "repainting": windows,
        "track_name": edit.track,
        "complete_track_classes": list(edit.tracks),
    }
    return {name: value for name, value in told.items() if value} | settings


def _window_told(window: Window | SectionWindow) -> str | list[float]:
    if isinstance(window, SectionWindow):
        return window.name
    return [window.start] if window.end is None else [window.start, window.end]


def _pinned(take: Take) -> dict[str, object] | None:
    # The codes came from a file that the audio must not depend on.
    pinned = take.song.pinned if take.variant.inference.thinking else None
    return None if pinned is None else to_json(pinned)


def _inference(take: Take) -> dict[str, Any]:
    read = family_of(take.variant.model).inference
    settings = {name: value for name, value in dataclasses.asdict(take.variant.inference).items() if name in read}
    if settings.get("timesteps") is not None:
        settings["timesteps"] = list(settings["timesteps"])
    return settings


def _lora(lora: Lora) -> dict[str, Any]:
    return {"path": lora.path.name, "scale": lora.scale}


def folder_name(model: str) -> str:
    """A model set as it may be told to anybody: a known name, or a folder's own name without where it lies."""
    # A folder's own name: where it lay says who made it, its weights' digest says what it was.
    is_folder = Path(model).is_absolute() or PureWindowsPath(model).is_absolute() or model.startswith((".", "~"))
    return PureWindowsPath(model).name if is_folder else model


def song_tags(recipe: Recipe) -> dict[str, str]:
    """What players show of a song: title, words, tempo, key and language, as they were asked for or decided."""
    spec, decided = recipe.spec, recipe.decided or CotMetas()
    asked = spec.get("metas", {})
    found = {
        "title": spec["title"],
        "lyrics": spec.get("lyrics"),
        "bpm": asked.get("bpm", decided.bpm),
        "key": asked.get("keyscale", decided.keyscale),
        "language": asked.get("vocal_language", decided.language),
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def _compact(recipe: Mapping[str, object]) -> str:
    return json.dumps(recipe, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def _parse(text: str, path: Path) -> object:
    return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)


def _clean(value: object, depth: int = MOST_NESTED) -> Any:
    """What a stranger may have written, in what TOML and UTF-8 can hold.

    Raises: RecursionError when it is nested deeper than any recipe is.
    """
    if depth == 0:
        raise RecursionError
    if isinstance(value, dict):
        return {_clean(name): _clean(inner, depth - 1) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_clean(inner, depth - 1) for inner in value if inner is not None]
    if isinstance(value, bool | int | float):
        return value
    return str(value).encode("utf-8", "replace").decode()


def _without_none(value: Any) -> Any:
    # TOML has no null: what nobody asked for and nobody decided is left out.
    if isinstance(value, dict):
        return {name: _without_none(inner) for name, inner in value.items() if inner is not None}
    return value
