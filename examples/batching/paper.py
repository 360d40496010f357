"""A decode step by the size of its batch, on paper: weights once, caches each, arithmetic each."""

from __future__ import annotations

from examples import record
from examples.predict import memory, roofline, shapes
from examples.predict.roofline import Ceilings
from examples.predict.shapes import Shape
from examples.values import binary, count, decimal, decimal_bytes, quantity

MODEL = "Llama-3.1-8B"
STEM = "batching--h100-step"
CONTEXTS = (512, 2048, 8192)
BATCHES = (1, 16, 64, 256)
CARDS = {"80": 80e9, "h200": 141e9}  # bytes, as an H100 and an H200 are sold
RESERVE = 0.9  # of a card's memory for weights and caches, as engines set it


def ceilings() -> Ceilings:
    """The rates of the H100 of this chapter's run, measured apart from the model."""
    return Ceilings.of(record.load(STEM))


def even_batch(shape: Shape, context: int) -> float:
    """The batch whose caches weigh as much as the weights that a step reads."""
    return memory.weight_bytes_read(shape) / (
        context * memory.kv_bytes_per_token(shape)
    )


def shares(shape: Shape, card: Ceilings, batch: int, context: int) -> dict[str, float]:
    """Seconds that a step waits for weights, for their arithmetic, and for caches."""
    products, attention = roofline.parts(
        shape, [roofline.Segment(1, context - 1)] * batch
    )
    return {
        "weights": products.bytes / card.read_bytes_per_s,
        "arithmetic": products.flop / card.flop_per_s,
        "caches": attention.seconds(card),
    }


def largest_batch(shape: Shape, budget: float, context: int) -> int:
    """Sequences of `context` tokens that fit beside the weights in `budget` bytes."""
    return memory.tokens_that_fit(shape, budget) // context


def table(shape: Shape, card: Ceilings) -> list[str]:
    """A line for each context and batch: what a step waits for, its time, tokens a second."""
    lines = [
        "* is more than fits in nine tenths of an 80 GB card\n",
        "         ------------ ms a step waits for ------------            tokens/s",
        "context  batch   weights  arithmetic  caches    step    a user    the card",
    ]
    for context in CONTEXTS:
        for batch in BATCHES:
            part = shares(shape, card, batch, context)
            step = roofline.decode_s(shape, card, batch, context)
            ms = {name: 1e3 * seconds for name, seconds in part.items()}
            room = largest_batch(shape, RESERVE * CARDS["80"], context)
            mark = " " if batch <= room else "*"
            lines.append(
                f"{context:7,}  {batch:5}{mark}  {ms['weights']:7.2f}  {ms['arithmetic']:10.2f}"
                f"  {ms['caches']:6.2f}  {1e3 * step:6.2f}  {1 / step:8.0f}  {batch / step:10,.0f}"
            )
    return lines


def of_paper() -> dict[str, str]:
    """Where weights, caches and arithmetic take over, and what fits."""
    shape, card = shapes.named(MODEL), ceilings()
    found = {
        "weights-gb": decimal_bytes(memory.weight_bytes_read(shape), "GB", 1),
        "token-kib": binary(memory.kv_bytes_per_token(shape), "KiB"),
        "compute-batch": count(roofline.compute_bound_batch(card)),
        "ridge": count(card.ridge),
        "rate": quantity(card.flop_per_s / 1e12, "TFLOP/s"),
        "bandwidth": quantity(card.read_bytes_per_s / 1e12, "TB/s", 2),
        "weights-ms": quantity(
            1e3 * memory.weight_bytes_read(shape) / card.read_bytes_per_s, "ms", 2
        ),
        "token-us": quantity(
            1e6 * roofline.products(shape, 1, 1).flop / card.flop_per_s, "µs", 1
        ),
    }
    for context in CONTEXTS:
        most = roofline.largest_throughput(shape, card, context)
        cache = context * memory.kv_bytes_per_token(shape)
        found |= {
            f"even-{context}": count(even_batch(shape, context)),
            f"cache-us-{context}": quantity(1e6 * cache / card.read_bytes_per_s, "µs"),
            f"cache-gb-{context}": decimal_bytes(cache, "GB", 2),
            f"most-{context}": count(most),
            f"fold-{context}": decimal(
                most * roofline.decode_s(shape, card, 1, context), 0
            ),
        }
        for name, size in CARDS.items():
            fits = largest_batch(shape, RESERVE * size, context)
            found[f"fits-{name}-{context}"] = count(fits)
            rate = fits / roofline.decode_s(shape, card, fits, context)
            found[f"fits-share-{name}-{context}"] = quantity(100 * rate / most, "%")
    ends = [roofline.largest_throughput(shape, card, c) for c in (512, 8192)]
    found["most-ratio"] = decimal(ends[0] / ends[1], 1)
    return found | of_exercises(shape)


def of_exercises(shape: Shape) -> dict[str, str]:
    """Results of the exercises on paper."""
    card = Ceilings(read_bytes_per_s=2e12, flop_per_s=300e12)
    large = shapes.named("Llama-3.1-70B")
    budget = 0.02 - memory.weight_bytes_read(shape) / card.read_bytes_per_s
    each = 4096 * memory.kv_bytes_per_token(shape) / card.read_bytes_per_s
    return {
        "exercise-corner": count(roofline.compute_bound_batch(card)),
        "exercise-even": count(even_batch(shape, 4096)),
        "exercise-budget": count(int(budget / each)),
        "exercise-large-token": binary(memory.kv_bytes_per_token(large), "KiB"),
        "exercise-large-even": count(even_batch(large, 2048)),
        "exercise-small-even": count(even_batch(shape, 2048)),
    }
