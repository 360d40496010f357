"""What a decode step takes at batches of 1 to 256 sequences: the weights are read once for all.

    python -m examples.gpu.batching             Llama-3.1-8B's shape in bf16, about two minutes
    python -m examples.gpu.batching --quick     a few of the points, nothing written without --out
    python -m examples.gpu.batching --toy       a toy shape in float32 on the CPU, likewise

A step computes the logits that follow each sequence's newest token, as a CUDA graph; choosing tokens
is not in it.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from examples import cli
from examples.gpu import checks, runs, timing
from examples.gpu.llama import Llama
from examples.predict import memory, roofline, shapes
from examples.predict.roofline import Ceilings
from examples.predict.shapes import Shape

FULL = 0.92  # of a card's memory, for weights and cache


@dataclass(frozen=True)
class Plan:
    """What one run measures: sizes in tokens, sequences and matrix sides."""

    shape: Shape
    device: str = timing.ON_GPU
    dtype: torch.dtype = torch.bfloat16
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    contexts: tuple[int, ...] = (512, 2048, 8192)
    checked: tuple[int, ...] = (129,)
    samples: int = 15
    repeat: int = 5
    copied: int = 2**31  # numbers
    side: int = 16384


def full() -> Plan:
    return Plan(shapes.named("Llama-3.1-8B"))


def quick() -> Plan:
    return dataclasses.replace(full(), batches=(1, 16, 256), contexts=(512,), samples=7)


def toy() -> Plan:
    """A shape of the same build that a CPU runs in milliseconds."""
    return Plan(
        shape=Shape("toy", 2, 64, 4, 2, 16, 96, vocab=128, tied=False, context=256),
        device="cpu",
        dtype=torch.float32,
        batches=(1, 4),
        contexts=(32, 64),
        checked=(33,),
        samples=7,
        repeat=1,
        copied=2**20,
        side=256,
    )


def fits(plan: Plan, batch: int, context: int, total_bytes: float) -> bool:
    """Whether weights and caches leave a card some room."""
    size = plan.dtype.itemsize
    weights = memory.weight_bytes(plan.shape, size)
    caches = batch * context * memory.kv_bytes_per_token(plan.shape, size)
    return weights + caches < FULL * total_bytes


def point(
    plan: Plan, model: Llama, ceilings: Ceilings, batch: int, context: int
) -> dict:
    """One timed step beside its prediction, and where the device spent it."""
    cache = model.new_cache(batch, context).normal_()
    ids = model.random_ids(batch, 1)
    step = timing.captured(
        lambda: model.forward(ids, cache, past=context - 1), plan.device
    )
    times = timing.samples_ms(step, plan.device, plan.samples, repeat=plan.repeat)
    spent = {}
    if plan.device == timing.ON_GPU:  # not covered: runs on a GPU only
        spent = runs.where_spent(step)
    kernels = sum(spent.get("kernels", {}).values())
    size = plan.dtype.itemsize
    bare, started = (
        1e3 * roofline.decode_s(plan.shape, ceilings, batch, context, n, size)
        for n in (0, kernels)
    )
    found = {
        "batch": batch,
        "context": context,
        "predicted_ms": runs.rounded([bare])[0],
        "predicted_with_starts_ms": runs.rounded([started])[0],
        "samples": runs.rounded(times),
    } | spent
    print(
        f"{batch:5}  {context:7,}  {bare:9.2f} ms  {started:9.2f} ms"
        f"  {statistics.median(times):9.2f} ms   {spent.get('kernels_ms', '')}",
        flush=True,
    )
    return found


def measure(plan: Plan) -> dict[str, dict]:
    """The record of this run's data file, by stem."""
    model = Llama(plan.shape, plan.device, plan.dtype)
    errors = checks.errors_with_cache(model, toy().shape, plan.checked)
    found = timing.ceilings(plan.device, plan.dtype, plan.copied, plan.side)
    ceilings = Ceilings(**found)
    total = float("inf")
    if plan.device == timing.ON_GPU:  # not covered: runs on a GPU only
        total = torch.cuda.mem_get_info()[1]
    print("batch  context    predicted  with starts     measured", flush=True)
    points = []
    for context in plan.contexts:
        for batch in plan.batches:
            if fits(plan, batch, context, total):
                points.append(point(plan, model, ceilings, batch, context))
            if plan.device == timing.ON_GPU:  # not covered: runs on a GPU only
                torch.cuda.empty_cache()
    model_words = runs.random_model(plan.shape.name, plan.dtype)
    common = runs.provenance("batching", plan.device, model_words)
    data = common | {
        "unit": "ms",
        "prediction": "products with the weights, then attention, each the longer of FLOP / (rate of a "
        "large matrix product) and bytes of weights or caches / (rate of reading a large tensor); "
        "with starts: and, for each kernel, the time from one kernel to the next in a graph of tiny ones",
        "ceilings": runs.ceilings(found),
        "relative_errors": errors,
        "points": points,
    }
    return {runs.stem("batching", plan.device, "step"): data}


def main(argv: Sequence[str] | None = None) -> None:
    plans = {"full": full, "quick": quick, "toy": toy}
    runs.command("batching", __doc__, plans, measure, argv)


if __name__ == "__main__":
    cli.run(main)
