"""What a queue in front of one server does to a request: formulas, and the same by simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def mean_wait(rate: float, service: float, variance: float = 0.0) -> float:
    """Mean seconds in the queue before one server with Poisson arrivals, first come first served.

    Pollaczek and Khinchine's formula for M/G/1: rate * E[S^2] / (2 (1 - rate * E[S])). A service time
    without variance makes it M/D/1.
    """
    load = rate * service
    if load >= 1:
        return float("inf")
    return rate * (service**2 + variance) / (2 * (1 - load))


def waits(arrivals: Sequence[float], services: Sequence[float]) -> np.ndarray:
    """Seconds that each of these very requests waits for the ones before it.

    Lindley's recursion: each waits for what is left of its predecessor's wait and work.
    """
    waiting = np.zeros(len(arrivals))
    for i in range(1, len(arrivals)):
        gap = arrivals[i] - arrivals[i - 1]
        waiting[i] = max(0.0, waiting[i - 1] + services[i - 1] - gap)
    return waiting


def long_run(load: float, requests: int = 100_000, seed: int = 1) -> np.ndarray:
    """Waits of many requests at a load, in units of the constant service time."""
    gaps = np.random.default_rng(seed).exponential(1 / load, requests)
    # Lindley's recursion without its loop: a wait is how far the sum of (service - gap)
    # stands above its lowest point so far.
    steps = np.concatenate(([0.0], np.cumsum(1 - gaps[1:])))
    return steps - np.minimum.accumulate(steps)


def kingman(load: float, service: float, arrivals: float, work: float) -> float:
    """Mean wait for any arrivals, approximately; both are squared coefficients of variation.

    Kingman (1961). With Poisson arrivals (1) and constant work (0) it is the formula of M/D/1.
    """
    return load / (1 - load) * (arrivals + work) / 2 * service


def bursty_wait(load: float, burstiness: float, requests: int = 200_000) -> float:
    """Exercise 5: the simulated mean wait when gaps follow a gamma distribution.

    `burstiness` is its shape, as in vLLM's benchmark: 1 is Poisson, below it comes in
    bursts, above it evenly. The service time is constant.
    """
    rng = np.random.default_rng(5)
    gaps = rng.gamma(burstiness, 1 / (load * burstiness), requests)
    steps = np.concatenate(([0.0], np.cumsum(1 - gaps[1:])))
    return float((steps - np.minimum.accumulate(steps)).mean())
