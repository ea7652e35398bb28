"""Names people bring along from ACE-Step's own files and interfaces: what they are called here, or why they aren't."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CALLED_HERE: Mapping[str, str] = {
    "prompt": "caption",
    "tags": "caption",
    "description": "caption",
    "style": "caption",
    "lyric": "lyrics",
    "name": "title",
    "seed": "seeds",
    "manual_seeds": "seeds",
    "tempo": "bpm",
    "key": "keyscale",
    "key_scale": "keyscale",
    "time_signature": "timesignature",
    "audio_duration": "duration",
    "length": "duration",
    "language": "vocal_language",
    "think": "thinking",
    "steps": "inference_steps",
    "num_inference_steps": "inference_steps",
    "infer_step": "inference_steps",
    "cfg": "guidance_scale",
    "cfg_scale": "guidance_scale",
    "temperature": "lm_temperature",
    "top_k": "lm_top_k",
    "top_p": "lm_top_p",
    "repetition_penalty": "lm_repetition_penalty",
    "negative_prompt": "lm_negative_prompt",
    "audio_format": "format",
    "lm_model": "lm",
    "lm_model_path": "lm",
    "config_path": "model",
    "vae_checkpoint": "vae",
    "constrained_decoding": "use_constrained_decoding",
}
"""Another name -> the key it has in a spec."""

_AUDIO_IN = "songs are made from text alone here; there is no audio to start from"
_BATCHES = "a take per seed: name the seeds in `seeds`"
NOT_SUPPORTED: Mapping[str, str] = {
    "use_adg": "adaptive dual guidance exists in the official sampler only",
    "use_cot_lyrics": "it is reserved in ACE-Step and does nothing there either",
    "audio_cover_strength": _AUDIO_IN,
    "cover_noise_strength": _AUDIO_IN,
    "reference_audio": _AUDIO_IN,
    "reference_audio_path": _AUDIO_IN,
    "src_audio": _AUDIO_IN,
    "src_audio_path": _AUDIO_IN,
    "repainting_start": _AUDIO_IN,
    "repainting_end": _AUDIO_IN,
    "task_type": "every spec is text to music; cover, repaint, lego, extract and complete are not offered",
    "task": "every spec is text to music; cover, repaint, lego, extract and complete are not offered",
    "instruction": "the instruction is part of the training texts and always the same",
    "audio_codes": "the LM writes the codes",
    "audio_code_string": "the LM writes the codes",
    "batch_size": _BATCHES,
    "use_random_seed": _BATCHES,
    "random_seed": _BATCHES,
    "allow_lm_batch": "how songs share the LM is the renderer's business, not a song's",
    "lm_batch_chunk_size": "how songs share the LM is the renderer's business, not a song's",
    "lm_batch_chunk": "how songs share the LM is the renderer's business, not a song's",
    "constrained_decoding_debug": "the grammar has nothing to debug here",
    "enable_normalization": "takes always peak at -1 dBFS",
    "normalization_db": "takes always peak at -1 dBFS",
    "offload_to_cpu": "parts are dropped and read again; nothing is set for that",
    "offload_dit_to_cpu": "parts are dropped and read again; nothing is set for that",
    "device": "the device is the command line's: `--device`",
    "dtype": "the dtype is the command line's: `--dtype`",
    "sampler_mode": "`infer_method` picks the solver",
    "velocity_norm_threshold": "the sampler's later extras are not offered",
    "velocity_ema_factor": "the sampler's later extras are not offered",
    "latent_shift": "the sampler's later extras are not offered",
    "latent_rescale": "the sampler's later extras are not offered",
    "cot_bpm": "what the LM decided is a result; it stands beside the take",
    "cot_keyscale": "what the LM decided is a result; it stands beside the take",
    "cot_timesignature": "what the LM decided is a result; it stands beside the take",
    "cot_duration": "what the LM decided is a result; it stands beside the take",
    "cot_vocal_language": "what the LM decided is a result; it stands beside the take",
    "cot_caption": "what the LM decided is a result; it stands beside the take",
    "cot_lyrics": "what the LM decided is a result; it stands beside the take",
}
"""ACE-Step's name -> why a spec has no such key."""
