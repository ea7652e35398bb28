"""What a folder of weights is: diffusers layout, original layout, an LM, or something else, told with the way out.

A folder goes in, its parts come out. Reads small JSON files and names only; no torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from renderer.errors import ModelError
from renderer.facts import LATENT_CHANNELS
from renderer.files import is_regular, real
from renderer.models.catalog.other_formats import why_no_json
from renderer.models.catalog.regular_file import FETCH_AGAIN, read_bytes
from renderer.spec.checkpoints import PUBLISHED_LM_PREFIX, PUBLISHED_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from renderer.models.model_files import ModelFiles

Config: TypeAlias = "Mapping[str, Any]"
"""A checkpoint's JSON as it was read: what keys it has is its class's affair, which refuses what can't be
(`ace_step/checkpoints/configs.py`) and takes the rest as keywords."""
DIFFUSERS = "diffusers"
ORIGINAL = "original"
DIFFUSERS_STEM = "diffusion_pytorch_model"
DIFFUSERS_FOLDERS = {"dit": "transformer"}
"""Component -> its folder in a pipeline of diffusers, where it is called otherwise."""
TEXT_ENCODER_FOLDER = "Qwen3-Embedding-0.6B"
DEFAULT_DIT = "acestep-v15-turbo"
DEFAULT_LM = "acestep-5Hz-lm-1.7B"
ORIGINAL_PREFIXES = {
    "dit": "decoder.",
    "condition_encoder": "encoder.",
    "audio_tokenizer": "tokenizer.",
    "audio_token_detokenizer": "detokenizer.",
}
"""Component -> how its tensors begin in the one file of the original layout."""
WRAPPERS = ("_orig_mod", "module")  # of torch.compile and DataParallel, which may wrap a part as well as the whole
OUTER_NAMES = ("model", "diffusion_model")  # what trainers and ComfyUI call the whole
MOST_JSON_BYTES = 64_000_000  # of a config or an index of shards; the published ones stay below a hundredth
TEXT_ENCODER_VOCAB = 151_669  # Qwen3-Embedding-0.6B: the vocabulary without audio codes


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A model set's parts in a folder."""

    kind: str
    layout: str
    dit: Path
    vae: Path
    text_encoder: Path
    lm: Path | None
    """The LM that lies inside, if one does."""
    latent_width: int
    """Channels of the latents that the DiT makes."""
    dit_file: Path | None = None
    """The DiT with its encoders in one file, where that isn't the one in `dit`, which then gives sizes and silence."""

    def with_dit_file(self, path: Path) -> FoundModel:
        """The same set with the weights in that file."""
        return replace(self, dit_file=path)


def read_model(folder: Path) -> FoundModel:
    """The parts of the model set in `folder`.

    Raises: ModelError saying what the folder is instead.
    """
    if (folder / "model_index.json").is_file():
        return _read_pipeline(folder)
    if (folder / "config.json").is_file():
        return _read_stand_alone(folder)
    if _parts_in(folder, f"{PUBLISHED_PREFIX}*"):
        return _read_bundle(folder)
    raise _not_a_model(folder)


def read_lm(folder: Path) -> Path:
    """`folder` when it holds a causal LM with audio codes.

    Raises: ModelError saying what the folder is instead.
    """
    config = read_json(folder / "config.json")
    if config.get("model_type") != "qwen3":
        raise ModelError(
            f"`{folder}` holds no 5 Hz LM",
            why=f"its config.json says model_type `{config.get('model_type')}`, an LM's says `qwen3`",
        )
    if _vocabulary(config) == TEXT_ENCODER_VOCAB:
        raise ModelError(
            f"`{folder}` is the text encoder, not an LM",
            why="its vocabulary holds no audio codes",
            help=f"name a folder called `{PUBLISHED_LM_PREFIX}…`, or `0.6B`, `1.7B`, `4B`",
        )
    return folder


def has_audio_tokenizer(files: ModelFiles) -> bool:
    """Whether the set can turn codes to conditions; published pipelines without that pair exist.

    A folder of the pair that lacks something is a fault of the set's files, not another kind of set.
    """
    if files.layout != DIFFUSERS:
        return True
    pair = ("audio_tokenizer", "audio_token_detokenizer")
    return any((Path(files.dit) / component).exists() for component in pair)


def plain_name(name: str) -> str:
    """A tensor's name as ACE-Step's own model has it, without what torch, trainers and ComfyUI put around it."""
    parts = [part for part in name.split(".") if part not in WRAPPERS]
    while parts[:1] and parts[0] in OUTER_NAMES and len(parts) > 1:
        del parts[0]
    return ".".join(parts)


def read_json(path: Path) -> Config:
    """The object in a JSON file of a checkpoint.

    Raises: ModelError when it is missing or no JSON object.
    """
    content = read_bytes(path, MOST_JSON_BYTES)
    try:
        found = json.loads(content.decode())
    except RecursionError as error:
        raise ModelError(f"`{path}` is no JSON", why="it is nested too deep", help="fetch the model again") from error
    except ValueError as error:
        raise ModelError(f"`{path}` is no JSON", why=why_no_json(content) or str(error), help=FETCH_AGAIN) from error
    if not isinstance(found, dict):
        raise ModelError(f"`{path}` holds no JSON object", help="fetch the model again")
    config: Config = found
    return config


def kind_of(config: Config) -> str:
    """`turbo`, `sft` or `base`, from the DiT's own config."""
    version = str(config.get("model_version", ""))
    if config.get("is_turbo") or version == "turbo":
        return "turbo"
    return "sft" if version == "sft" else "base"


def _latent_width(config: Config) -> int:
    # Present in every published config.
    found = config.get("audio_acoustic_hidden_dim", LATENT_CHANNELS)
    return found if isinstance(found, int) else LATENT_CHANNELS


def _read_pipeline(folder: Path) -> FoundModel:
    name = read_json(folder / "model_index.json").get("_class_name")
    if name != "AceStepPipeline":
        raise ModelError(
            f"`{folder}` holds another model",
            why=f"its model_index.json names `{name}`, ACE-Step 1.5 is `AceStepPipeline`",
        )
    lm, config = folder / "lm", read_json(folder / "transformer" / "config.json")
    return FoundModel(
        kind=kind_of(config),
        layout=DIFFUSERS,
        dit=folder,
        vae=folder / "vae",
        text_encoder=folder,
        lm=lm if _is_part(lm) else None,
        latent_width=_latent_width(config),
    )


def _read_stand_alone(folder: Path) -> FoundModel:
    config = read_json(folder / "config.json")
    if config.get("model_type") != "acestep":
        raise _another_config(folder, config)
    return _original(folder, folder, config)


def _read_bundle(folder: Path) -> FoundModel:
    found = [path.name for path in _parts_in(folder, f"{PUBLISHED_PREFIX}*")]
    if len(found) > 1 and DEFAULT_DIT not in found:
        raise ModelError(
            f"`{folder}` holds {len(found)} DiTs: {', '.join(found)}",
            why="a bundle's model is the one that lies there alone, or `acestep-v15-turbo`",
            help=f'name one of them: model = "{folder / found[0]}"',
        )
    dit = folder / (DEFAULT_DIT if DEFAULT_DIT in found else found[0])
    return _original(folder, dit, read_json(dit / "config.json"))


def _original(named: Path, dit: Path, config: Config) -> FoundModel:
    vae, text_encoder = (_beside(dit, name) for name in ("vae", TEXT_ENCODER_FOLDER))
    return FoundModel(
        kind=kind_of(config),
        layout=ORIGINAL,
        dit=dit,
        vae=vae,
        text_encoder=text_encoder,
        lm=_lm_in(named),
        latent_width=_latent_width(config),
    )


def as_named(path: Path) -> Path:
    """A folder's absolute place, itself not followed where it is a link: what lies beside the link counts, too."""
    return real(path.parent) / path.name if path.is_symlink() else real(path)


def link_chain(path: Path) -> Iterator[Path]:
    """Where a folder lies: as it is named, and where its link leads, each link of a chain in turn."""
    seen: list[Path] = []
    while path not in seen:
        seen.append(path)
        yield path
        if path.is_symlink():
            path = as_named(path.parent / path.readlink())


def no_folder(path: Path, what: str, *, why: str, advice: str) -> ModelError:
    """The error of a path that is no folder, told as what lies there: a file, a link that leads nowhere, nothing."""
    try:
        if path.is_symlink() and not path.exists():
            target = path.readlink()
            loops = path.parent / target == path
            why = "it is a link that leads to itself" if loops else f"it is a link to `{target}`, which isn't there"
            return ModelError(f"there is no {what} at `{path}`", why=why, help=advice)
        if path.exists():
            what = "a file" if is_regular(path) else "no folder, but a pipe or a device,"
            return ModelError(f"`{path}` is {what} where a folder belongs", why=why, help=_folder_of(path) or advice)
    except OSError as error:
        return ModelError(f"there is no {what} `{str(path)[:80]}`", why=str(error.strerror), help=advice)
    return ModelError(f"there is no {what} `{path}`", why="it is neither a known name nor a folder", help=advice)


def _folder_of(path: Path) -> str:
    return f"name the folder: `{path.parent}`" if (path.parent / "config.json").is_file() else ""


def _beside(dit: Path, name: str) -> Path:
    candidates = (dit / name, *(place.parent / name for place in link_chain(dit)))
    for folder in candidates:
        if _is_part(folder):
            return folder
        if folder.is_file() or folder.is_symlink():
            raise no_folder(folder, name, why="its config.json and weights lie in it", advice=FETCH_AGAIN)
    raise ModelError(
        f"`{dit}` has no `{name}` in it or beside it",
        why="a stand-alone DiT in the original layout shares them with the bundle",
        help=f"put (or link) the bundle's `{name}` beside it",
    )


def _lm_in(folder: Path) -> Path | None:
    found = _parts_in(folder, f"{PUBLISHED_LM_PREFIX}*")
    preferred = [path for path in found if path.name == DEFAULT_LM]
    return next(iter(preferred or found), None)


def _parts_in(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if _is_part(path))


def _is_part(folder: Path) -> bool:
    """Whether a part lies there, whole or not: what its folder lacks is a fault of it, which whoever reads it tells."""
    return is_regular(folder / "config.json") or any(folder.glob("*.safetensors"))


def _vocabulary(config: Config) -> int:
    found = config.get("vocab_size")
    return found if isinstance(found, int) else 0


def _another_config(folder: Path, config: Config) -> ModelError:
    if config.get("_class_name") == "AutoencoderOobleck":
        return ModelError(f"`{folder}` is a VAE alone", help="name the folder that holds it and the DiT")
    if config.get("model_type") == "qwen3":
        lm = _vocabulary(config) > TEXT_ENCODER_VOCAB
        what = "a 5 Hz LM" if lm else "the text encoder"
        advice = f'lm = "{folder}"' if lm else "name the folder that holds it and the DiT"
        return ModelError(f"`{folder}` is {what}, not a model set", help=advice)
    return ModelError(
        f"`{folder}` holds another model",
        why=f"its config.json says model_type `{config.get('model_type')}`, ACE-Step 1.5 says `acestep`",
    )


def _not_a_model(folder: Path) -> ModelError:
    if any(folder.glob("*.safetensors")):
        return ModelError(
            f"`{folder}` holds weights without a config.json",
            help="fetch the repository whole: config.json tells the sizes of the tensors",
        )
    if any(path.suffix in {".ckpt", ".pt", ".pth", ".bin", ".gguf"} for path in folder.iterdir()):
        return ModelError(
            f"`{folder}` holds weights in a format that isn't read",
            why="only safetensors are, because pickles can run code",
            help="fetch the published safetensors",
        )
    return ModelError(
        f"`{folder}` holds no model set",
        why=f"neither model_index.json nor config.json nor `{PUBLISHED_PREFIX}*` is in it",
    )
