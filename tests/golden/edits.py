"""What is changed in the golden specs, one thing at a time, to see which reason is told and which stages run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomlkit

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A value of a spec, or options of the command line."""

    song: str
    key: str = ""
    """As `inference.shift`; empty where only options are given."""
    value: Any = None
    """None takes the key out."""
    options: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """`plain: inference.shift = 2.0`."""
        return f"{self.song}: {f'{self.key} = {self.value!r}' if self.key else ' '.join(self.options)}"


def _edits(song: str, **values: Any) -> tuple[Edit, ...]:
    return tuple(Edit(song=song, key=key.replace("__", "."), value=value) for key, value in values.items())


EDITS = (
    *_edits(
        "plain",
        title="Kettle",
        caption="fast blues, upright bass",
        lyrics="[verse]\nthe kettle sings, the lamp is low",
        instrumental=True,
        seeds=[2, 3],
        model="turbo",
        lm="1.7B",
        vae="../vaes/bright",
        max_duration=50,
        annotation_style="paren",
        allow=["language-open"],
        codes="pinned.codes",
        lora=[{"path": "../adapters/dust"}],
        metas__bpm=96,
        metas__keyscale="Bb minor",
        metas__timesignature=3,
        metas__duration=28,
        metas__vocal_language="en",
        output__format="wav",
        output__recipe="key",
        inference__inference_steps=6,
        inference__shift=1.0,
        inference__infer_method="sde",
        inference__timesteps=[0.9, 0.5, 0.3],
        inference__sampler_mode="heun",
        inference__dcw_enabled=True,
        inference__retake_variance=0.1,
        inference__retake_seed=5,
        inference__thinking=False,
        inference__lm_temperature=0.0,
        inference__lm_cfg_scale=1.0,
        inference__lm_top_k=25,
        inference__lm_top_p=0.5,
        inference__lm_repetition_penalty=1.2,
        inference__lm_negative_prompt="applause",
        inference__lm_seed=4,
        inference__use_cot_metas=False,
        inference__use_cot_caption=False,
        inference__use_cot_language=False,
        inference__use_constrained_decoding=False,
        inference__guidance_scale=3.0,
        variants__late={"inference_steps": 4},
    ),
    # What holds without being said.
    *_edits(
        "plain",
        title="plain",
        seeds=[1, 2],
        model="mini",
        lm="mini",
        lora=[],
        max_duration=60,
        annotation_style="as-written",
        output__format="flac",
        output__recipe="full",
        inference__inference_steps=8,
        inference__shift=3.0,
        inference__dcw_enabled=False,
        inference__dcw_scaler=0.4,
        inference__lm_temperature=0.85,
    ),
    *_edits("metas", title="Harbour at seven", metas__bpm=105, metas__duration=25, metas__vocal_language="fr"),
    *_edits("sections", annotation_style="as-written"),
    *_edits("open-length", max_duration=None, metas__vocal_language="de"),
    *_edits("without-lm", inference__use_cot_metas=True, inference__thinking=True),
    *_edits("drawn", inference__lm_temperature=0.0, inference__lm_cfg_scale=None, inference__lm_seed=None),
    *_edits("greedy", inference__lm_temperature=0.4),
    *_edits("denoised", inference__infer_method="ode", inference__shift=None),
    *_edits("timed", inference__timesteps=None),
    *_edits("twice", inference__sampler_mode=None, inference__infer_method="sde"),
    *_edits(
        "waves",
        inference__dcw_enabled=False,
        inference__dcw_mode="pix",
        inference__dcw_scaler=0.0,
        inference__dcw_high_scaler=None,
    ),
    *_edits("relative", inference__retake_seed=98, inference__retake_variance=0.0),
    *_edits("guided", inference__guidance_scale=1.0, inference__cfg_interval_start=0.0, lm="0.6B", model="base"),
    *_edits("adapted", lora=[{"path": "../adapters/dust", "scale": 0.7}], output__recipe="full"),
    *_edits("decoded", vae=None),
    *_edits("merged", based_on="sft"),
    *_edits("varied", variants__otherwise=None, variants__elsewhere__vae=None, variants__timed__timesteps=[0.9, 0.4]),
    *_edits(
        "edited",
        caption="bossa nova, a flute",
        reference_audio="",
        edits__fix__at=[[12.0, 15.0]],
        edits__fix__repaint_mode="aggressive",
        edits__fix__repaint_strength=0.6,
        edits__fix__chunk_mask_mode=None,
        edits__fix__src_audio="plain.s2",
        edits__more__task="lego",
        edits__singer__track="drums",
    ),
    Edit(song="edited", key="edits.by-section.at", value=["chorus"]),
    Edit(song="edited", key="edits.as-waltz.audio_cover_strength", value=0.6),
    Edit(song="edited", key="edits.as-waltz.repaint_strength", value=0.6),
    Edit(song="edited", key="edits.other-way.flow_edit_n_max", value=1.0),
    *_edits("pinned", codes=None, caption="lullaby, celesta, mezzo", inference__thinking=False),
    Edit(song="plain", options=("--dtype", "bfloat16")),
    Edit(song="plain", options=("--lm-slots", "4")),
    Edit(song="plain", options=("--vae-tile", "128")),
    Edit(song="plain", options=("--vae-overlap", "8")),
    Edit(song="plain", options=("--threads", "2")),
    Edit(song="plain", options=("--preview", "5")),
    Edit(song="pinned", options=("--preview", "5")),
    Edit(song="plain", options=("--seeds", "1")),
    Edit(song="varied", options=("--model", "mini")),
)


def edited(spec: Path, edit: Edit) -> str:
    """The spec's text with that value in place."""
    document = tomlkit.parse(spec.read_text("utf-8"))
    if edit.key == "instrumental":
        del document["lyrics"]
    *tables, last = edit.key.split(".")
    table: Any = document
    for name in tables:
        table = table.setdefault(name, tomlkit.table())
    if edit.value is None:
        del table[last]
    else:
        table[last] = edit.value
    return tomlkit.dumps(document)
