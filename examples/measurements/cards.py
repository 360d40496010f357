"""What was measured on one card predicts another, before the other is asked.

Both runs noted a prediction for every point, each from the ceilings of its own card. Their quotient is the
ratio of the bandwidths where bytes decide, and that of the rates where operations do. A time measured on the
one card, times that quotient, predicts the other; it is off where part of the time is of neither kind.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from examples import record
from examples.measurements import atlas
from examples.predict.roofline import Ceilings
from examples.values import count, decimal, quantity

PAIRS = {  # runs that both cards made, in reading order: the new card's, and the known one's
    "kv-cache--h200-step": "kv-cache--h100-step",
    "kv-cache--h200-batch": "kv-cache--h100-batch",
    "hardware--h200-ceilings": "hardware--h100-ceilings",
    "hardware--h200-roofline": "hardware--h100-roofline",
    "hardware--h200-ladder": "hardware--h100-ladder",
    "hardware--h200-attention": "hardware--h100-attention",
    "hardware--h200-energy": "hardware--h100-energy",
    "batching--h200-step": "batching--h100-step",
    "prefill-and-decode--h200-prefill": "prefill-and-decode--h100-prefill",
    "prefill-and-decode--h200-arrival": "prefill-and-decode--h100-arrival",
}
ROOFLINE = "hardware--h200-roofline"


@dataclass(frozen=True)
class Carried:
    """A point on both cards, in the unit of its run."""

    point: dict
    known: float
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """(measured - predicted) / predicted."""
        return self.measured / self.predicted - 1


def carried(stem: str) -> list[Carried]:
    """The points of the new card's run that the known card measured too, predicted from it."""
    known, new = record.load(PAIRS[stem]), record.load(stem)
    (key,) = {
        next(k for k in atlas.PREDICTED[known["unit"]] if k in p)
        for p in known["points"]
    }
    by_label = {atlas.label(p): p for p in known["points"]}
    found = []
    for point in new["points"]:
        first = by_label.get(atlas.label(point))
        if first:
            before = record.median(first)
            predicted = before * point[key] / first[key]
            found.append(Carried(point, before, predicted, record.median(point)))
    return found


def one(stem: str, **wanted) -> Carried:
    """The carried point whose fields are as wanted."""
    (found,) = [
        c for c in carried(stem) if all(c.point[k] == v for k, v in wanted.items())
    ]
    return found


def lines() -> list[str]:
    """A line for each pair of runs, and one for all points together."""
    by_run = {stem: carried(stem) for stem in PAIRS}
    by_run["all"] = [c for found in by_run.values() for c in found]
    text = [
        "measured on an H200, predicted from an H100",
        "points  median   worst  run",
    ]
    for name, found in by_run.items():
        worst = max(found, key=lambda c: abs(c.error))
        middle = statistics.median(c.error for c in found)
        text.append(f"{len(found):6} {middle:+7.0%} {worst.error:+7.0%}  {name}")
    return text


def of_cards() -> dict[str, str]:
    """What the chapters quote of the second card."""
    known, new = (
        Ceilings.of(record.load(stem)) for stem in (PAIRS[ROOFLINE], ROOFLINE)
    )
    points = [c for stem in PAIRS for c in carried(stem)]
    within = sum(abs(c.error) <= 0.1 for c in points)
    found = {
        "read": quantity(new.read_bytes_per_s / 1e12, "TB/s", 2),
        "rate": quantity(new.flop_per_s / 1e12, "TFLOP/s"),
        "read-ratio": decimal(new.read_bytes_per_s / known.read_bytes_per_s, 2),
        "rate-ratio": decimal(new.flop_per_s / known.flop_per_s, 2),
        "points": count(len(points)),
        "off": quantity(100 * statistics.median(abs(c.error) for c in points), "%"),
        "within": quantity(100 * within / len(points), "%"),
    }
    named = {f"ladder-{c.point['rung']}": c for c in carried("hardware--h200-ladder")}
    for batch, context in ((1, 512), (1, 2048), (64, 2048), (256, 512), (32, 8192)):
        key = f"batch-{batch}-{context}"
        named[key] = one("batching--h200-step", batch=batch, context=context)
    for tokens in (128, 1024, 8192, 32768):
        named[f"prompt-{tokens}"] = one(
            "prefill-and-decode--h200-prefill", tokens=tokens
        )
    for name, context, cached in (
        ("step-32k", 32768, True),
        ("step-128k", 131072, True),
        ("naive-32k", 32768, False),
    ):
        named[name] = one("kv-cache--h200-step", context=context, cached=cached)
    for name, c in named.items():
        digits = 2 if c.known < 10 else 1 if c.known < 100 else 0
        found |= {
            f"{name}-known": quantity(c.known, "ms", digits),
            f"{name}-predicted": quantity(c.predicted, "ms", digits),
            f"{name}-measured": quantity(c.measured, "ms", digits),
        }
    return {f"cards-{name}": text for name, text in found.items()}
