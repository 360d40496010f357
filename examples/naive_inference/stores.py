"""What could be remembered of earlier tokens: how large it is, and what work it would leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from examples.engine.layers import attention, rms_norm, rope, rope_angles, swiglu
from examples.engine.model import Model
from examples.predict import flops, memory, shapes
from examples.predict.shapes import Shape
from examples.values import binary, count, quantity

STORED = 8192  # the context at which stores are compared, where the model reaches it


class Store(NamedTuple):
    """Something kept of every earlier token, and what the next token then costs."""

    kept: str
    numbers: int  # kept per token, over all layers
    flop: int  # to get the next token


def stores(shape: Shape, context: int) -> list[Store]:
    """What can be kept of `context` - 1 tokens, and the FLOP that the next one takes.

    Keys alone leave the values to be made, which takes each layer's input and with it
    nearly the whole pass. The inputs leave one product each for keys and values. A row
    of attention weights has a number for each token; here all rows count as the newest.
    """
    past, layers = context - 1, shape.layers
    wide, narrow = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    again = flops.step_flop(shape, context, cached=False)
    newest = flops.step_flop(shape, context, cached=True)
    queries = past * 2 * layers * shape.width * wide
    keys = past * 2 * layers * shape.width * narrow  # and values as many
    pairs = flops.attention_flop(shape, past, context) // 2  # scores, or weighted sums
    return [
        Store("nothing", 0, again),
        Store("logits", shape.vocab, again),
        Store("queries", layers * wide, again - queries),
        Store("keys", layers * narrow, again - keys),
        Store(
            "attention weights", layers * shape.heads * context, again - queries - pairs
        ),
        Store("attention outputs", layers * wide, again - queries - 2 * pairs),
        Store("inputs of the layers", layers * shape.width, newest + 2 * keys),
        Store("keys and values", 2 * layers * narrow, newest),
        Store("queries, keys, values", layers * (wide + 2 * narrow), newest),
    ]


def forward_from_inputs(
    model: Model, inputs: list[np.ndarray], ids: Sequence[int]
) -> np.ndarray:
    """Logits after new tokens when each layer's inputs [T, d] are what is kept.

    The new tokens' rows are appended to `inputs`, one array a layer (exercise 5).
    """
    c = model.config
    past, new = len(inputs[0]), len(ids)
    angles = rope_angles(np.arange(past + new), c.head_dim, c.rope_base)
    x = model.embedding[list(ids)]
    for i, layer in enumerate(model.layers):
        inputs[i] = np.concatenate([inputs[i], x])
        normed = rms_norm(inputs[i], layer.attention_norm, c.epsilon)
        heads = [
            (rows @ weight).reshape(len(rows), -1, c.head_dim).swapaxes(0, 1)
            for rows, weight in (
                (normed[past:], layer.query),
                (normed, layer.key),  # of all tokens, again
                (normed, layer.value),
            )
        ]
        q = rope(heads[0], tuple(a[past:] for a in angles))
        x = x + attention(q, rope(heads[1], angles), heads[2]) @ layer.output
        x = x + swiglu(
            rms_norm(x, layer.ffn_norm, c.epsilon), layer.gate, layer.up, layer.down
        )
    return model.logits(x[-1])


def of_stores() -> dict[str, str]:
    """What could be kept: sizes and what is left to do."""
    table = {}
    for name in ("Llama-3.1-8B", "Llama-2-7B", "SmolLM2-135M"):
        shape, key = shapes.named(name), name.lower()
        context = min(STORED, shape.context)
        rows = {s.kept: s for s in stores(shape, context)}
        table[f"stored-{key}"] = count(context)
        nothing = rows["nothing"].flop
        for short, kept in (
            ("inputs", "inputs of the layers"),
            ("kv", "keys and values"),
        ):
            table[f"{short}-kib-{key}"] = binary(rows[kept].numbers * 2, "KiB", 0)
            table[f"{short}-tflop-{key}"] = quantity(rows[kept].flop / 1e12, "TFLOP", 2)
            table[f"{short}-saves-{key}"] = count(nothing / rows[kept].flop)
        table[f"keys-saves-{key}"] = quantity(
            (1 - rows["keys"].flop / nothing) * 100, "%", 1
        )
        table[f"outputs-saves-{key}"] = quantity(
            (1 - rows["attention outputs"].flop / nothing) * 100, "%"
        )
        table[f"nothing-tflop-{key}"] = quantity(nothing / 1e12, "TFLOP")
    shape = shapes.named("Llama-3.1-8B")
    row = shape.layers * shape.heads * STORED * 2
    return table | {
        "stored": count(STORED),
        "weights-mib": binary(row, "MiB"),
        "weights-logits": binary(2 * shape.vocab, "KiB"),
        "kv-gib-stored": binary(memory.kv_bytes_per_token(shape) * STORED, "GiB"),
    }
