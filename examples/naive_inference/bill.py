"""The bill of a whole answer: positions, scores and operations, counted."""

from __future__ import annotations

from examples.predict import flops, shapes
from examples.predict.shapes import Shape
from examples.values import count, decimal, quantity

# Tokens of prompt and answer that are measured: the two regimes.
SHORT, LONG = (37, 192), (512, 8)


def positions(prompt: int, answer: int) -> int:
    """Token vectors that pass through the layers while `answer` tokens are written naively.

    The step that writes token i + 1 reads the prompt and the i tokens before it.
    """
    return answer * prompt + answer * (answer - 1) // 2


def scores(prompt: int, answer: int) -> int:
    """Attention scores per head and layer, all pairs of a pass: the sum of (prompt + i)^2."""
    pairs = answer * (answer - 1)
    return answer * prompt**2 + prompt * pairs + pairs * (2 * answer - 1) // 6


def answer_flop(shape: Shape, prompt: int, answer: int) -> dict[str, int]:
    """FLOP of a naive answer by part; the causal mask is not exploited."""
    per_score = flops.attention_flop(shape, 1, 1)
    return {
        "products": flops.matmul_flop_per_token(shape) * positions(prompt, answer),
        "attention": per_score * scores(prompt, answer),
        "head": flops.head_flop(shape) * answer,
    }


def crossover(shape: Shape) -> float:
    """The context at which attention takes as many FLOP of a pass as the products."""
    return flops.matmul_flop_per_token(shape) / flops.attention_flop(shape, 1, 1)


def of_bill() -> dict[str, str]:
    """Counts: positions and operations of answers, and where the terms cross."""
    small, large = shapes.named("SmolLM2-135M"), shapes.named("Llama-3.1-8B")
    table = {}
    for shape in (small, large):
        key = shape.name.lower()
        cross = crossover(shape)
        table[f"cross-{key}"] = count(cross)
        table[f"cross-answer-{key}"] = count(1.5 * cross)
        table[f"cross-widths-{key}"] = decimal(cross / shape.width, 1)
        per_token = flops.matmul_flop_per_token(shape)
        table[f"products-token-{key}"] = quantity(per_token / 1e9, "GFLOP", 2)
        table[f"pair-{key}"] = quantity(
            flops.attention_flop(shape, 1, 1) / 1e3, "kFLOP", 1
        )
    prompt, written = SHORT
    short, half = positions(prompt, written), positions(prompt, written // 2)
    long = positions(*LONG)
    full = answer_flop(large, 1024, 31744)
    return table | {
        "cross-mask-llama-3.1-8b": count(2 * crossover(large)),
        "mean-short": decimal(short / written, 1),
        "double-counted": decimal(short / half, 1),
        "positions-short": count(short),
        "positions-long": count(long),
        "long-over-prompt": decimal(long / LONG[0], 1),
        "pflop-full": quantity(sum(full.values()) / 1e15, "PFLOP"),
        "layer-weights": count(large.attention_matrices + large.ffn_parameters(0)),
        "width": count(large.width),
        "rank-question-first": count(30 + 100 * 400),
        "rank-all": count(100 * 430),
        "rank-saved": quantity((1 - (30 + 100 * 400) / (100 * 430)) * 100, "%"),
        "rank-passage-first": count(100 * 30),
        "exercise-positions": count(positions(1000, 500)),
        "exercise-cached": count(1499),
        "exercise-ratio": count(positions(1000, 500) / 1499),
        "exercise-flop": quantity(
            sum(answer_flop(large, 1000, 500).values()) / 1e15, "PFLOP", 1
        ),
        "exercise-cross-70b": count(crossover(shapes.named("Llama-3.1-70B"))),
        "exercise-cross-405b": count(crossover(shapes.named("Llama-3.1-405B"))),
    }
