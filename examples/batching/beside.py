"""The running request, several times beside itself: what a batch shares and what it does not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from examples.engine.batch import PaddedBatch, padded
from examples.engine.model import Model


@dataclass(frozen=True)
class Run:
    """One static batch: its answers, its forward passes, and processor seconds by phase."""

    answers: list[list[int]]
    passes: int
    prefill_s: float
    decode_s: float


def answer(
    model: Model, prompts: Sequence[Sequence[int]], new: int, end: int, batch=PaddedBatch
) -> Run:
    """Answer prompts in one static batch, timing the pass over the prompts apart from the others."""
    ids, before = padded(prompts, pad=end)
    rows = batch(model, before, ids.shape[1] + new)
    start = time.process_time()
    chosen = rows.forward(ids).argmax(axis=-1)
    first = time.process_time()
    answers, passes = [[int(token)] for token in chosen], 1
    while passes < new and not all(found[-1] == end for found in answers):
        chosen = rows.forward(chosen[:, None]).argmax(axis=-1)
        passes += 1
        for found, token in zip(answers, chosen.tolist(), strict=True):
            if found[-1] != end:
                found.append(token)
    return Run(answers, passes, first - start, time.process_time() - first)
