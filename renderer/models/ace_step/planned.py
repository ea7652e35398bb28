"""Takes and variants -> what the plan knows of them: model sets, requests, and what a spec brings along. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import ModelError, named_by
from renderer.facts import MAX_DURATION
from renderer.models import device
from renderer.models.ace_step.checkpoints.reads import encoder_files, vae_files
from renderer.models.ace_step.protocol.alignment_heads import alignment_heads, published_heads
from renderer.models.ace_step.protocol.names import AUDIO_TOKENS, CODES, DIT, ENCODER, LM, TIMESTAMPS, VAE
from renderer.models.ace_step.protocol.pinned import pinned_artifacts
from renderer.models.ace_step.protocol.sound_files import look_at
from renderer.models.ace_step.protocol.stage_requests import idle_stages, inputs_of, take_context
from renderer.models.catalog import identity, layouts, looked, zoo
from renderer.models.family import ask_stages
from renderer.models.model_files import ModelFiles, PlannedModel
from renderer.models.numerics import Numerics
from renderer.models.quantisation import QUANTISATIONS
from renderer.models.take_requests import TakeRequests
from renderer.song import TakeSource

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from renderer.models.ace_step.protocol.stage_requests import TakeContext
    from renderer.models.model_files import Settings
    from renderer.models.stage_spec import StageSpec
    from renderer.models.take_requests import PinnedResult
    from renderer.song import Take, Variant

OF_THE_VAE = (VAE, ENCODER)
"""The parts that are read from a VAE's files, which a spec may exchange."""
GUESSED_SECONDS = 150.0  # of a song whose length the LM decides
NOT_FETCHED = "not fetched"
"""In place of the fingerprint of weights that aren't on disk."""


@dataclass(slots=True, kw_only=True)
class Asker:
    """What asks for takes: of a variant's, which come one after the other, once for all that hangs on no seed."""

    stages: Mapping[str, StageSpec]
    preview: float | None
    others: Mapping[str, Take]
    _last: tuple[PlannedModel, TakeContext, TakeRequests] | None = None

    def __call__(self, take: Take, model: PlannedModel) -> TakeRequests:
        """What a take's stages are asked, and what its spec brings along instead of asking the LM.

        Raises: UsageError when the take is longer than its model makes, ModelError when it needs an LM and there is
        none.
        """
        if self._last is None or self._last[0] is not model or not self._last[1].is_beside(take):
            known = alignment_heads(model.files)
            # Of what isn't fetched, an edit by section is planned as it will be.
            heads = known or (published_heads(take.variant.trained_as) if model.missing else None)
            first = take_context(take, model.facts, self.preview, heads, self.others)
            self._last = model, first, _requests(self.stages, first, model, tells_when=known is not None)
        _, context, requests = self._last
        return replace(requests, stages=ask_stages(self.stages, context.beside(take)))


def _requests(
    stages: Mapping[str, StageSpec], context: TakeContext, model: PlannedModel, *, tells_when: bool
) -> TakeRequests:
    take = context.take
    pinned, is_edit = take.song.pinned, take.variant.edit is not None
    requests = ask_stages(stages, context)
    if LM not in model.weights and any(stages[stage].part == LM for stage in requests):
        raise ModelError(
            f"`{model.facts.name}` has no LM of its own",
            why="the spec asks the LM for metas or codes",
            help='set `lm = "1.7B"`, or switch `thinking` and the `use_cot_…` keys off',
        )
    asked = context.length if is_edit else take.song.metas.duration
    whole = asked or (pinned.seconds if pinned and not is_edit else min(GUESSED_SECONDS, context.limit))
    return TakeRequests(
        stages=requests,
        preview=context.preview,
        seconds=min(whole, context.preview or whole),
        pinned={} if is_edit else pinned_artifacts(take, context.preview),
        idle=idle_stages(context) if tells_when else frozenset({TIMESTAMPS}),
        inputs=inputs_of(context),
    )


def refuse_unread_codes(files: ModelFiles, stages: Container[str]) -> None:
    """Raises: ModelError for a model set that can't read the codes its LM is to write, or has written, or its own."""
    if (CODES in stages or AUDIO_TOKENS in stages) and not layouts.has_audio_tokenizer(files):
        raise ModelError(
            f"`{files.name}` can't read the LM's codes",
            why=f"`{files.dit}` holds no audio_tokenizer and audio_token_detokenizer",
            help="take another model set, or set `thinking = false`",
        )


def plan_model(variant: Variant, settings: Settings) -> PlannedModel:
    """A variant's model set: facts, files and fingerprints; no weights are read.

    Raises: ModelError for unknown names and folders that are no model set.
    """
    with named_by("model"):
        model = _with_own_vae(variant, settings)
    model = _quantised(model, variant, settings)
    if variant.vae is None or zoo.own_vae(variant.based_on or variant.model, variant.vae):
        return model
    return _with_vae(model, variant.vae)


def _quantised(model: PlannedModel, variant: Variant, settings: Settings) -> PlannedModel:
    """The set with the LM's weights held as the variant has it, where its LM runs at all."""
    wanted = variant.lm_quantization
    if wanted is None:
        return model
    if settings.of(LM).device != device.MLX:
        with named_by("lm_quantization"):
            raise ModelError(
                f"`{settings.of(LM).device}` can't hold the LM in {QUANTISATIONS[wanted].bits} bits",
                why="MLX alone computes with such weights",
                help=f"{_how_to_get_mlx()}, or do without `lm_quantization`",
            )
    lm = replace(model.numerics[LM], quantisation=QUANTISATIONS[wanted].words)
    files = replace(model.files, lm_quantization=wanted)
    return replace(model, files=files, numerics={**model.numerics, LM: lm})


def _how_to_get_mlx() -> str:
    return "give --device mlx" if device.has_mlx() else f"{device.MLX_INSTALL} and give --device mlx"


def _with_vae(model: PlannedModel, vae: str) -> PlannedModel:
    """The set with another VAE; the set as it is when that has the very files of its own."""
    folder = zoo.find_vae(vae, model.facts)
    if folder is None:
        return _as_with(model, vae, dict.fromkeys(OF_THE_VAE, NOT_FETCHED), missing=vae)
    # Without its model it can't be held against it, and nothing runs.
    own = model.files if model.missing else replace(model.files, vae=str(folder))
    faults = {} if model.missing else looked.faults(own, OF_THE_VAE)
    found = _halves(folder, faults)
    digests = {part: one.digest for part, one in found.items()}
    if not faults and all(model.weights[part] == digest for part, digest in digests.items()):
        return model
    other = _as_with(model, Path(vae).name, digests)
    return replace(
        other,
        weight_files={**model.weight_files, **{part: one.heads for part, one in found.items()}},
        files=replace(model.files, vae=str(folder)),
        faults={**other.faults, **faults},
    )


def _halves(folder: Path, faults: Container[str]) -> dict[str, identity.Fingerprint]:
    """What a VAE's decoder and encoder are, each by the files that it is read from."""
    read = {VAE: vae_files, ENCODER: encoder_files}
    unreadable = identity.Fingerprint(digest=identity.UNREADABLE)
    return {part: unreadable if part in faults else identity.fingerprint(files(folder)) for part, files in read.items()}


def _as_with(model: PlannedModel, vae: str, digests: Mapping[str, str], *, missing: str = "") -> PlannedModel:
    """The set as it is told of with that VAE; what is wrong with its own doesn't matter then."""
    return replace(
        model,
        files=replace(model.files, vae=vae),
        weights={**model.weights, **digests},
        missing=(*model.missing, missing) if missing else model.missing,
        faults={part: found for part, found in model.faults.items() if part not in OF_THE_VAE},
        vae=vae,
    )


def _with_own_vae(variant: Variant, settings: Settings) -> PlannedModel:
    facts = zoo.model_facts(variant.model, variant.based_on)
    # At scale 0 an adapter leaves the weights as they are.
    loras = tuple((str(lora.path), lora.scale) for lora in variant.lora if lora.scale > 0)
    resolved = zoo.resolve(variant.model, variant.lm, loras, variant.based_on)
    by_part = numerics(settings)
    if resolved.files is None:
        files = ModelFiles(
            family=facts.family,
            name=variant.model,
            kind=facts.kind,
            layout=facts.layout,
            dit=variant.model,
            vae=variant.model,
            text_encoder=variant.model,
            lm=variant.lm or facts.lm,
            loras=loras,
        )
        weights = dict.fromkeys(by_part, NOT_FETCHED)
        return PlannedModel(facts=facts, files=files, weights=weights, numerics=by_part, missing=resolved.missing)
    # Looked at before they are hashed, which takes a minute where they were never seen.
    faults = looked.faults(resolved.files)
    found = identity.fingerprints(resolved.files, without=faults)
    lacking = {LM: NOT_FETCHED} if resolved.missing else {}
    return PlannedModel(
        facts=facts,
        files=replace(resolved.files, lm=variant.lm or facts.lm) if lacking else resolved.files,
        weights={part: one.digest for part, one in found.items()} | lacking,
        missing=resolved.missing,
        weight_files={part: one.heads for part, one in found.items()},
        numerics=by_part,
        faults=faults,
    )


def named(take: Take, model: PlannedModel, pinned: Mapping[str, PinnedResult]) -> dict[str, object]:
    """Models and switches as the spec names them: what explains that a stage runs at all, or with other weights."""
    variant = take.variant
    edit = variant.edit
    named: dict[str, object] = {
        "model": Path(variant.model).name,
        "based_on": Path(variant.based_on).name if variant.based_on else None,
        "lm": Path(variant.lm).name if variant.lm else None,
        "vae": model.vae,
        "lora": [f"{lora.path.name} at {lora.scale:g}" for lora in variant.lora],
        "thinking": variant.inference.thinking,
        "use_cot_metas": variant.inference.use_cot_metas,
        "codes": f"pinned {pinned[CODES].key[:8]}" if pinned else None,
    }
    if edit is not None:
        source = edit.source.take if isinstance(edit.source, TakeSource) else _sound(edit.source.path)
        named |= {"task": edit.task, "src_audio": source, "track": edit.track}
        named |= {"at": ", ".join(one.name for one in edit.at) or None, "tracks": ", ".join(edit.tracks) or None}
    return named if variant.reference_audio is None else named | {"reference_audio": _sound(variant.reference_audio)}


def _sound(path: Path) -> str:
    """`voice.wav 2fef38b1`: the name may stay though the sound is another."""
    return f"{path.name} {look_at(path, MAX_DURATION).digest[:8]}"


def numerics(settings: Settings) -> Mapping[str, Numerics]:
    """Of each part, on the device and in the dtype picked for it."""
    found = {part: make(settings.of(part)) for part, make in _NUMERICS.items()}
    return {part: replace(one, device=_elsewhere(settings, part)) for part, one in found.items()}


def _elsewhere(settings: Settings, part: str) -> str | None:
    """The kind of device that a part computes on apart from the rest."""
    own = settings.of(part).device
    return None if own == settings.device else own.partition(":")[0]


def _lm_numerics(settings: Settings) -> Numerics:
    dtype = device.dtypes(settings.device, settings.dtype).lm
    bucket = device.lm_prompt_bucket(settings.device)
    return Numerics(
        dtype=dtype,
        attention=device.lm_attention(settings.device, dtype),
        prompt_bucket=bucket if bucket > 1 else None,
    )


def _dit_numerics(settings: Settings) -> Numerics:
    dtypes = device.dtypes(settings.device, settings.dtype)
    return Numerics(
        dtype=dtypes.dit,
        conditions=dtypes.condition_encoder,
        text=dtypes.text_encoder,
        kernels=device.kernels(settings.device, dtypes.dit),
    )


def _vae_numerics(settings: Settings) -> Numerics:
    dtype = device.dtypes(settings.device, settings.dtype).vae
    kernels = device.vae_kernels(settings.device, dtype)
    return Numerics(
        dtype=dtype,
        kernels=kernels if kernels != "plain" else None,
        output=device.VAE_OUTPUT if dtype != device.VAE_OUTPUT else None,
    )


_NUMERICS: Mapping[str, Callable[[Settings], Numerics]] = {
    LM: _lm_numerics,
    ENCODER: lambda _: Numerics(dtype="float32"),
    DIT: _dit_numerics,
    VAE: _vae_numerics,
}
