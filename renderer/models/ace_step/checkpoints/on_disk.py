"""A model set's components as they lie on disk, in either layout: sizes and where each tensor is, under one name.

`ModelFiles` go in; `components.py` makes modules of what comes out, `look.py` only looks at it. No torch.
Source: huggingface/diffusers, scripts/convert_ace_step_to_diffusers.py
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import ModelError
from renderer.models.ace_step.checkpoints import configs
from renderer.models.ace_step.checkpoints.stored import ALL_IN_ONE, Stored, stored_tensors
from renderer.models.catalog import layouts
from renderer.models.catalog.regular_file import FETCH_AGAIN
from renderer.models.catalog.safetensors_header import read_header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.models.catalog.layouts import Config
    from renderer.models.model_files import ModelFiles

STEM = "model"
CONFIG = "config.json"
SILENCE_FILE = "silence_latent.pt"
SILENCE = "silence_latent"
NULL_CONDITION = "null_condition_emb"
PAIR = ("audio_tokenizer", "audio_token_detokenizer")
RENAMES: Mapping[str, str] = {
    "q_proj": "to_q",
    "k_proj": "to_k",
    "v_proj": "to_v",
    "o_proj": "to_out.0",
    "q_norm": "norm_q",
    "k_norm": "norm_k",
}
ATTENTIONS = (".self_attn.", ".cross_attn.")
LM_PREFIX = "model."
HEAD = "lm_head.weight"
ENCODER_APART = "vae_encoder"
"""The encoder of a VAE whose folder holds one of its own width: diffusers' class ties it to the number of latents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDisk:
    """A component's files, as its class will be given them."""

    name: str
    config: Config
    """Sizes, in the words of the component's class."""
    config_path: Path
    tensors: Mapping[str, Stored]
    """Under the names that the class has."""
    apart: Mapping[str, Path] = field(default_factory=dict)
    """Tensors that lie in files of another format."""


def read_component(files: ModelFiles, name: str) -> OnDisk:
    """A component of `ModelFiles`: the DiT and what belongs to it, the VAE, the text encoder, or the LM.

    Raises: ModelError when a file is missing or isn't what it is called.
    """
    folder, stem = place(files, name)
    config = read_config(files, name)
    if _is_one_of_four(files, name):
        return OnDisk(
            name=name,
            config=config,
            config_path=folder / CONFIG,
            tensors=_original_tensors(files, name),
            apart={SILENCE: folder / SILENCE_FILE} if name == "condition_encoder" else {},
        )
    return OnDisk(name=name, config=config, config_path=folder / CONFIG, tensors=_class_tensors(name, folder, stem))


def read_config(files: ModelFiles, name: str) -> Config:
    """A component's sizes, in the words of its class.

    Raises: ModelError when the config is missing, or says what can't be.
    """
    path = place(files, name)[0] / CONFIG
    config = layouts.read_json(path)
    read = configs.from_original if _is_one_of_four(files, name) else configs.check_config
    found = read(name, config, path)
    if name == "text_encoder" and (slides := _sliding(found)):
        raise ModelError(f"`{path}` is no text encoder's", why=f"its layers are {slides}", help=FETCH_AGAIN)
    return found


def _sliding(config: Config) -> list[str]:
    """The kinds of a Qwen3's layers where not all of them attend to everything."""
    kinds = sorted(set(config["layer_types"] or ("full_attention",)))
    return kinds if kinds != ["full_attention"] else []


@dataclass(frozen=True, slots=True, kw_only=True)
class LmOnDisk:
    """An LM's files."""

    config: Config
    body: Mapping[str, Stored]
    head: Mapping[str, Stored]
    """The output layer, under the name `weight`; empty where the embeddings serve as it."""


def read_lm(folder: Path) -> LmOnDisk:
    """The 5 Hz LM in a folder.

    Raises: ModelError when it is none, or a file is missing or isn't what it is called.
    """
    layouts.read_lm(folder)
    config = configs.check_config("lm", layouts.read_json(folder / CONFIG), folder / CONFIG)
    if slides := _sliding(config):
        raise ModelError(f"`{folder}` is no 5 Hz LM", why=f"its layers are {slides}")
    body, head = split_head(stored_tensors(folder, STEM), tied=config["tie_word_embeddings"])
    return LmOnDisk(config=config, body=body, head=head)


def place(files: ModelFiles, name: str) -> tuple[Path, str]:
    """The folder of a component, and what its weights are called there."""
    if name == "lm":
        return Path(files.lm or ""), STEM
    if name == "vae":
        return Path(files.vae), layouts.DIFFUSERS_STEM
    if name == ENCODER_APART:
        return encoder_folder(Path(files.vae)), layouts.DIFFUSERS_STEM
    original = files.layout == layouts.ORIGINAL
    if name == "text_encoder":
        return (Path(files.text_encoder) if original else Path(files.text_encoder) / name), STEM
    if original:
        return Path(files.dit), STEM
    return Path(files.dit) / layouts.DIFFUSERS_FOLDERS.get(name, name), layouts.DIFFUSERS_STEM


def encoder_folder(vae: Path) -> Path:
    """Where the encoder of the VAE in that folder lies if it lies apart."""
    return vae / "encoder"


def encoder_component(files: ModelFiles) -> str:
    """What the encoder is read from: the VAE, or a component of its own."""
    return ENCODER_APART if encoder_folder(Path(files.vae)).is_dir() else "vae"


def tokenizer_folder(files: ModelFiles) -> Path:
    """Where the text encoder's tokenizer lies."""
    folder = Path(files.text_encoder)
    return folder if files.layout == layouts.ORIGINAL else folder / "tokenizer"


def dit_components(files: ModelFiles) -> tuple[str, ...]:
    """What is resident with the DiT, as far as the set has it."""
    pair = PAIR if layouts.has_audio_tokenizer(files) else ()
    return ("text_encoder", "condition_encoder", *pair, "dit")


def unused_tensors(files: ModelFiles) -> tuple[str, ...]:
    """Names of tensors that lie beside the components' own and aren't read; in diffusers' layout there are none.

    Upstream's converter leaves them out and says so, too. A component's own tensors are never left out: a surplus one
    among them is an error.
    """
    if files.layout != layouts.ORIGINAL:
        return ()
    prefixes = tuple(layouts.ORIGINAL_PREFIXES.values())
    others = {
        name: stored
        for name, stored in all_four(files).items()
        if not name.startswith(prefixes) and name != NULL_CONDITION
    }
    return tuple(sorted(stored.name for stored in others.values()))


def all_four(files: ModelFiles) -> dict[str, Stored]:
    """What lies in the one file (or its shards) that holds DiT, condition encoder and pair in the original layout.

    Under ACE-Step's own names; in a file of its own they may have a prefix, as merges and ComfyUI's have.

    Raises: ModelError when a file is missing or isn't what it is called.
    """
    if files.dit_file is None:
        return stored_tensors(Path(files.dit), STEM)
    path = Path(files.dit_file)
    return {layouts.plain_name(name): Stored(path=path, name=name) for name in read_header(path)}


def diffusers_name(name: str) -> str:
    """A tensor's name inside its component, as diffusers' class has it."""
    if any(attention in name for attention in ATTENTIONS):
        for theirs, ours in RENAMES.items():
            name = name.replace(f".{theirs}.", f".{ours}.")
    return name.replace("proj_in.1.", "proj_in_conv.").replace("proj_out.1.", "proj_out_conv.")


def split_head(tensors: Mapping[str, Stored], *, tied: bool) -> tuple[dict[str, Stored], dict[str, Stored]]:
    """An LM's tensors without its output layer, and that one's; the latter is empty where the embeddings serve as it.

    Saved from the bare model or from one with an output layer: the same tensors, with a prefix or without.
    """
    body = {name.removeprefix(LM_PREFIX): stored for name, stored in tensors.items() if name != HEAD}
    return body, {"weight": tensors[HEAD]} if HEAD in tensors and not tied else {}


def _is_one_of_four(files: ModelFiles, name: str) -> bool:
    return files.layout == layouts.ORIGINAL and name in layouts.ORIGINAL_PREFIXES


def _class_tensors(name: str, folder: Path, stem: str) -> dict[str, Stored]:
    found = stored_tensors(folder, stem)
    return split_head(found, tied=True)[0] if name == "text_encoder" else found


def _original_tensors(files: ModelFiles, component: str) -> dict[str, Stored]:
    everything = all_four(files)
    _refuse_all_in_one(everything)
    prefix = layouts.ORIGINAL_PREFIXES[component]
    found = {
        diffusers_name(name.removeprefix(prefix)): stored
        for name, stored in everything.items()
        if name.startswith(prefix)
    }
    if component == "condition_encoder" and NULL_CONDITION in everything:
        found[NULL_CONDITION] = everything[NULL_CONDITION]
    return found


def _refuse_all_in_one(tensors: Mapping[str, Stored]) -> None:
    if any(name.startswith(tuple(layouts.ORIGINAL_PREFIXES.values())) for name in tensors):
        return
    if any(name.startswith(ALL_IN_ONE) for name in tensors):
        raise ModelError(
            f"`{next(iter(tensors.values())).path}` is an all-in-one file: DiT, VAE and text encoder in one",
            why="as ComfyUI has them; here each lies in a folder of its own, with its config.json",
            help="fetch the published set: renderer models fetch turbo",
        )
