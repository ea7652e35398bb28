"""The table of known model sets and LMs, and what each can do: a name or a folder to facts and files. No torch.

Source of names, kinds and repositories: ace-step/ACE-Step-1.5, acestep/model_downloader.py; huggingface/diffusers,
src/diffusers/pipelines/ace_step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import ModelError, named_by
from renderer.facts import LATENT_CHANNELS
from renderer.files import from_home, is_folder, is_regular, real
from renderer.models.catalog import dit_files, hub, layouts, vaes
from renderer.models.model_files import ModelFiles
from renderer.spec.checkpoints import CHECKPOINTS, PUBLISHED_PREFIX, is_dit_file, published_as
from renderer.spec.near import suggestion

if TYPE_CHECKING:
    from renderer.spec.checkpoints import Checkpoint

BUNDLE = "ACE-Step/Ace-Step1.5"
REVISIONS = {
    BUNDLE: "19671f406d603126926c1b7e2adc169acbcade22",
    "ACE-Step/acestep-v15-turbo-shift1": "5b86586cc1faecd5214281b05440c8903b6da20f",
    "ACE-Step/acestep-v15-turbo-shift3": "625a282f7c8d882c930a5e500be4c82800f84fb4",
    "ACE-Step/acestep-v15-turbo-continuous": "f8e893768347fd42f5988e07d1d80675fc3e5718",
    "ACE-Step/acestep-v15-sft": "c410d249e71ea9385a7b586865e65b1473e1098d",
    "ACE-Step/acestep-v15-base": "e432212fec32b8965a14ffa57ae653438d6abd14",
    "ACE-Step/acestep-v15-xl-turbo": "d4a0b288b83ebb7e25a8c0b32c573c22e134e8ee",
    "ACE-Step/acestep-v15-xl-sft": "d06de46b4622f781cf07f4a013a67d591ca52819",
    "ACE-Step/acestep-v15-xl-base": "220c1166efbdd9583eafcb12eb160594bbfcb241",
    "ACE-Step/acestep-5Hz-lm-0.6B": "148d8ea0225bdab342ee1ae3a354275ccd60ca80",
    "ACE-Step/acestep-5Hz-lm-4B": "0a3ec94b557aea7d508da38b31cfe7341f6ff737",
    "scragnog/Ace-Step-1.5-ScragVAE": "0547ba36ff72b94ca3db3fa9194a59899ca37e5c",
}
"""The commits meant. Source: public projects that pin the same ones, none of them by us; nothing newer was published
when they were read. The diffusers conversions are pinned nowhere: what `main` was when they are fetched stays."""
A_SET = "a model set is a folder: config.json tells the sizes of its tensors"
AN_LM = "an LM is a folder with config.json, model.safetensors, tokenizer.json and its chat template"
MINI = "mini"
MINI_FOLDER = Path(__file__).parents[1] / hub.FAMILY / "mini" / "weights"
"""In the package itself: the diffusers layout with `lm/` beside it, float16 on disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a plan needs to know of a model set before any of it is on disk."""

    name: str
    """As the user wrote it: a known name, or a folder."""
    family: str
    kind: str
    """`turbo`, `sft` or `base`."""
    layout: str
    """`diffusers` or `original`."""
    steps: int
    max_steps: int | None
    shift: float
    guidance_scale: float
    guided: bool
    shifts: tuple[float, ...] | None
    dcw: bool
    max_duration: int
    """Seconds a take may last unless the user says otherwise."""
    lm: str | None
    """The LM that belongs to it: a known name, or a folder; None when the user has to name one."""
    own_lm: bool
    """Whether that LM lies inside the set, so that it goes where the set goes."""
    latent_width: int = LATENT_CHANNELS
    """Channels of the latents that its DiT makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSet:
    """A row of the table: where the parts of a model set are published."""

    layout: str
    dit: hub.HubFolder
    vae: hub.HubFolder
    text_encoder: hub.HubFolder
    num_params: float
    """Of the DiT with its encoders and audio tokenizer pair, text encoder and VAE apart."""
    lm: str = "1.7B"

    @property
    def sources(self) -> tuple[hub.HubFolder, ...]:
        """Every folder it is made of, each once."""
        return tuple(dict.fromkeys((self.dit, self.vae, self.text_encoder)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedLm:
    """A row of the table of LMs."""

    source: hub.HubFolder
    num_params: float


# Counted from the classes at the published sizes.
PARAMS_2B = 2_394e6
PARAMS_XL = 4_987e6
PARAMS_TEXT_ENCODER = 595.8e6
PARAMS_VAE = 168.7e6


def _source(repo: str, folder: str = "") -> hub.HubFolder:
    return hub.HubFolder(repo=repo, folder=folder, revision=REVISIONS.get(repo, "main"))


def _original(dit: hub.HubFolder, num_params: float = PARAMS_2B) -> ModelSet:
    """A DiT in the original layout; VAE and text encoder are the bundle's."""
    return ModelSet(
        layout=layouts.ORIGINAL,
        dit=dit,
        vae=_source(BUNDLE, "vae"),
        text_encoder=_source(BUNDLE, layouts.TEXT_ENCODER_FOLDER),
        num_params=num_params,
    )


def _diffusers(repo: str) -> ModelSet:
    """A pipeline folder of diffusers, all parts in one repository."""
    whole = _source(repo)
    return ModelSet(
        layout=layouts.DIFFUSERS,
        dit=whole,
        vae=whole,
        text_encoder=whole,
        num_params=PARAMS_XL,
    )


MODELS = {
    "turbo": _original(_source(BUNDLE, "acestep-v15-turbo")),
    "turbo-shift1": _original(_source("ACE-Step/acestep-v15-turbo-shift1")),
    "turbo-shift3": _original(_source("ACE-Step/acestep-v15-turbo-shift3")),
    "turbo-continuous": _original(_source("ACE-Step/acestep-v15-turbo-continuous")),
    "sft": _original(_source("ACE-Step/acestep-v15-sft")),
    "base": _original(_source("ACE-Step/acestep-v15-base")),
    "xl-turbo": _original(_source("ACE-Step/acestep-v15-xl-turbo"), PARAMS_XL),
    "xl-sft": _original(_source("ACE-Step/acestep-v15-xl-sft"), PARAMS_XL),
    "xl-base": _original(_source("ACE-Step/acestep-v15-xl-base"), PARAMS_XL),
    "xl-turbo-diffusers": _diffusers("ACE-Step/acestep-v15-xl-turbo-diffusers"),
    "xl-sft-diffusers": _diffusers("ACE-Step/acestep-v15-xl-sft-diffusers"),
    "xl-base-diffusers": _diffusers("ACE-Step/acestep-v15-xl-base-diffusers"),
}

LMS = {
    "0.6B": PublishedLm(source=_source("ACE-Step/acestep-5Hz-lm-0.6B"), num_params=663e6),
    "1.7B": PublishedLm(source=_source(BUNDLE, "acestep-5Hz-lm-1.7B"), num_params=1_854e6),
    "4B": PublishedLm(source=_source("ACE-Step/acestep-5Hz-lm-4B"), num_params=4_190e6),
}


VAE_FILES = ("config.json", f"{layouts.DIFFUSERS_STEM}*.safetensors", f"{layouts.DIFFUSERS_STEM}*.json")
VAES = {
    "official": _source(BUNDLE, "vae"),
    "scragvae": replace(_source("scragnog/Ace-Step-1.5-ScragVAE"), called="scragvae", files=VAE_FILES),
}
"""VAEs of ACE-Step's latents. Source: ace-step/ACE-Step-1.5, docs/en/ALT_VAE.md."""


def sources_of(name: str) -> tuple[hub.HubFolder, ...]:
    """What a known model set or LM is made of.

    Raises: ModelError for a name that isn't known.
    """
    name = published_as(name) or name
    if name in MODELS:
        return MODELS[name].sources
    if name in LMS:
        return (LMS[name].source,)
    if name in VAES:
        return (VAES[name],)
    known = (*MODELS, *LMS, *VAES)
    raise ModelError(f"`{name}` is no known model", help=suggestion(name, known) or f"known are {', '.join(known)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Where a model set lies, or what of it isn't here yet."""

    files: ModelFiles | None
    """None while more than the LM is missing; without an LM while that is."""
    missing: tuple[str, ...] = ()
    """What `renderer models fetch` would bring, by name."""


def known_as(model: str) -> str:
    """The known name of what is written as ACE-Step publishes it; what is a folder here, or anything else, as it is."""
    return model if is_folder(from_home(model)) else published_as(model) or model


def is_known(model: str) -> bool:
    """Whether a name, folder or file is a model set as far as its place tells."""
    name = known_as(model)
    return name in MODELS or name == MINI or is_folder(from_home(model)) or is_dit_file(model)


def model_facts(model: str, based_on: str | None = None) -> ModelFacts:
    """Facts of a known name, a folder or a DiT in one file; a known name needn't be on disk.

    Raises: ModelError for a name that is neither, and for a folder or file that is no model set.
    """
    model, based_on = known_as(model), known_as(based_on) if based_on else None
    if based_on in MODELS:
        return replace(model_facts(based_on), name=model)
    if model == MINI:
        return _facts(MINI, CHECKPOINTS[MINI], layouts.DIFFUSERS, lm=MINI)
    if known := MODELS.get(model):
        return replace(_facts(model, CHECKPOINTS[model], known.layout, lm=known.lm), own_lm=False)
    found = _read_model(model, based_on)
    facts = _facts(model, _checkpoint(found), found.layout, lm=str(found.lm) if found.lm else None)
    return replace(facts, latent_width=found.latent_width)


def resolve(
    model: str, lm: str | None = None, loras: tuple[tuple[str, float], ...] = (), based_on: str | None = None
) -> Resolved:
    """Files of a model set with an LM; `lm` None takes the one that belongs to the set.

    A model that is a DiT in one file takes the rest of the set from what it is `based_on`, or from what lies beside it.

    Raises: ModelError for unknown names and for folders that aren't what they should be.
    """
    model, lm, based_on = known_as(model), known_as(lm) if lm else None, known_as(based_on) if based_on else None
    if model == MINI:
        return _with_lm(_of_folder(MINI, layouts.read_model(MINI_FOLDER), loras), lm)
    if known := MODELS.get(model):
        return _with_lm(_on_hub(model, known, loras, None), lm or known.lm)
    if based_on in MODELS:
        return _with_lm(_on_hub(model, MODELS[based_on], loras, based_on), lm or MODELS[based_on].lm)
    return _with_lm(_of_folder(model, _read_model(model, based_on), loras), lm)


def existing_lm(lm: str) -> Path:
    """The folder of an LM by its path, or of the embedded one.

    Raises: ModelError when there is none.
    """
    folder = MINI_FOLDER / "lm" if lm == MINI else from_home(lm)
    if is_folder(folder):
        return folder.resolve()
    advice = suggestion(lm, (*LMS, MINI)) or f"known LMs: {', '.join((*LMS, MINI))}"
    raise layouts.no_folder(folder, "LM", why=AN_LM, advice=advice)


def own_vae(model: str, vae: str) -> bool:
    """Whether the known VAE is the one that the known model comes with."""
    model = known_as(model)
    return model in MODELS and vae in VAES and MODELS[model].vae == VAES[vae]


def find_vae(vae: str, facts: ModelFacts) -> Path | None:
    """The folder of a VAE by its name or path; None while a known one isn't here.

    Raises: ModelError for what is no VAE, and for one that can't decode what the model makes.
    """
    known = VAES.get(vae)
    folder = real(from_home(vae))
    with named_by("vae"):
        found = vaes.ACE_STEP if known else vaes.read_vae(folder)
    with named_by("vae", "model"):
        vaes.refuse_unfit(vae, found, facts.name, facts.latent_width)
        if known and facts.name == MINI:
            raise ModelError(
                f"the VAE `{vae}` can't decode what `{MINI}` makes",
                why=f"it was trained on ACE-Step's latents, and those of `{MINI}` are its own",
                help=f"leave `vae` out, or name a model other than `{MINI}`",
            )
    return hub.find(known) if known else folder


def _facts(name: str, checkpoint: Checkpoint, layout: str, *, lm: str | None) -> ModelFacts:
    return ModelFacts(
        name=name,
        family=hub.FAMILY,
        kind=checkpoint.kind,
        layout=layout,
        steps=checkpoint.steps,
        max_steps=checkpoint.max_steps,
        shift=checkpoint.shift,
        guidance_scale=checkpoint.guidance_scale,
        guided=checkpoint.guided,
        shifts=checkpoint.shifts,
        dcw=checkpoint.dcw,
        max_duration=checkpoint.max_duration,
        lm=lm,
        own_lm=lm is not None,
    )


def _checkpoint(model: layouts.FoundModel) -> Checkpoint:
    """What a folder can do: its name says so where it is one that ACE-Step publishes, else its kind does."""
    names = [place.name for place in layouts.link_chain(model.dit) if place.name.startswith(PUBLISHED_PREFIX)]
    own = next((own for name in names if (own := name.removeprefix(PUBLISHED_PREFIX)) in MODELS), model.kind)
    return CHECKPOINTS[own] if CHECKPOINTS[own].kind == model.kind else CHECKPOINTS[model.kind]


def _read_model(model: str, based_on: str | None) -> layouts.FoundModel:
    """What a folder or a file holds, with what it is based on."""
    if not _is_file(model):
        return layouts.read_model(_existing(model))
    base = None
    if based_on is not None:
        with named_by("based_on"):
            base = layouts.read_model(MINI_FOLDER if based_on == MINI else _existing(based_on))
    return dit_files.read_dit_file(_existing_file(model), base)


def _is_file(model: str) -> bool:
    return is_dit_file(model) and not is_folder(from_home(model))


def _existing_file(model: str) -> Path:
    path = from_home(model)
    if is_regular(path):
        return path.absolute()
    raise ModelError(f"there is no file `{model}`", help="name a DiT's .safetensors file, a folder or a known model")


def _existing(model: str) -> Path:
    folder = from_home(model)
    if is_folder(folder):
        return layouts.as_named(folder)
    advice = f"{suggestion(model, (*MODELS, MINI))} known models: {', '.join((*MODELS, MINI))}".strip()
    raise layouts.no_folder(folder, "model", why=A_SET, advice=advice)


def _of_folder(name: str, model: layouts.FoundModel, loras: tuple[tuple[str, float], ...]) -> Resolved:
    files = ModelFiles(
        family=hub.FAMILY,
        name=name,
        kind=model.kind,
        layout=model.layout,
        dit=str(model.dit),
        vae=str(model.vae),
        text_encoder=str(model.text_encoder),
        lm=str(model.lm) if model.lm else None,
        loras=loras,
        dit_file=str(model.dit_file) if model.dit_file else None,
    )
    return Resolved(files=files)


def _on_hub(name: str, known: ModelSet, loras: tuple[tuple[str, float], ...], based_on: str | None) -> Resolved:
    """A known set; with `based_on`, that one, and `name` is the file whose weights take the place of its DiT's."""
    dit_file = _dit_file_on(known, name) if based_on else None
    dit = hub.find(known.dit, dit_files.completes if dit_file else None)
    vae, text_encoder = hub.find(known.vae), hub.find(known.text_encoder)
    if dit is None or vae is None or text_encoder is None:
        return Resolved(files=None, missing=(based_on or name,))
    if known.layout == layouts.DIFFUSERS:
        vae = dit / "vae"
    files = ModelFiles(
        family=hub.FAMILY,
        name=name,
        kind=CHECKPOINTS[based_on or name].kind,
        layout=known.layout,
        dit=str(dit),
        vae=str(vae),
        text_encoder=str(text_encoder),
        lm=None,
        loras=loras,
        dit_file=dit_file,
    )
    return Resolved(files=files)


def _dit_file_on(known: ModelSet, model: str) -> str:
    path = _existing_file(model)
    if known.layout != layouts.ORIGINAL:
        raise dit_files.another_layout(path)
    dit_files.refuse_other(path)
    return str(path)


def _with_lm(resolved: Resolved, lm: str | None) -> Resolved:
    if lm is None or (lm == MINI and resolved.files is not None and resolved.files.name == MINI):
        return resolved
    with named_by("lm"):
        folder = hub.find(LMS[lm].source) if lm in LMS else layouts.read_lm(existing_lm(lm))
    if folder is None:
        return replace(resolved, missing=(*resolved.missing, lm))
    if resolved.files is None:
        return resolved
    return Resolved(files=resolved.files.with_lm(str(folder)))
