"""What the commands print."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from examples.metrics import measures, queueing
from examples.metrics.load import Run
from examples.metrics.measures import Objective, percentile

LOADS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
SHARES = (50, 90, 99)


def row(name: str, samples: Sequence[float]) -> str:
    """One metric: mean and percentiles, in ms."""
    if not samples:
        return f"{name:<12}" + f"{'none':>12}"
    cells = [
        float(np.mean(samples)),
        *(percentile(samples, s) for s in SHARES),
        max(samples),
    ]
    return f"{name:<12}" + "".join(f"{cell * 1e3:9.1f} ms" for cell in cells)


def of_run(run: Run, objective: Objective) -> str:
    """Metrics of a run as a table."""
    done = [r for r in run.records if r.ok and r.texts]
    failed = len(run.records) - len(done)
    tpots = [t for t in map(measures.tpot, done) if t is not None]
    tokens = sum(r.tokens for r in done)
    lines = [
        f"{len(run.records)} requests in {run.seconds:.1f} s, {failed} failed",
        f"{'':<12}"
        + "".join(f"{head:>12}" for head in ("mean", "p50", "p90", "p99", "max")),
        row("TTFT", [measures.ttft(r) for r in done]),
        row("  from sent", [measures.ttft_from_sent(r) for r in done]),
        row("TPOT", tpots),
        row("ITL", [gap for r in done for gap in measures.gaps(r)]),
        row("end to end", [measures.latency(r) for r in done]),
        row("sent late by", [r.sent - r.due for r in run.records]),
        f"throughput  {len(done) / run.seconds:.2f} requests/s, {tokens / run.seconds:.1f} tokens/s",
    ]
    share = measures.attainment(run.records, objective)
    if math.isfinite(objective.ttft) or math.isfinite(objective.tpot):
        good = share * len(run.records) / run.seconds
        lines.append(f"in time     {share:.0%} of the requests, {good:.2f} requests/s")
    return "\n".join(lines)


def of_queue() -> str:
    """Waiting before one server with constant service times, by formula and by simulation."""
    lines = [
        "One server, Poisson arrivals, constant service time s: time in the queue\n",
        "load    mean, formula    mean, simulated       p50       p90       p99",
    ]
    for load in LOADS:
        formula, simulated = queueing.mean_wait(load, 1.0), queueing.long_run(load)
        cells = "".join(f"{percentile(simulated, s):8.2f} s" for s in SHARES)
        lines.append(
            f"{load:4.0%}   {formula:12.2f} s   {simulated.mean():14.2f} s{cells}"
        )
    return "\n".join(lines)


def of_omission(runs: dict[str, Run]) -> str:
    """p50, p99 and the largest TTFT of each way to measure."""
    lines = [f"{'':<42}{'p50':>9}{'p99':>12}{'max':>12}{'over 0.1 s':>13}"]
    for name, samples in omission_samples(runs).items():
        cells = percentile(samples, 50), percentile(samples, 99), max(samples)
        late = sum(sample > 0.1 for sample in samples)
        times = "".join(f"{cell * 1e3:9.0f} ms" for cell in cells)
        lines.append(f"{name:<39}{times}{late:6} of {len(samples)}")
    return "\n".join(lines)


def omission_samples(runs: dict[str, Run]) -> dict[str, list[float]]:
    """Three sets of samples from two runs: the closed loop's clock can start at two moments."""
    closed, opened = runs["closed"].records, runs["open"].records
    return {
        "closed loop, from when it was sent": [
            measures.ttft_from_sent(r) for r in closed
        ],
        "closed loop, from when it was due": [measures.ttft(r) for r in closed],
        "open loop": [measures.ttft(r) for r in opened],
    }
