"""What runs a model, seen from those who decide what runs: a few sequences, a step at a time.

Schedulers and servers know `Runner` and nothing of arrays and caches. `NumpyRunner` runs the book's model
on a CPU; a runner on a GPU has the same three methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Protocol

import numpy as np

from examples.cli import CommandError
from examples.engine.cache import KVCache
from examples.engine.model import Model, Part


class Runner(Protocol):
    """Sequences that hold their own past, and a step that continues some of them."""

    context: int  # the most tokens of a sequence
    vocabulary: int  # V, token ids lie below it

    def open(self, capacity: int) -> int:
        """The number of a new, empty sequence with room for `capacity` tokens."""
        ...

    def step(self, work: Sequence[tuple[int, Sequence[int]]]) -> np.ndarray:
        """Append tokens to sequences: logits [len(work), V] after the last token of each.

        `work` pairs a sequence's number with its new tokens: a whole prompt, a chunk of one, or the
        token that was chosen last. An error leaves all sequences as they were.
        """
        ...

    def close(self, sequence: int) -> None:
        """Forget a sequence and give its memory back."""
        ...


class NumpyRunner:
    """The book's model behind the interface: one pass over the weights for all sequences of a step."""

    def __init__(self, model: Model):
        self.model = model
        self.context = model.config.context
        self.vocabulary = len(model.embedding)
        self._caches: dict[int, KVCache] = {}
        self._numbers = count(1)

    def open(self, capacity: int) -> int:
        if not 1 <= capacity <= self.context:
            raise CommandError(
                f"a sequence has 1 to {self.context} tokens, {capacity} were asked for"
            )
        number = next(self._numbers)
        self._caches[number] = self.model.new_cache(capacity)
        return number

    def step(self, work: Sequence[tuple[int, Sequence[int]]]) -> np.ndarray:
        numbers = [number for number, _ in work]
        if not work or len(set(numbers)) < len(numbers):
            raise CommandError("a step continues one or more sequences, each once")
        parts = [Part(ids, self._cache(number)) for number, ids in work]
        x = self.model.residual(parts)
        last = np.cumsum([len(part.ids) for part in parts]) - 1
        return self.model.logits(x[last])

    def close(self, sequence: int) -> None:
        self._cache(sequence)
        del self._caches[sequence]

    def _cache(self, number: int) -> KVCache:
        if number not in self._caches:
            raise CommandError(
                f"there is no sequence {number}; it was never opened or is closed"
            )
        return self._caches[number]
