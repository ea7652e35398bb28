"""Songs for the report's tests: values by hand, tones on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from renderer.artifacts import CotMetas, Waveform
from renderer.facts import SAMPLE_RATE
from renderer.report import (
    Failure,
    FormerTake,
    Outcome,
    Report,
    ReportJob,
    ReportLoad,
    ReportRun,
    ReportSong,
    ReportTake,
    encode_peaks,
)
from renderer.settings import Metas
from renderer.song import Section
from renderer.takes.audio import peaks, write_audio
from renderer.takes.measure.values import Measured

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {
    "inference_steps": 8,
    "guidance_scale": 1.0,
    "infer_method": "ode",
    "shift": 3.0,
    "thinking": True,
    "lm_temperature": 0.85,
    "lm_cfg_scale": 2.0,
    "lm_top_k": 0,
    "lm_top_p": 0.9,
}
CAPTION = (
    "A dark and gritty Latin Trap arrangement with overwhelming 808 sub-bass and sharp, metallic percussion. "
    "Tense and cinematic, with a haunting, minimalist minor-key synth loop."
)
WRITTEN = (
    "A dark, brooding Latin Trap arrangement with overwhelming 808 sub-bass and sharp, metallic percussion. "
    "Tense and cinematic, with a haunting minor-key synth loop and a half-time drum pattern."
)
SECTIONS = (
    Section(
        tag="verse", number=1, lines=("Camino despacio, la noche me nombra", "el barrio respira, la luna me asombra")
    ),
    Section(tag="chorus", lines=("Fuego en la esquina, nadie se inclina", "soy la tormenta que viene y domina")),
    Section(tag="bridge", annotation="Guitarra española - solo melancólico y rápido"),
    Section(tag="outro", annotation="whispered", lines=("Y se apaga la luz",)),
)


def lyrics_of(sections: tuple[Section, ...]) -> str:
    blocks = []
    for section in sections:
        number = f" {section.number}" if section.number is not None else ""
        annotation = f" ({section.annotation})" if section.annotation else ""
        blocks.append("\n".join([f"[{section.tag}{number}]{annotation}", *section.lines]))
    return "\n\n".join(blocks)


def music(seed: int, seconds: float, bpm: float = 96.0, level: float = 0.89) -> Waveform:
    """A beat, a bass and a chord: something with an outline."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    beat = (time * bpm / 60) % 1
    rng = np.random.default_rng(seed)
    swell = 0.35 + 0.65 * np.interp(time, np.linspace(0, seconds, 12), rng.uniform(0, 1, 12))
    bass = np.sin(2 * np.pi * 55 * 2 ** (rng.choice([0, 3, 7]) / 12) * time) * np.exp(-3 * beat)
    chord = sum(np.sin(2 * np.pi * 220 * ratio * time) for ratio in (1, 1.189, 1.498)) / 3
    hats = rng.normal(size=time.size) * np.exp(-30 * ((2 * beat) % 1)) * 0.3
    left = swell * (0.8 * bass + 0.4 * chord + hats)
    right = swell * (0.8 * bass + 0.35 * chord + np.roll(hats, 200))
    samples = np.stack([left, right])
    return Waveform(samples=(samples * level / np.abs(samples).max()).astype(np.float32))


def loudness(waveform: Waveform) -> float:
    return round(float(10 * np.log10(np.mean(waveform.samples**2)) - 0.7), 2)


def rendered(
    folder: Path,
    song: str,
    *,
    seed: int,
    variant: str = "",
    seconds: float = 8.0,
    kind: str = "flac",
    level: float = 0.89,
) -> ReportTake:
    """A take whose audio lies in `folder/song/`, as seen from `folder/report/`."""
    name = f"{song}{'.' + variant if variant else ''}.s{seed}"
    waveform = music(seed, seconds, level=level)
    (folder / song).mkdir(parents=True, exist_ok=True)
    path = folder / song / f"{name}.{kind}"
    write_audio(waveform, path, kind, {})
    return ReportTake(
        name=name,
        variant=variant,
        seed=seed,
        outcome=Outcome.DONE,
        why="new",
        model="mini",
        lm="mini",
        settings=SETTINGS | ({"shift": 2.0} if variant else {}),
        audio=f"../{song}/{path.name}",
        num_bytes=path.stat().st_size,
        duration_seconds=seconds,
        peaks=encode_peaks(peaks(waveform)),
        key8=f"{seed:08x}",
        decided=CotMetas(
            bpm=96, keyscale="A minor", duration=int(seconds), language="es", timesignature="4", caption=WRITTEN
        ),
        prompts={"lm": f"<|im_start|>user\n# Caption\n{CAPTION}\n\n# Lyric\n{lyrics_of(SECTIONS)}", "dit": CAPTION},
        seconds={"cot": 1.2, "codes": 3.4, "latents": 0.61, "waveform": 0.2},
        measured=Measured(
            duration_seconds=seconds,
            bpm=96.2 if seed % 3 else 120.0,
            keyscale="A minor" if seed % 2 else "C major",
            loudness_lufs=loudness(waveform),
            true_peak_db=-0.9,
            head_silence_seconds=0.0,
            tail_silence_seconds=0.1,
            num_clipped=0,
        ),
    )


def broken(song: str, *, seed: int) -> ReportTake:
    return ReportTake(
        name=f"{song}.s{seed}",
        variant="",
        seed=seed,
        outcome=Outcome.FAILED,
        why="new",
        model="mini",
        lm="mini",
        settings=SETTINGS,
        failure=Failure(
            stage="waveform",
            message="the sound is silent",
            why="every sample is below 1e-5 before scaling",
            help='render it with another seed, or with `dtype = "float32"`',
        ),
    )


def song(name: str, title: str, takes: tuple[ReportTake, ...], **changes: object) -> ReportSong:
    fields = {
        "name": name,
        "title": title,
        "caption": CAPTION,
        "lyrics": lyrics_of(SECTIONS),
        "sections": SECTIONS,
        "metas": Metas(bpm=96, keyscale="A minor", vocal_language="es"),
        "source": f"specs/{name}.toml",
        "takes": takes,
    }
    return ReportSong(**(fields | changes))


def run_of(takes: tuple[ReportTake, ...]) -> ReportRun:
    jobs, loads, now = [], [], 0.0
    parts = {"lm": (("cot", 0.6), ("codes", 2.4)), "dit": (("latents", 0.7),), "vae": (("waveform", 0.3),)}
    for part, stages in parts.items():
        loads.append(ReportLoad(component=part, start_seconds=now, seconds=1.1, num_bytes=6_200_000))
        now += 1.1
        for stage, seconds in stages:
            for take in takes:
                failed = take.outcome is Outcome.FAILED and stage == "waveform"
                jobs.append(
                    ReportJob(
                        stage=stage, part=part, takes=(take.name,), start_seconds=now, seconds=seconds, failed=failed
                    )
                )
                now += seconds
    return ReportRun(
        started="2026-11-23 23:58",
        seconds=now + 0.4,
        jobs=tuple(jobs),
        loads=tuple(loads),
        loads_song_by_song=dict.fromkeys(parts, len(takes)),
        disk_bytes=43_000_000,
        device="cpu",
        dtype="float32",
        threads=2,
        versions={"renderer": "0.1.0", "torch": "2.13.0", "diffusers": "0.42.1"},
        weights={"lm": "mini sha256:9f2c41aa", "dit": "mini sha256:77ab01c3", "vae": "mini sha256:10cc9e21"},
    )


def small_report(folder: Path, *, seconds: float = 0.8) -> Report:
    """Three songs, seven takes, one of them failed, in `folder`; the page belongs into `folder/report`."""
    chihuahua = (
        rendered(folder, "chihuahua", seed=7, seconds=seconds),
        rendered(folder, "chihuahua", seed=42, level=0.3, seconds=seconds),
        rendered(folder, "chihuahua", seed=7, variant="wide", seconds=seconds),
        broken("chihuahua", seed=99),
    )
    night = (
        rendered(folder, "night-drive", seed=1, seconds=1.5 * seconds),
        rendered(folder, "night-drive", seed=2, seconds=1.5 * seconds),
    )
    rain = (rendered(folder, "雨の夜", seed=3, seconds=0.75 * seconds),)
    former = FormerTake(
        key8="0a1b2c3d",
        audio=chihuahua[1].audio or "",
        changes="shift 2.0 → 3.0",
        duration_seconds=seconds,
        peaks=chihuahua[1].peaks,
        loudness_lufs=chihuahua[1].measured.loudness_lufs if chihuahua[1].measured else None,
    )
    import dataclasses

    chihuahua = (dataclasses.replace(chihuahua[0], former=(former,)), *chihuahua[1:])
    songs = (
        song("chihuahua", "Chihuahua", chihuahua),
        song(
            "night-drive",
            "Night Drive",
            night,
            instrumental=True,
            sections=(),
            lyrics="[Instrumental]",
            metas=Metas(bpm=120, duration=12),
        ),
        song("雨の夜", "雨の夜", rain, sections=(Section(tag="verse", lines=("雨が降る夜に", "君を待つ")),)),
    )
    takes = (*chihuahua, *night, *rain)
    return Report(
        songs=songs, run=run_of(takes), notes=("mini has random weights: it shows how rendering works, and it hisses.",)
    )
