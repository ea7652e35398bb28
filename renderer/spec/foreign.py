"""Names people bring along from ACE-Step's own files and interfaces: what they are called here, or why they aren't."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.facts import CODES_INSTRUCTION, TEXT2MUSIC_INSTRUCTION
from renderer.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

CALLED_HERE: Mapping[str, str] = {
    "prompt": "caption",
    "tags": "caption",
    "description": "caption",
    "desc": "caption",
    "style": "caption",
    "sample_query": "caption",
    "lyric": "lyrics",
    "is_instrumental": "instrumental",
    "make_instrumental": "instrumental",
    "name": "title",
    "song_name": "title",
    "seed": "seeds",
    "seed_value": "seeds",
    "manual_seeds": "seeds",
    "actual_seeds": "seeds",
    "audio_format": "format",
    "lm_model": "lm",
    "lm_model_path": "lm",
    "model_name": "model",
    "dit_model": "model",
    "config_path": "model",
    "vae_checkpoint": "vae",
    **{alias: name for name, row in SETTINGS.items() for alias in row.aliases},
}
"""Another name -> the key it has in a spec."""

CALLED_IN_EDITS: Mapping[str, str] = {
    "task_type": "task",
    **dict.fromkeys(("track_name", "lego_track", "extract_track", "name"), "track"),
    **dict.fromkeys(("complete_track_classes", "track_classes", "complete_tracks", "names"), "tracks"),
    **dict.fromkeys(("src_audio_path", "source_audio_path", "source", "ctx_audio", "ctx_audio_path"), "src_audio"),
    **dict.fromkeys(("reference_audio_path", "ref_audio", "ref_audio_path", "reference"), "reference_audio"),
    "mode": "repaint_mode",
    "strength": "repaint_strength",
    "cover_strength": "audio_cover_strength",
    "noise": "cover_noise_strength",
    "mask_mode": "chunk_mask_mode",
    "window": "at",
    "windows": "at",
}
"""In an edit's table: another name -> the key."""

_AUDIO_IN = "what is made from sound is written by hand, as `[edits.NAME]` in a spec"
_BATCHES = "a take per seed: name the seeds in `seeds`"
_CODES = "a spec names a file of codes in `codes`; `renderer import` writes one"
_DECIDED = "what the LM decided is a result; it stands beside the take"
_LATER = "the sampler's later extras are not offered"
_LEVEL = "takes always peak at -1 dBFS"
_PACKING = "how songs share the LM is the renderer's business, not a song's"
_PARTS = "parts are dropped and read again; nothing is set for that"
_REWRITTEN = "caption and lyrics are sent as they are written; no LM writes or rewrites them before"
_TASK = "a task other than text to music is written by hand, as `[edits.NAME]` in a spec"
NOT_SUPPORTED: Mapping[str, str] = {
    "use_adg": "adaptive dual guidance exists in the official sampler only",
    "use_cot_lyrics": _REWRITTEN,
    "use_format": _REWRITTEN,
    "sample_mode": _REWRITTEN,
    "audio_cover_strength": _AUDIO_IN,
    "cover_strength": _AUDIO_IN,
    "cover_noise_strength": _AUDIO_IN,
    "reference_audio": _AUDIO_IN,
    "reference_audio_path": _AUDIO_IN,
    "ref_audio": _AUDIO_IN,
    "ref_audio_path": _AUDIO_IN,
    "src_audio": _AUDIO_IN,
    "src_audio_path": _AUDIO_IN,
    "source_audio_path": _AUDIO_IN,
    "ctx_audio": _AUDIO_IN,
    "ctx_audio_path": _AUDIO_IN,
    "repainting_start": _AUDIO_IN,
    "repainting_end": _AUDIO_IN,
    "repaint_mode": _AUDIO_IN,
    "repaint_strength": _AUDIO_IN,
    "repaint_latent_crossfade_frames": _AUDIO_IN,
    "repaint_wav_crossfade_sec": _AUDIO_IN,
    "repaint_source_latents_file": _AUDIO_IN,
    "chunk_mask_mode": _AUDIO_IN,
    "flow_edit_morph": _AUDIO_IN,
    "flow_edit_source_caption": _AUDIO_IN,
    "flow_edit_source_lyrics": _AUDIO_IN,
    "flow_edit_n_min": _AUDIO_IN,
    "flow_edit_n_max": _AUDIO_IN,
    "flow_edit_n_avg": _AUDIO_IN,
    "task_type": _TASK,
    "task": _TASK,
    "track_name": _TASK,
    "track_classes": _TASK,
    "complete_track_classes": _TASK,
    "lego_track": _TASK,
    "extract_track": _TASK,
    "complete_tracks": _TASK,
    "global_caption": _TASK,
    "analysis_only": _TASK,
    "full_analysis_only": _TASK,
    "extract_codes_only": _TASK,
    "instruction": "the instruction is part of the training texts and always the same",
    "audio_codes": _CODES,
    "audio_code_string": _CODES,
    "batch_size": _BATCHES,
    "use_random_seed": _BATCHES,
    "random_seed": _BATCHES,
    "allow_lm_batch": _PACKING,
    "parallel_thinking": _PACKING,
    "lm_batch_chunk_size": _PACKING,
    "lm_batch_chunk": _PACKING,
    "constrained_decoding_debug": "the grammar has nothing to debug here",
    "enable_normalization": _LEVEL,
    "normalization_db": _LEVEL,
    "fade_in_duration": "takes are not faded",
    "fade_out_duration": "takes are not faded",
    "mp3_bitrate": "`format` is all there is to choose",
    "mp3_sample_rate": "`format` is all there is to choose",
    "offload_to_cpu": _PARTS,
    "offload_dit_to_cpu": _PARTS,
    "device": "the device is the command line's: `--device`",
    "dtype": "the dtype is the command line's: `--dtype`",
    "velocity_norm_threshold": _LATER,
    "velocity_ema_factor": _LATER,
    "latent_shift": _LATER,
    "latent_rescale": _LATER,
    "lora_loaded": "an adapter is named in `lora`",
    "use_lora": "an adapter is named in `lora`",
    "lora_path": "an adapter is named in `lora`",
    "lora_scale": "an adapter is named in `lora`, with its scale",
    "lora_weights_hash": "an adapter is named in `lora`",
    "cot_bpm": _DECIDED,
    "cot_keyscale": _DECIDED,
    "cot_timesignature": _DECIDED,
    "cot_duration": _DECIDED,
    "cot_vocal_language": _DECIDED,
    "cot_caption": _DECIDED,
    "cot_lyrics": _DECIDED,
}
"""ACE-Step's name -> why a spec has no such key."""

NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "audio_cover_strength": (1,),
    "cover_strength": (1,),
    "cover_noise_strength": (0,),
    "repainting_start": (0,),
    "repainting_end": (-1, 0),
    "repaint_mode": ("balanced",),
    "repaint_strength": (0.5,),
    "repaint_latent_crossfade_frames": (10,),
    "repaint_wav_crossfade_sec": (0,),
    "chunk_mask_mode": ("auto",),
    "flow_edit_morph": (False,),
    "flow_edit_n_min": (0,),
    "flow_edit_n_max": (1,),
    "flow_edit_n_avg": (1,),
    "task_type": ("text2music",),
    "task": ("text2music",),
    "instruction": (TEXT2MUSIC_INSTRUCTION, CODES_INSTRUCTION),
    "batch_size": (1,),
    "enable_normalization": (True,),
    "normalization_db": (-1,),
    "fade_in_duration": (0,),
    "fade_out_duration": (0,),
    "velocity_norm_threshold": (0,),
    "velocity_ema_factor": (0,),
    "latent_shift": (0,),
    "latent_rescale": (1,),
    "lora_scale": (1,),
}
"""ACE-Step's name -> the values with which it does what is done here; for a name that isn't there it is `false`."""
