"""The files of a part, looked through before anything runs: what loading them would find wrong, from headers alone.

Configs, every tensor's shape and dtype, tokenizers, encoded silence, adapters. No torch; no weights are read.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ValidationError

from renderer.errors import ModelError
from renderer.models.ace_step.checkpoints import on_disk
from renderer.models.ace_step.checkpoints.adapter import read_adapter
from renderer.models.ace_step.checkpoints.checks import check_scheduler, check_vae
from renderer.models.ace_step.checkpoints.on_disk import SILENCE
from renderer.models.ace_step.checkpoints.shapes import shapes
from renderer.models.ace_step.checkpoints.silence_file import look_at_silence
from renderer.models.ace_step.checkpoints.stored import compare
from renderer.models.ace_step.protocol.chat_template import check_chat_template
from renderer.models.ace_step.protocol.names import DIT, ENCODER, LM, TOKENIZER, VAE
from renderer.models.catalog import layouts
from renderer.models.catalog.other_formats import why_no_json
from renderer.models.catalog.regular_file import FETCH_AGAIN, read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from renderer.models.model_files import ModelFiles

MOST_TOKENIZER_BYTES = 256_000_000  # the published ones are 11 and 24 MB


def look(part: str, files: ModelFiles) -> tuple[ModelError, ...]:
    """Everything that is wrong with what a part reads, each fault once."""
    found: dict[str, ModelError] = {}
    for step in _STEPS[part](files):
        try:
            step()
        except ModelError as error:
            found.setdefault(f"{error.message}\n{error.why}", error)
    return tuple(found.values())


def _lm(files: ModelFiles) -> Iterator[Callable[[], None]]:
    if files.lm is not None:
        folder = Path(files.lm)
        yield partial(_look_at_lm, folder)
        yield partial(_look_at_tokenizer, folder)
        yield partial(check_chat_template, folder)


def _vae(files: ModelFiles) -> Iterator[Callable[[], None]]:
    yield partial(_look_at, files, "vae")
    yield partial(_look_at_vae, files, "vae")


def _encoder(files: ModelFiles) -> Iterator[Callable[[], None]]:
    name = on_disk.encoder_component(files)
    yield partial(_look_at, files, name)
    yield partial(_look_at_vae, files, name)


def _dit(files: ModelFiles) -> Iterator[Callable[[], None]]:
    yield partial(check_scheduler, files)
    for name in on_disk.dit_components(files):
        yield partial(_look_at, files, name)
    if files.layout == layouts.ORIGINAL:
        yield partial(_look_at_silence, files)
    yield partial(_look_at_tokenizer, on_disk.tokenizer_folder(files))
    for folder, _ in files.loras:
        yield partial(_look_at_adapter, files, Path(folder))
    yield partial(_look_at_widths, files)


_STEPS: Mapping[str, Callable[[ModelFiles], Iterator[Callable[[], None]]]] = {
    LM: _lm,
    DIT: _dit,
    VAE: _vae,
    ENCODER: _encoder,
}


def _look_at(files: ModelFiles, name: str) -> None:
    found = on_disk.read_component(files, name)
    expected = shapes(name, found.config)
    compare(expected, found.tensors, found.apart, config=found.config_path)


def _look_at_silence(files: ModelFiles) -> None:
    batch, frames, channels = shapes("condition_encoder", on_disk.read_config(files, "condition_encoder"))[SILENCE]
    look_at_silence(Path(files.dit) / on_disk.SILENCE_FILE, (batch, channels, frames))


def _look_at_lm(folder: Path) -> None:
    found = on_disk.read_lm(folder)
    expected = shapes("lm", found.config)
    compare(expected, found.body)
    if found.head:
        compare({"weight": expected["embed_tokens.weight"]}, found.head)


def _look_at_vae(files: ModelFiles, name: str) -> None:
    vae, dit = _Sizes(files, name), _Sizes(files, "dit")
    check_vae(vae.config, vae.path)
    _agree(_Width(vae, "decoder_input_channels"), _Width(dit, "audio_acoustic_hidden_dim"))


def _look_at_tokenizer(folder: Path) -> None:
    path = folder / TOKENIZER
    content = read_bytes(path, MOST_TOKENIZER_BYTES)
    try:
        # Read to its end without making anything of it: a fifth of the time that Python's own reader takes for 24 MB.
        _Tokenizer.model_validate_json(content)
    except ValidationError as error:
        raise ModelError(f"`{path}` is no tokenizer", why=_why_none(content, error), help=FETCH_AGAIN) from error


def _why_none(content: bytes, error: ValidationError) -> str:
    if why := why_no_json(content):
        return why
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"`{where}`: {first['msg']}" if where else first["msg"]


class _Vocabulary(BaseModel):
    type: str = "BPE"


class _Tokenizer(BaseModel):
    """As much of a tokenizer's file as tells it from other JSON."""

    model: _Vocabulary


def _look_at_adapter(files: ModelFiles, folder: Path) -> None:
    read_adapter(folder, shapes("dit", on_disk.read_config(files, "dit")))


def _look_at_widths(files: ModelFiles) -> None:
    """Whether what one component gives is as wide as what the next takes."""
    found = {name: _Sizes(files, name) for name in on_disk.dit_components(files)}
    dit, condition, text = found["dit"], found["condition_encoder"], found["text_encoder"]
    latents = _Width(dit, "audio_acoustic_hidden_dim")
    _agree(_Width(text, "hidden_size"), _Width(condition, "text_hidden_dim"))
    _agree(_Width(condition, "hidden_size"), _Width(dit, "encoder_hidden_size", "hidden_size"))
    _agree(_Width(condition, "timbre_hidden_dim"), latents)
    for name in on_disk.PAIR:
        if name in found:
            _agree(_Width(found[name], "audio_acoustic_hidden_dim"), latents)


class _Sizes:
    """What a component's config says, and where."""

    def __init__(self, files: ModelFiles, name: str) -> None:
        self.config = on_disk.read_config(files, name)
        self.path = on_disk.place(files, name)[0] / on_disk.CONFIG


class _Width(NamedTuple):
    """A width that a component's config tells."""

    of: _Sizes
    key: str
    otherwise: str = ""
    """The key that counts where the other says nothing."""

    @property
    def value(self) -> int:
        found: int = self.of.config[self.key] or self.of.config[self.otherwise]
        return found


def _agree(one: _Width, other: _Width) -> None:
    if one.value != other.value:
        raise ModelError(
            f"`{one.of.path}` and `{other.of.path}` don't belong together",
            why=f"{one.key} is {one.value}, {other.key} is {other.value}: what one gives the other can't take",
            help=FETCH_AGAIN,
        )
