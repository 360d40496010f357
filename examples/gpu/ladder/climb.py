"""The ladder measured: every rung is checked, timed and counted; one that fails leaves the others."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from examples import record
from examples.cli import CommandError
from examples.gpu import timing
from examples.gpu.checks import relative_error
from examples.gpu.ladder import rungs
from examples.gpu.ladder.plan import Plan
from examples.gpu.llama import Llama
from examples.gpu.runs import rounded
from examples.predict import memory

BOUND = {torch.float32: 1e-3, torch.bfloat16: 2.5e-2}  # of eager steps, from float32
WORSE = 1.5  # times eager's error that a rung's may be
ENOUGH_S = 15.0  # with less time left, a rung is not begun
NOISES = 8  # a rounding flips no choice between logits that lie further apart


@dataclass(frozen=True)
class Path:
    """Eager's greedy tokens [n] after the prompt, and the logits [n, V] along them in float32."""

    tokens: torch.Tensor
    exact: torch.Tensor
    eager_error: float
    eager_noise: float


def walk(rung, steps: int, forced: torch.Tensor | None = None) -> tuple:
    """Tokens [n] and logits [n, V] of `steps` steps from the prompt on, along `forced` tokens if given."""
    rung.restart()
    tokens, logits = [], []
    for i in range(steps):
        logits.append(rung.step().float().clone())
        tokens.append(rung.newest.clone())
        if forced is not None:
            rung.newest.copy_(forced[i : i + 1])
    return torch.cat(tokens), torch.cat(logits)


def noise(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Root mean square of the difference of logits."""
    return float((found - wanted).square().mean().sqrt())


def worst(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest relative error of a step; NaN wherever there is one."""
    errors = [relative_error(a, b) for a, b in zip(found, wanted, strict=True)]
    return float(torch.tensor(errors).max())


def eager_path(plan: Plan, model: Llama, ids: torch.Tensor) -> Path:
    """The path that all rungs are held against."""
    eager = rungs.Growing(model, plan.capacity)
    eager.start(ids)
    tokens, logits = walk(eager, plan.steps)
    reference = rungs.Growing(model.copied_to(torch.float32), plan.capacity)
    reference.start(ids)
    _, exact = walk(reference, plan.steps, tokens)
    error, bound = worst(logits, exact), BOUND[plan.dtype]
    if not error <= bound:  # NaN fails too
        raise CommandError(f"eager steps: relative error {error:.2g}, above {bound}")
    return Path(tokens, exact, error, noise(logits, exact))


def checked(plan: Plan, rung, path: Path) -> dict:
    """How a rung's logits and choices compare; a wrong one is an error.

    Along eager's tokens the logits must be as near to float32's as eager's are, within a factor, and
    another choice must be one that rounding explains: between logits that are near in float32. Left
    to itself, a rung goes its own way from its first other choice on.
    """
    tokens, logits = walk(rung, plan.steps, path.tokens)
    error, near = worst(logits, path.exact), noise(logits, path.exact)
    bound = max(WORSE * path.eager_error, 1e-5)
    if not error <= bound:  # NaN fails too
        raise CommandError(f"relative error {error:.2g}, above {bound:.2g}")
    flips = []
    for i in (tokens != path.tokens).nonzero().flatten().tolist():
        pair = path.exact[i, [int(path.tokens[i]), int(tokens[i])]]
        gap = float(pair[0] - pair[1])  # above 0: float32 is with eager
        if abs(gap) > NOISES * max(near, path.eager_noise):
            raise CommandError(f"step {i}: another token, {gap:.2g} apart in float32")
        flips.append({"step": i, "gap": rounded([gap], 3)[0]})
    if isinstance(rung, rungs.Transformers):
        free = rung.generate(plan.steps)
    else:
        free, _ = walk(rung, plan.steps)
    same = (free == path.tokens).long().cumprod(0).sum()
    return {
        "relative_error": rounded([error], 2)[0],
        "tokens": plan.steps,
        "tokens_equal": int(same),
        "flips": flips,
    }


def times_ms(plan: Plan, rung) -> list[float]:
    """Samples of a step in ms, each the mean of `steps` successive ones after the prompt."""

    def walked() -> None:
        for _ in range(plan.steps):
            rung.step()

    def generated() -> float:
        both = [
            timing.elapsed_ms(lambda count=count: rung.generate(count), plan.device)
            for count in (1, plan.steps + 1)
        ]
        return both[1] - both[0]

    if isinstance(rung, rungs.Transformers):
        generated()
        return [generated() / plan.steps for _ in range(plan.climbs)]
    found = []
    for _ in range(plan.climbs + 2):
        rung.restart()
        found.append(timing.elapsed_ms(walked, plan.device) / plan.steps)
    return found[2:]  # the first are the warm-up


def counted(plan: Plan, rung) -> int | None:
    """Kernels, copies and fills of one step; None where no profiler sees them."""
    return kernels_of(rung) if plan.device == timing.ON_GPU else None


def kernels_of(rung) -> int:  # not covered: runs on a GPU only
    """The count of `counted`: all but the marks that compiled code leaves on the time line."""

    def count(work: timing.Work) -> int:
        names = [name for name, _ in timing.kernels(work)]
        return sum(not name.startswith(("##", "Torch-Compiled")) for name in names)

    if isinstance(rung, rungs.Transformers):
        more = count(lambda: rung.generate(9)) - count(lambda: rung.generate(1))
        return round(more / 8)
    rung.restart()
    return count(rung.step)


def makers(plan: Plan, model: Llama) -> dict[str, Callable[[], object]]:
    """How each rung is made."""
    size = (model, plan.capacity)
    backend = "inductor" if plan.device == timing.ON_GPU else "aot_eager"
    tuned = {"coordinate_descent_tuning": True} if backend == "inductor" else {}

    def fused(overlap: bool):
        from examples.gpu.ladder.fused import Fused

        return Fused(*size, overlap)

    return {
        "transformers": lambda: rungs.Transformers(*size),
        "eager": lambda: rungs.Growing(*size),
        "static": lambda: rungs.Static(*size),
        "graph": lambda: rungs.Graphed(rungs.Static(*size)),
        "compile": lambda: rungs.Graphed(rungs.Compiled(*size, backend)),
        "compile-tuned": lambda: rungs.Graphed(rungs.Compiled(*size, backend, **tuned)),
        "fused": lambda: rungs.Graphed(fused(False)),
        "fused-overlap": lambda: rungs.Graphed(fused(True)),
    }


def missing(plan: Plan, name: str) -> str | None:
    """Why a rung cannot run here; on a GPU nothing may be missing, and failing says what is."""
    if plan.device == timing.ON_GPU:
        return None
    package = {"transformers": "transformers", "fused": "triton"}.get(name)
    if name == "fused-overlap":
        return "it needs a GPU"
    if package and importlib.util.find_spec(package) is None:
        return f"{package} is not installed"
    if name == "fused" and os.environ.get("TRITON_INTERPRET") != "1":
        return "Triton runs on a CPU with TRITON_INTERPRET=1 only"
    return None


@contextlib.contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Give up what takes longer."""

    def late(*_) -> None:
        raise CommandError(f"not done within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def predicted_ms(plan: Plan, ceiling: dict, name: str, kernels: int) -> float:
    """Time of a step in ms: in a graph the floor and the kernels' starts add up; launched from Python
    one by one, the longer of the floor and the launches."""
    read = floor_bytes(plan) / ceiling["read_bytes_per_s"]
    if name in ("transformers", "eager", "static"):
        return 1e3 * max(read, kernels * ceiling.get("launch_s", 0.0))
    return 1e3 * (read + kernels * ceiling["kernel_s"])


def floor_bytes(plan: Plan) -> int:
    """Bytes that a step must read: all weights but the table, and the cache at the middle step."""
    size = plan.dtype.itemsize
    context = plan.prompt + plan.steps // 2
    return memory.weight_bytes_read(
        plan.shape, size
    ) + context * memory.kv_bytes_per_token(plan.shape, size)


def climbed(plan: Plan, ceiling: dict, name: str, rung, ids, path: Path) -> dict:
    """One rung's point."""
    rung.start(ids)
    found = checked(plan, rung, path)
    kernels = counted(plan, rung)
    times = times_ms(plan, rung)
    floor = 1e3 * floor_bytes(plan) / ceiling["copy_bytes_per_s"]
    point = {"rung": name, "kernels": kernels} | found
    point |= {
        "predicted_ms": rounded([predicted_ms(plan, ceiling, name, kernels or 0)])[0],
        "samples": rounded(times),
        "share_of_floor": rounded([floor / statistics.median(times)], 3)[0],
    }
    words = {k: v for k, v in point.items() if k not in ("samples", "flips")}
    print(f"  {statistics.median(times):9.3f} ms  {words}", flush=True)
    return point


def tune(plan: Plan, rung, tilings: dict) -> list[dict]:
    """Find the fused kernels' tilings before their graph is recorded; the second rung takes the first's."""
    inner = getattr(rung, "rung", None)
    if not hasattr(inner, "tune"):
        return []
    if tilings:
        inner.tilings.update(tilings)
        return []
    seen = inner.tune(plan.tilings) if plan.tilings > 1 else []
    tilings.update(inner.tilings)
    return seen


def seconds_for(plan: Plan, name: str, started: float) -> float:
    """How long a rung may take: the one that searches longest takes what is left of the run."""
    if name != "compile-tuned":
        return plan.rung_s
    return min(plan.rung_s, started + plan.run_s - time.perf_counter())


def measure(
    plan: Plan, ceiling: dict, model: Llama, started: float
) -> tuple[dict, list[str]]:
    """The record of all rungs that held, and a line for each that did not.

    The run `started` at a time of `time.perf_counter`.
    """
    ids = model.random_ids(1, plan.prompt)
    path = eager_path(plan, model, ids)
    release(plan)
    points, failed, sweep, tilings = [], [], [], {}
    for name in plan.rungs:
        why, seconds = missing(plan, name), seconds_for(plan, name, started)
        if seconds < ENOUGH_S:
            why = f"{max(0, seconds):.0f} s are left of {plan.run_s:.0f}"
        if why:
            print(f"  {name}: skipped, {why}", flush=True)
            continue
        rung = None
        try:
            with limit(seconds):
                torch._dynamo.reset()
                rung = makers(plan, model)[name]()
                sweep += tune(plan, rung, tilings)
                points.append(climbed(plan, ceiling, name, rung, ids, path))
        except Exception as error:  # whatever it is, the other rungs are worth having
            line = " ".join(str(error).split())[:300]
            failed.append(f"{name}: {type(error).__name__}: {line}")
            print(f"  {failed[-1]}", flush=True)
        del rung
        release(plan)
    floor = floor_bytes(plan)
    found = {
        "floor_bytes": floor,
        "floor_ms": rounded([1e3 * floor / ceiling["copy_bytes_per_s"]])[0],
        "eager_relative_error": rounded([path.eager_error], 2)[0],
        "sweep": sweep,
        "tilings": {name: vars(tiling) for name, tiling in tilings.items()},
        "points": points,
    }
    return found, failed


def versions() -> dict[str, str]:
    """Versions of the libraries that some rungs need, where they are installed."""
    there = [p for p in ("transformers", "triton") if importlib.util.find_spec(p)]
    return record.versions(*there)


def release(plan: Plan) -> None:
    """Give memory back between rungs."""
    gc.collect()
    if plan.device == timing.ON_GPU:
        torch.cuda.empty_cache()  # not covered: runs on a GPU only
