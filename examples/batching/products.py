"""One weight, many tokens: what a product reads and computes, alone and in a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from examples.predict import flops, memory
from examples.predict.roofline import Ceilings
from examples.predict.shapes import Shape


def one_by_one(tokens: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Products of tokens [B, d_in] with a weight [d_in, d_out]; the weight is read B times."""
    return np.stack([token @ weight for token in tokens])


def together(tokens: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The same numbers up to rounding; each weight is fetched once and used B times."""
    return tokens @ weight


def token_s(shape: Shape, ceilings: Ceilings, batch: float, context: int) -> float:
    """Seconds of a decode step per sequence: a share of the weights, and the sequence's own cache.

    The weights' share is B times smaller than alone, until the arithmetic on them takes longer.
    """
    read = memory.weight_bytes_read(shape) / ceilings.read_bytes_per_s / batch
    flop = flops.matmul_flop_per_token(shape) + flops.head_flop(shape)
    cache = context * memory.kv_bytes_per_token(shape) / ceilings.read_bytes_per_s
    return max(read, flop / ceilings.flop_per_s) + cache


def equal_batch(shape: Shape, context: int) -> float:
    """Sequences of `context` tokens whose caches weigh as much as the weights that a step reads."""
    cache = context * memory.kv_bytes_per_token(shape)
    return memory.weight_bytes_read(shape) / cache


def batch_for(
    shape: Shape, ceilings: Ceilings, context: int, share: float, largest: int = 4096
) -> int:
    """The smallest batch that is predicted to reach `share` of the largest throughput."""
    goal = token_s(shape, ceilings, float("inf"), context) / share
    for batch in range(1, largest + 1):
        if token_s(shape, ceilings, batch, context) <= goal:
            return batch
    raise ValueError(f"no batch up to {largest} reaches {share:.0%}")


def batch_within(steps: Sequence[tuple[int, float]], budget_ms: float) -> int:
    """The largest batch among steps (batch, ms) that leaves every user within a budget; 0 if none."""
    return max((batch for batch, ms in steps if ms <= budget_ms), default=0)
