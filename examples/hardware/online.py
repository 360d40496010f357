"""Attention in blocks: softmax over scores that are never all there (FlashAttention's idea in NumPy)."""

from __future__ import annotations

import numpy as np

from examples.cli import CommandError
from examples.engine.layers import softmax
from examples.values import binary, count

TOKENS, WIDTH, BLOCK = 1000, 64, 128


def whole(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Attention with the whole table of scores: q [n, d], k [T, d], v [T, d] -> [n, d]."""
    return softmax(q @ k.T / np.sqrt(k.shape[1])) @ v


def in_blocks(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, block: int = BLOCK
) -> np.ndarray:
    """The same from `block` keys at a time (Milakov and Gimelshein 2018; Dao 2022).

    `largest`, `total` and `mixed` are right for the keys seen so far. When a larger
    score comes, what was summed before is scaled down to it.
    """
    if block < 1:
        raise CommandError(f"a block has 1 or more keys, not {block}")
    largest = np.full((len(q), 1), -np.inf)
    total, mixed = np.zeros((len(q), 1)), np.zeros((len(q), v.shape[1]))
    for start in range(0, len(k), block):
        part = slice(start, start + block)
        scores = q @ k[part].T / np.sqrt(k.shape[1])
        new = np.maximum(largest, scores.max(axis=1, keepdims=True))
        shrink, weights = np.exp(largest - new), np.exp(scores - new)
        total = total * shrink + weights.sum(axis=1, keepdims=True)
        mixed = mixed * shrink + weights @ v[part]
        largest = new
    return mixed / total


def merged(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> np.ndarray:
    """Attention from parts that were computed apart, on other keys each.

    A part is (largest [n, 1], total [n, 1], mixed [n, d]), as `in_blocks` keeps them.
    """
    largest = np.max([part[0] for part in parts], axis=0)
    scale = [np.exp(part[0] - largest) for part in parts]
    total = sum(s * part[1] for s, part in zip(scale, parts, strict=True))
    mixed = sum(s * part[2] for s, part in zip(scale, parts, strict=True))
    return mixed / total


def summed(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> tuple:
    """One part for `merged`: largest score, total and mixture over these keys."""
    scores = q @ k.T / np.sqrt(k.shape[1])
    largest = scores.max(axis=1, keepdims=True)
    weights = np.exp(scores - largest)
    return largest, weights.sum(axis=1, keepdims=True), weights @ v


def example(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random queries, keys and values with scores of very different sizes."""
    rng = np.random.default_rng(seed)
    q, k, v = (rng.standard_normal((TOKENS, WIDTH)) for _ in range(3))
    return 4 * q, k, v


def lines() -> list[str]:
    """How far the blocks are from the whole, and the largest table that either holds."""
    q, k, v = example()
    wanted = whole(q, k, v)
    found = ["keys at a time   largest difference   scores held at once"]
    for block in (TOKENS, BLOCK, 16, 1):
        apart = np.abs(in_blocks(q, k, v, block) - wanted).max() / np.abs(wanted).max()
        words = "under 1e-13" if apart < 1e-13 else f"{apart:.1e}"
        found.append(f"{block:14,}   {words:>18}   {TOKENS * min(block, TOKENS):19,}")
    return found


def of_online() -> dict[str, str]:
    """Sizes of the example, and of a real table of scores."""
    return {
        "online-tokens": count(TOKENS),
        "online-block": count(BLOCK),
        "scores-8192": binary(32 * 8192**2 * 2, "GiB"),
    }
