"""Qwen3 on MLX: a prompt alone, and one step of many rows, each at its own position of a cache of fixed length.

A row's bits don't depend on its neighbours: every shape follows from the number of rows and the cache's length, what
lies beyond a row's position is masked, and idle rows run on at position 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlx.core as mx
from mlx.core.fast import rms_norm, rope, scaled_dot_product_attention

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from renderer.models.ace_step.lm.mlx.weights import Matrix, Reader

QUERY_KEY_VALUE = ("q_proj", "k_proj", "v_proj")
GATE_UP = ("gate_proj", "up_proj")


@dataclass(frozen=True, slots=True, kw_only=True)
class MlxSizes:
    """What of the config its arithmetic needs."""

    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    theta: float
    num_layers: int
    max_length: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> MlxSizes:
        """From an LM's checked config."""
        return cls(
            heads=config["num_attention_heads"],
            kv_heads=config["num_key_value_heads"],
            head_dim=config["head_dim"],
            eps=config["rms_norm_eps"],
            theta=float(config["rope_theta"]),
            num_layers=config["num_hidden_layers"],
            max_length=config["max_position_embeddings"],
        )


class MlxLayer:
    """Attention and feed-forward; their products joined, as torch's side has them."""

    def __init__(self, read: Reader, place: str, sizes: MlxSizes) -> None:
        def joined(block: str, names: Sequence[str]) -> Matrix:
            return read.matrix(*(f"{place}.{block}.{name}.weight" for name in names))

        self._sizes = sizes
        self._projections, self._out = joined("self_attn", QUERY_KEY_VALUE), joined("self_attn", ("o_proj",))
        self._gate_up, self._down = joined("mlp", GATE_UP), joined("mlp", ("down_proj",))
        self._query_norm, self._key_norm = (read(f"{place}.self_attn.{name}_norm.weight") for name in "qk")
        self._first_norm = read(f"{place}.input_layernorm.weight")
        self._second_norm = read(f"{place}.post_attention_layernorm.weight")

    def project(self, states: mx.array, positions: int | mx.array) -> tuple[mx.array, mx.array, mx.array]:
        """[rows, length, width] to query, key and value [rows, heads, length, head_dim], from `positions` on."""
        rows, length, _ = states.shape
        sizes = self._sizes
        projected = self._projections(rms_norm(states, self._first_norm, sizes.eps))
        query, key, value = mx.split(
            projected.reshape(rows, length, -1, sizes.head_dim), [sizes.heads, sizes.heads + sizes.kv_heads], axis=2
        )
        turned = (
            self._rotate(rms_norm(one, norm, sizes.eps).transpose(0, 2, 1, 3), positions)
            for one, norm in ((query, self._query_norm), (key, self._key_norm))
        )
        return (*turned, value.transpose(0, 2, 1, 3))  # type: ignore[return-value]  # two and one

    def finish(self, states: mx.array, attended: mx.array) -> mx.array:
        """The layer's states from what came in and what was attended to, [rows, heads, length, head_dim]."""
        rows, _, length, _ = attended.shape
        states = states + self._out(attended.transpose(0, 2, 1, 3).reshape(rows, length, -1))
        gate, up = mx.split(self._gate_up(rms_norm(states, self._second_norm, self._sizes.eps)), 2, axis=-1)
        return states + self._down(gate * mx.sigmoid(gate) * up)

    @property
    def scale(self) -> float:
        """Of attention scores."""
        return float(self._sizes.head_dim**-0.5)

    @property
    def arrays(self) -> tuple[mx.array, ...]:
        """Its weights."""
        matrices = (self._projections, self._out, self._gate_up, self._down)
        norms = (self._query_norm, self._key_norm, self._first_norm, self._second_norm)
        return (*(array for matrix in matrices for array in matrix.arrays), *norms)

    def _rotate(self, states: mx.array, positions: int | mx.array) -> mx.array:
        return rope(
            states, self._sizes.head_dim, traditional=False, base=self._sizes.theta, scale=1.0, offset=positions
        )


class MlxQwen3:
    """Embedding, layers, norm, and the output layer, tied or of its own."""

    def __init__(self, read: Reader, config: Mapping[str, Any]) -> None:
        self.sizes = MlxSizes.of(config)
        self.embedding = read.matrix("embed_tokens.weight")
        self.head = read.matrix("lm_head.weight") if "lm_head.weight" in read.tensors else self.embedding
        self.layers = [MlxLayer(read, f"layers.{number}", self.sizes) for number in range(self.sizes.num_layers)]
        self._norm = read("norm.weight")
        mx.eval(self._norm, *(array for layer in self.layers for array in layer.arrays))

    @property
    def num_bytes(self) -> int:
        """What its weights occupy."""
        tables = {id(one): one.nbytes for table in (self.embedding, self.head) for one in table.arrays}
        return sum(tables.values()) + sum(one.nbytes for layer in self.layers for one in layer.arrays)

    def prefill(self, ids: mx.array) -> list[tuple[mx.array, mx.array]]:
        """Ids [prompts, length], filled up on the right -> each layer's keys and values [prompts, heads, length, d]."""
        states, memory = self.embedding.embed(ids), []
        for layer in self.layers:
            query, key, value = layer.project(states, 0)
            memory.append((key, value))
            attended = scaled_dot_product_attention(query, key, value, scale=layer.scale, mask="causal")
            states = layer.finish(states, attended)
        return memory

    def follow(self, ids: mx.array, memory: Sequence[tuple[mx.array, mx.array]]) -> mx.array:
        """Ids [1, length] behind a prompt's keys and values -> their hidden states [length, width]."""
        states, start = self.embedding.embed(ids), memory[0][0].shape[2]
        for layer, (keys, values) in zip(self.layers, memory, strict=True):
            query, key, value = layer.project(states, start)
            # A causal mask of more keys than queries begins at the keys' end: the prompt is seen by all.
            attended = scaled_dot_product_attention(
                query,
                mx.concatenate([keys, key], axis=2),
                mx.concatenate([values, value], axis=2),
                scale=layer.scale,
                mask="causal",
            )
            states = layer.finish(states, attended)
        return rms_norm(states[0], self._norm, self.sizes.eps)

    def step(
        self, tokens: mx.array, positions: mx.array, keys: Sequence[mx.array], values: Sequence[mx.array]
    ) -> tuple[mx.array, list[mx.array], list[mx.array]]:
        """Tokens and positions [rows], a layer's caches [rows, heads, T, d] -> hidden states [rows, width], the caches.

        One token a row is written; writing it again at the same position changes nothing.
        """
        states = self.embedding.embed(tokens)[:, None]
        # Each row attends up to its own position.
        mask = (mx.arange(keys[0].shape[2])[None, :] <= positions[:, None])[:, None, None]
        written_keys, written_values = [], []
        for layer, old_keys, old_values in zip(self.layers, keys, values, strict=True):
            query, key, value = layer.project(states, positions)
            index = mx.broadcast_to(positions[:, None, None, None], key.shape)
            written_keys.append(mx.put_along_axis(old_keys, index, key, axis=2))
            written_values.append(mx.put_along_axis(old_values, index, value, axis=2))
            attended = scaled_dot_product_attention(
                query, written_keys[-1], written_values[-1], scale=layer.scale, mask=mask
            )
            states = layer.finish(states, attended)
        return rms_norm(states[:, 0], self._norm, self.sizes.eps), written_keys, written_values
