"""Metrics of recorded requests. Times are in seconds; a request that failed has none and is never good."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from examples.metrics.client import Record


def ttft(record: Record) -> float:
    """Time to first token, from the moment the user wanted to ask."""
    return record.texts[0] - record.due


def ttft_from_sent(record: Record) -> float:
    """The same from the moment the generator sent it: blind to what it waited before."""
    return record.texts[0] - record.sent


def latency(record: Record) -> float:
    """End to end, from the moment the user wanted to ask to the end of the answer."""
    return record.end - record.due


def tpot(record: Record) -> float | None:
    """Time per output token after the first; none for an answer of a single token."""
    if record.tokens < 2:
        return None
    return (record.end - record.texts[0]) / (record.tokens - 1)


def gaps(record: Record) -> list[float]:
    """Inter-token latencies: the gaps between events that bring text."""
    return [later - earlier for earlier, later in pairwise(record.texts)]


def percentile(samples: Sequence[float], share: float) -> float:
    """The value that `share` percent of the samples do not exceed, interpolated between two."""
    return float(np.percentile(samples, share))


@dataclass
class Objective:
    """A service-level objective: the most that TTFT and TPOT may be, in seconds."""

    ttft: float = math.inf
    tpot: float = math.inf

    def met(self, record: Record) -> bool:
        """Whether the request was answered in time; a single token has no TPOT to miss."""
        if not record.ok or not record.texts:
            return False
        return ttft(record) <= self.ttft and (tpot(record) or 0.0) <= self.tpot


def attainment(records: Sequence[Record], objective: Objective) -> float:
    """The share of all requests, failed ones too, that met the objective."""
    return sum(map(objective.met, records)) / len(records)


def samples_for(share: float, confidence: float = 0.95) -> int:
    """Samples until the largest exceeds the `share` percentile, with that confidence.

    All n lie below it with probability (share/100)^n, if they are independent.
    """
    return math.ceil(math.log(1 - confidence) / math.log(share / 100))


def rank_interval(samples: Sequence[float], share: float, draws: int = 2000) -> tuple:
    """A 95 % interval of a percentile by the bootstrap: the samples, drawn again with replacement."""
    rng = np.random.default_rng(0)
    again = rng.choice(np.asarray(samples), (draws, len(samples)))
    low, high = np.percentile(np.percentile(again, share, axis=1), (2.5, 97.5))
    return float(low), float(high)


def in_system(records: Sequence[Record], seconds: float) -> tuple[float, float]:
    """Arrivals per second and mean seconds inside, from a run of so many seconds: Little's two factors."""
    times = [record.end - record.sent for record in records if record.ok]
    return len(times) / seconds, float(np.mean(times))
