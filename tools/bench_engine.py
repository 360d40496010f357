"""`make bench`: what the NumPy engine costs beside the arithmetic that it cannot avoid, against budgets.

One thread. Engine and bare products are timed in turns in one process, so that a busy machine slows both; ratios
are of the medians of the turns. Load time and peak memory are of a process of their own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from examples import cli
from examples.engine import model as engine
from examples.engine.generate import CHUNK
from examples.engine.runner import NumpyRunner
from tools import ROOT

CONTEXT = 64  # tokens that each sequence holds when it is timed
TURNS = 15
RUNS = 3  # processes that load the model
COPIED = 2**25  # numbers of 8 bytes
BUDGETS = {  # name: (limit, whether it is a floor)
    "decode at B=1, over its products": (1.25, False),
    "decode at B=16, share of the rate of its products": (0.60, True),
    "peak memory, GB": (1.1, False),
    "load, s": (2.0, False),
}
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
LOAD = f"""
import resource, time
start = time.perf_counter()
from examples.engine import model
from examples.engine.runner import NumpyRunner
runner = NumpyRunner(model.load()[0])
print(time.perf_counter() - start)
sequence = runner.open({CHUNK})
runner.step([(sequence, list(range(100, 100 + {CHUNK})))])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turns(*works: Callable[[], object]) -> list[float]:
    """Median seconds of each work; the works take TURNS turns, after a warm-up."""
    for work in works:
        work()
    samples = [[seconds(work) for work in works] for _ in range(TURNS)]
    return [statistics.median(times) for times in zip(*samples, strict=True)]


def products(model: engine.Model, rows: int) -> Callable[[], object]:
    """All products of a decode step of `rows` sequences with the weights, in the engine's layout."""
    c = model.config
    x = np.ones((rows, c.width), dtype=np.float32)
    heads = np.ones((rows, c.heads * c.head_dim), dtype=np.float32)
    lit = np.ones((rows, model.layers[0].down.shape[0]), dtype=np.float32)

    def work() -> None:
        for layer in model.layers:
            for weight in (layer.query, layer.key, layer.value, layer.gate, layer.up):
                x @ weight
            heads @ layer.output
            lit @ layer.down
        x @ model.head

    return work


def decode(model: engine.Model, rows: int) -> Callable[[], object]:
    """A decode step of `rows` sequences of CONTEXT tokens, through the runner."""
    runner = NumpyRunner(model)
    numbers = [runner.open(CONTEXT + TURNS + 2) for _ in range(rows)]
    runner.step([(number, [*range(100, 100 + CONTEXT)]) for number in numbers])
    return lambda: runner.step([(number, [7]) for number in numbers])


def copy_bandwidth() -> float:
    """Bytes/s read and written while copying an array."""
    source = np.ones(COPIED, dtype=np.float64)
    target = np.empty_like(source)
    (spent,) = in_turns(lambda: np.copyto(target, source))
    return 2 * source.nbytes / spent


def of_process() -> tuple[float, float]:
    """Seconds to load, and peak bytes after the largest step of a request's prompt; the best of RUNS."""
    runs = []
    for _ in range(RUNS):
        done = subprocess.run(
            [sys.executable, "-c", LOAD], cwd=ROOT, capture_output=True, text=True
        )
        if done.returncode:
            raise cli.CommandError(
                f"the engine did not load: {done.stderr.strip()[-300:]}"
            )
        runs.append(tuple(float(line) for line in done.stdout.split()))
    return min(load for load, _ in runs), min(peak for _, peak in runs)


def measured() -> dict[str, float]:
    """Every figure of the budget; what they are made of is printed on the way."""
    load, peak = of_process()
    model, _ = engine.load()
    one, bare = in_turns(decode(model, 1), products(model, 1))
    many, bare_many = in_turns(decode(model, 16), products(model, 16))
    weights = sum(w.nbytes for layer in model.layers for w in vars(layer).values())
    read = (weights + model.head.nbytes) / one
    share = read / copy_bandwidth()
    print(f"decode, B=1:  {one * 1e3:6.1f} ms, its products {bare * 1e3:6.1f} ms")
    print(
        f"              weights read at {read / 1e9:.1f} GB/s, {share:.0%} of copy bandwidth"
    )
    print(f"decode, B=16: {many * 1e3:6.1f} ms, its products {bare_many * 1e3:6.1f} ms")
    print(f"              {16 / many:.0f} token/s, at B=1 {1 / one:.0f} token/s\n")
    figures = (one / bare, bare_many / many, peak / 1e9, load)
    return dict(zip(BUDGETS, figures, strict=True))


def over_budget(figures: dict[str, float]) -> list[str]:
    """Print each figure beside its budget; the names of those that miss it."""
    missed = []
    for name, figure in figures.items():
        limit, floor = BUDGETS[name]
        good = figure >= limit if floor else figure <= limit
        word = "at least" if floor else "at most"
        print(
            f"{'ok' if good else 'MISSED':<7} {figure:6.2f}  {name} ({word} {limit:.2f})"
        )
        if not good:
            missed.append(name)
    return missed


def one_thread() -> None:
    """CommandError unless the library under NumPy was told to use one thread."""
    for name in THREADS:
        if os.environ.get(name) != "1":
            raise cli.CommandError(
                f"the budgets are for one thread; {name} is {os.environ.get(name)}, not 1"
            )


def main() -> None:
    one_thread()
    print(
        f"NumPy {np.__version__}, one thread, context {CONTEXT}, medians of {TURNS} turns\n"
    )
    if over_budget(measured()):
        sys.exit(1)


if __name__ == "__main__":
    cli.run(lambda _: main())
