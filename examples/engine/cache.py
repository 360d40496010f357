"""The KV cache: the keys and values of all tokens so far, for every layer."""

from __future__ import annotations

import numpy as np

from examples.cli import CommandError


class KVCache:
    """Keys and values, each [layers, kv_heads, capacity, head_dim], filled from left.

    Room for `capacity` tokens is taken at once: a step copies one token, not the past.
    """

    def __init__(self, layers: int, kv_heads: int, head_dim: int, capacity: int):
        shape = (layers, kv_heads, capacity, head_dim)
        self.keys = np.zeros(shape, dtype=np.float32)
        self.values = np.zeros(shape, dtype=np.float32)
        self.length = 0  # tokens that every layer has stored

    @property
    def capacity(self) -> int:
        return self.keys.shape[2]

    @property
    def nbytes(self) -> int:
        """Bytes allocated, used or not."""
        return self.keys.nbytes + self.values.nbytes

    def append(
        self, layer: int, k: np.ndarray, v: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Store new k, v [kv_heads, new, head_dim]; return the whole sequence's."""
        end = self.length + k.shape[1]
        if end > self.capacity:
            raise CommandError(
                f"the KV cache holds {self.capacity} tokens, {end} were wanted"
            )
        self.keys[layer, :, self.length : end] = k
        self.values[layer, :, self.length : end] = v
        return self.keys[layer, :, :end], self.values[layer, :, :end]

    def advance(self, new: int) -> None:
        """Count `new` tokens as stored, once all layers have appended them."""
        self.length += new
