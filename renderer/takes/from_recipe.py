"""A recipe, in an audio file's tags or beside it -> the spec that renders the same samples again."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renderer.errors import UsageError
from renderer.files import read_regular
from renderer.formats.table import is_audio
from renderer.models.family import family, family_of
from renderer.settings import Inference
from renderer.song import is_seed
from renderer.spec.checkpoints import is_dit_file
from renderer.spec.families import family_named
from renderer.spec.foreign import CALLED_IN_EDITS
from renderer.spec.pins import ENDING, pinned_from, pinned_text
from renderer.spec.schema import NOT_OF_EDITS
from renderer.spec.seeds import RANGE
from renderer.spec.take_names import names_file
from renderer.takes.recipe import read_recipe, take_spec
from renderer.takes.untrusted_recipe import NAMES, song_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from renderer.song import Take

OPTIONS: Mapping[str, str] = {
    "lm_slots": "--lm-slots",
    "vae_tile": "--vae-tile",
    "vae_overlap": "--vae-overlap",
    "preview": "--preview",
}
"""Settings that are in no spec, and the option that sets each."""


EDIT = "edit"
"""What an edit is called in the spec that is made of its recipe."""
_SEEDS = ("lm_seed", "retake_seed")
_BEFORE: Mapping[str, object] = {"dcw_enabled": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remade:
    """A spec made from a recipe."""

    values: Mapping[str, object]
    codes: str | None
    """The text of the codes file that it names."""
    notes: tuple[str, ...]
    """What the spec alone can't say."""
    sources: Mapping[str, Remade] = field(default_factory=dict)
    """By the names they are to be written as, the specs of what it is made from, and what that is."""


def holds_recipe(file: Path) -> bool:
    """Whether a file is an audio file, or the TOML beside one."""
    if is_audio(file):
        return True
    if file.suffix != ".toml":
        return False
    try:
        return {"recipe", "keys"} <= set(tomllib.loads(read_regular(file).decode()))
    except (OSError, ValueError, RecursionError):
        return False


def remake(file: Path, *, name: str) -> Remade:
    """The spec of the take in `file`, to be written as `name`.

    Raises: UsageError when the file holds no recipe, or only its keys.
    """
    recipe = read_recipe(file)
    if "spec" not in recipe:
        raise UsageError(
            f"`{file.name}` holds only the keys of its recipe",
            why='it was written with `recipe = "key"`',
            help="give the `.toml` beside the audio file",
        )
    links = [recipe, *_chain(recipe)]
    names = [name, *(f"{name}-source{number or ''}" for number in (None, *range(2, len(links))))][: len(links)]
    # What is built on an edit names it; what is built on another take, its spec's base.
    below = [f"{below}.{EDIT}" if "edit" in link else below for below, link in zip(names[1:], links[1:], strict=True)]
    made = [_remade(file, link, own, of) for link, own, of in zip(links, names, [*below, ""], strict=True)]
    return replace(made[0], sources=dict(zip(names[1:], made[1:], strict=True)))


def _chain(recipe: Mapping[str, object]) -> list[dict[str, Any]]:
    chain = recipe.get("chain")
    return [one for one in chain if isinstance(one, dict)] if isinstance(chain, list) else []


def _remade(file: Path, recipe: Mapping[str, Any], name: str, below: str) -> Remade:
    """The spec of one link; `below` is what its source's names begin with."""
    told = recipe.get("spec")
    if not isinstance(told, dict):
        raise UsageError(f"the recipe of `{file.name}` holds no song", why="its `spec` is no table")
    if "recipe" in recipe and isinstance(told.get("inference"), dict):
        # Recipes from before these settings tell of takes made without them.
        told = {**told, "inference": {**_before(told.get("model")), **told["inference"]}}
    told, seeds = _without_odd_seeds(told)
    told = _with_edit(told, recipe.get("edit"), below)
    told, left_out = song_of(told, file)
    folders = {key for key, known in NAMES.items() if key in told and told[key] not in known}
    if "model" in folders and "based_on" in told:
        folders.add("based_on")  # which stands beside a `model` or nowhere
    values = {key: value for key, value in told.items() if value not in ({}, []) and key not in folders}
    pinned = pinned_from(recipe.get("pinned"))
    if pinned:
        values = {"codes": f"{name}{ENDING}", **values}
    head = {key: value for key, value in values.items() if not _is_table(value)}
    tables = {key: value for key, value in values.items() if _is_table(value)}
    return Remade(
        values=head | tables,
        codes=pinned_text(pinned) if pinned else None,
        notes=(*seeds, *left_out, *_notes(recipe, told, folders)),
    )


def _with_edit(spec: dict[str, Any], edit: object, below: str) -> dict[str, Any]:
    """The spec of an edit: a song that isn't rendered itself, and what is made from its source."""
    if not isinstance(edit, dict):
        return spec
    asked = spec.get("inference")
    if isinstance(asked, dict):
        # The LM never runs for an edit, whatever was set for it.
        spec = {**spec, "inference": {name: value for name, value in asked.items() if name not in NOT_OF_EDITS}}
    source = str(edit.get("src_audio", ""))
    own = {CALLED_IN_EDITS.get(key, key): value for key, value in edit.items() if key != "repainting"}
    windows = edit.get("repainting")
    match windows:
        case [[start]]:  # up to the source's end
            own["repainting_start"] = start
        case [*_]:
            own["at"] = windows
    own["src_audio"] = Path(source).name if names_file(source) else f"{below}.{source.rpartition('.')[2]}"
    seeds = {"seeds": spec.pop("seeds")} if "seeds" in spec else {}
    return {"base": False, **spec, "edits": {EDIT: {**own, **seeds}}}


def _before(model: object) -> Mapping[str, object]:
    # By its name alone: a path in somebody's recipe is not followed.
    named = family_named(model) if isinstance(model, str) else None
    return {one: value for one, value in _BEFORE.items() if named is None or one in family(named).inference}


def differences(take: Take, remade: Remade) -> tuple[str, ...]:
    """What a `renderer.toml` makes different in the new spec's take: `metas.bpm is 120`."""
    read = family_of(take.variant.model).inference
    known_good = {f"inference.{name}": value for name, value in _flat(asdict(Inference())).items() if name in read}
    wanted, found = {**known_good, **_flat(remade.values)}, _flat(take_spec(take))
    is_edit = "edits" in remade.values
    left = {"codes"} | ({"base", "seeds", *(f"inference.{name}" for name in NOT_OF_EDITS)} if is_edit else set())
    return tuple(
        f"`{key}` is {found.get(key)!r}, the recipe has {wanted.get(key)!r}"
        for key in dict.fromkeys([*wanted, *found])
        if key not in {*NAMES, *left} and not key.startswith("edits.") and found.get(key) != wanted.get(key)
    )


def _without_odd_seeds(spec: Mapping[str, object]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A recipe's spec less the seeds that no spec can name, as version 0.1.0 took them, and what to tell of it."""
    seeds, inference = spec.get("seeds"), spec.get("inference", {})
    inference = inference if isinstance(inference, dict) else {}
    odd = {name: inference[name] for name in _SEEDS if name in inference and not is_seed(inference[name])}
    if isinstance(seeds, list) and not all(map(is_seed, seeds)):
        odd["seeds"] = seeds
    if not odd:
        return dict(spec), ()
    kept = {"seeds": [one for one in seeds if is_seed(one)]} if "seeds" in odd and isinstance(seeds, list) else {}
    inference = {name: value for name, value in inference.items() if name not in odd}
    notes = (
        f"left out `{name}`, which was {str(seed)[:40]}: {RANGE}, so it sounds another" for name, seed in odd.items()
    )
    settings = {"inference": inference} if isinstance(spec.get("inference"), dict) else {}
    return {**spec, **kept, **settings}, tuple(notes)


def _notes(recipe: Mapping[str, object], spec: dict[str, Any], folders: set[str]) -> Iterator[str]:
    """`spec` is what of the recipe's can be one here."""
    for key in sorted(folders - {"based_on"}):
        yield _note_on_folder(key, spec)
    for lora in spec.get("lora", ()):
        yield f"the adapter `{lora['path']}` must lie beside the spec"
    settings = recipe.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    options = [f"{option} {settings[key]:g}" for key, option in OPTIONS.items() if _is_number(settings.get(key))]
    if options:
        yield f"for the same samples: renderer render … {' '.join(options)}"
    degraded = recipe.get("degraded")
    for note in degraded if isinstance(degraded, list) else ():
        yield f"it was made with less than asked: {note}"
    if "pinned" in recipe and pinned_from(recipe["pinned"]) is None:
        yield "left out `pinned`, which holds no codes: the LM writes others"


def _note_on_folder(key: str, spec: dict[str, Any]) -> str:
    if key == "model" and is_dit_file(spec[key]):
        based_on = f", based on `{spec['based_on']}`" if "based_on" in spec else ""
        return f"`model` was a file called `{spec[key]}`{based_on}: write where it lies, and what it is based on"
    return f"`{key}` was a folder called `{spec[key]}`: write where it lies, or render with --{key}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_table(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value not in (None, [], {}):
            flat[prefix + key] = value
    return flat
