"""The forward pass of a Llama-like decoder, in plain steps.

Shapes: n new tokens, T tokens in all, d the model's width, H query heads and K key-value heads of
head_dim numbers each. Everything is float32; a weight is kept as [in, out], so a step is `x @ w`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.cli import CommandError
from examples.engine import weights
from examples.engine.cache import KVCache
from examples.engine.gguf import GGUF
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


def rms_norm(x: np.ndarray, weight: np.ndarray, epsilon: float) -> np.ndarray:
    """Scale each row of x [n, d] to unit root mean square, then by `weight` (Zhang, Sennrich 2019)."""
    mean_square = np.mean(x * x, axis=-1, keepdims=True)
    return x / np.sqrt(mean_square + epsilon) * weight


def rope(x: np.ndarray, positions: np.ndarray, base: float) -> np.ndarray:
    """Rotate the pairs (0, 1), (2, 3), ... of x [heads, n, head_dim] by angles that grow with position.

    Su et al. 2021, equation 34. GGUF stores Llama's queries and keys so that neighbors are pairs.
    """
    half = x.shape[-1] // 2
    frequency = base ** (-np.arange(half, dtype=np.float32) / half)
    angle = positions[:, None].astype(np.float32) * frequency  # [n, head_dim / 2]
    cos, sin = np.cos(angle), np.sin(angle)
    even, odd = x[..., 0::2], x[..., 1::2]
    rotated = np.empty_like(x)
    rotated[..., 0::2] = even * cos - odd * sin
    rotated[..., 1::2] = even * sin + odd * cos
    return rotated


def softmax(x: np.ndarray) -> np.ndarray:
    """Weights that sum to one along the last axis; the maximum is taken off against overflow."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """What the newest n tokens take from all T: q [H, n, head_dim], k and v [K, T, head_dim].

    H / K neighboring query heads share a key-value head. Returns [n, H * head_dim].
    """
    heads, new, dim = q.shape
    kv_heads, total, _ = k.shape
    q = q.reshape(kv_heads, heads // kv_heads, new, dim)
    scores = q @ k[:, None].swapaxes(-1, -2) / np.sqrt(np.float32(dim))
    if new > 1:  # a token sees itself and what came before
        row, column = np.arange(total - new, total)[:, None], np.arange(total)
        scores = np.where(column <= row, scores, np.float32(-np.inf))
    mixed = softmax(scores) @ v[:, None]  # [K, H / K, n, head_dim]
    return mixed.reshape(heads, new, dim).swapaxes(0, 1).reshape(new, heads * dim)


def swiglu(x: np.ndarray, layer: Layer) -> np.ndarray:
    """The feed-forward network: down(silu(x gate) * (x up)) (Shazeer 2020)."""
    gate = x @ layer.gate
    return (gate / (1 + np.exp(-gate)) * (x @ layer.up)) @ layer.down


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
        past = cache.length if cache else 0
        positions = self._check(ids, past)
        x = self.embedding[list(ids)]
        for i, layer in enumerate(self.layers):
            normed = rms_norm(x, layer.attention_norm, self.config.epsilon)
            x = x + self.attend(i, layer, normed, positions, cache) @ layer.output
            x = x + swiglu(rms_norm(x, layer.ffn_norm, self.config.epsilon), layer)
        if cache:
            cache.advance(len(ids))
        if not every_position:
            x = x[-1]
        return rms_norm(x, self.output_norm, self.config.epsilon) @ self.head

    def attend(
        self,
        i: int,
        layer: Layer,
        x: np.ndarray,
        positions: np.ndarray,
        cache: KVCache | None,
    ) -> np.ndarray:
        """Attention of layer i for the new tokens x [n, d]; the cache supplies the earlier ones."""
        c = self.config
        q = rope(self._heads(x @ layer.query, c.heads), positions, c.rope_base)
        k = rope(self._heads(x @ layer.key, c.kv_heads), positions, c.rope_base)
        v = self._heads(x @ layer.value, c.kv_heads)
        if cache:
            k, v = cache.append(i, k, v)
        return attention(q, k, v)

    def _heads(self, x: np.ndarray, heads: int) -> np.ndarray:
        """[n, heads * head_dim] as [heads, n, head_dim]."""
        return x.reshape(len(x), heads, self.config.head_dim).swapaxes(0, 1)

    def _check(self, ids: Sequence[int], past: int) -> np.ndarray:
        """The positions of the new tokens; no tokens, unknown ids or too long a text are errors."""
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
