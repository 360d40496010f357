"""The same code on an H200: what carries over from the H100, and what does not."""

from __future__ import annotations

import statistics

from examples import record
from examples.hardware import card, climb
from examples.values import quantity

LADDER, ROOFLINE = "hardware--h200-ladder", "hardware--h200-roofline"
ENERGY = "hardware--h200-energy"
RUNS = ("hardware--h200-ceilings", ROOFLINE, LADDER)  # each measured its host's launch


def beyond_ms(name: str, stem: str) -> float:
    """What a rung takes beyond the time predicted from its bytes and kernels."""
    one = climb.rung(name, stem)
    return record.median(one) - one["predicted_ms"]


def of_second() -> dict[str, str]:
    """How far the carried predictions are off, and where the rest of the time is."""
    from examples.measurements import cards

    found = {}
    for one in cards.carried(LADDER):
        name = one.point["rung"]
        found[f"h200-{name}-off"] = quantity(100 * abs(one.error), "%")
    for name in ("graph", "compile", "fused"):
        found |= {
            f"{name}-beyond": quantity(beyond_ms(name, climb.STEM), "ms", 2),
            f"h200-{name}-beyond": quantity(beyond_ms(name, LADDER), "ms", 2),
        }
    reading = cards.one(ROOFLINE, what="attention", kv_heads=32)
    product = cards.one(ROOFLINE, what="product", rows=4096)
    for name, one in (("kv-32", reading), ("rows-4096", product)):
        found |= {
            f"h200-{name}-predicted": quantity(1e6 * one.predicted, "µs"),
            f"h200-{name}-us": quantity(1e6 * one.measured, "µs"),
        }
    launches = [record.load(stem)["ceilings"]["launch_s"] for stem in RUNS]
    for key, phase in (("decode-1", "decode"), ("prefill-1", "prefill")):
        one = card.point(ENERGY, phase=phase, batch=1)
        joules = record.median(one)
        digits = 2 if joules >= 1 else 4
        found |= {
            f"h200-joule-{key}": quantity(joules, "J", digits),
            f"h200-joule-{key}-predicted": quantity(one["predicted_j"], "J", digits),
            f"h200-watt-{key}": quantity(statistics.median(one["watts"]), "W"),
        }
    return found | {
        "h200-launch-least": quantity(1e6 * min(launches), "µs", 1),
        "h200-launch-most": quantity(1e6 * max(launches), "µs", 1),
        "h200-launch-ladder": quantity(1e6 * launches[-1], "µs", 1),
    }
