"""A DiT in one safetensors file, as merges are shared: what its tensors are called, and what else a file may be.

Takes paths and names; reads the file's header only. No torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.errors import ModelError
from renderer.models.catalog import layouts
from renderer.models.catalog.regular_file import FETCH_AGAIN
from renderer.models.catalog.safetensors_header import read_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from renderer.models.catalog.safetensors_header import Entry

ANCHORS = {
    "dit": "decoder.layers.",
    "condition_encoder": "encoder.lyric_encoder.",
    "audio_tokenizer": "tokenizer.quantizer.",
    "audio_token_detokenizer": "detokenizer.layers.",
}
"""Component -> how names begin that nothing else has."""
BESIDE = ("config.json", "silence_latent.pt")
"""What is read of a DiT's folder when its weights lie in a file elsewhere."""
_OTHERS = (
    (".lora_", "an adapter", 'name its folder: lora = [{ path = "…" }]'),
    (".lokr_", "a LoKr adapter", "only PEFT's LoRA adapters are merged"),
    ("double_blocks.", "another model's transformer", "take a checkpoint of ACE-Step 1.5"),
    ("decoder.block.", "a VAE", "name its folder as `vae`"),
    ("transformer_blocks.", "another model's transformer", "take a checkpoint of ACE-Step 1.5"),
    (".to_q.", "diffusers' transformer alone", "take the checkpoint in ACE-Step's own layout"),
    (
        "embed_tokens.",
        "a language model or text encoder",
        "a DiT's file holds decoder, encoder and audio tokenizer pair",
    ),
)


def read_dit_file(path: Path, base: layouts.FoundModel | None) -> layouts.FoundModel:
    """The set of a DiT in one file: everything that isn't in the file comes from `base`, or from what lies beside it.

    Raises: ModelError when the file is no DiT, or nothing gives its sizes.
    """
    refuse_other(path)
    if base is None:
        base = _beside(path)
    if base.layout != layouts.ORIGINAL:
        raise another_layout(path)
    return base.with_dit_file(path)


def completes(folder: Path) -> bool:
    """Whether a DiT's folder holds what isn't in a file of weights; its own weights aren't needed then."""
    return all((folder / name).is_file() for name in BESIDE)


def another_layout(path: Path) -> ModelError:
    """The error of a file that is to be completed by a set in diffusers' layout."""
    error = ModelError(
        f"`{path.name}` can't be based on a set in diffusers' layout",
        why="its names and sizes are told otherwise than those of a DiT in one file",
        help="name a set in ACE-Step's own layout, such as `sft`",
    )
    error.settings = ("based_on", "model")
    return error


def refuse_other(path: Path) -> None:
    """Raises: ModelError when the file holds no DiT with its encoders, or holds one twice."""
    names = tuple(_header(path))
    plain = [layouts.plain_name(name) for name in names]
    missing = [
        layouts.ORIGINAL_PREFIXES[component]
        for component, anchor in ANCHORS.items()
        if not any(name.startswith(anchor) for name in plain)
    ]
    if len(missing) == len(ANCHORS):
        raise _no_dit(path, names)
    if missing:
        raise ModelError(
            f"`{path}` holds only parts of a DiT",
            why=f"no tensors begin with {', '.join(f'`{prefix}`' for prefix in missing)}",
            help="merge whole checkpoints, encoders and audio tokenizer pair included",
        )
    own = [name for name in plain if name.startswith(tuple(layouts.ORIGINAL_PREFIXES.values()))]
    if len(set(own)) < len(own):
        twice = next(name for name in own if own.count(name) > 1)
        raise ModelError(
            f"`{path}` holds the DiT twice",
            why=f"`{twice}` is there with several prefixes, and which one is meant can't be told",
            help="save one of them alone",
        )


def _beside(path: Path) -> layouts.FoundModel:
    if not (path.parent / "config.json").is_file():
        raise ModelError(
            f"nothing tells the sizes of `{path.name}`",
            why=f"`{path.parent}` holds no config.json, and no `based_on` names what it was made from",
            help='write `based_on = "sft"` (or what it was made from) beside `model`',
        )
    return layouts.read_model(path.parent)


def _no_dit(path: Path, names: Iterable[str]) -> ModelError:
    for mark, what, advice in _OTHERS:
        if any(mark in name for name in names):
            return ModelError(f"`{path}` is no DiT", why=f"its tensors are those of {what}", help=advice)
    first = ", ".join(f"`{name}`" for name in sorted(names)[:3])
    return ModelError(
        f"`{path}` is no DiT",
        why=f"its tensors are called {first}, …" if first else "it holds no tensors",
        help="take a checkpoint of ACE-Step 1.5 whose names begin with `decoder.`, with a usual prefix or without",
    )


def _header(path: Path) -> Mapping[str, Entry]:
    try:
        return read_header(path)
    except ModelError as error:
        # It isn't one of those that are fetched by name.
        advice = "download or save it again" if error.help == FETCH_AGAIN else error.help
        raise ModelError(error.message, why=error.why, help=advice) from error
