"""Whether the model of `llama` computes with a KV cache what it computes without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from examples.cli import CommandError
from examples.gpu import timing
from examples.gpu.llama import EPSILON, ROPE_BASE, Llama
from examples.predict.shapes import Shape


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The norm of the difference over the norm of what was wanted, in float64."""
    found, wanted = found.double().cpu(), wanted.double().cpu()
    return float((found - wanted).norm() / wanted.norm())


def numpy_twin(shape: Shape, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of a toy model here, with a cache, and of the book's NumPy engine without one.

    Both run on the same weights in float32: a reference that shares no line with `llama`.
    """
    from examples.engine import (
        model as engine,  # NumPy's threads are set when it is imported
    )

    model = Llama(shape, device, torch.float32)
    ids, s = model.random_ids(1, 48), model.shape
    wide, narrow = s.heads * s.head_dim, s.kv_heads * s.head_dim

    def array(w: torch.Tensor):
        return w.cpu().numpy().T

    twin = object.__new__(engine.Model)  # its own way to weights is a GGUF file
    twin.config = engine.Config(
        s.layers,
        s.width,
        s.heads,
        s.kv_heads,
        s.head_dim,
        s.context,
        ROPE_BASE,
        EPSILON,
    )
    twin.embedding = model.embedding.cpu().numpy()
    twin.output_norm, twin.head = array(model.output_norm), array(model.head)
    twin.layers = []
    for layer in model.layers:
        q, k, v = layer.query_key_value.split((wide, narrow, narrow))
        gate, up = layer.gate_up
        fields = (
            layer.attention_norm,
            q,
            k,
            v,
            layer.output,
            layer.ffn_norm,
            gate,
            up,
            layer.down,
        )
        twin.layers.append(engine.Layer(*map(array, fields)))
    wanted = torch.from_numpy(twin.forward(ids[0].tolist()))
    return cached_step(model, ids, device)()[0], wanted


def cached_step(
    model: Llama, ids: torch.Tensor, device: str
) -> Callable[[], torch.Tensor]:
    """A replayable step for the newest of `ids` [B, n], after a prefill of the others.

    The cache starts as NaN: a step that read beyond what was stored could not go unseen.
    """
    batch, count = ids.shape
    cache = model.new_cache(batch, count + 7).fill_(torch.nan)
    model.forward(ids[:, :-1], cache)
    newest = ids[:, -1:].contiguous()
    return timing.captured(lambda: model.forward(newest, cache, past=count - 1), device)


def errors_with_cache(
    model: Llama, toy: Shape, counts: Sequence[int]
) -> dict[str, float]:
    """Relative errors of a step with a cache; above their bounds nothing is worth timing.

    In float32 it must be the step without a cache. In bf16 either one rounds what a layer adds to the
    residual stream 64 times, and not alike: each is held against float32 on the same weights, and
    the one with a cache must come as close as the one without.
    """
    device, dtype = model.embedding.device.type, model.embedding.dtype
    exact = model.copied_to(torch.float32)
    found = {}

    def check(
        name: str, logits: torch.Tensor, wanted: torch.Tensor, bound: float
    ) -> float:
        error = relative_error(logits, wanted)
        found[name] = float(f"{error:.2g}")
        print(f"{error:8.1e}  {name}", flush=True)
        if not error <= bound:  # NaN fails too
            raise CommandError(f"{name}: relative error {error:.2g}, above {bound:.2g}")
        return error

    check(
        "toy shape, float32: with a cache, from NumPy without one",
        *numpy_twin(toy, device),
        1e-3,
    )
    for count in counts:
        ids = model.random_ids(2, count)
        wanted = exact.forward(ids)
        tail = f"from float32 without one, {count} tokens"
        step = cached_step(exact, ids, device)()
        check(f"float32: with a cache, {tail}", step, wanted, 1e-3)
        if dtype != torch.float32:  # not covered: runs on a GPU only
            error = check(
                f"bf16: without a cache, {tail}", model.forward(ids), wanted, 2.5e-2
            )
            step = cached_step(model, ids, device)()
            check(f"bf16: with a cache, {tail}", step, wanted, 1.25 * error)
    return found
