"""What ACE-Step's stages and parts are called, in its own modules: members are the names in its table."""

from enum import StrEnum


class Stage(StrEnum):
    """The stages of a take, in the order of the data's way."""

    COT = "cot"
    CODES = "codes"
    LATENTS = "latents"
    WAVEFORM = "waveform"


class Part(StrEnum):
    """What is resident together."""

    LM = "lm"
    DIT = "dit"
    VAE = "vae"
