"""Prefill and decode as they were measured: on an H100, and on one CPU core."""

from __future__ import annotations

from examples import record
from examples.measurements import cards
from examples.predict import roofline, shapes
from examples.predict.roofline import Ceilings, Segment
from examples.prefill_and_decode import paper, stall
from examples.values import count, decimal, quantity

PREFILL, DECODE = paper.STEM, "batching--h100-step"
SECOND, SECOND_DECODE = "prefill-and-decode--h200-prefill", "batching--h200-step"
CARRIED = (128, 1024, 8192, 32768)  # tokens of prompts that both cards read
DECODED = ((1, 8192), (64, 2048), (32, 8192))  # batch and context


def at(points: list[dict], **wanted) -> dict:
    """The one point whose fields are as wanted."""
    (found,) = [p for p in points if all(p[k] == v for k, v in wanted.items())]
    return found


def rates(segments: list[Segment], ms: float, written: int) -> dict[str, float]:
    """What a step of `ms` reached, per second, and its intensity in FLOP per byte.

    `written` counts what the step is about: a prompt's tokens, or one for each user.
    """
    parts = roofline.parts(shapes.named(paper.MODEL), segments)
    flop, size = sum(p.flop for p in parts), sum(p.bytes for p in parts)
    return {
        "tokens": written / ms * 1e3,
        "flop": flop / ms * 1e3,
        "bytes": size / ms * 1e3,
        "intensity": flop / size,
    }


def row(name: str, found: dict[str, float]) -> dict[str, str]:
    """A row of the chapter's table: rates, and their shares of the card's ceilings."""
    ceilings = paper.card()
    share, fine = found["flop"] / ceilings.flop_per_s, found["flop"] < 1e13
    return {
        f"{name}-tokens": count(found["tokens"]),
        f"{name}-tflops": quantity(found["flop"] / 1e12, "TFLOP/s", 1 if fine else 0),
        f"{name}-tbs": quantity(found["bytes"] / 1e12, "TB/s", 2),
        f"{name}-intensity": decimal(found["intensity"], 1)
        if found["intensity"] < 10
        else count(found["intensity"]),
        f"{name}-share-flop": quantity(100 * share, "%", 1 if share < 0.1 else 0),
        f"{name}-share-bytes": quantity(
            100 * found["bytes"] / ceilings.read_bytes_per_s, "%"
        ),
    }


def of_phases() -> dict[str, str]:
    """Rates of both phases, and how far the predictions were off."""
    prefill, decode = (record.load(stem)["points"] for stem in (PREFILL, DECODE))
    found: dict[str, str] = {}
    for point in prefill:
        tokens, ms = point["tokens"], record.median(point)
        off = 100 * (ms / point["predicted_with_starts_ms"] - 1)
        found |= {
            f"prefill-{tokens}-ms": quantity(ms, "ms", 1 if ms < 100 else 0),
            f"prefill-{tokens}-predicted": quantity(
                point["predicted_with_starts_ms"], "ms", 1 if ms < 100 else 0
            ),
            f"prefill-{tokens}-off": quantity(off, "%"),
            f"prefill-{tokens}-rate": quantity(point["flop_per_s"] / 1e12, "TFLOP/s"),
            f"prefill-{tokens}-share": quantity(
                100 * point["flop_per_s"] / paper.card().flop_per_s, "%"
            ),
            f"prefill-{tokens}-tokens": count(tokens / ms * 1e3),
            f"prefill-{tokens}-per-token": quantity(1e3 * ms / tokens, "µs", 1),
        }
        spent = point["kernels_ms"]
        rest = ms - spent["products"] - spent["attention"]
        products = roofline.products(shapes.named(paper.MODEL), tokens, 1)
        found |= {
            f"prefill-{tokens}-products": quantity(spent["products"], "ms", 1),
            f"prefill-{tokens}-products-predicted": quantity(
                1e3 * products.seconds(paper.card()), "ms", 1
            ),
            f"prefill-{tokens}-small": quantity(spent["other"], "ms", 1),
            f"prefill-{tokens}-attention": quantity(spent["attention"], "ms", 1),
            f"prefill-{tokens}-rest": quantity(rest, "ms", 1),
            f"prefill-{tokens}-attention-share": quantity(
                100 * spent["attention"] / ms, "%"
            ),
            f"prefill-{tokens}-rest-share": quantity(100 * rest / ms, "%"),
        }
    long = at(prefill, tokens=8192)
    reading = rates([Segment(8192)], record.median(long), 8192)
    found |= row("reading", reading)
    for batch, context in DECODED:
        point = at(decode, batch=batch, context=context)
        segments = [Segment(1, context - 1)] * batch
        one = rates(segments, record.median(point), batch)
        found |= row(f"writing-{batch}-{context}", one)
        found[f"writing-{batch}-{context}-ms"] = quantity(record.median(point), "ms", 1)
        if batch == 1:
            found["ratio"] = count(reading["tokens"] / one["tokens"])
    return found | of_second() | of_core()


def of_second() -> dict[str, str]:
    """The same on a card whose memory is faster and whose arithmetic is not."""
    data = record.load(SECOND)
    prompt = at(data["points"], tokens=8192)
    step = at(record.load(SECOND_DECODE)["points"], batch=1, context=8192)
    found = {
        "h200-rate": quantity(Ceilings.of(data).flop_per_s / 1e12, "TFLOP/s"),
        "h200-ridge": count(Ceilings.of(data).ridge),
        "h200-ratio": count(8192 / record.median(prompt) * record.median(step)),
        "h200-8192-small": quantity(prompt["kernels_ms"]["other"], "ms", 1),
    }
    for tokens in CARRIED:
        error = cards.one(SECOND, tokens=tokens).error
        found[f"h200-off-{tokens}"] = quantity(100 * error, "%")
    return found


def of_core() -> dict[str, str]:
    """The same asymmetry in SmolLM2 on one CPU core, where it is smaller."""
    points = record.load(stall.STEPS)["points"]
    rate = {p["tokens"]: p["tokens"] / record.median(p) * 1e3 for p in points}
    found = {
        f"core-{tokens}-tokens": count(value) for tokens, value in rate.items()
    } | {f"core-{p['tokens']}-ms": quantity(record.median(p), "ms") for p in points}
    ceiling = record.load("kv-cache--growth")["ceilings"]
    return found | {
        "core-ratio": count(max(rate.values()) / rate[1]),
        "core-ridge": decimal(ceiling["flop_per_s"] / ceiling["read_bytes_per_s"], 1),
        "core-corner": count(
            roofline.compute_bound_batch(
                Ceilings.of(record.load("kv-cache--growth")), 4
            )
        ),
        "core-best": count(max(rate, key=rate.get)),
    }
