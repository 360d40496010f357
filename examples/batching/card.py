"""What a batch does on an H200: recorded steps beside their predictions."""

from __future__ import annotations

from collections.abc import Sequence

from examples import record
from examples.batching import products
from examples.predict import memory, roofline, shapes
from examples.predict.roofline import Ceilings

STEM, MODEL = "batching--h200-step", "Llama-3.1-8B"
CONTEXTS = (512, 2048, 8192)


def ceilings() -> Ceilings:
    """The card's rates, measured before its steps were."""
    return Ceilings.of(record.load(STEM))


def points(context: int) -> list[dict]:
    """The recorded steps at one context, by batch."""
    found = [p for p in record.load(STEM)["points"] if p["context"] == context]
    return sorted(found, key=lambda p: p["batch"])


def at(context: int, batch: int) -> dict:
    """One recorded step."""
    (found,) = [p for p in points(context) if p["batch"] == batch]
    return found


def throughput(point: dict) -> float:
    """Tokens per second of a recorded step that is repeated for ever."""
    return point["batch"] / record.median(point) * 1e3


def steps(context: int) -> list[tuple[int, float]]:
    """Batch and median ms of the recorded steps."""
    return [(p["batch"], record.median(p)) for p in points(context)]


def largest_throughput(context: int) -> float:
    """Tokens per second that no batch is predicted to exceed."""
    return roofline.largest_throughput(shapes.named(MODEL), ceilings(), context)


def fits(context: int) -> int:
    """Sequences of `context` tokens whose caches were found to fit beside the weights."""
    tokens = max(p["tokens"] for p in record.load("kv-cache--h200-memory")["points"])
    return tokens // context


def answer_s(batch: int, prompt: int, answer: int) -> tuple[float, float]:
    """Predicted seconds to read `batch` prompts in one pass, and to write the other tokens of their answers.

    What `vllm bench latency` times: one batch, every prompt and every answer as long as every other.
    """
    shape, rates = shapes.named(MODEL), ceilings()
    prompts = [roofline.Segment(prompt)] * batch
    decode = sum(
        roofline.decode_s(shape, rates, batch, prompt + i) for i in range(1, answer)
    )
    return roofline.step_s(shape, prompts, rates), decode


def waiting_s(batch: int, arrivals_per_s: float) -> float:
    """Mean seconds that a request waits for its batch to fill, at a steady rate of arrivals."""
    return (batch - 1) / (2 * arrivals_per_s)


def shared_share(context: int, batch: int) -> float:
    """Share of the bytes of a step that are weights, and so shared by its sequences."""
    shape = shapes.named(MODEL)
    cache = batch * context * memory.kv_bytes_per_token(shape)
    read = memory.weight_bytes_read(shape)
    return read / (read + cache)


def rows() -> Sequence[tuple]:
    """For each context: the three batches at which something ends, the ceiling, and the best measured."""
    shape, rates = shapes.named(MODEL), ceilings()
    found = []
    for context in CONTEXTS:
        best = max(points(context), key=throughput)
        found.append(
            (
                context,
                products.equal_batch(shape, context),
                products.batch_for(shape, rates, context, 0.9),
                fits(context),
                largest_throughput(context),
                best["batch"],
                throughput(best),
            )
        )
    return found
