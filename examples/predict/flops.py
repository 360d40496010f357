"""Operations: a multiply-add counts as two."""

from __future__ import annotations

from examples.cli import CommandError
from examples.predict.shapes import Shape


def matmul_flop_per_token(shape: Shape) -> int:
    """FLOP of the layers' matrix products for one token of a dense model: two per weight."""
    if shape.latent or shape.experts:
        raise CommandError(
            f"{shape.name} has experts or latent attention; "
            "the FLOP count is for dense models"
        )
    layer = shape.attention_matrices + shape.ffn_parameters(0)
    return 2 * shape.layers * layer


def head_flop(shape: Shape) -> int:
    """FLOP of the LM head for one position."""
    return 2 * shape.embedding_parameters


def attention_flop(shape: Shape, new: int, total: int) -> int:
    """FLOP of scores and weighted sums when `new` tokens attend to `total`, mask not exploited.

    Two products of [new, head_dim] with [head_dim, total] per query head and layer.
    """
    return 2 * 2 * shape.layers * shape.heads * shape.head_dim * new * total


def step_flop(shape: Shape, context: int, cached: bool) -> int:
    """FLOP to get the next token at a context of `context` tokens, the newest among them."""
    new = 1 if cached else context
    per_token = matmul_flop_per_token(shape) * new
    return per_token + head_flop(shape) + attention_flop(shape, new, context)
