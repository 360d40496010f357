"""What a layer computes, each step a function of arrays.

Shapes: n new tokens, T tokens in all, d the model's width, H query heads and K key-value heads of
head_dim numbers each. Everything is float32; a weight is kept as [in, out], so a step is `x @ w`.
"""

from __future__ import annotations

import numpy as np


def rms_norm(x: np.ndarray, weight: np.ndarray, epsilon: float) -> np.ndarray:
    """Scale each row of x [n, d] to unit root mean square, then by `weight`.

    Zhang and Sennrich 2019, arXiv 1910.07467.
    """
    mean_square = np.mean(x * x, axis=-1, keepdims=True)
    return x / np.sqrt(mean_square + epsilon) * weight


def rope_angles(
    positions: np.ndarray, head_dim: int, base: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines [n, head_dim / 2] of the angles by which positions turn the pairs of a head.

    Pair i turns by `position * base ** (-2 i / head_dim)` (Su et al. 2021, arXiv 2104.09864).
    """
    half = head_dim // 2
    frequency = base ** (-np.arange(half, dtype=np.float32) / half)
    angle = positions[:, None].astype(np.float32) * frequency
    return np.cos(angle), np.sin(angle)


def rope(x: np.ndarray, angles: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Turn the pairs (0, 1), (2, 3), ... of x [heads, n, head_dim], each by its angle.

    GGUF stores Llama's queries and keys so that neighbors are pairs.
    """
    cos, sin = angles
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = np.empty_like(x)
    turned[..., 0::2] = even * cos - odd * sin
    turned[..., 1::2] = even * sin + odd * cos
    return turned


def softmax(x: np.ndarray) -> np.ndarray:
    """Weights that sum to one along the last axis; the maximum is taken off against overflow."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention_weights(q: np.ndarray, k: np.ndarray) -> np.ndarray:
    """How much the newest n tokens take from each of all T: [K, H / K, n, T].

    Rows sum to 1. q [H, n, head_dim], k [K, T, head_dim]; H / K neighboring query heads
    share a key-value head.
    """
    heads, new, dim = q.shape
    kv_heads, total, _ = k.shape
    q = q.reshape(kv_heads, heads // kv_heads, new, dim)
    scores = q @ k[:, None].swapaxes(-1, -2) / np.sqrt(np.float32(dim))
    if new > 1:  # a token sees itself and what came before
        row, column = np.arange(total - new, total)[:, None], np.arange(total)
        scores = np.where(column <= row, scores, np.float32(-np.inf))
    return softmax(scores)


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """What the newest n tokens take from all T: q [H, n, head_dim], k and v [K, T, head_dim].

    Returns [n, H * head_dim]: the heads' results side by side.
    """
    heads, new, dim = q.shape
    mixed = attention_weights(q, k) @ v[:, None]  # [K, H / K, n, head_dim]
    return mixed.reshape(heads, new, dim).swapaxes(0, 1).reshape(new, heads * dim)


def silu(x: np.ndarray) -> np.ndarray:
    """x times the logistic function of x: near 0 for negative numbers, near x for positive ones."""
    return x / (1 + np.exp(-x))


def swiglu(
    x: np.ndarray, gate: np.ndarray, up: np.ndarray, down: np.ndarray
) -> np.ndarray:
    """The feed-forward network on x [n, d] (Shazeer 2020, arXiv 2002.05202)."""
    return (silu(x @ gate) * (x @ up)) @ down
