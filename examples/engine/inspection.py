"""The forward pass once more, keeping what the plain one throws away: for looking, not for speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from examples.engine.layers import (
    attention_weights,
    rms_norm,
    rope,
    rope_angles,
    silu,
)
from examples.engine.model import Model


class Observed(NamedTuple):
    """What a pass over n tokens computed on its way."""

    attention: np.ndarray  # [layers, H, n, n]: the weights of each head, rows sum to 1
    stream: np.ndarray  # [layers + 1, n, d]: the residual stream, the embedding first
    neurons: np.ndarray  # [layers, n, d_ff]: silu(x gate) * (x up), what `down` adds up
    logits: np.ndarray  # [n, V]


def observe(model: Model, ids: Sequence[int]) -> Observed:
    """Run the model on `ids` and keep attention weights, residual stream and neurons of all layers."""
    c, n = model.config, len(ids)
    angles = rope_angles(np.arange(n), c.head_dim, c.rope_base)
    x = model.embedding[list(ids)]
    maps, stream, neurons = [], [x], []
    for layer in model.layers:
        normed = rms_norm(x, layer.attention_norm, c.epsilon)
        q, k, v = (
            (normed @ w).reshape(n, -1, c.head_dim).swapaxes(0, 1)
            for w in (layer.query, layer.key, layer.value)
        )
        weights = attention_weights(rope(q, angles), rope(k, angles))
        mixed = (weights @ v[:, None]).reshape(c.heads, n, c.head_dim)
        x = x + mixed.swapaxes(0, 1).reshape(n, -1) @ layer.output
        normed = rms_norm(x, layer.ffn_norm, c.epsilon)
        lit = silu(normed @ layer.gate) * (normed @ layer.up)
        x = x + lit @ layer.down
        maps.append(weights.reshape(c.heads, n, n))
        neurons.append(lit)
        stream.append(x)
    return Observed(
        np.stack(maps), np.stack(stream), np.stack(neurons), model.logits(x)
    )


def logit_lens(model: Model, stream: np.ndarray) -> np.ndarray:
    """Logits [..., V] that the head would give to the residual stream [..., d] of any layer.

    nostalgebraist 2020, "interpreting GPT: the logit lens".
    """
    return model.logits(stream)
