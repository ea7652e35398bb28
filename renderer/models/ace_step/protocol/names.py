"""What ACE-Step's stages and parts are called, where its own modules have to name one; the table is in `stages.py`.

And what several of them call a file.
"""

COT = "cot"
CODES = "codes"
PLAN_SCORE = "plan_score"
SOURCE = "source"
REFERENCE = "reference"
AUDIO_TOKENS = "audio_tokens"
LATENTS = "latents"
TIMESTAMPS = "timestamps"
WAVEFORM = "waveform"

LM = "lm"
ENCODER = "encoder"
DIT = "dit"
VAE = "vae"

TOKENIZER = "tokenizer.json"
"""Of an LM or a text encoder."""
