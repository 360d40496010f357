"""What the KV cache costs and saves on a GPU: time of a decode step, and memory.

    python -m examples.gpu.kv_cache             Llama-3.1-8B's shape in bf16, a minute or two
    python -m examples.gpu.kv_cache --quick     a few of the points, nothing written without --out
    python -m examples.gpu.kv_cache --toy       a toy shape in float32 on the CPU, likewise

A step computes the logits that follow the newest token; choosing a token is not in it.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from examples import cli
from examples.gpu import checks, runs, timing
from examples.gpu.llama import Llama
from examples.predict import memory, roofline, shapes
from examples.predict.roofline import Ceilings, Segment
from examples.predict.shapes import Shape

BLOCK = 4096  # tokens: the cache is reserved in multiples of it
LONGEST_S = 5.0  # a step that should take longer is not run


@dataclass(frozen=True)
class Plan:
    """What one run measures: sizes in tokens, sequences and matrix sides."""

    shape: Shape
    device: str = timing.ON_GPU
    dtype: torch.dtype = torch.bfloat16
    cached: tuple[int, ...] = (1024, 4096, 16384, 32768, 65536, 131072)
    uncached: tuple[int, ...] = (1024, 2048, 4096, 8192, 16384, 32768)
    batches: tuple[int, ...] = (1, 8, 32, 64, 128, 256)
    batch_context: int = 1024
    reserved: tuple[int, ...] = (0, 65536, 131072, 262144, 524288, 786432)
    checked: tuple[int, ...] = (129, 1024)
    samples: int = 15
    copied: int = 2**31  # numbers
    side: int = 16384


def full() -> Plan:
    return Plan(shapes.named("Llama-3.1-8B"))


def quick() -> Plan:
    return dataclasses.replace(
        full(),
        cached=(1024, 131072),
        uncached=(1024, 16384),
        batches=(1, 64),
        samples=7,
    )


def toy() -> Plan:
    """A shape of the same build that a CPU runs in milliseconds."""
    shape = Shape("toy", 2, 64, 4, 2, 16, 96, vocab=128, tied=False, context=256)
    return Plan(
        shape=shape,
        device="cpu",
        dtype=torch.float32,
        cached=(32, 256),
        uncached=(32, 256),
        batches=(1, 4),
        batch_context=32,
        reserved=(0, 64),
        checked=(2, 33),
        samples=7,
        copied=2**20,
        side=256,
    )


def predicted_ms(
    plan: Plan, ceiling: dict[str, float], batch: int, context: int, cached: bool
) -> float:
    """Time of a step in ms: products with the weights, then attention, each at its nearer ceiling.

    With a cache both parts read: weights once, each sequence's cache once. Without one, n tokens a
    sequence are computed; the causal mask spares half of the attention.
    """
    one = Segment(1, context - 1) if cached else Segment(context)
    return 1e3 * roofline.step_s(
        plan.shape,
        [one] * batch,
        Ceilings(ceiling["read_bytes_per_s"], ceiling["flop_per_s"]),
        number_bytes=plan.dtype.itemsize,
    )


def measured(
    plan: Plan, ceiling: dict, work: Callable, batch: int, context: int, cached: bool
):
    """One point: a timed step beside its prediction, and where the device spent it."""
    predicted = predicted_ms(plan, ceiling, batch, context, cached)
    times = timing.samples_ms(
        work, plan.device, plan.samples, repeat=5 if cached else 1
    )
    point = {
        "batch": batch,
        "context": context,
        "cached": cached,
        "predicted_ms": float(f"{predicted:.4g}"),
        "samples": runs.rounded(times),
    }
    if plan.device == timing.ON_GPU:  # not covered: runs on a GPU only
        point |= runs.where_spent(work)
    print(
        f"{batch:5}  {context:7,}  {'with' if cached else 'without':>7}  {predicted:9.2f} ms"
        f"  {statistics.median(times):9.2f} ms   {point.get('kernels_ms', '')}",
        flush=True,
    )
    return point


def with_cache(
    plan: Plan, model: Llama, ceiling: dict, batch: int, context: int
) -> dict:
    """A decode step at `context` tokens a sequence, the newest among them, as a CUDA graph."""
    cache = model.new_cache(batch, context).normal_()
    ids = model.random_ids(batch, 1)
    step = timing.captured(
        lambda: model.forward(ids, cache, past=context - 1), plan.device
    )
    return measured(plan, ceiling, step, batch, context, cached=True)


def without_cache(plan: Plan, model: Llama, ceiling: dict) -> Iterator[dict]:
    """The same step when all tokens are computed again, as long as it stays bearable."""
    for context in plan.uncached:
        if predicted_ms(plan, ceiling, 1, context, cached=False) < LONGEST_S * 1e3:
            ids = model.random_ids(1, context)
            work = lambda ids=ids: model.forward(ids)  # noqa: E731
            yield measured(plan, ceiling, work, 1, context, cached=False)


def reserve(plan: Plan, model: Llama, context_bytes: int) -> list[dict]:
    """Bytes that weights and a cache of growing size take, up to the most that can be had.

    The largest is searched from the prediction downwards, a block of tokens at a time.
    """
    token = memory.kv_bytes_per_token(plan.shape, plan.dtype.itemsize)
    weights = memory.weight_bytes(plan.shape, plan.dtype.itemsize)

    def point(tokens: int) -> dict:
        if plan.device == timing.ON_GPU:  # not covered: runs on a GPU only
            torch.cuda.empty_cache()  # what the smaller cache left goes back to the driver
        cache = model.new_cache(1, tokens)
        taken = torch.cuda.memory_allocated() if plan.device == timing.ON_GPU else None
        point = {"tokens": tokens, "weight_bytes": weights, "cache_bytes": cache.nbytes}
        point["predicted_bytes"] = weights + tokens * token
        point["samples"] = [taken or weights + cache.nbytes]
        point["exact"] = "bytes as the allocator counts them, not timed"
        print(
            f"{tokens:13,} tokens reserved: {point['samples'][0] / 1e9:8.3f} GB",
            flush=True,
        )
        return point

    room = plan.reserved[-1]
    if plan.device == timing.ON_GPU:  # not covered: runs on a GPU only
        room = torch.cuda.mem_get_info()[0] // token
    points = [point(tokens) for tokens in plan.reserved if tokens <= room]
    if plan.device == timing.ON_GPU:
        points.append(fullest(plan, point))  # not covered: runs on a GPU only
        points[-1]["context_bytes"] = context_bytes  # not covered: runs on a GPU only
    return points


def fullest(
    plan: Plan, point: Callable[[int], dict]
) -> dict:  # not covered: runs on a GPU only
    """The point of the largest cache that can be had, and what is free beside it."""
    total = torch.cuda.mem_get_info()[1]
    predicted = memory.tokens_that_fit(plan.shape, total, plan.dtype.itemsize)
    tokens = predicted // BLOCK * BLOCK
    while tokens >= 0:
        try:
            found = point(tokens)
            break
        except torch.cuda.OutOfMemoryError:
            tokens -= BLOCK
    found |= {
        "predicted_tokens": predicted,
        "total_bytes": total,
        "reserved_bytes": torch.cuda.memory_reserved(),
        "free_bytes": torch.cuda.mem_get_info()[0],
    }
    torch.cuda.empty_cache()
    return found


def peaks(plan: Plan, model: Llama) -> dict[str, int]:
    """Bytes taken for a while, beside weights and cache, by a decode step and then by a prefill.

    The first also holds the workspace of the matrix library, which stays.
    """
    return taken_for_a_while(plan, model) if plan.device == timing.ON_GPU else {}


def taken_for_a_while(
    plan: Plan, model: Llama
) -> dict[str, int]:  # not covered: runs on a GPU only
    """The bytes of `peaks`."""
    cache, ids = model.new_cache(1, BLOCK), model.random_ids(1, BLOCK)
    held, found = torch.cuda.memory_allocated(), {}
    for name, new in (("decode step", 1), (f"prefill of {BLOCK} tokens", BLOCK)):
        torch.cuda.reset_peak_memory_stats()
        model.forward(ids[:, :new], cache, past=BLOCK - new)
        found[name] = torch.cuda.max_memory_allocated() - held
    return found


def measure(plan: Plan) -> dict[str, dict]:
    """The records of all data files of this run, by stem."""
    context_bytes = 0
    if plan.device == timing.ON_GPU:  # not covered: runs on a GPU only
        free, total = torch.cuda.mem_get_info()
        context_bytes = (
            total - free
        )  # the driver's and the CUDA context's, before any tensor
    model = Llama(plan.shape, plan.device, plan.dtype)
    reserved = reserve(plan, model, context_bytes)
    temporary = peaks(plan, model)
    errors = checks.errors_with_cache(model, toy().shape, plan.checked)
    ceiling = timing.ceilings(plan.device, plan.dtype, plan.copied, plan.side)
    print({name: f"{value:.4g}" for name, value in ceiling.items()}, flush=True)
    print(
        "batch  context    cache    predicted     measured   of it on the device, ms",
        flush=True,
    )
    steps = [with_cache(plan, model, ceiling, 1, context) for context in plan.cached]
    steps += without_cache(plan, model, ceiling)
    batches = [
        with_cache(plan, model, ceiling, b, plan.batch_context) for b in plan.batches
    ]
    common = runs.provenance(
        "kv_cache", plan.device, runs.random_model(plan.shape.name, plan.dtype)
    )
    timed = common | {
        "unit": "ms",
        "prediction": "products with the weights, then attention, each the longer of FLOP / "
        "(rate of a large matrix product) and bytes of weights or cache / (rate of reading a large "
        "tensor); without a cache the causal mask spares half of the attention",
        "ceilings": runs.ceilings(ceiling),
        "relative_errors": errors,
    }
    held = common | {
        "unit": "B",
        "prediction": "bytes of all weights and, per token, of a key and a value for each KV head and "
        "layer; tokens that fit: the card's memory less the weights, over the bytes per token",
    }
    stem = functools.partial(runs.stem, "kv-cache", plan.device)
    return {
        stem("step"): timed | {"points": steps},
        stem("batch"): timed | {"points": batches},
        stem("memory"): held | {"temporary_bytes": temporary, "points": reserved},
    }


def main(argv: Sequence[str] | None = None) -> None:
    plans = {"full": full, "quick": quick, "toy": toy}
    runs.command("kv_cache", __doc__, plans, measure, argv)


if __name__ == "__main__":
    cli.run(main)
