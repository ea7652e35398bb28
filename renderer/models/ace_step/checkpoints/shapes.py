"""What tensors of which shapes a component is made of, from its config alone: what its class's module would hold.

A config goes in as `configs.py` gives it, in the words of diffusers' and transformers' classes; imports no torch. A
test compares each table with the real module. Sources: huggingface/diffusers,
src/diffusers/models/transformers/ace_step_transformer.py, pipelines/ace_step/modeling_ace_step.py,
models/autoencoders/autoencoder_oobleck.py; huggingface/transformers, src/transformers/models/qwen3/modeling_qwen3.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.facts import SILENCE_FRAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from renderer.models.catalog.layouts import Config

Shape = tuple[int, ...]
Shapes = dict[str, Shape]

TIME_CHANNELS = 256  # of the sinusoid of a timestep
RESIDUAL_KERNEL = 7  # of the VAE's convolutions, samples
LAST_ENCODER_KERNEL = 3
DEFAULT_LEVELS = (8, 8, 8, 5, 5, 5)


def shapes(component: str, config: Config) -> Shapes:
    """Tensor -> shape, of a component by the name it has in `ModelFiles`' parts: `dit`, `vae`, `lm`, …."""
    return _TABLES[component](config)


def _dit(config: Config) -> Shapes:
    width, patch = config["hidden_size"], config["patch_size"]
    heard = config["encoder_hidden_size"] or width
    return {
        **_stack(config["num_hidden_layers"], _dit_layer(config)),
        "proj_in_conv.weight": (width, config["in_channels"], patch),
        "proj_in_conv.bias": (width,),
        **_under("time_embed", _timestep(width)),
        **_under("time_embed_r", _timestep(width)),
        **_under("condition_embedder", _linear(heard, width)),
        "norm_out.weight": (width,),
        "proj_out_conv.weight": (width, config["audio_acoustic_hidden_dim"], patch),
        "proj_out_conv.bias": (config["audio_acoustic_hidden_dim"],),
        "scale_shift_table": (1, 2, width),
    }


def _dit_layer(config: Config) -> Shapes:
    width = config["hidden_size"]
    return {
        "self_attn_norm.weight": (width,),
        **_under("self_attn", _attention(config)),
        "cross_attn_norm.weight": (width,),
        **_under("cross_attn", _attention(config)),
        "mlp_norm.weight": (width,),
        **_under("mlp", _mlp(config)),
        "scale_shift_table": (1, 6, width),
    }


def _condition_encoder(config: Config) -> Shapes:
    width, channels = config["hidden_size"], config["timbre_hidden_dim"]
    layer = _encoder_layer(config)
    lyric = {
        **_under("embed_tokens", _linear(config["text_hidden_dim"], width)),
        "norm.weight": (width,),
        **_stack(config["num_lyric_encoder_hidden_layers"], layer),
    }
    timbre = {
        **_under("embed_tokens", _linear(channels, width)),
        "norm.weight": (width,),
        "special_token": (1, 1, width),
        **_stack(config["num_timbre_encoder_hidden_layers"], layer),
    }
    return {
        "text_projector.weight": (width, config["text_hidden_dim"]),
        **_under("lyric_encoder", lyric),
        **_under("timbre_encoder", timbre),
        "null_condition_emb": (1, 1, width),
        "silence_latent": (1, SILENCE_FRAMES, channels),
    }


def _audio_tokenizer(config: Config) -> Shapes:
    width, codes = config["hidden_size"], config["fsq_dim"]
    levels = len(config["fsq_input_levels"] or DEFAULT_LEVELS)
    pooler = {
        **_under("embed_tokens", _linear(width, width)),
        "norm.weight": (width,),
        "special_token": (1, 1, width),
        **_stack(config["num_attention_pooler_hidden_layers"], _encoder_layer(config)),
    }
    return {
        **_under("audio_acoustic_proj", _linear(config["audio_acoustic_hidden_dim"], width)),
        **_under("attention_pooler", pooler),
        **_under("quantizer.project_in", _linear(codes, levels)),
        **_under("quantizer.project_out", _linear(levels, codes)),
    }


def _audio_token_detokenizer(config: Config) -> Shapes:
    width = config["hidden_size"]
    return {
        **_under("embed_tokens", _linear(width, width)),
        "norm.weight": (width,),
        "special_tokens": (1, config["pool_window_size"], width),
        **_under("proj_out", _linear(width, config["audio_acoustic_hidden_dim"])),
        **_stack(config["num_attention_pooler_hidden_layers"], _encoder_layer(config)),
    }


def _qwen3(config: Config) -> Shapes:
    """The bare model; an LM's output layer lies beside it, or is the embeddings."""
    width = config["hidden_size"]
    layer = {
        "input_layernorm.weight": (width,),
        **_under("self_attn", _attention(config, queries=("q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm"))),
        "post_attention_layernorm.weight": (width,),
        **_under("mlp", _mlp(config)),
    }
    return {
        "embed_tokens.weight": (config["vocab_size"], width),
        "norm.weight": (width,),
        **_stack(config["num_hidden_layers"], layer),
    }


def _vae(config: Config) -> Shapes:
    encoder = _vae_encoder(config, outputs=config["encoder_hidden_size"])
    return {**_under("encoder", encoder), **_under("decoder", _vae_decoder(config))}


def _encoder_apart(config: Config) -> Shapes:
    return _vae_encoder(config, outputs=2 * config["decoder_input_channels"])


def _vae_encoder(config: Config, *, outputs: int) -> Shapes:
    base, ratios, multiples = config["encoder_hidden_size"], config["downsampling_ratios"], _multiples(config)
    found = _under("conv1", _convolution(config["audio_channels"], base, RESIDUAL_KERNEL))
    for place, ratio in enumerate(ratios):
        width, wider = base * multiples[place], base * multiples[place + 1]
        block = {
            **_residuals(width),
            **_snake("snake1", width),
            **_under("conv1", _convolution(width, wider, 2 * ratio)),
        }
        found |= _under(f"block.{place}", block)
    last = base * multiples[-1]
    return {**found, **_snake("snake1", last), **_under("conv2", _convolution(last, outputs, LAST_ENCODER_KERNEL))}


def _vae_decoder(config: Config) -> Shapes:
    base, ratios, multiples = config["decoder_channels"], config["downsampling_ratios"], _multiples(config)
    widest = base * multiples[-1]
    found = _under("conv1", _convolution(config["decoder_input_channels"], widest, RESIDUAL_KERNEL))
    for place, ratio in enumerate(reversed(ratios)):
        width, narrower = (base * multiples[len(ratios) - place - step] for step in (0, 1))
        up = {"bias": (narrower,), "weight_g": (width, 1, 1), "weight_v": (width, narrower, 2 * ratio)}
        found |= _under(f"block.{place}", {**_snake("snake1", width), **_under("conv_t1", up), **_residuals(narrower)})
    last = _convolution(base, config["audio_channels"], RESIDUAL_KERNEL)
    del last["bias"]
    return {**found, **_snake("snake1", base), **_under("conv2", last)}


def _multiples(config: Config) -> Sequence[int]:
    return [1, *config["channel_multiples"]]


def _residuals(width: int) -> Shapes:
    unit = {
        **_snake("snake1", width),
        **_under("conv1", _convolution(width, width, RESIDUAL_KERNEL)),
        **_snake("snake2", width),
        **_under("conv2", _convolution(width, width, 1)),
    }
    return {name: shape for number in (1, 2, 3) for name, shape in _under(f"res_unit{number}", unit).items()}


def _snake(name: str, width: int) -> Shapes:
    return {f"{name}.alpha": (1, width, 1), f"{name}.beta": (1, width, 1)}


def _convolution(inputs: int, outputs: int, kernel: int) -> Shapes:
    """With its weight normalised: length and direction apart."""
    return {"bias": (outputs,), "weight_g": (outputs, 1, 1), "weight_v": (outputs, inputs, kernel)}


def _encoder_layer(config: Config) -> Shapes:
    width = config["hidden_size"]
    return {
        **_under("self_attn", _attention(config)),
        "input_layernorm.weight": (width,),
        "post_attention_layernorm.weight": (width,),
        **_under("mlp", _mlp(config)),
    }


def _attention(
    config: Config,
    queries: tuple[str, str, str, str, str, str] = ("to_q", "to_k", "to_v", "to_out.0", "norm_q", "norm_k"),
) -> Shapes:
    width, head, bias = config["hidden_size"], config["head_dim"], config["attention_bias"]
    asking = config["num_attention_heads"] * head
    kv_width = (config["num_key_value_heads"] or config["num_attention_heads"]) * head
    query, key, value, out, query_norm, key_norm = queries
    return {
        **_under(query, _linear(width, asking, bias=bias)),
        **_under(key, _linear(width, kv_width, bias=bias)),
        **_under(value, _linear(width, kv_width, bias=bias)),
        **_under(out, _linear(asking, width, bias=bias)),
        f"{query_norm}.weight": (head,),
        f"{key_norm}.weight": (head,),
    }


def _mlp(config: Config) -> Shapes:
    width, inner = config["hidden_size"], config["intermediate_size"]
    return {"gate_proj.weight": (inner, width), "up_proj.weight": (inner, width), "down_proj.weight": (width, inner)}


def _timestep(width: int) -> Shapes:
    return {
        **_under("linear_1", _linear(TIME_CHANNELS, width)),
        **_under("linear_2", _linear(width, width)),
        **_under("time_proj", _linear(width, 6 * width)),
    }


def _linear(inputs: int, outputs: int, *, bias: bool = True) -> Shapes:
    return {"weight": (outputs, inputs), **({"bias": (outputs,)} if bias else {})}


def _stack(num_layers: int, layer: Shapes) -> Shapes:
    return {f"layers.{number}.{name}": shape for number in range(num_layers) for name, shape in layer.items()}


def _under(prefix: str, inner: Shapes) -> Shapes:
    return {f"{prefix}.{name}": shape for name, shape in inner.items()}


_TABLES: Mapping[str, Callable[[Config], Shapes]] = {
    "dit": _dit,
    "condition_encoder": _condition_encoder,
    "audio_tokenizer": _audio_tokenizer,
    "audio_token_detokenizer": _audio_token_detokenizer,
    "vae": _vae,
    "vae_encoder": _encoder_apart,
    "text_encoder": _qwen3,
    "lm": _qwen3,
}
