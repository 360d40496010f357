"""What an H100 reached: its ceilings, products and attention under the roofline, and energy."""

from __future__ import annotations

import statistics

from examples import record
from examples.hardware import datasheet
from examples.predict import flops, roofline, shapes
from examples.predict.roofline import Ceilings
from examples.values import binary, count, decimal, decimal_bytes, quantity

CEILINGS, ROOFLINE = "hardware--h100-ceilings", "hardware--h100-roofline"
# Of the H100 and the H200 (NVIDIA, Hopper whitepaper, 2022): processors, their local memory, the cache.
SMS, SM_BYTES, L2_BYTES = 132, 256 * 2**10, 50 * 2**20
ATTENTION, ENERGY = "hardware--h100-attention", "hardware--h100-energy"
STEP = "kv-cache--h100-step"  # the plain step of other chapters, whose joules are here
PRICE = 0.15  # of a kilowatt-hour, as exercise 4 sets it


def point(stem: str, **wanted) -> dict:
    """The one point of a file whose fields are as wanted."""
    points = record.load(stem)["points"]
    (found,) = [p for p in points if all(p.get(k) == v for k, v in wanted.items())]
    return found


def seconds(**wanted) -> float:
    """Median seconds of a point of the ceilings."""
    return record.median(point(CEILINGS, **wanted))


def joules(step_s: float, watts: float, tokens: int) -> float:
    """Joules for each of the tokens that a step writes or reads, at a steady power."""
    return step_s * watts / tokens


def kwh_per_million(joules_per_token: float) -> float:
    """Kilowatt-hours for a million tokens."""
    return joules_per_token * 1e6 / 3.6e6


def of_exercise(point: dict, name: str) -> dict[str, str]:
    """Exercise 4: the price of a million tokens' energy, and how long the card is kept for them."""
    hours = statistics.median(point["step_ms"]) / 1e3 * 1e6 / point["tokens"] / 3600
    cost = kwh_per_million(record.median(point)) * PRICE
    return {
        f"exercise-cost-{name}": decimal(cost, 2 if cost >= 0.1 else 3),
        f"exercise-hours-{name}": quantity(hours, "h", 1)
        if hours >= 1
        else quantity(hours * 60, "min", 1),
    }


def of_card() -> dict[str, str]:
    """Ceilings beside the datasheet, the roofline's marks, attention and energy."""
    return of_ceilings() | of_roofline() | of_attention() | of_energy()


def of_ceilings() -> dict[str, str]:
    """What plain work reaches, as a share of the datasheet, and what a launch costs."""
    sheet = datasheet.named("H100 SXM")
    copy, read = (point(CEILINGS, what=what) for what in ("copy", "read"))
    found = {}
    for name, one in (("copy", copy), ("read", read)):
        rate = one["bytes"] / record.median(one)
        found[name] = quantity(rate / 1e12, "TB/s", 2)
        found[f"{name}-share"] = quantity(100 * rate / sheet.bytes_per_s, "%")
    for side in (512, 2048, 16384):
        one = point(CEILINGS, what="product", side=side)
        rate = one["flop"] / record.median(one)
        found[f"product-{side}"] = quantity(rate / 1e12, "TFLOP/s")
        found[f"product-{side}-share"] = quantity(100 * rate / sheet.flop_per_s, "%")
    for how in ("alone", "stream", "graph"):
        found[f"launch-{how}"] = quantity(
            1e6 * seconds(what="launch", how=how), "µs", 1
        )
    ceilings = Ceilings.of(record.load(CEILINGS))
    return found | {
        "ridge": count(ceilings.ridge),
        "ceiling": quantity(ceilings.flop_per_s / 1e12, "TFLOP/s"),
        "launch-fold": count(
            seconds(what="launch", how="stream") / seconds(what="launch", how="graph")
        ),
    }


def of_roofline() -> dict[str, str]:
    """Where products and attention lie."""
    found = {}
    for rows in (1, 64, 256, 4096):
        one = point(ROOFLINE, what="product", rows=rows)
        s = record.median(one)
        found |= {
            f"rows-{rows}-us": quantity(1e6 * s, "µs", 0 if s > 1e-4 else 1),
            f"rows-{rows}-tflops": quantity(
                one["flop"] / s / 1e12, "TFLOP/s", 1 if rows == 1 else 0
            ),
            f"rows-{rows}-off": quantity(100 * abs(s / one["predicted_s"] - 1), "%"),
        }
    for heads in (32, 8, 1):
        one = point(ROOFLINE, what="attention", kv_heads=heads)
        s = record.median(one)
        found |= {
            f"kv-{heads}-us": quantity(1e6 * s, "µs"),
            f"kv-{heads}-intensity": count(one["intensity"]),
        }
    return found


def of_attention() -> dict[str, str]:
    """Attention over a prompt with the scores in memory, and without."""
    found = {}
    for tokens in (512, 1024, 8192, 16384):
        naive, fused = (
            point(ATTENTION, kind=kind, tokens=tokens) for kind in ("naive", "fused")
        )
        slow, fast = record.median(naive), record.median(fused)
        found |= {
            f"naive-{tokens}-ms": quantity(slow, "ms", 1 if slow >= 1 else 2),
            f"fused-{tokens}-ms": quantity(fast, "ms", 1 if fast >= 1 else 2),
            f"fused-{tokens}-fold": count(slow / fast),
            f"naive-{tokens}-gib": binary(naive["peak_bytes"], "GiB", 1),
            f"fused-{tokens}-mib": binary(fused["peak_bytes"], "MiB"),
            f"naive-{tokens}-off": decimal(slow / naive["predicted_ms"], 1),
            f"fused-{tokens}-off": quantity(
                100 * (fast / fused["predicted_ms"] - 1), "%"
            ),
        }
    naive = point(ATTENTION, kind="naive", tokens=8192)
    return found | {"naive-8192-predicted": quantity(naive["predicted_ms"], "ms", 1)}


def of_energy() -> dict[str, str]:
    """Joules per token, and what they were predicted from."""
    data = record.load(ENERGY)
    found = {
        "idle": quantity(sorted(data["idle_w"])[len(data["idle_w"]) // 2], "W"),
        "limit": quantity(data["limit_w"], "W"),
    }
    for p in data["points"]:
        key, joules = f"{p['phase']}-{p['batch']}", record.median(p)
        watts, step = (
            statistics.median(p["watts"]),
            statistics.median(p["step_ms"]),
        )
        predicted = p["predicted_j"] * p["tokens"] / data["limit_w"] * 1e3
        digits = 2 if joules >= 1 else 3 if joules >= 0.1 else 4
        found |= {
            f"joule-{key}": quantity(joules, "J", digits),
            f"joule-{key}-predicted": quantity(p["predicted_j"], "J", digits),
            f"joule-{key}-off": quantity(100 * abs(joules / p["predicted_j"] - 1), "%"),
            f"watt-{key}": quantity(watts, "W"),
            f"energy-{key}-ms": quantity(step, "ms", 1 if step < 100 else 0),
            f"energy-{key}-predicted": quantity(
                predicted, "ms", 1 if predicted < 100 else 0
            ),
        }
    one, prefill = (record.median(p) for p in (data["points"][0], data["points"][-1]))
    shape = shapes.named(datasheet.MODEL)
    work = sum(p.flop for p in roofline.parts(shape, [roofline.Segment(8192)])) / 8192
    layer = flops.matmul_flop_per_token(shape) / shape.layers  # two bytes a weight
    local = SMS * SM_BYTES
    return found | {
        "read-gb": decimal_bytes(point(CEILINGS, what="read")["bytes"], "GB", 1),
        "sms": count(SMS),
        "sm-kib": binary(SM_BYTES, "KiB"),
        "l2-mib": binary(L2_BYTES, "MiB"),
        "local-mb": decimal_bytes(local, "MB"),
        "layer-mb": decimal_bytes(layer, "MB"),
        "joule-fold": count(one / prefill),
        "kwh-64": quantity(kwh_per_million(record.median(data["points"][2])), "kWh", 3),
        "joule-kwh": quantity(kwh_per_million(one), "kWh", 2),
        **of_exercise(data["points"][0], "1"),
        **of_exercise(data["points"][2], "64"),
        "picojoule-flop": decimal(1e12 * prefill / work, 1),
        "other-kernels": count(
            sum(point(STEP, cached=True, context=1024)["kernels"].values())
        ),
    }
