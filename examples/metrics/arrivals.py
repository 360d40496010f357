"""When requests are due: a plan in seconds from the start, made before the first one is sent."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from examples.cli import CommandError


def poisson(rate: float, requests: int, seed: int = 0) -> list[float]:
    """Arrivals of many independent users: exponential gaps of 1/rate seconds on average."""
    gaps = np.random.default_rng(seed).exponential(1 / rate, requests)
    return np.cumsum(gaps).tolist()


def even(rate: float, requests: int) -> list[float]:
    """One request every 1/rate seconds, the first at 0."""
    return [number / rate for number in range(requests)]


def trace(path: Path) -> list[float]:
    """A JSON list of seconds, as recorded from real traffic; it is shifted to begin at 0."""
    try:
        times = json.loads(path.read_text(encoding="utf-8"))
        good = isinstance(times, list) and times and all(map(is_time, times))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {error}") from None
    if not good:
        raise CommandError(f"{path}: not a JSON list of seconds")
    return [time - min(times) for time in sorted(times)]


def is_time(number: object) -> bool:
    """A finite number, and no truth value."""
    return type(number) in (int, float) and math.isfinite(number)
