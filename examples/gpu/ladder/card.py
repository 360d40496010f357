"""What the card does on plain work: its ceilings, products under the roofline, attention fused or not."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch.nn.attention import sdpa_kernel
from torch.nn.functional import linear, scaled_dot_product_attention

from examples.cli import CommandError
from examples.gpu import timing
from examples.gpu.checks import relative_error
from examples.gpu.ladder.plan import Plan
from examples.gpu.llama import attention_kernels
from examples.gpu.runs import rounded
from examples.hardware import datasheet

WIDE, HIDDEN = 4096, 14336  # of the product whose rows grow: a gate of Llama-3.1-8B
HEADS, SIZE = 32, 128
LAUNCHES = 1000
# Guesses noted before the first run: the host's call with the way to the card and back; the call; a
# graph's next node.
LAUNCH_S = {"alone": 1e-5, "stream": 4e-6, "graph": 1e-6}
BOUND = {torch.float32: 1e-3, torch.bfloat16: 1e-2}  # relative errors from float32


def fresh(plan: Plan, make: Callable[[], tuple], most: int = 256) -> list[tuple]:
    """As many inputs as no cache holds together, two at least."""
    first = make()
    size = sum(tensor.nbytes for tensor in first)
    count = min(most, max(2, math.ceil(plan.fresh_bytes / size)))
    return [first, *(make() for _ in range(count - 1))]


def each_s(plan: Plan, work: Callable[..., object], inputs: Sequence[tuple]) -> list:
    """Samples of the time of one call in s, over all inputs in turn, in one CUDA graph."""

    def all_of_them() -> None:
        for one in inputs:
            work(*one)

    replay = timing.captured(all_of_them, plan.device)
    return long_s(plan, replay, len(inputs))


def long_s(plan: Plan, work: timing.Work, calls: int = 1) -> list[float]:
    """Samples of one call in s, where `work` makes `calls`; repeated while a sample would be short."""
    once = min(timing.samples_ms(work, plan.device, samples=2, warm_up=1))
    repeat = max(1, math.ceil(plan.sample_ms / once))
    times = timing.samples_ms(work, plan.device, plan.samples, repeat)
    return [ms / 1e3 / calls for ms in times]


def check(name: str, found: torch.Tensor, wanted: torch.Tensor, bound: float) -> float:
    """The relative error; above the bound the work is not worth timing."""
    error = relative_error(found, wanted)
    if not error <= bound:  # NaN fails too
        raise CommandError(f"{name}: relative error {error:.2g}, above {bound:.2g}")
    return float(f"{error:.2g}")


def told(point: dict) -> dict:
    """Print a point's middle beside its prediction; returns the point."""
    words = [f"{k} {v}" for k, v in point.items() if isinstance(v, str | int)]
    key = next(k for k in point if k.startswith("predicted_"))
    middle = statistics.median(point["samples"])
    print(f"  {middle:11.4g}  predicted {point[key]:11.4g}  {', '.join(words)}")
    return point


def seconds(what: dict, predicted: float, samples: list[float]) -> dict:
    """A point in s."""
    point = what | {"predicted_s": rounded([predicted])[0], "samples": rounded(samples)}
    return told(point)


def ceilings(plan: Plan) -> dict:
    """Points of copy, read, products by side, and launches, beside the card's datasheet."""
    sheet = datasheet.of_tag(timing.card_tag(plan.device))

    def random(*size: int) -> torch.Tensor:
        return torch.randn(size, device=plan.device, dtype=plan.dtype)

    def point(what: str, flop: float, size: float, samples: list[float]) -> dict:
        longer = max(flop / sheet.flop_per_s, size / sheet.bytes_per_s)
        predicted = max(longer, LAUNCH_S["graph"])
        return seconds(what | {"flop": flop, "bytes": size}, predicted, samples)

    a, b = (random(plan.copied // 2**16, 2**16) for _ in range(2))
    turns = [(a, b), (b, a)]
    # Not in a graph: there PyTorch's copy becomes a node of its own kind, which other engines may serve.
    copying = long_s(plan, lambda t=turns: [y.copy_(x) for x, y in t], len(turns))
    reading = each_s(plan, lambda a, _: torch.amax(a.view(torch.int64), 1), turns)
    points = [
        point({"what": "copy"}, 0, 2 * a.nbytes, copying),
        point({"what": "read"}, 0, a.nbytes, reading),
    ]
    del a, b, turns
    errors = {}
    for n in plan.sides:
        factors = fresh(plan, lambda n=n: (random(n, n), random(n, n)))
        if n == min(plan.sides):
            x, w = factors[0]
            wanted, bound = linear(x.double(), w.double()), BOUND[plan.dtype]
            errors[f"product of side {n}"] = check(
                "a product", linear(x, w), wanted, bound
            )
        size = 3 * n * n * plan.dtype.itemsize
        samples = each_s(plan, linear, factors)
        points.append(point({"what": "product", "side": n}, 2 * n**3, size, samples))
    found = {"datasheet": sheet.name, "relative_errors": errors}
    return found | {"points": points + launches(plan)}


def launches(plan: Plan) -> list[dict]:
    """One small kernel: alone from Python until it is done, in a stream, in a graph, by the kernel."""
    one = torch.zeros(1, device=plan.device)

    def many() -> None:
        for _ in range(LAUNCHES):
            one.add_(1)

    def alone() -> float:
        finish(plan)
        start = time.perf_counter()
        one.add_(1)
        finish(plan)
        return time.perf_counter() - start

    for _ in range(20):
        alone()
    found = {
        "alone": [alone() for _ in range(max(51, plan.samples))],
        "stream": long_s(plan, many, LAUNCHES),
        "graph": long_s(plan, timing.captured(many, plan.device), LAUNCHES),
    }
    return [
        seconds({"what": "launch", "how": how}, LAUNCH_S[how], samples)
        for how, samples in found.items()
    ]


def finish(plan: Plan) -> None:
    """Wait for the device."""
    if plan.device == timing.ON_GPU:
        torch.cuda.synchronize()  # not covered: runs on a GPU only


def roofline_point(plan: Plan, ceiling: dict, what: dict, work, inputs, size) -> dict:
    """FLOP and bytes of one call beside its time: the longer of the two predicts it."""
    flop = what["flop"]
    predicted = max(flop / ceiling["flop_per_s"], size / ceiling["read_bytes_per_s"])
    what |= {"bytes": size, "intensity": round(flop / size, 3)}
    return seconds(what, predicted, each_s(plan, work, inputs))


def roofline(plan: Plan, ceiling: dict) -> dict:
    """Products of growing rows, and attention of decode with ever fewer KV heads."""
    small = plan.device != timing.ON_GPU
    wide, hidden = (64, 96) if small else (WIDE, HIDDEN)

    def random(*size: int) -> torch.Tensor:
        return torch.randn(size, device=plan.device, dtype=plan.dtype)

    weights = fresh(plan, lambda: (random(hidden, wide) * wide**-0.5,))
    errors, points = {}, []
    for rows in plan.rows:
        inputs = [(random(rows, wide), w) for (w,) in weights]
        x, w = inputs[0]
        wanted = linear(x.float(), w.float())
        errors[f"product of {rows} rows"] = check(
            f"{rows} rows", linear(x, w), wanted, BOUND[plan.dtype]
        )
        size = (rows * wide + hidden * wide + rows * hidden) * plan.dtype.itemsize
        what = {"what": "product", "rows": rows, "flop": 2 * rows * wide * hidden}
        points.append(roofline_point(plan, ceiling, what, linear, inputs, size))
    del weights
    batch, tokens = plan.attention_batch, plan.attention_context
    for kv_heads in plan.kv_heads:
        heads = max(plan.kv_heads) if small else HEADS
        make = lambda h=heads, k=kv_heads: (  # noqa: E731
            random(batch, h, 1, SIZE),
            random(batch, k, tokens, SIZE),
            random(batch, k, tokens, SIZE),
        )
        inputs = fresh(plan, make)
        errors[f"attention, {kv_heads} KV heads"] = check(
            f"{kv_heads} KV heads",
            fused(*inputs[0], causal=False),
            whole_by_parts(*inputs[0]),
            2 * BOUND[plan.dtype],
        )
        q, k, v = inputs[0]
        size = k.nbytes + v.nbytes + 2 * q.nbytes
        flop = 4 * batch * heads * tokens * SIZE
        what = {"what": "attention", "kv_heads": kv_heads, "batch": batch}
        what |= {"context": tokens, "flop": flop}
        work = lambda q, k, v: fused(q, k, v, causal=False)  # noqa: E731
        points.append(roofline_point(plan, ceiling, what, work, inputs, size))
    return {"relative_errors": errors, "points": points}


def whole_by_parts(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Attention in float32, a few sequences at a time: copies of all keys would be large."""
    parts = zip(q.split(2), k.split(2), v.split(2), strict=True)
    return torch.cat([naive(*(x.float() for x in p), causal=False) for p in parts])


def naive(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool = True
) -> torch.Tensor:
    """Attention by the book: scores [B, H, n, T] in memory, masked, softmax, times values."""
    if k.shape[1] != q.shape[1]:
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.mT)
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores.masked_fill_(later, -torch.inf)
    return torch.matmul(torch.softmax(scores, -1), v)


def fused(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool = True
) -> torch.Tensor:
    """The same in one kernel, which never stores the scores."""
    with sdpa_kernel(attention_kernels(q.dtype), set_priority=True):
        return scaled_dot_product_attention(
            q, k, v, is_causal=causal, enable_gqa=k.shape[1] != q.shape[1]
        )


def attention_s(
    plan: Plan, ceiling: dict, kind: str, length: int, heads: int
) -> tuple[float, int]:
    """Predicted time in s and peak of added bytes of attention over a prompt.

    Naive: the scores are written, masked (read and written), softmaxed (read and written), read: six
    times their size, at the bandwidth of a copy; two products of the whole square. At the peak
    scores and probabilities stand side by side. Fused: half of the square, and vectors alone.
    """
    vectors = 4 * heads * length * SIZE * plan.dtype.itemsize
    scores = heads * length**2 * plan.dtype.itemsize
    flop = 4 * heads * length**2 * SIZE
    if kind == "fused":
        flop, moved, held = flop / 2, vectors, vectors // 4
    else:
        moved, held = vectors + 6 * scores, 2 * scores
    times = flop / ceiling["flop_per_s"], moved / ceiling["copy_bytes_per_s"]
    # Naive: products and passes over the scores are kernels one after the other.
    return (max(times) if kind == "fused" else sum(times)), held


def attention(plan: Plan, ceiling: dict) -> dict:
    """Time and peak memory of attention over a prompt, with the scores in memory and without."""
    heads = 4 if plan.device != timing.ON_GPU else HEADS

    def inputs(length: int) -> tuple[torch.Tensor, ...]:
        size = (1, heads, length, SIZE)
        return tuple(
            torch.randn(size, device=plan.device, dtype=plan.dtype) for _ in range(3)
        )

    kinds, errors, points = {"naive": naive, "fused": fused}, {}, []
    for kind, work in kinds.items():
        q, k, v = inputs(plan.checked)
        wanted = scaled_dot_product_attention(
            q.double(), k.double(), v.double(), is_causal=True
        )
        found, bound = work(q, k, v), 2 * BOUND[plan.dtype]
        errors[f"{kind}, {plan.checked} tokens"] = check(kind, found, wanted, bound)
    for length in plan.lengths:
        turns = [inputs(length) for _ in range(2)]
        for kind, work in kinds.items():
            predicted, held = attention_s(plan, ceiling, kind, length, heads)
            samples = each_s(plan, work, turns)
            point = {
                "kind": kind,
                "tokens": length,
                "heads": heads,
                "predicted_ms": rounded([predicted * 1e3])[0],
                "predicted_peak_bytes": held,
                **peak(plan, work, turns[0]),
                "samples": rounded(s * 1e3 for s in samples),
            }
            points.append(told(point))
    return {"relative_errors": errors, "points": points}


def peak(plan: Plan, work: Callable, inputs: tuple) -> dict[str, int]:
    """Bytes that one call takes at its peak, beside its inputs."""
    return peak_of(work, inputs) if plan.device == timing.ON_GPU else {}


def peak_of(
    work: Callable, inputs: tuple
) -> dict[str, int]:  # not covered: runs on a GPU only
    """The bytes of `peak`, as the allocator counts them."""
    torch.cuda.empty_cache()
    held = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    work(*inputs)
    torch.cuda.synchronize()
    return {"peak_bytes": torch.cuda.max_memory_allocated() - held}
