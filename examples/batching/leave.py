"""A batch that rows leave when their answer has ended (exercise 6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from examples.engine.batch import PaddedBatch, padded
from examples.engine.model import Model


class ShrinkingBatch(PaddedBatch):
    """A padded batch that can drop rows between two steps."""

    def keep(self, rows: np.ndarray) -> None:
        """Keep the rows [B] that are true, with their keys, values and padding."""
        self.before = self.before[rows]
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]


def greedy(
    model: Model, prompts: Sequence[Sequence[int]], new: int, end: int
) -> tuple[list[list[int]], int]:
    """Up to `new` tokens for each prompt, and the rows that all decode steps computed together."""
    ids, before = padded(prompts, pad=end)
    batch = ShrinkingBatch(model, before, ids.shape[1] + new)
    answers: list[list[int]] = [[] for _ in prompts]
    inside, logits, computed = np.arange(len(prompts)), batch.forward(ids), 0
    for step in range(new):
        chosen = logits.argmax(axis=-1)
        for row, token in zip(inside, chosen.tolist(), strict=True):
            answers[row].append(token)
        running = chosen != end
        if step == new - 1 or not running.any():
            break
        batch.keep(running)
        inside, chosen = inside[running], chosen[running]
        computed += len(inside)
        logits = batch.forward(chosen[:, None])
    return answers, computed


def rows_at(answers: Sequence[int], step: int) -> int:
    """Answers, by their lengths in tokens, that decode step `step` (from 0) still writes."""
    return sum(length - 1 > step for length in answers)


def rows_computed(answers: Sequence[int]) -> int:
    """Rows of all decode steps when each answer leaves at its end."""
    return sum(length - 1 for length in answers)
