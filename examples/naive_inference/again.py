"""What a pass computes that the pass before it had computed already: compared number by number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from examples import record, request
from examples.engine.inspection import observe
from examples.engine.layers import rms_norm, rope, rope_angles
from examples.engine.model import Model
from examples.predict import shapes
from examples.values import count, decimal, quantity

KINDS = ("queries", "keys", "values", "attention weights", "stream")


def write(
    forward: Callable[[Sequence[int]], np.ndarray], prompt: Sequence[int], new: int
) -> Iterator[int]:
    """Yield `new` tokens, each the likeliest; `forward` makes logits [V] of all ids."""
    ids = list(prompt)
    for _ in range(new):
        logits = forward(ids)  # the whole text, every time
        ids.append(int(logits.argmax()))
        yield ids[-1]  # and nothing else is kept


def intermediates(
    model: Model, ids: Sequence[int]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What the layers compute on `ids`, by kind an array [layers, n, numbers]; last logits.

    Queries and keys after their rotation, all heads side by side; the attention weights
    of a token as [H * n], zeros after it; the residual stream as each layer leaves it.
    """
    c, n = model.config, len(ids)
    angles = rope_angles(np.arange(n), c.head_dim, c.rope_base)
    seen = observe(model, ids)
    found: dict[str, list] = {kind: [] for kind in KINDS}
    for i, (layer, x) in enumerate(zip(model.layers, seen.stream, strict=False)):
        normed = rms_norm(x, layer.attention_norm, c.epsilon)
        q, k = (
            rope((normed @ w).reshape(n, -1, c.head_dim).swapaxes(0, 1), angles)
            for w in (layer.query, layer.key)
        )
        found["queries"].append(q.swapaxes(0, 1).reshape(n, -1))
        found["keys"].append(k.swapaxes(0, 1).reshape(n, -1))
        found["values"].append(normed @ layer.value)
        found["attention weights"].append(seen.attention[i].swapaxes(0, 1))
        found["stream"].append(seen.stream[i + 1])
    stacked = {kind: np.stack(arrays) for kind, arrays in found.items()}
    return stacked, seen.logits[-1]


class Agreement(NamedTuple):
    """How far the same numbers agree in two passes."""

    numbers: int  # of one token in one layer; of attention weights, those of the last
    equal: float  # share that agrees in every bit
    apart: float  # largest difference, as a share of the largest number of its kind


def agreement(one: np.ndarray, other: np.ndarray, shared: int) -> Agreement:
    """Compare the first `shared` tokens of [layers, n, ...] and [layers, m, ...]."""
    one, other = one[:, :shared], other[:, :shared]
    if one.ndim == 4:  # attention weights [layers, n, H, n]: what later tokens got is 0
        one, other = one[..., :shared], other[..., :shared]
    apart = np.abs(one - other).max() / np.abs(one).max()
    numbers = int(np.prod(one.shape[2:]))
    return Agreement(numbers, float((one == other).mean()), float(apart))


def agreements(
    one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], shared: int
) -> dict[str, Agreement]:
    """The first `shared` tokens of two passes, kind by kind."""
    return {kind: agreement(one[kind], other[kind], shared) for kind in KINDS}


def compare(
    model: Model, ids: Sequence[int], others: Sequence[int]
) -> dict[str, Agreement]:
    """The tokens that two texts have in common at their beginning, kind by kind."""
    pairs = zip(ids, others, strict=False)
    shared = next((i for i, (a, b) in enumerate(pairs) if a != b), len(ids))
    one, other = (intermediates(model, text)[0] for text in (ids, others))
    return agreements(one, other, shared)


def changed(model: Model, ids: Sequence[int], others: Sequence[int]) -> np.ndarray:
    """How much each vector of the stream differs between two texts of one length.

    [layers + 1, n], the embedding first: length of the difference over length of the vector.
    """
    one, other = observe(model, ids).stream, observe(model, others).stream
    return np.linalg.norm(one - other, axis=-1) / np.linalg.norm(one, axis=-1)


def of_again() -> dict[str, str]:
    """What two passes have in common, and how many numbers that is."""
    shape = shapes.named("SmolLM2-135M")
    points = record.load("naive-inference--again")["points"]
    equal = [p for p in points if p["equal"] == 1]
    others = [p for p in points if p["equal"] < 1]
    reached = record.load("naive-inference--changes")["points"]
    last = reached[-1]["changed"]
    first = next(i for i, share in enumerate(last) if share)
    steps = range(request.PROMPT_TOKENS, request.KEPT_TOKENS)
    unequal = [p for p in points if p["tokens"] in steps and p["equal"] < 1]
    before = sum(steps)
    return {
        "positions": count(request.positions_without_cache()),
        "before": count(before),
        "before-share": quantity(before / request.positions_without_cache() * 100, "%"),
        "layers": count(shape.layers),
        "again-lengths": count(len(points)),
        "again-equal": count(len(equal)),
        "again-other": count(len(others)),
        "again-apart": decimal(max(p["apart"] for p in points) * 1e6, 1),
        "again-request": count(len(steps)),
        "again-request-equal": count(len(steps) - len(unequal)),
        "again-request-from": count(unequal[0]["tokens"]),
        "again-request-to": count(unequal[0]["tokens"] + 1),
        "again-request-changed": quantity((1 - unequal[0]["equal"]) * 100, "%"),
        "edit-position": count(first + 1),
        "edit-after": count(len(last) - first - 1),
        "edit-next": quantity(last[first + 1] * 100, "%"),
        "edit-last": quantity(last[-1] * 100, "%"),
        "edit-most": quantity(max(last) * 100, "%"),
    }
