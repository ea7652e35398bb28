"""What ACE-Step's stages and parts are called, where its own modules have to name one; the table is in `stages.py`."""

COT = "cot"
CODES = "codes"
LATENTS = "latents"
TIMESTAMPS = "timestamps"
WAVEFORM = "waveform"

LM = "lm"
DIT = "dit"
VAE = "vae"
