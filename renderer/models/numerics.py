"""What a part's bits depend on beside weights and requests: dtypes, and which of several kernels compute it."""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
from collections.abc import Mapping
from dataclasses import dataclass

from renderer.json_values import JsonError, from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Numerics:
    """Of one part. As JSON it enters the keys of its stages, as kernels agree up to rounding only.

    What is None stays out, so that a choice that comes later moves no key of those who do without.
    """

    dtype: str
    conditions: str | None = None
    """The dtype of the condition encoder and the audio tokenizer pair."""
    text: str | None = None
    """The dtype of the text encoder."""
    kernels: str | None = None
    """`plain`, `blockwise`, `flash`, `sliced`, …; None as its library computes, where there was no choice at first."""
    attention: str | None = None
    """How the LM's rows attend: `masked`, each to all of its cache, or to its used part: `ragged`, `split`, `apart`."""
    prompt_bucket: int | None = None
    """Tokens to whose multiple the LM's prompts are filled up; None where they aren't."""
    device: str | None = None
    """The kind of device, where the part doesn't compute with the rest of its set; None where it does."""
    quantisation: str | None = None
    """What the LM's weights are held in; None as they are computed with."""
    output: str | None = None
    """The dtype that the VAE's last layer gives; None where it is that of all of them."""

    @property
    def words(self) -> str:
        """As users are told of it: `float32, float32 conditions, float32 text, plain kernels`."""
        told = {
            "{} conditions": self.conditions,
            "{} text": self.text,
            "{} kernels": self.kernels,
            "{} attention": self.attention,
            "prompts filled to {}": self.prompt_bucket,
            "{} output": self.output,
            "weights of {}": self.quantisation,
            "on {}": self.device,
        }
        return ", ".join((self.dtype, *(words.format(value) for words, value in told.items() if value is not None)))


def words_of(request: Mapping[str, object]) -> str:
    """The numerics in what a record tells of a stage, in words; records from before 0.2.0 hold the words."""
    try:
        return from_json(Numerics, request["numerics"]).words
    except (KeyError, JsonError):
        return str(request.get("dtype", ""))
