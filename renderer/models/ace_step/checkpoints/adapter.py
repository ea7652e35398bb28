"""A LoRA adapter as it lies in a PEFT folder: which layers it changes, how strongly, whether it fits. No torch.

Source of names and settings: huggingface/peft, src/peft/tuners/lora; other tools' names: KohakuBlueleaf/LyCORIS,
comfyanonymous/ComfyUI, comfy/lora.py
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.errors import ModelError
from renderer.models.ace_step.checkpoints.on_disk import diffusers_name
from renderer.models.ace_step.checkpoints.stored import DTYPES, list_names
from renderer.models.catalog.layouts import read_json
from renderer.models.catalog.safetensors_header import read_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from renderer.models.catalog.layouts import Config
    from renderer.models.catalog.safetensors_header import Entry

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
UNMERGED = (
    *("modules_to_save", "bias", "alpha_pattern", "lora_bias", "fan_in_fan_out", "layer_replication"),
    *("target_parameters", "trainable_token_indices", "use_qalora"),
)
"""Settings of adapters that change more than W + s · B · A."""
OWN_BASES = {"pissa": "PiSSA", "olora": "OLoRA", "corda": "CorDA", "loftq": "LoftQ", "lora_ga": "LoRA-GA"}
"""How `init_lora_weights` begins where training took something off the weights that the adapter gives back."""
OTHER_KINDS = (
    (re.compile(r"\.lokr_"), "LoKr (LyCORIS)"),
    (re.compile(r"\.hada_"), "LoHa (LyCORIS)"),
    (re.compile(r"lora_magnitude_vector|\.dora_scale"), "DoRA"),
    (re.compile(r"\.b?oft_"), "OFT"),
    (re.compile(r"\.vera_"), "VeRA"),
    (re.compile(r"\.ia3_"), "IA³"),
    (re.compile(r"\.lora_mid"), "LoCon with a middle matrix (LyCORIS)"),
    (re.compile(r"\.diff(_b)?$"), "the weights' own differences, not low-rank ones"),
    (re.compile(r"\.lora_embedding_[AB]"), "LoRA of an embedding"),
    (re.compile(r"^lora_(unet|te)_|\.alpha$"), "LoRA in kohya's form, with an alpha beside each layer"),
)
"""How tensors are called in adapters of kinds that aren't merged."""
PREFIXES = re.compile(
    r"(?:base_model\.|model\.|diffusion_model\.|_orig_mod\.|_forward_module\.|module\.|decoder\.|transformer\.|dit\.)*"
)
"""What trainers and other tools put before a DiT's own names, in whatever order."""
MATRIX = re.compile(r"(?P<target>.+)\.lora_(?P<half>A|B|down|up)(?:\.[A-Za-z]\w*)?\.weight")
HALVES = {"A": "A", "down": "A", "B": "B", "up": "B"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The two matrices of one layer, by their names in the file."""

    down: str
    """A [r, in]."""
    up: str
    """B [out, r]."""
    strength: float
    """Alpha / r, or alpha / sqrt(r)."""


def read_adapter(folder: Path, layers: Mapping[str, tuple[int, ...]]) -> dict[str, Pair]:
    """Layer -> its matrices; `layers` are the shapes of the DiT's tensors. Reads the header only.

    Raises: ModelError for an adapter that isn't one, is empty, of a kind that isn't merged, or made for another DiT.
    """
    config = read_config(folder)
    header = read_header(weights_path(folder))
    _refuse_other_kinds(folder, header)
    pairs = {}
    for target, (down, up) in _halves(folder, header).items():
        rank = _rank(folder, target, header[down], header[up], layers)
        pairs[target] = Pair(down=down, up=up, strength=strength(config, rank))
        _check_rank(folder, target, rank, config)
    if not pairs:
        raise ModelError(
            f"the adapter in `{folder}` holds no LoRA matrices",
            why=f"`{WEIGHTS}` is empty: the song would sound as without it",
            help="take the folder of another step of the training, or leave it out of `lora`",
        )
    return pairs


def strength(config: Config, rank: int) -> float:
    """Alpha / r of an adapter, alpha / sqrt(r) for rank-stabilised ones.

    Source: huggingface/peft, src/peft/tuners/lora/layer.py
    """
    alpha = float(config["lora_alpha"])
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def read_config(folder: Path) -> Config:
    """The adapter's settings.

    Raises: ModelError where there are none, or they ask for more than plain LoRA.
    """
    _refuse_no_folder(folder)
    if not (folder / CONFIG).exists():
        raise _no_adapter(folder)
    config = read_json(folder / CONFIG)
    kind = str(config.get("peft_type", "LORA")).upper()
    if kind != "LORA":
        raise _unmerged(folder, f"its {CONFIG} says peft_type = {config.get('peft_type')}; only plain LoRA is")
    if config.get("use_dora"):
        raise _unmerged(folder, f"its {CONFIG} says use_dora = {config['use_dora']}: it is DoRA; only plain LoRA is")
    _refuse_own_base(folder, config)
    if unmerged := [key for key in UNMERGED if config.get(key) not in (None, False, [], {}, "none")]:
        told = ", ".join(f"{key} = {str(config[key])[:60]}" for key in unmerged)
        raise _unmerged(folder, f"its {CONFIG} says {told}; only plain LoRA is")
    _check_numbers(folder, config)
    return config


def weights_path(folder: Path) -> Path:
    """The file with the matrices.

    Raises: ModelError where only a pickle lies there, or nothing.
    """
    if not (folder / WEIGHTS).exists():
        other = sorted(path.name for path in folder.glob("adapter_model.*"))
        why = f"`{other[0]}` is a pickle, which could run code" if other else f"there is no {WEIGHTS}"
        raise ModelError(f"the adapter in `{folder}` can't be read", why=why, help="save it as safetensors")
    return folder / WEIGHTS


def _refuse_no_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    if folder.exists():
        raise ModelError(
            f"`{folder}` is a file where a folder belongs",
            why=f"an adapter is a folder with {CONFIG}, which says how strong it is, and {WEIGHTS}",
            help="name the PEFT folder that training wrote",
        )
    raise ModelError(f"there is no adapter `{folder}`", help="name the PEFT folder that training wrote")


def _no_adapter(folder: Path) -> ModelError:
    if (folder / "lokr_weights.safetensors").exists():
        return _unmerged(folder, "`lokr_weights.safetensors` is a LoKr (LyCORIS); only plain LoRA is")
    return ModelError(
        f"`{folder}` is no LoRA adapter",
        why=f"there is no {CONFIG} in it, which says how strong it is",
        help="name the PEFT folder that training wrote",
    )


def _unmerged(folder: Path, why: str, advice: str = "train or convert it as plain LoRA (PEFT)") -> ModelError:
    return ModelError(f"the adapter in `{folder}` can't be merged", why=why, help=advice)


def _refuse_own_base(folder: Path, config: Config) -> None:
    begun = str(config.get("init_lora_weights", "")).lower()
    for beginning, told in OWN_BASES.items():
        if begun.startswith(beginning):
            raise _unmerged(
                folder,
                f"its {CONFIG} says init_lora_weights = {begun}: {told} belongs to weights that training has changed",
                "save it converted to plain LoRA (PEFT: path_initial_model_for_weight_conversion)",
            )


def _check_numbers(folder: Path, config: Config) -> None:
    alpha, rank = config.get("lora_alpha"), config.get("r")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not math.isfinite(alpha):
        raise _unmerged(folder, f"its {CONFIG} says lora_alpha = {alpha}; how strong it is follows from that number")
    if not alpha:
        raise _unmerged(
            folder, f"its {CONFIG} says lora_alpha = 0: the song would sound as without it", "leave it out of `lora`"
        )
    pattern = config.get("rank_pattern") or {}
    of_layers = list(pattern.values()) if isinstance(pattern, dict) else [pattern]
    for one in [*([] if rank is None else [rank]), *of_layers]:
        if not isinstance(one, int) or isinstance(one, bool) or one < 1:
            raise _unmerged(folder, f"its {CONFIG} says r = {one}; a rank is a whole number from 1")


def _refuse_other_kinds(folder: Path, header: Mapping[str, Entry]) -> None:
    for pattern, told in OTHER_KINDS:
        if found := [name for name in header if pattern.search(name)]:
            raise _unmerged(folder, f"tensor `{found[0]}` is no LoRA matrix: it is {told}; only plain LoRA is")
    if wrong := [(name, entry.dtype) for name, entry in header.items() if entry.dtype not in DTYPES]:
        raise _unmerged(
            folder,
            f"tensor `{wrong[0][0]}` is {wrong[0][1]}; read are {', '.join(DTYPES)}",
            "save it in one of these",
        )


def _halves(folder: Path, header: Mapping[str, Entry]) -> dict[str, tuple[str, str]]:
    """Layer -> the names of its A and its B."""
    halves: dict[str, dict[str, str]] = {}
    for name in header:
        target, half = _target(folder, name)
        if half in halves.setdefault(target, {}):
            raise _unmerged(folder, f"`{halves[target][half]}` and `{name}` are both for `{target}`")
        halves[target][half] = name
    if lonely := sorted(target for target, half in halves.items() if half.keys() != {"A", "B"}):
        raise ModelError(f"the adapter in `{folder}` is incomplete", why=f"`{lonely[0]}` lacks one of its two matrices")
    return {target: (half["A"], half["B"]) for target, half in halves.items()}


def _target(folder: Path, name: str) -> tuple[str, str]:
    found = MATRIX.fullmatch(name.replace("._orig_mod.", "."))
    if found is None:
        raise _unmerged(folder, f"tensor `{name}` is no LoRA matrix")
    own = PREFIXES.sub("", found["target"], count=1)
    return diffusers_name(f"{own}.").removesuffix("."), HALVES[found["half"]]


def _rank(folder: Path, target: str, down: Entry, up: Entry, layers: Mapping[str, tuple[int, ...]]) -> int:
    layer = layers.get(f"{target}.weight")
    if layer is None or len(layer) != 2:  # noqa: PLR2004 - a linear layer's [out, in]
        raise _stranger(folder, f"the DiT has no layer `{target}`")
    if any(len(half.shape) != 2 or not min(half.shape) for half in (down, up)) or down.shape[0] != up.shape[1]:  # noqa: PLR2004 - matrices
        raise _unmerged(folder, f"the matrices of `{target}` are {down.shape} and {up.shape}: no [r, in] and [out, r]")
    if layer != (up.shape[0], down.shape[1]):
        raise _stranger(folder, f"`{target}` is {layer}, the adapter's {up.shape[0], down.shape[1]}")
    return down.shape[0]


def _check_rank(folder: Path, target: str, rank: int, config: Config) -> None:
    known = set(_ranks(config))
    if known and rank not in known:
        raise _unmerged(
            folder,
            f"its {CONFIG} says r = {config['r']}, the matrices of {list_names([target])} have the rank {rank}",
            "take config and matrices of the same training",
        )


def _ranks(config: Config) -> Iterator[int]:
    if config.get("r") is not None:
        yield config["r"]
        yield from (config.get("rank_pattern") or {}).values()


def _stranger(folder: Path, why: str) -> ModelError:
    return ModelError(
        f"the adapter in `{folder}` was made for another DiT", why=why, help="take the model set it was trained on"
    )
