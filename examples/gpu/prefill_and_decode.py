"""How long a prompt takes to read, and what a long one does to those who are being answered.

    python -m examples.gpu.prefill_and_decode             Llama-3.1-8B's shape in bf16, about two minutes
    python -m examples.gpu.prefill_and_decode --quick     a few of the points, nothing written without --out
    python -m examples.gpu.prefill_and_decode --toy       a toy shape in float32 on the CPU, likewise

The second measurement mixes, in each step, one token for every sequence that is being answered with a chunk of
the prompt, as engines with chunked prefill do. Steps are CUDA graphs; choosing tokens is not in them.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from examples import cli
from examples.cli import CommandError
from examples.gpu import checks, runs, timing
from examples.gpu.llama import Group, Llama
from examples.predict import roofline, shapes
from examples.predict.roofline import Ceilings, Segment
from examples.predict.shapes import Shape

BOUNDS = {torch.bfloat16: 2.5e-2, torch.float32: 1e-3}  # relative errors of logits


@dataclass(frozen=True)
class Plan:
    """What one run measures: sizes in tokens, sequences and matrix sides."""

    shape: Shape
    device: str = timing.ON_GPU
    dtype: torch.dtype = torch.bfloat16
    prompts: tuple[int, ...] = (128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
    answered: int = 16  # sequences that are being answered
    context: int = 1024  # tokens of each
    arriving: int = 8192  # tokens of the prompt that arrives
    chunks: tuple[int, ...] = (256, 512, 1024, 2048, 4096, 8192)
    samples: int = 15
    few: int = 7  # samples of what takes long
    long: int = 8192  # tokens from which on it does
    copied: int = 2**31  # numbers
    side: int = 16384


def full() -> Plan:
    return Plan(shapes.named("Llama-3.1-8B"))


def quick() -> Plan:
    return dataclasses.replace(
        full(), prompts=(128, 2048), chunks=(2048, 8192), samples=7, few=5
    )


def toy() -> Plan:
    """A shape of the same build that a CPU runs in milliseconds."""
    return Plan(
        shape=Shape("toy", 2, 64, 4, 2, 16, 96, vocab=128, tied=False, context=256),
        device="cpu",
        dtype=torch.float32,
        prompts=(16, 64),
        answered=3,
        context=32,
        arriving=64,
        chunks=(16, 64),
        samples=5,
        few=5,
        copied=2**20,
        side=256,
    )


def error_of_chunks(model: Llama, count: int, chunk: int) -> float:
    """Relative error of the logits after a prompt by chunks, beside those after the whole prompt.

    The first chunk reads nothing and the others read what was stored before them; in bf16 neither rounds alike.
    """
    ids = model.random_ids(1, count)
    cache, past = model.new_cache(1, count).fill_(torch.nan), 0
    for part in ids.split(chunk, dim=1):
        found = model.forward(part, cache, past)
        past += part.shape[1]
    error = checks.relative_error(found, model.forward(ids))
    bound = BOUNDS[model.embedding.dtype]
    if not error <= bound:  # NaN fails too
        raise CommandError(f"chunks: relative error {error:.2g}, above {bound:.2g}")
    return float(f"{error:.2g}")


def timed(
    plan: Plan,
    model: Llama,
    ceilings: Ceilings,
    groups: list[Group],
    samples: int,
) -> dict:
    """A step over groups: samples in ms, where they were spent, and the predictions."""
    work = timing.captured(lambda: model.step(groups), plan.device)
    times = timing.samples_ms(work, plan.device, samples, warm_up=2)
    spent = {}
    if plan.device == timing.ON_GPU:  # not covered: runs on a GPU only
        spent = runs.where_spent(work, calls=3)
    kernels = sum(spent.get("kernels", {}).values())
    segments = [
        Segment(group.new, group.past)
        for group in groups
        for _ in range(len(group.ids))
    ]
    bare, started = (
        1e3
        * roofline.step_s(
            plan.shape, segments, ceilings, n, number_bytes=plan.dtype.itemsize
        )
        for n in (0, kernels)
    )
    return {
        "predicted_ms": runs.rounded([bare])[0],
        "predicted_with_starts_ms": runs.rounded([started])[0],
        "samples": runs.rounded(times),
    } | spent


def prefill(plan: Plan, model: Llama, ceilings: Ceilings) -> Iterator[dict]:
    """The time to read prompts of several lengths, and the rate of their operations."""
    for tokens in plan.prompts:
        cache = model.new_cache(1, tokens)
        group = Group(model.random_ids(1, tokens), cache)
        samples = plan.few if tokens > plan.long else plan.samples
        point = timed(plan, model, ceilings, [group], samples)
        work = roofline.parts(
            plan.shape, [Segment(tokens)], number_bytes=plan.dtype.itemsize
        )
        flop = sum(one.flop for one in work)
        rate = flop / statistics.median(point["samples"]) * 1e3
        point = {
            "tokens": tokens,
            "flop": flop,
            "flop_per_s": float(f"{rate:.4g}"),
        } | point
        print(
            f"{tokens:7,} tokens  {point['predicted_ms']:9.2f} ms"
            f"  {statistics.median(point['samples']):9.2f} ms  {rate / 1e12:7.1f} TFLOP/s",
            flush=True,
        )
        yield point


def arrivals(plan: Plan, model: Llama, ceilings: Ceilings) -> Iterator[dict]:
    """Each step from a prompt's first chunk to its last, for several sizes of chunk; 0 is a step without one."""
    answered = Group(
        model.random_ids(plan.answered, 1),
        model.new_cache(plan.answered, plan.context).normal_(),
        plan.context - 1,
    )
    ids, cache = model.random_ids(1, plan.arriving), model.new_cache(1, plan.arriving)
    cache.normal_()
    yield {"chunk": 0, "past": 0} | timed(
        plan, model, ceilings, [answered], plan.samples
    )
    for chunk in plan.chunks:
        took = []
        for past in range(0, plan.arriving, chunk):
            part = Group(ids[:, past : past + chunk].contiguous(), cache, past)
            point = timed(plan, model, ceilings, [answered, part], plan.few)
            took.append(statistics.median(point["samples"]))
            yield {"chunk": chunk, "past": past} | point
        print(
            f"chunks of {chunk:5,}: steps of {min(took):8.2f} to {max(took):8.2f} ms,"
            f" {sum(took):9.1f} ms in all",
            flush=True,
        )


def measure(plan: Plan) -> dict[str, dict]:
    """The records of this run's data files, by stem."""
    model = Llama(plan.shape, plan.device, plan.dtype)
    errors = {
        f"a prompt of {count} tokens by chunks of {chunk}, from the whole prompt": error_of_chunks(
            model, count, chunk
        )
        for count, chunk in ((64, 16), (100, 33))
    }
    found = timing.ceilings(plan.device, plan.dtype, plan.copied, plan.side)
    ceilings = Ceilings(**found)
    common = runs.provenance(
        "prefill_and_decode",
        plan.device,
        runs.random_model(plan.shape.name, plan.dtype),
    ) | {
        "unit": "ms",
        "prediction": "products with the weights for all tokens of a step, then attention of those that "
        "decode, then of the prompt or chunk, each the longer of FLOP / (rate of a large matrix "
        "product) and bytes / (rate of reading a large tensor); the causal mask spares half of what a "
        "chunk does with itself; with starts: and, for each kernel, the time from one to the next in a graph",
        "ceilings": runs.ceilings(found),
        "relative_errors": errors,
    }
    stem = functools.partial(runs.stem, "prefill-and-decode", plan.device)
    return {
        stem("prefill"): common | {"points": list(prefill(plan, model, ceilings))},
        stem("arrival"): common
        | {
            "answered": plan.answered,
            "context": plan.context,
            "arriving": plan.arriving,
            "points": list(arrivals(plan, model, ceilings)),
        },
    }


def main(argv: Sequence[str] | None = None) -> None:
    plans = {"full": full, "quick": quick, "toy": toy}
    runs.command("prefill_and_decode", __doc__, plans, measure, argv)


if __name__ == "__main__":
    cli.run(main)
