"""The bill of a whole answer, and of a conversation: positions, scores and operations, counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from examples.predict import flops
from examples.predict.shapes import Shape


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


class Turn(NamedTuple):
    """One request of a conversation: tokens that are sent, and tokens that are answered."""

    prompt: int
    answer: int


class Bill(NamedTuple):
    """Positions that a conversation costs, by how far the server's memory reaches."""

    nowhere: int  # every token reads the whole text again
    within_request: int  # every request reads its whole prompt once
    across_requests: int  # every token is read once
    sent: int  # tokens of all prompts, which a stateless API receives


def conversation(turns: Sequence[Turn]) -> Bill:
    """The bill of requests of which each repeats the text of those before it, and adds to it."""
    return Bill(
        nowhere=sum(positions(*turn) for turn in turns),
        within_request=sum(turn.prompt + turn.answer - 1 for turn in turns),
        across_requests=turns[-1].prompt + turns[-1].answer - 1,
        sent=sum(turn.prompt for turn in turns),
    )
