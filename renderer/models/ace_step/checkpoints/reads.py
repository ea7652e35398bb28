"""Which files of a model set each part reads: its identity, what makes it complete, and what a plan looks through.

What else lies beside them (notes, licences, `configuration.json`, side files of a Mac) changes nothing. No torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from renderer.models.ace_step.checkpoints import adapter, on_disk
from renderer.models.ace_step.checkpoints.stored import weight_files
from renderer.models.ace_step.protocol import chat_template
from renderer.models.ace_step.protocol.names import DIT, ENCODER, LM, TOKENIZER, VAE
from renderer.models.catalog import layouts
from renderer.models.model_files import ReadFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from renderer.models.model_files import ModelFiles

MODEL_INDEX = "model_index.json"
SCHEDULER = "scheduler/scheduler_config.json"


def files_of(part: str, files: ModelFiles) -> tuple[ReadFile, ...]:
    """What a part reads, whether it is there or not; none of an LM's without one.

    Raises: ModelError for an index of shards that is none.
    """
    return tuple(_LISTS[part](files))


def files_in(folder: Path) -> tuple[ReadFile, ...]:
    """What a folder is read from by what its config says it is: a pipeline, a DiT, an LM, a text encoder, a VAE.

    Raises: ModelError for a config or an index of shards that is none.
    """
    return tuple(_files_in(folder))


def _files_in(folder: Path) -> Iterator[ReadFile]:
    if (folder / MODEL_INDEX).exists():
        yield _named("", folder / MODEL_INDEX)
        yield _named("scheduler", folder / SCHEDULER)
        yield from diffusers_dit_files(folder)
        yield from text_encoder_files(folder / "text_encoder", folder / "tokenizer")
        yield from all_vae_files(folder / "vae")
        return
    config = layouts.read_json(folder / on_disk.CONFIG)
    if config.get("model_type") == "acestep":
        yield from original_dit_files(folder)
    elif config.get("model_type") == "qwen3":
        encodes = config.get("vocab_size") == layouts.TEXT_ENCODER_VOCAB
        yield from text_encoder_files(folder, folder) if encodes else lm_files(folder)
    else:
        yield from all_vae_files(folder)


def context_files(part: str, files: ModelFiles) -> tuple[ReadFile, ...]:
    """What is looked at beside what a part reads: it has to agree with it, or is only checked."""
    if part == VAE:
        return (_named("dit", on_disk.place(files, "dit")[0] / on_disk.CONFIG),)
    if part == DIT and files.layout == layouts.DIFFUSERS:
        return (_named("scheduler", Path(files.dit) / SCHEDULER),)
    return ()


def lm_files(folder: Path) -> Iterator[ReadFile]:
    """What an LM is read from."""
    yield from _component("", folder, on_disk.STEM)
    yield _named("", folder / TOKENIZER)
    template = folder / chat_template.FILE
    yield _named("", template if template.exists() else folder / chat_template.CONFIG)


def vae_files(folder: Path) -> Iterator[ReadFile]:
    """What a VAE is read from."""
    yield from _component("", folder, layouts.DIFFUSERS_STEM)


def encoder_files(folder: Path) -> Iterator[ReadFile]:
    """What the encoder of a VAE is read from."""
    apart = on_disk.encoder_folder(folder)
    if apart.is_dir():
        yield from _component(apart.name, apart, layouts.DIFFUSERS_STEM)
    else:
        yield from vae_files(folder)


def all_vae_files(folder: Path) -> tuple[ReadFile, ...]:
    """What either half of a VAE is read from."""
    return tuple(dict.fromkeys((*vae_files(folder), *encoder_files(folder))))


def text_encoder_files(folder: Path, tokenizer: Path) -> Iterator[ReadFile]:
    """What a text encoder is read from."""
    yield from _component("text_encoder", folder, on_disk.STEM)
    yield _named("tokenizer", tokenizer / TOKENIZER)


def original_dit_files(folder: Path) -> Iterator[ReadFile]:
    """What a DiT of the original layout is read from; what belongs to it lies in the same file."""
    yield from _component("", folder, on_disk.STEM)
    yield _named("", folder / on_disk.SILENCE_FILE)


def diffusers_dit_files(folder: Path) -> Iterator[ReadFile]:
    """What a DiT of diffusers' layout is read from, with the pair where there is one."""
    pair = on_disk.PAIR if any((folder / name).exists() for name in on_disk.PAIR) else ()
    for name in ("transformer", "condition_encoder", *pair):
        yield from _component(name, folder / name, layouts.DIFFUSERS_STEM)


def _lm(files: ModelFiles) -> Iterator[ReadFile]:
    if files.lm is not None:
        yield from lm_files(Path(files.lm))


def _vae(files: ModelFiles) -> Iterator[ReadFile]:
    yield from vae_files(Path(files.vae))


def _encoder(files: ModelFiles) -> Iterator[ReadFile]:
    yield from encoder_files(Path(files.vae))


def _dit(files: ModelFiles) -> Iterator[ReadFile]:
    if files.dit_file is not None:
        yield from _dit_in_one_file(Path(files.dit), Path(files.dit_file))
    else:
        dit_files = original_dit_files if files.layout == layouts.ORIGINAL else diffusers_dit_files
        yield from dit_files(Path(files.dit))
    yield from text_encoder_files(on_disk.place(files, "text_encoder")[0], on_disk.tokenizer_folder(files))
    for position, (folder, scale) in enumerate(files.loras):
        for name in (adapter.CONFIG, adapter.WEIGHTS):
            yield _named(f"lora {position} at {scale!r}", Path(folder) / name)


_LISTS: Mapping[str, Callable[[ModelFiles], Iterator[ReadFile]]] = {
    LM: _lm,
    ENCODER: _encoder,
    VAE: _vae,
    DIT: _dit,
}


def _dit_in_one_file(folder: Path, weights: Path) -> Iterator[ReadFile]:
    yield _named("", folder / on_disk.CONFIG)
    # As it would be called in a folder: its own name changes no sound.
    yield ReadFile(name=f"{on_disk.STEM}.safetensors", path=weights)
    yield _named("", folder / on_disk.SILENCE_FILE)


def _component(prefix: str, folder: Path, stem: str) -> Iterator[ReadFile]:
    yield _named(prefix, folder / on_disk.CONFIG)
    for path in weight_files(folder, stem):
        yield _named(prefix, path)


def _named(prefix: str, path: Path) -> ReadFile:
    return ReadFile(name=f"{prefix}/{path.name}" if prefix else path.name, path=path)
