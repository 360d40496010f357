"""The forward pass of a Llama-like decoder, in plain steps; `layers` has the shapes' letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from examples.cli import CommandError
from examples.engine import weights
from examples.engine.cache import KVCache
from examples.engine.gguf import GGUF
from examples.engine.layers import attention, rms_norm, rope, rope_angles, swiglu
from examples.engine.tokenizer import Tokenizer


@dataclass(frozen=True)
class Config:
    """The numbers that a model's shape consists of."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int
    rope_base: float
    epsilon: float

    @classmethod
    def of(cls, file: GGUF) -> Config:
        def meta(key: str, kind: type = int):
            return file.value(f"llama.{key}", kind)

        if (kind := file.metadata.get("general.architecture")) != "llama":
            raise CommandError(
                f"{file.name}: architecture {kind!r}; only 'llama' is known"
            )
        width, heads = meta("embedding_length"), meta("attention.head_count")
        if heads < 1 or width % heads:
            raise CommandError(f"{file.name}: {heads} heads share no width of {width}")
        return cls(
            layers=meta("block_count"),
            width=width,
            heads=heads,
            kv_heads=meta("attention.head_count_kv"),
            head_dim=width // heads,
            context=meta("context_length"),
            rope_base=meta("rope.freq_base", float),
            epsilon=meta("attention.layer_norm_rms_epsilon", float),
        )


@dataclass(frozen=True)
class Layer:
    """The weights of one layer."""

    attention_norm: np.ndarray  # [d]
    query: np.ndarray  # [d, H * head_dim]
    key: np.ndarray  # [d, K * head_dim]
    value: np.ndarray  # [d, K * head_dim]
    output: np.ndarray  # [H * head_dim, d]
    ffn_norm: np.ndarray  # [d]
    gate: np.ndarray  # [d, d_ff]
    up: np.ndarray  # [d, d_ff]
    down: np.ndarray  # [d_ff, d]


LAYER_TENSORS = {
    "attention_norm": "attn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "output": "attn_output",
    "ffn_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


class Part(NamedTuple):
    """New tokens of one sequence, and the cache that they continue.

    Without a cache nothing comes before them and nothing is kept.
    """

    ids: Sequence[int]
    cache: KVCache | None = None


class Model:
    """A model ready to run: weights dequantized to float32, laid out for `x @ w`."""

    def __init__(self, file: GGUF):
        self.config = Config.of(file)
        self.embedding = file.tensor("token_embd.weight")  # [V, d]
        self.layers = [self._layer(file, i) for i in range(self.config.layers)]
        self.output_norm = file.tensor("output_norm.weight")
        # SmolLM2 ties its head to the embedding: the same numbers, laid out for the other product.
        self.head = np.ascontiguousarray(self.embedding.T)  # [d, V]

    @staticmethod
    def _layer(file: GGUF, i: int) -> Layer:
        tensors = {
            field: np.ascontiguousarray(file.tensor(f"blk.{i}.{name}.weight").T)
            for field, name in LAYER_TENSORS.items()
        }
        return Layer(**tensors)

    def new_cache(self, capacity: int) -> KVCache:
        """An empty cache with room for `capacity` tokens."""
        c = self.config
        return KVCache(c.layers, c.kv_heads, c.head_dim, capacity)

    def forward(
        self,
        ids: Sequence[int],
        cache: KVCache | None = None,
        every_position: bool = False,
    ) -> np.ndarray:
        """Logits [V] after the last of `ids`, or [n, V] after each of them.

        With a cache, `ids` continue the tokens that it holds, and are added to it.
        """
        x = self.residual([Part(ids, cache)])
        return self.logits(x if every_position else x[-1])

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Scores of all tokens [..., V] from the residual stream [..., d] after the last layer."""
        return rms_norm(x, self.output_norm, self.config.epsilon) @ self.head

    def residual(self, parts: Sequence[Part]) -> np.ndarray:
        """The residual stream [n, d] after all layers: the parts' new tokens in a row.

        Each weight is multiplied once with all of them; attention goes part by part.
        """
        positions = np.concatenate([self._positions(part) for part in parts])
        angles = rope_angles(positions, self.config.head_dim, self.config.rope_base)
        x = self.embedding[[i for part in parts for i in part.ids]]
        for i, layer in enumerate(self.layers):
            normed = rms_norm(x, layer.attention_norm, self.config.epsilon)
            x = x + self.attend(i, layer, normed, angles, parts) @ layer.output
            normed = rms_norm(x, layer.ffn_norm, self.config.epsilon)
            x = x + swiglu(normed, layer.gate, layer.up, layer.down)
        for part in parts:
            if part.cache:
                part.cache.advance(len(part.ids))
        return x

    def attend(
        self,
        i: int,
        layer: Layer,
        x: np.ndarray,
        angles: tuple[np.ndarray, np.ndarray],
        parts: Sequence[Part],
    ) -> np.ndarray:
        """What the new tokens x [n, d] take in at layer i; the caches supply the earlier ones."""
        c = self.config
        q = rope(self._heads(x @ layer.query, c.heads), angles)
        k = rope(self._heads(x @ layer.key, c.kv_heads), angles)
        v = self._heads(x @ layer.value, c.kv_heads)
        taken, start = [], 0
        for ids, cache in parts:
            own = np.s_[:, start : start + len(ids)]
            keys, values = (
                cache.append(i, k[own], v[own]) if cache else (k[own], v[own])
            )
            taken.append(attention(q[own], keys, values))
            start += len(ids)
        return taken[0] if len(taken) == 1 else np.concatenate(taken)

    def _heads(self, x: np.ndarray, heads: int) -> np.ndarray:
        """[n, heads * head_dim] as [heads, n, head_dim]."""
        return x.reshape(len(x), heads, self.config.head_dim).swapaxes(0, 1)

    def _positions(self, part: Part) -> np.ndarray:
        """Positions of a part's tokens; no tokens, unknown ids or too long a text are errors."""
        ids, past = part.ids, part.cache.length if part.cache else 0
        if not len(ids):
            raise CommandError("a forward pass needs at least one token")
        if min(ids) < 0 or max(ids) >= len(self.embedding):
            raise CommandError(f"token ids lie between 0 and {len(self.embedding) - 1}")
        if past + len(ids) > self.config.context:
            raise CommandError(
                f"{past + len(ids)} tokens exceed the context window of {self.config.context}"
            )
        return np.arange(past, past + len(ids))


def load(path: Path | None = None) -> tuple[Model, Tokenizer]:
    """The book's model and its tokenizer, from the installed package or from a GGUF file."""
    file = GGUF(path or weights.checked(weights.find()))
    return Model(file), Tokenizer(file)
