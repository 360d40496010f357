"""What a step costs by the number of tokens in it, and the times of a request, all on paper."""

from __future__ import annotations

from dataclasses import dataclass

from examples import record, request
from examples.cli import CommandError
from examples.predict import flops, memory, roofline, shapes
from examples.predict.roofline import Ceilings, Segment, Work
from examples.predict.shapes import Shape
from examples.values import count, decimal, decimal_bytes, quantity

MODEL = "Llama-3.1-8B"
STEM = "prefill-and-decode--h100-prefill"
ROWS = (1, 16, 64, 256, 1024, 8192)  # tokens of one prompt in a step
PROMPTS = (1024, 8192, 32768)
ANSWER = 256
EXERCISE = Ceilings(read_bytes_per_s=2e12, flop_per_s=300e12)  # a card of an exercise


def card() -> Ceilings:
    """The H100 of this chapter's runs: its rates, measured apart from the model."""
    return Ceilings.of(record.load(STEM))


def work(shape: Shape, tokens: int, past: int = 0) -> Work:
    """FLOP and bytes of `tokens` new tokens of a sequence, with `past` in its cache."""
    parts = roofline.parts(shape, [Segment(tokens, past)])
    return sum(parts, Work(0, 0))


@dataclass(frozen=True)
class Times:
    """A request alone on a card, in seconds."""

    ttft: float
    tpot: float
    end: float


def times(shape: Shape, ceilings: Ceilings, prompt: int, answer: int) -> Times:
    """TTFT, mean TPOT and end of a request: one prefill, then a decode step for each further token.

    The prefill brings the first token, so an answer of n tokens takes n - 1 steps, each a token longer.
    """
    if answer < 2:
        raise CommandError(f"an answer of {answer} tokens has no decode step")
    ttft = roofline.prefill_s(shape, ceilings, prompt)
    steps = [
        roofline.decode_s(shape, ceilings, 1, prompt + i) for i in range(1, answer)
    ]
    return Times(ttft, sum(steps) / len(steps), ttft + sum(steps))


def most_intensity(shape: Shape, context: int) -> float:
    """FLOP per byte of a decode step that no number of users exceeds: weights shared by all, caches by nobody."""
    products, attention = roofline.parts(shape, [Segment(1, context - 1)])
    return (products.flop + attention.flop) / attention.bytes


def even_prompt(shape: Shape, ceilings: Ceilings, answer: int) -> int:
    """The shortest prompt that takes as long to read as `answer` tokens after it take to write."""
    low, high = 1, 2 * shape.context
    while low < high:
        prompt = (low + high) // 2
        t = times(shape, ceilings, prompt, answer + 1)
        low, high = (low, prompt) if 2 * t.ttft >= t.end else (prompt + 1, high)
    return low


def table(shape: Shape, ceilings: Ceilings, rows: tuple[int, ...] = ROWS) -> list[str]:
    """A line for each number of tokens in a step: work, intensity, time, tokens per second."""
    lines = [
        "tokens     TFLOP      GB   FLOP/byte        ms    tokens/s   waits for",
    ]
    for tokens in rows:
        one = work(shape, tokens)
        seconds = roofline.prefill_s(shape, ceilings, tokens)
        limit = "arithmetic" if one.compute_bound(ceilings) else "bytes"
        lines.append(
            f"{tokens:6,}  {one.flop / 1e12:8.3f}  {one.bytes / 1e9:6.2f}  {one.intensity:10.1f}"
            f"  {seconds * 1e3:8.2f}  {tokens / seconds:10,.0f}   {limit}"
        )
    return lines


def of_paper() -> dict[str, str]:
    """Work, intensity and predicted times."""
    shape, ceilings = shapes.named(MODEL), card()
    one, many = work(shape, 1), work(shape, 8192)
    found = {
        "token-gflop": quantity(one.flop / 1e9, "GFLOP", 1),
        "row-gflop": quantity(flops.matmul_flop_per_token(shape) / 1e9, "GFLOP", 1),
        "step-gb": decimal_bytes(one.bytes, "GB", 1),
        "intensity-1": decimal(one.intensity, 1),
        "intensity-8192": count(many.intensity),
        "ridge": count(ceilings.ridge),
        "rate": quantity(ceilings.flop_per_s / 1e12, "TFLOP/s"),
        "bandwidth": quantity(ceilings.read_bytes_per_s / 1e12, "TB/s", 2),
        "paper-1024-tokens": count(1024 / roofline.prefill_s(shape, ceilings, 1024)),
        "paper-ratio": count(
            8192
            / roofline.prefill_s(shape, ceilings, 8192)
            * roofline.decode_s(shape, ceilings, 1, 8192)
        ),
        "answer": count(ANSWER),
    }
    for prompt in PROMPTS:
        t = times(shape, ceilings, prompt, ANSWER)
        digits = 0 if t.ttft >= 0.1 else 1
        found |= {
            f"ttft-{prompt}": quantity(t.ttft * 1e3, "ms", digits),
            f"tpot-{prompt}": quantity(t.tpot * 1e3, "ms", 2),
            f"end-{prompt}": quantity(t.end, "s", 2),
            f"ttft-tokens-{prompt}": count(t.ttft / t.tpot),
            f"ttft-share-{prompt}": quantity(100 * t.ttft / t.end, "%"),
        }
    t = times(shape, ceilings, request.PROMPT_TOKENS, request.ANSWER_TOKENS)
    found |= {
        "request-prompt": count(request.PROMPT_TOKENS),
        "request-answer": count(request.ANSWER_TOKENS),
        "request-ttft": quantity(t.ttft * 1e3, "ms", 2),
        "request-tpot": quantity(t.tpot * 1e3, "ms", 2),
        "request-end": quantity(t.end * 1e3, "ms"),
    }
    cached = work(shape, 256, past=8192)
    short = work(shape, 64, past=32768 - 64)
    attending = roofline.attention(shape, Segment(64, 32768 - 64))
    for context in (2048, 8192):
        found[f"intensity-most-{context}"] = count(most_intensity(shape, context))
    found |= {
        "hit-attention-intensity": count(attending.intensity),
        "hit-intensity": count(short.intensity),
        "hit-cache-gb": decimal_bytes(
            32768 * memory.kv_bytes_per_token(shape), "GB", 1
        ),
        "chunk-intensity": count(cached.intensity),
        "hit-ms": quantity(
            1e3 * roofline.prefill_s(shape, ceilings, 64, past=32768 - 64), "ms", 1
        ),
        "exercise-prompt": count(even_prompt(shape, ceilings, 100)),
        "exercise-corner": count(roofline.compute_bound_batch(EXERCISE)),
        "exercise-corner-byte": count(roofline.compute_bound_batch(EXERCISE, 1)),
    }
    return found
