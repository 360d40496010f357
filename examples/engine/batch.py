"""A static batch: prompts of different lengths padded to a rectangle, all answered together, none leaves early.

This is how batches were served before schedulers worked step by step. It costs what `Waste` counts: columns
of padding, and rows that are done while others still write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from examples.cli import CommandError
from examples.engine.layers import rms_norm, rope, rope_angles, softmax, swiglu
from examples.engine.model import Model


def padded(prompts: Sequence[Sequence[int]], pad: int) -> tuple[np.ndarray, np.ndarray]:
    """Prompts as a rectangle [B, n], padded on the left so that all end in the same column.

    Returns it with the count of padding in each row [B].
    """
    if not prompts or not all(len(prompt) for prompt in prompts):
        raise CommandError(
            "a batch has one or more prompts, each with at least one token"
        )
    width = max(map(len, prompts))
    before = np.array([width - len(prompt) for prompt in prompts])
    rows = [[pad] * int(gap) + list(p) for gap, p in zip(before, prompts, strict=True)]
    return np.array(rows), before


@dataclass
class Waste:
    """Tokens that went through the model, and how many of them answered nobody."""

    computed: int = 0
    padding: int = 0
    finished: int = 0  # computed for a row that had written its end

    @property
    def share(self) -> float:
        return (self.padding + self.finished) / self.computed


class PaddedBatch:
    """The keys and values of a rectangle of sequences, and the step that extends all of them."""

    def __init__(self, model: Model, before: np.ndarray, capacity: int):
        c, rows = model.config, len(before)
        self.model, self.before, self.length = model, before, 0
        shape = (c.layers, rows, c.kv_heads, capacity, c.head_dim)
        self.keys, self.values = np.zeros((2, *shape), dtype=np.float32)

    def forward(self, ids: np.ndarray) -> np.ndarray:
        """Append columns ids [B, n] to all sequences; logits [B, V] after the last column."""
        c, (rows, new) = self.model.config, ids.shape
        columns = np.arange(self.length, self.length + new)
        # A row's first real token has position 0; its padding is never looked at.
        positions = np.maximum(columns - self.before[:, None], 0).ravel()
        angles = rope_angles(positions, c.head_dim, c.rope_base)
        x = self.model.embedding[ids.ravel()]
        for i, layer in enumerate(self.model.layers):
            normed = rms_norm(x, layer.attention_norm, c.epsilon)
            q, k, v = (
                (normed @ w).reshape(rows * new, -1, c.head_dim).swapaxes(0, 1)
                for w in (layer.query, layer.key, layer.value)
            )
            k, v = (self._by_row(a, rows, new) for a in (rope(k, angles), v))
            self.keys[i, :, :, columns] = k.transpose(2, 0, 1, 3)
            self.values[i, :, :, columns] = v.transpose(2, 0, 1, 3)
            q = self._by_row(rope(q, angles), rows, new)
            x = x + self._attend(i, q, columns) @ layer.output
            normed = rms_norm(x, layer.ffn_norm, c.epsilon)
            x = x + swiglu(normed, layer.gate, layer.up, layer.down)
        self.length += new
        return self.model.logits(x.reshape(rows, new, -1)[:, -1])

    @staticmethod
    def _by_row(x: np.ndarray, rows: int, new: int) -> np.ndarray:
        """[heads, B * n, head_dim] as [B, heads, n, head_dim]."""
        return x.reshape(len(x), rows, new, -1).swapaxes(0, 1)

    def _attend(self, i: int, q: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Attention of all rows q [B, H, n, head_dim] at once, [B * n, H * head_dim]."""
        rows, heads, new, dim = q.shape
        total, kv_heads = int(columns[-1]) + 1, self.keys.shape[2]
        keys, values = self.keys[i, :, :, :total], self.values[i, :, :, :total]
        q = q.reshape(rows, kv_heads, heads // kv_heads, new, dim)
        scores = q @ keys[:, :, None].swapaxes(-1, -2) / np.sqrt(np.float32(dim))
        column = np.arange(total)
        seen = column <= columns[:, None]  # [n, total]: the causal mask
        real = column >= self.before[:, None]  # [B, total]: no padding
        allowed = (seen & real[:, None])[:, None, None]
        # A column of padding sees nothing; any finite score keeps its softmax a number.
        weights = softmax(np.where(allowed, scores, np.float32(-1e30)))
        mixed = (weights @ values[:, :, None]).reshape(rows, heads, new, dim)
        return mixed.swapaxes(1, 2).reshape(rows * new, heads * dim)


def greedy(
    model: Model, prompts: Sequence[Sequence[int]], new: int, end: int
) -> tuple[list[list[int]], Waste]:
    """Up to `new` tokens for each prompt, to its `end` token, and what the rectangle wasted."""
    ids, before = padded(prompts, pad=end)
    batch = PaddedBatch(model, before, ids.shape[1] + new)
    waste = Waste(computed=ids.size, padding=int(before.sum()))
    answers: list[list[int]] = [[] for _ in prompts]
    logits = batch.forward(ids)
    for step in range(new):
        chosen = logits.argmax(axis=-1)
        for answer, token in zip(answers, chosen.tolist(), strict=True):
            if not answer or answer[-1] != end:
                answer.append(token)
        done = [answer[-1] == end for answer in answers]
        if all(done) or step == new - 1:
            break
        waste.computed += len(prompts)
        waste.finished += sum(done)
        logits = batch.forward(chosen[:, None])
    return answers, waste
