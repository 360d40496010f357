"""The numbers that the chapter quotes, a function for each of its parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from examples import record, request
from examples.naive_inference import bill, measure, stores
from examples.naive_inference.bill import Turn
from examples.predict import flops, memory, shapes
from examples.values import binary, count, decimal, decimal_bytes, quantity

SMALL, LARGE = measure.MODEL, "Llama-3.1-8B"
# Agents at work: medians of 610 traces (vLLM project, 6 May 2026).
TRACE_TURNS, TRACE_FIRST, TRACE_LAST, TRACE_HITS = 33, 12_000, 80_000, 94.2
H200_ANSWERS = (100, 1000, 7168, 31744)  # tokens written after a prompt of 1,024
STORED = 8192  # the context at which stores are compared


def of_again() -> dict[str, str]:
    """What two passes have in common, and how many numbers that is."""
    shape = shapes.named(SMALL)
    points = record.load("naive-inference--again")["points"]
    equal = [p for p in points if p["equal"] == 1]
    others = [p for p in points if p["equal"] < 1]
    reached = record.load("naive-inference--changes")["points"]
    last = reached[-1]["changed"]
    first = next(i for i, share in enumerate(last) if share)
    steps = range(request.PROMPT_TOKENS, request.KEPT_TOKENS)
    unequal = [p for p in points if p["tokens"] in steps and p["equal"] < 1]
    before = sum(steps)
    return {
        "positions": count(request.positions_without_cache()),
        "before": count(before),
        "before-share": quantity(before / request.positions_without_cache() * 100, "%"),
        "layers": count(shape.layers),
        "again-lengths": count(len(points)),
        "again-equal": count(len(equal)),
        "again-other": count(len(others)),
        "again-apart": decimal(max(p["apart"] for p in points) * 1e6, 1),
        "again-request": count(len(steps)),
        "again-request-equal": count(len(steps) - len(unequal)),
        "again-request-from": count(unequal[0]["tokens"]),
        "again-request-to": count(unequal[0]["tokens"] + 1),
        "again-request-changed": quantity((1 - unequal[0]["equal"]) * 100, "%"),
        "edit-position": count(first + 1),
        "edit-after": count(len(last) - first - 1),
        "edit-next": quantity(last[first + 1] * 100, "%"),
        "edit-last": quantity(last[-1] * 100, "%"),
        "edit-most": quantity(max(last) * 100, "%"),
    }


def of_bill() -> dict[str, str]:
    """Counts: positions and operations of answers, and where the terms cross."""
    small, large = shapes.named(SMALL), shapes.named(LARGE)
    table = {}
    for shape in (small, large):
        key = shape.name.lower()
        cross = bill.crossover(shape)
        table[f"cross-{key}"] = count(cross)
        table[f"cross-answer-{key}"] = count(1.5 * cross)
        table[f"cross-widths-{key}"] = decimal(cross / shape.width, 1)
        per_token = flops.matmul_flop_per_token(shape)
        table[f"products-token-{key}"] = quantity(per_token / 1e9, "GFLOP", 2)
        table[f"pair-{key}"] = quantity(
            flops.attention_flop(shape, 1, 1) / 1e3, "kFLOP", 1
        )
    prompt, written = measure.SHORT
    short, half = bill.positions(prompt, written), bill.positions(prompt, written // 2)
    long = bill.positions(*measure.LONG)
    full = bill.answer_flop(large, 1024, 31744)
    return table | {
        "cross-mask-llama-3.1-8b": count(2 * bill.crossover(large)),
        "mean-short": decimal(short / written, 1),
        "double-counted": decimal(short / half, 1),
        "positions-short": count(short),
        "positions-long": count(long),
        "long-over-prompt": decimal(long / measure.LONG[0], 1),
        "pflop-full": quantity(sum(full.values()) / 1e15, "PFLOP"),
        "layer-weights": count(large.attention_matrices + large.ffn_parameters(0)),
        "width": count(large.width),
        "rank-question-first": count(30 + 100 * 400),
        "rank-all": count(100 * 430),
        "rank-saved": quantity((1 - (30 + 100 * 400) / (100 * 430)) * 100, "%"),
        "rank-passage-first": count(100 * 30),
        "exercise-positions": count(bill.positions(1000, 500)),
        "exercise-cached": count(1499),
        "exercise-ratio": count(bill.positions(1000, 500) / 1499),
        "exercise-flop": quantity(
            sum(bill.answer_flop(large, 1000, 500).values()) / 1e15, "PFLOP", 1
        ),
        "exercise-cross-70b": count(bill.crossover(shapes.named("Llama-3.1-70B"))),
        "exercise-cross-405b": count(bill.crossover(shapes.named("Llama-3.1-405B"))),
    }


def at(points: Sequence[dict], **wanted) -> dict:
    """The one point whose fields are as wanted."""
    (found,) = [p for p in points if all(p[k] == v for k, v in wanted.items())]
    return found


def crossing(points: Sequence[tuple[float, float]]) -> float:
    """Where a ratio that grows reaches 1: by the last two points (x, ratio), on log scales."""
    (x0, y0), (x1, y1) = sorted(points)[-2:]
    slope = np.log(y1 / y0) / np.log(x1 / x0)
    return float(x1 * (1 / y1) ** (1 / slope))


def of_cpu() -> dict[str, str]:
    """What the whole answers took on one CPU core, and what was predicted."""
    shape, rate = shapes.named(SMALL), measure.ceilings()["flop_per_s"]
    answers = record.load("naive-inference--answer")["points"]
    table = {}
    for name, (prompt, answer) in (("short", measure.SHORT), ("long", measure.LONG)):
        point = at(answers, prompt=prompt, written=answer)
        first = at(answers, prompt=prompt, written=1)
        seconds = measure.median_so_far(point)
        by_steps = measure.answer_ms("kv-cache--growth", prompt, answer) / 1e3
        table |= {
            f"{name}-prompt": count(prompt),
            f"{name}-answer": count(answer),
            f"{name}-s": quantity(seconds, "s", 0 if seconds >= 100 else 1),
            f"{name}-predicted-s": quantity(
                point["predicted_s_so_far"], "s", 0 if seconds >= 100 else 1
            ),
            f"{name}-steps-s": quantity(by_steps, "s", 0 if seconds >= 100 else 1),
            f"{name}-steps-off": quantity(abs(seconds / by_steps - 1) * 100, "%"),
            f"{name}-over": quantity(
                (seconds / point["predicted_s_so_far"] - 1) * 100, "%"
            ),
            f"{name}-first-ms": quantity(record.median(first), "ms"),
            f"{name}-last-ms": quantity(record.median(point), "ms"),
            f"{name}-mean-ms": quantity(seconds / answer * 1e3, "ms"),
        }
    prompt, written = measure.SHORT
    half = at(answers, prompt=prompt, written=written // 2)
    whole = at(answers, prompt=prompt, written=written)
    table["double-measured"] = decimal(
        measure.median_so_far(whole) / measure.median_so_far(half), 1
    )
    attention = record.load("naive-inference--attention")["points"]
    ratios = []
    for point in attention:
        context = point["context"]
        step = at(
            record.load("kv-cache--growth")["points"], context=context, cached=False
        )
        whole_ms, ms = record.median(step), record.median(point)
        flop = flops.step_flop(shape, context, cached=False)
        ratios.append((context, ms / step["products_only_ms"]))
        products = flops.matmul_flop_per_token(shape) * context + flops.head_flop(shape)
        table |= {
            f"share-{context}": quantity(flop / rate / whole_ms * 1e5, "%"),
            f"share-products-{context}": quantity(
                products / rate / step["products_only_ms"] * 1e5, "%"
            ),
            f"share-attention-{context}": quantity(
                point["predicted_ms"] / ms * 100, "%"
            ),
            f"attention-{context}": quantity(ms, "ms", 0 if ms >= 10 else 1),
        }
    scores = shape.heads * 1024**2 * 4
    return table | {
        "cross-measured": count(round(crossing(ratios), -1)),
        "scores-bytes": decimal_bytes(scores, "MB", 1),
        "rate": quantity(rate / 1e9, "GFLOP/s", 1),
        "scores-512": decimal_bytes(shape.heads * 512**2 * 4, "MB", 1),
        "window": count(shape.context),
        "window-h": quantity(
            sum(measure.predicted_ms(shape, 37, shape.context - 37, measure.ceilings()))
            / 3.6e6,
            "h",
        ),
        "core-rows": count(2 * rate / measure.ceilings()["read_bytes_per_s"]),
    }


def long_time(ms: float) -> str:
    """Milliseconds as s, min or h."""
    if ms < 60e3:
        return quantity(ms / 1e3, "s", 1)
    return quantity(ms / 6e4, "min", 1) if ms < 3.6e6 else quantity(ms / 3.6e6, "h", 1)


def of_h200() -> dict[str, str]:
    """What the recorded steps of an H200 add up to."""
    stem, shape = "kv-cache--h200-step", shapes.named(LARGE)
    data = record.load(stem)
    naive = sorted(
        (p for p in data["points"] if not p["cached"]), key=lambda p: p["context"]
    )
    ratios = [
        (p["context"], p["kernels_ms"]["attention"] / p["kernels_ms"]["products"])
        for p in naive
    ]
    predicted = [(p["context"], p["predicted_ms"]) for p in naive]
    table = {}
    for answer in H200_ANSWERS:
        ms = measure.answer_ms(stem, 1024, answer)
        paper = sum(measure.interpolated(predicted, 1024 + i) for i in range(answer))
        table[f"h200-{answer}"] = long_time(ms)
        table[f"h200-{answer}-predicted"] = long_time(paper)
        table[f"h200-{answer}-mean"] = quantity(ms / answer, "ms")
    full, paper_full = ms, paper
    longest = naive[-1]
    rows = {
        p["batch"]: p["kernels_ms"]["products"]
        for p in record.load("kv-cache--h200-batch")["points"]
    }
    eight = at(naive, context=8192)
    flop = flops.step_flop(shape, 8192, cached=False)
    flop -= flops.attention_flop(shape, 8192, 8192) // 2
    ceiling = data["ceilings"]
    sixteen, thirty_two = at(naive, context=16384), at(naive, context=32768)
    slopes = [record.median(p) / p["context"] for p in (eight, sixteen)]
    square = (slopes[1] - slopes[0]) / (16384 - 8192)
    linear = slopes[0] - square * 8192
    return table | {
        "h200-over": quantity((full / paper_full - 1) * 100, "%"),
        "h200-16k": quantity(record.median(sixteen), "ms"),
        "exercise-linear": quantity(linear * 1e3, "µs", 1),
        "exercise-square": quantity(square * 1e6, "ns", 2),
        "exercise-32k": quantity(linear * 32768 + square * 32768**2, "ms"),
        "exercise-32k-measured": quantity(record.median(thirty_two), "ms"),
        "exercise-even": count(round(linear / square, -2)),
        "h200-cross": count(round(crossing(ratios), -2)),
        "h200-attention-32k": quantity(longest["kernels_ms"]["attention"], "ms"),
        "h200-products-32k": quantity(longest["kernels_ms"]["products"], "ms"),
        "h200-share": quantity(
            flop / record.median(eight) * 1e3 / ceiling["flop_per_s"] * 100, "%"
        ),
        "h200-8k": quantity(record.median(eight), "ms"),
        "h200-8k-predicted": quantity(eight["predicted_ms"], "ms"),
        "h200-1k": quantity(record.median(naive[0]), "ms", 1),
        "h200-1k-predicted": quantity(naive[0]["predicted_ms"], "ms", 1),
        "h200-32k": quantity(record.median(longest), "ms"),
        "h200-32k-predicted": quantity(longest["predicted_ms"], "ms"),
        "h200-balance": count(ceiling["flop_per_s"] / ceiling["read_bytes_per_s"]),
        "h200-rows-1": quantity(rows[1], "ms", 1),
        "h200-rows-128": quantity(rows[128], "ms", 1),
        "h200-rows-256": quantity(rows[256], "ms", 1),
    }


def of_chat() -> dict[str, str]:
    """The bill of the conversation, and of an agent's."""
    found = measure.turns()
    own = bill.conversation(found)
    sent = TRACE_TURNS * (TRACE_FIRST + TRACE_LAST) / 2
    table = {
        "chat-turns": count(len(found)),
        "chat-sent": count(own.sent),
        "chat-answered": count(sum(turn.answer for turn in found)),
        "chat-nowhere": count(own.nowhere),
        "chat-request": count(own.within_request),
        "chat-across": count(own.across_requests),
        "chat-request-ratio": decimal(own.within_request / own.across_requests, 1),
        "chat-nowhere-ratio": count(own.nowhere / own.across_requests),
        "chat-last": count(found[-1].prompt),
        "trace-turns": count(TRACE_TURNS),
        "trace-sent": count(sent),
        "trace-distinct": count(TRACE_LAST),
        "trace-repeated": quantity((1 - TRACE_LAST / sent) * 100, "%", 1),
        "trace-hits": quantity(TRACE_HITS, "%", 1),
    }
    equal = [Turn(1000 * k - 200, 200) for k in range(1, 41)]
    ten, forty = bill.conversation(equal[:10]), bill.conversation(equal)
    return table | {
        "exercise-chat-sent-10": count(ten.sent),
        "exercise-chat-sent-40": count(forty.sent),
        "exercise-chat-nowhere-10": count(ten.nowhere),
        "exercise-chat-nowhere-40": count(forty.nowhere),
        "exercise-chat-nowhere-ratio": count(forty.nowhere / ten.nowhere),
        "exercise-chat-ratio": decimal(forty.sent / ten.sent, 1),
        "exercise-chat-across-40": count(forty.across_requests),
    }


def of_stores() -> dict[str, str]:
    """What could be kept: sizes and what is left to do."""
    table = {}
    for name in (LARGE, "Llama-2-7B", SMALL):
        shape, key = shapes.named(name), name.lower()
        rows = {s.kept: s for s in stores.stores(shape, STORED)}
        nothing = rows["nothing"].flop
        for short, kept in (
            ("inputs", "inputs of the layers"),
            ("kv", "keys and values"),
        ):
            table[f"{short}-kib-{key}"] = binary(rows[kept].numbers * 2, "KiB", 0)
            table[f"{short}-tflop-{key}"] = quantity(rows[kept].flop / 1e12, "TFLOP", 2)
            table[f"{short}-saves-{key}"] = count(nothing / rows[kept].flop)
        table[f"keys-saves-{key}"] = quantity(
            (1 - rows["keys"].flop / nothing) * 100, "%", 1
        )
        table[f"outputs-saves-{key}"] = quantity(
            (1 - rows["attention outputs"].flop / nothing) * 100, "%"
        )
        table[f"nothing-tflop-{key}"] = quantity(nothing / 1e12, "TFLOP")
    shape = shapes.named(LARGE)
    row = shape.layers * shape.heads * STORED * 2
    return table | {
        "stored": count(STORED),
        "weights-mib": binary(row, "MiB"),
        "weights-logits": binary(2 * shape.vocab, "KiB"),
        "kv-gib-stored": binary(memory.kv_bytes_per_token(shape) * STORED, "GiB"),
    }
