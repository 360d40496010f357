"""Bytes: what the weights take, what a token leaves in the KV cache, what fits beside what."""

from __future__ import annotations

from examples.predict.shapes import Shape


def kv_bytes_per_token(shape: Shape, number_bytes: float = 2) -> int:
    """Bytes of KV cache that one token leaves behind, over all layers.

    A key and a value for each KV head; with latent attention one compressed vector and
    one positional key for all heads together.
    """
    if shape.latent:
        numbers = shape.latent.kv_rank + shape.latent.rope_dim
    else:
        numbers = 2 * shape.kv_heads * shape.head_dim
    return int(shape.layers * numbers * number_bytes)


def kv_bytes_if_every_head_had_its_own(shape: Shape, number_bytes: float = 2) -> int:
    """The same for multi-head attention: what a model would leave behind without shared heads."""
    return int(2 * shape.layers * shape.heads * shape.head_dim * number_bytes)


def weight_bytes(shape: Shape, number_bytes: float = 2) -> int:
    """Bytes of all parameters."""
    return int(shape.parameters * number_bytes)


def weight_bytes_read(shape: Shape, number_bytes: float = 2) -> int:
    """Bytes of weights that a decode step of a dense model reads (not the embedding table)."""
    return int(shape.read_per_step * number_bytes)


def tokens_that_fit(shape: Shape, budget: float, number_bytes: float = 2) -> int:
    """Tokens of cache that fit in `budget` bytes beside the weights; 0 where the weights do not."""
    left = budget - weight_bytes(shape, number_bytes)
    return max(0, int(left // kv_bytes_per_token(shape, number_bytes)))
