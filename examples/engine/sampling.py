"""From logits to a token: what is taken off, what is cut, and the draw.

The order is that of transformers: penalties, temperature, top-k, top-p, min-p. It matters, and engines differ:
llama.cpp cuts first and applies the temperature last, so one setting means different things in two engines.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

from examples.cli import CommandError
from examples.engine.layers import softmax

CUT = np.float32(-np.inf)  # the logit of a token that cannot be drawn


@dataclass(frozen=True)
class Sampling:
    """The settings of one request; the defaults draw from the model's own distribution."""

    temperature: float = 1.0  # 0: always the most likely token
    top_k: int = 0  # 0: no cut
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        """CommandError names the first setting out of its range, and the range."""
        for name, low, high, wanted in (
            ("temperature", 0, 100, "from 0 to 100"),
            ("top_k", 0, 2**31, "0 (no cut) or a count of tokens"),
            ("top_p", math.ulp(0), 1, "above 0 and at most 1"),
            ("min_p", 0, 1, "from 0 to 1"),
            ("repetition_penalty", 0.01, 100, "from 0.01 to 100"),
            ("presence_penalty", -2, 2, "from -2 to 2"),
            ("frequency_penalty", -2, 2, "from -2 to 2"),
        ):
            value = getattr(self, name)
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not number or not low <= value <= high:  # NaN fails too
                raise CommandError(f"{name} is {wanted}, not {value}")
        if self.top_k != int(self.top_k):
            raise CommandError(f"top_k is a whole number, not {self.top_k}")
        if self.seed is not None:
            whole = isinstance(self.seed, Integral) and not isinstance(self.seed, bool)
            if not whole or not 0 <= self.seed < 2**64:
                raise CommandError(f"seed is from 0 to 2**64 - 1, not {self.seed}")


def repeated_less(
    logits: np.ndarray, seen: Iterable[int], penalty: float
) -> np.ndarray:
    """Divide positive logits of tokens that were seen by `penalty`, multiply negative ones by it.

    Keskar et al. 2019, arXiv 1909.05858. As in vLLM and transformers, the prompt counts as seen.
    """
    ids, result = list(set(seen)), logits.copy()
    result[ids] = np.where(
        logits[ids] > 0, logits[ids] / penalty, logits[ids] * penalty
    )
    return result


def counted_less(
    logits: np.ndarray, written: Counter, presence: float, frequency: float
) -> np.ndarray:
    """Take `presence` off each token that was written, and `frequency` for each time it was.

    The penalties of OpenAI's API reference; only the answer counts, not the prompt.
    """
    result = logits.copy()
    for token, times in written.items():
        result[token] -= presence + frequency * times
    return result


def top_k(logits: np.ndarray, k: int) -> np.ndarray:
    """Keep the k largest logits, the lower id where two are equal (Fan et al. 2018, arXiv 1805.04833)."""
    keep = np.argsort(-logits, kind="stable")[:k]
    result = np.full_like(logits, CUT)
    result[keep] = logits[keep]
    return result


def top_p(logits: np.ndarray, p: float) -> np.ndarray:
    """Keep the fewest most likely tokens that have p of the probability together.

    Nucleus sampling, Holtzman et al. 2020, arXiv 1904.09751. The most likely token
    always stays.
    """
    order = np.argsort(-logits, kind="stable")
    before = np.cumsum(softmax(logits[order].astype(np.float64)))
    keep = order[: 1 + np.count_nonzero(before[:-1] < p)]
    result = np.full_like(logits, CUT)
    result[keep] = logits[keep]
    return result


def min_p(logits: np.ndarray, share: float) -> np.ndarray:
    """Keep tokens at least `share` times as likely as the likeliest (Nguyen et al. 2024, arXiv 2407.01082)."""
    if share == 0:
        return logits
    return np.where(logits >= logits.max() + np.float32(math.log(share)), logits, CUT)


class Sampler:
    """Chooses the tokens of one request, with its own settings, past and random numbers."""

    def __init__(self, settings: Sampling, prompt: Iterable[int] = ()):
        self.settings = settings
        self.prompt = frozenset(prompt)
        self.written: Counter = Counter()
        self.random = np.random.default_rng(settings.seed)

    def distribution(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities [V], float64, with which the next token is drawn from logits [V]."""
        s = self.settings
        if s.repetition_penalty != 1:
            seen = self.prompt | self.written.keys()
            logits = repeated_less(logits, seen, s.repetition_penalty)
        if s.presence_penalty or s.frequency_penalty:
            logits = counted_less(
                logits, self.written, s.presence_penalty, s.frequency_penalty
            )
        if s.temperature == 0:
            return np.eye(1, len(logits), int(logits.argmax()))[0]
        logits = (logits - logits.max()) / max(s.temperature, 1e-6)
        if 0 < s.top_k < len(logits):
            logits = top_k(logits, int(s.top_k))
        if s.top_p < 1:
            logits = top_p(logits, s.top_p)
        return softmax(min_p(logits, s.min_p).astype(np.float64))

    def choose(self, logits: np.ndarray) -> int:
        """The next token; it counts as written from now on."""
        probabilities = self.distribution(logits)
        if self.settings.temperature == 0:
            token = int(probabilities.argmax())
        else:
            # The draw lands in one token's slice of [0, 1); rounding must not push it past the last.
            edges = np.cumsum(probabilities)
            at = np.searchsorted(edges, self.random.random() * edges[-1], side="right")
            token = int(min(at, np.flatnonzero(probabilities)[-1]))
        self.written[token] += 1
        return token
