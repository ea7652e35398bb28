"""What ACE-Step 1.5 was built for and trained with: rates, limits, ranges, choices. Each is a fact, none a setting.

Below everything that asks for them: specs, keys, stages, memory. Numbers and words only; nothing of any file or class.
"""

from __future__ import annotations

SAMPLE_RATE = 48_000  # Hz, from the VAE's config
LATENT_RATE = 25  # latent frames a second: SAMPLE_RATE / 1,920
CODE_RATE = 5  # codes a second: one code spans five latent frames
SAMPLES_PER_LATENT = SAMPLE_RATE // LATENT_RATE
LATENTS_PER_CODE = LATENT_RATE // CODE_RATE
SAMPLES_PER_CODE = SAMPLE_RATE // CODE_RATE

LATENT_CHANNELS = 64  # of the published checkpoints
VAE_REACH = 8  # latent frames to each side that a decoded one depends on, with the published ratios
CODE_LEVELS = (8, 8, 8, 5, 5, 5)  # of the codebook's axes; a code counts them, the first one fastest
NUM_CODES = 64_000  # entries of the audio codebook; the published LMs' tokens beyond it exist but mean nothing

MAX_SEED = 2**32 - 1  # seeds are 32-bit

MAX_TIMESTEPS = 20  # above 0, in a list of them
MAX_TEXT_TOKENS = 256  # of the DiT's text prompt; the rest is cut off, and metas come last
MAX_LYRIC_TOKENS = 2_048  # of the DiT's lyric prompt; what comes after is not sung

# Ranges and choices of the metas. Source: ace-step/ACE-Step-1.5, acestep/constants.py
MIN_BPM, MAX_BPM = 30, 300
MIN_DURATION, MAX_DURATION = 10, 600  # seconds
KEYSCALES = tuple(f"{note}{sign} {mode}" for note in "ABCDEFG" for sign in ("", *"#b♯♭") for mode in ("major", "minor"))
BEATS = ("2", "3", "4", "6")
"""A bar's, as `timesignature` has them."""
LANGUAGES = (
    "ar", "az", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hr",
    "ht", "hu", "id", "is", "it", "ja", "ko", "la", "lt", "ms", "ne", "nl", "no", "pa", "pl", "pt", "ro",
    "ru", "sa", "sk", "sr", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "yue", "zh", "unknown",
)  # fmt: skip

TRACKS = (
    "woodwinds", "brass", "fx", "synth", "strings", "percussion",
    "keyboard", "guitar", "bass", "drums", "backing_vocals", "vocals",
)  # fmt: skip
"""What can be extracted from a source, or laid over it."""

SILENCE_FRAMES = MAX_DURATION * LATENT_RATE  # of the condition encoder's buffer

LM_INSTRUCTION = "Generate audio semantic tokens based on the given conditions:"
UNDERSTAND_INSTRUCTION = "Understand the given musical conditions and describe the audio semantics accordingly:"
"""What the LM is told when codes are what it reads. Source: ace-step/ACE-Step-1.5, acestep/constants.py."""
TEXT2MUSIC_INSTRUCTION = "Fill the audio semantic mask based on the given conditions:"
CODES_INSTRUCTION = LM_INSTRUCTION
"""What the DiT is told once there are codes: upstream switches such takes to its cover instruction."""
TASK_INSTRUCTIONS = {
    "repaint": "Repaint the mask area based on the given conditions:",
    "cover": CODES_INSTRUCTION,
    "cover-nofsq": CODES_INSTRUCTION,
    "extract": "Extract the {TRACK} track from the audio:",
    "lego": "Generate the {TRACK} track based on the audio context:",
    "complete": "Complete the input track with {TRACKS}:",
    "morph": TEXT2MUSIC_INSTRUCTION,
}
"""What the DiT is told of an edit. Source: ace-step/ACE-Step-1.5, acestep/constants.py."""
NO_NEGATIVE_PROMPT = "NO USER INPUT"
"""What stands for a dropped condition; as a negative prompt it says nothing."""
