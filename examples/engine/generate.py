"""Writing text one token at a time, with the KV cache and, to see what it saves, without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from examples.engine.model import Model


def greedy_without_cache(
    model: Model, prompt: Sequence[int], new: int
) -> Iterator[int]:
    """Yield `new` tokens, each the most likely; every step computes the whole text again."""
    ids = list(prompt)
    for _ in range(new):
        logits = model.forward(ids)
        ids.append(int(logits.argmax()))
        yield ids[-1]


def greedy(
    model: Model, prompt: Sequence[int], new: int, stop: int | None = None
) -> Iterator[int]:
    """Yield up to `new` tokens, each the most likely; a step computes one token only.

    Ends early after yielding the token `stop`.
    """
    cache = model.new_cache(len(prompt) + new)
    step = list(prompt)  # prefill: the whole prompt in one pass
    for _ in range(new):
        logits = model.forward(step, cache)
        token = int(logits.argmax())
        yield token
        if token == stop:
            return
        step = [token]  # decode: one token, the rest is in the cache
