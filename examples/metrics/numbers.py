"""The numbers that the chapter quotes."""

from __future__ import annotations

import statistics
from functools import cache

import numpy as np

from examples import record, request
from examples.metrics import dialects, measures, paced, queueing, recorded, report
from examples.metrics.client import Record
from examples.metrics.measures import percentile
from examples.predict import flops, memory, shapes
from examples.values import count, decimal, quantity

SLO = {"ttft": 1000.0, "tpot": 100.0}  # ms, of the chapter's example
LATE = 0.1  # s, more than any request of the stalling server takes without the stall
GOAL = 0.9  # the share of requests that shall meet it
BENCH = {"input": 1024, "output": 128}  # tokens, of the command for vLLM


FILES = {
    "request": "metrics--request",
    "held": "metrics--held",
    "omission": "metrics--omission",
    "knee": "metrics--knee",
    "busy": "metrics--busy",
    "peers": "metrics--peers",
}


def point(what: str, **wanted) -> dict:
    """The one point of a data file whose fields are as wanted."""
    points = record.load(FILES[what])["points"]
    (found,) = (p for p in points if all(p.get(k) == v for k, v in wanted.items()))
    return found


def milliseconds(number: float, digits: int = 0) -> str:
    return quantity(number, "ms", digits)


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage, unit and all."""
    return quantity(share * 100, "%", digits)


def of_request() -> dict[str, str]:
    """The running request over HTTP, alone and behind another."""
    data = record.load("metrics--request")
    table = {}
    for name in ("ttft", "tpot", "latency"):
        one = point("request", metric=name)
        table[f"request-{name}"] = milliseconds(record.median(one))
        table[f"request-{name}-predicted"] = milliseconds(one["predicted_ms"])
        table[f"request-{name}-least"] = milliseconds(min(one["samples"]))
        table[f"request-{name}-most"] = milliseconds(max(one["samples"]))
    _, first, second = (line["moments_ms"] for line in data["lines"])
    table |= {
        "request-prompt": count(request.PROMPT_TOKENS),
        "request-answer": count(request.ANSWER_TOKENS),
        "request-steps": count(request.ANSWER_TOKENS - 1),
        "request-texts": count(request.ANSWER_TOKENS - 1),
        "pair-first-ttft": milliseconds(first[1]),
        "pair-first-end": milliseconds(first[-1]),
        "pair-second-ttft": milliseconds(second[1]),
        "pair-second-execution": milliseconds(second[1] - first[-1]),
        "pair-second-tpot": milliseconds(
            (second[-1] - second[1]) / (request.ANSWER_TOKENS - 1)
        ),
    }
    return table


def of_held() -> dict[str, str]:
    """TTFT with and without TCP_NODELAY."""
    table = {}
    for prompt, name in ((True, "prompt"), (False, "delayed")):
        one = point("held", prompt=prompt)
        table[f"held-{name}"] = milliseconds(record.median(one))
        table[f"held-{name}-predicted"] = milliseconds(one["predicted_ms"])
        table[f"held-{name}-gap"] = milliseconds(statistics.median(one["gaps_ms"]))
    table["held-ack"] = milliseconds(recorded.DELAYED * 1e3)
    table["held-step"] = milliseconds(recorded.KNOWN.step * 1e3)
    return table


def of_omission() -> dict[str, str]:
    """The stall through three pairs of eyes."""
    table = {
        "pace": count(recorded.PACE),
        "paced": count(recorded.PACED),
        "paced-gap": milliseconds(1e3 / recorded.PACE),
        "stall": quantity(recorded.STALLING.stall, "s"),
        "stall-service": milliseconds(recorded.STALLING.prefill * 1e3),
        "stall-due": count(recorded.PACE * recorded.STALLING.stall),
    }
    expected = recorded.expected_omission()
    for clock, samples in expected.items():
        one = point("omission", clock=clock)
        table |= {
            f"omission-{clock}-p50": milliseconds(record.median(one)),
            f"omission-{clock}-p99": milliseconds(percentile(one["samples"], 99)),
            f"omission-{clock}-p99-predicted": milliseconds(one["predicted_ms"]),
            f"omission-{clock}-max": milliseconds(max(one["samples"])),
            f"omission-{clock}-late": count(
                sum(s > LATE * 1e3 for s in one["samples"])
            ),
            f"omission-{clock}-late-predicted": count(sum(s > LATE for s in samples)),
        }
    return table


def of_queue() -> dict[str, str]:
    """The formula at a few loads, in units of the service time."""
    table = {}
    for load in report.LOADS:
        table[f"wait-{round(load * 100)}"] = decimal(queueing.mean_wait(load, 1.0), 2)
    table["wait-80-ten"] = decimal(queueing.mean_wait(0.8, 1.0), 1)
    long_run = queueing.long_run(0.8)
    table["wait-80-p99"] = decimal(percentile(long_run, 99), 1)
    table["wait-80-p50"] = decimal(percentile(long_run, 50), 1)
    table["long-run"] = count(len(long_run))
    return table


def met(one: dict) -> float:
    """The share of a point's requests that met the chapter's objective."""
    pairs = zip(one["samples"], one["tpot_ms"], strict=True)
    good = [ttft <= SLO["ttft"] and tpot <= SLO["tpot"] for ttft, tpot in pairs]
    return sum(good) / (len(good) + one["failed"])


@cache
def predicted_share(load: float, service: float, first: float) -> float:
    """The share whose wait leaves room for the first token, in a long run; times in ms."""
    waits = queueing.long_run(load) * service
    return float(np.mean(waits + first <= SLO["ttft"]))


def of_load(what: str, one: dict) -> dict[str, str]:
    """One load: predictions, measurements, Little's law, goodput."""
    name, samples = f"{what}-{round(one['load'] * 100)}", one["samples"]
    low, high = measures.rank_interval(samples, 99)
    share, mean = met(one), float(np.mean(samples))
    return {
        f"{name}-rate": decimal(one["rate"], 2),
        f"{name}-service": milliseconds(one["service_ms"]),
        f"{name}-deviation": milliseconds(one["service_deviation_ms"]),
        f"{name}-service-in-run": milliseconds(one["service_in_run_ms"]),
        f"{name}-utilization": percent(one["rate"] * one["service_in_run_ms"] / 1e3),
        f"{name}-predicted": milliseconds(one["predicted_ms"]),
        f"{name}-arrivals": milliseconds(one["predicted_for_these_arrivals_ms"]),
        f"{name}-mean": milliseconds(mean),
        f"{name}-p50": milliseconds(record.median(one)),
        f"{name}-p99": milliseconds(percentile(samples, 99)),
        f"{name}-p99-low": milliseconds(low),
        f"{name}-p99-high": milliseconds(high),
        f"{name}-below-mean": count(sum(sample < mean for sample in samples)),
        f"{name}-per-second": decimal(one["per_second"], 2),
        f"{name}-inside-s": quantity(one["inside_s"], "s", 2),
        f"{name}-little": decimal(one["per_second"] * one["inside_s"], 2),
        f"{name}-seen": decimal(one["seen_inside"], 2),
        f"{name}-looks": count(one["looks"]),
        f"{name}-met": percent(share),
        f"{name}-good": decimal(share * one["per_second"], 2),
    }


@cache
def best_load(service: float, first: float) -> float:
    """The highest utilization, in whole percent, at which the goal is still met; times in ms."""
    loads = (percent / 100 for percent in range(50, 100))
    return max(x for x in loads if predicted_share(x, service, first) >= GOAL)


def of_knee() -> dict[str, str]:
    """All loads, with the paced model and with SmolLM2 on a busy machine."""
    table = {
        "requests": count(recorded.REQUESTS),
        "busy-requests": count(
            len(record.load("metrics--busy")["points"][0]["samples"])
        ),
        "calibration": count(recorded.CALIBRATION),
        "paced-prefill": milliseconds(paced.PREFILL * 1e3),
        "paced-step": milliseconds(paced.STEP * 1e3),
        "paced-service": milliseconds(paced.SERVICE * 1e3),
        "slo-ttft": milliseconds(SLO["ttft"]),
        "slo-tpot": milliseconds(SLO["tpot"]),
        "slo-goal": percent(GOAL),
    }
    for what in ("knee", "busy"):
        for one in record.load(FILES[what])["points"]:
            table |= of_load(what, one)
    overloaded = np.mean(point("busy", load=0.8)["samples"]) / 1e3
    table["busy-80-mean-s"] = quantity(float(overloaded), "s", 1)
    table |= of_drift(point("knee", load=0.9)) | {"drift": percent(recorded.DRIFT)}
    service, first = typical()
    best = best_load(service, first)
    return table | {
        "knee-service": milliseconds(service),
        **{f"load-{load}": percent(load / 100) for load in (50, 70, 80, 90, 95)},
        "late-bound": milliseconds(LATE * 1e3),
        "capacity": decimal(1e3 / service, 2),
        "goodput-load": percent(best),
        "goodput": decimal(best * 1e3 / service, 2),
    }


def of_drift(one: dict) -> dict[str, str]:
    """The same arrivals with the service time of the run instead of the calibration's; in ms."""
    waits = [
        float(
            queueing.waits(
                one["arrivals_s"], [ms / 1e3] * len(one["arrivals_s"])
            ).mean()
        )
        for ms in (one["service_ms"], one["service_in_run_ms"])
    ]
    name = f"knee-{round(one['load'] * 100)}"
    return {
        f"{name}-corrected": milliseconds(waits[1] * 1e3 + one["first_ms"]),
        f"{name}-drift": percent(recorded.drift(one), 1),
        f"{name}-moved": percent(waits[1] / waits[0] - 1),
    }


def typical() -> tuple[float, float]:
    """Service time and time to first token of the knee's calibrations, in ms."""
    points = record.load("metrics--knee")["points"]
    return tuple(
        statistics.median(p[key] for p in points) for key in ("service_ms", "first_ms")
    )


def of_samples() -> dict[str, str]:
    """How many samples a percentile needs."""
    return {
        "samples-p99": count(measures.samples_for(99)),
        "samples-p99.9": count(measures.samples_for(99.9)),
        "samples-p50": count(measures.samples_for(50)),
        "confidence": percent(0.95),
        "max-below-p99": percent(0.99**recorded.REQUESTS),
    }


def known_record() -> Record:
    """The toy's answer of known timing, as a generator without delay would note it."""
    timing = recorded.KNOWN
    moments = [timing.prefill + i * timing.step for i in range(timing.tokens)]
    texts = moments[: timing.tokens - timing.silent]
    return Record(0.0, 0.0, moments[0], texts, moments[-1], timing.tokens)


def of_dialects() -> dict[str, str]:
    """One answer of known timing as four tools count it."""
    one = known_record()
    itls = dialects.vllm_itls(one)
    return {
        "known-first": milliseconds(recorded.KNOWN.prefill * 1e3),
        "known-step": milliseconds(recorded.KNOWN.step * 1e3),
        "known-tokens": count(recorded.KNOWN.tokens),
        "known-texts": count(len(one.texts)),
        "known-tpot": milliseconds(measures.tpot(one) * 1e3, 1),
        "known-latency": milliseconds(measures.latency(one) * 1e3),
        "known-last-text": milliseconds(dialects.last_text(one) * 1e3),
        "known-aiperf": milliseconds(dialects.aiperf_itl(one) * 1e3, 1),
        "known-aiperf-tokenizer": milliseconds(
            dialects.aiperf_itl(one, len(one.texts)) * 1e3, 1
        ),
        "known-guidellm": milliseconds(dialects.guidellm_tpot(one) * 1e3, 1),
        "known-vllm-tpot": milliseconds(dialects.vllm_tpot(one) * 1e3, 1),
        "known-vllm-itl": milliseconds(statistics.mean(itls) * 1e3, 1),
    }


def of_peers() -> dict[str, str]:
    """AIPerf beside the book's generator."""
    data = record.load("metrics--peers")
    table = {"aiperf-version": data["aiperf"]}
    for one in data["points"]:
        name = "peers-{server}-{tool}-{counted}-{metric}".format(**one)
        table[name] = milliseconds(record.median(one), 1)
        table[f"{name}-predicted"] = milliseconds(one["predicted_ms"], 1)
    return table


def h100(batch: int) -> tuple[float, float]:
    """Tokens a second for one user and for the card, at a context of 1,024 on an H100."""
    points = record.load("kv-cache--h100-batch")["points"]
    (one,) = (p for p in points if p["batch"] == batch)
    step = record.median(one) / 1e3
    return 1 / step, batch / step


def of_h100() -> dict[str, str]:
    """Speed for a user against throughput of a card, and what a benchmark of vLLM should say."""
    table = {}
    for batch in (1, 32, 256):
        user, card = h100(batch)
        table[f"h100-{batch}-user"] = quantity(user, "token/s")
        table[f"h100-{batch}-card"] = quantity(card, "token/s")
        table[f"h100-{batch}-step"] = milliseconds(1e3 / user, 2)
    table["h100-fold-card"] = count(h100(256)[1] / h100(1)[1])
    table["h100-fold-user"] = decimal(h100(1)[0] / h100(256)[0], 1)
    llama = shapes.named("Llama-3.1-8B")
    ceiling = record.load("kv-cache--h100-batch")["ceilings"]
    context = BENCH["input"] + BENCH["output"] / 2
    read = memory.weight_bytes_read(llama) + context * memory.kv_bytes_per_token(llama)
    tpot = read / ceiling["read_bytes_per_s"] * 1e3
    prompt = BENCH["input"]
    flop = flops.step_flop(llama, prompt, cached=False)
    flop -= flops.attention_flop(llama, prompt, prompt) / 2  # the mask spares half
    ttft = flop / ceiling["flop_per_s"] * 1e3
    steps = BENCH["output"] - 1
    return table | {
        "bench-input": count(BENCH["input"]),
        "bench-output": count(BENCH["output"]),
        "bench-ttft": milliseconds(ttft, 1),
        "bench-tpot": milliseconds(tpot, 2),
        "bench-latency": milliseconds(ttft + steps * tpot),
    }


def of_exercises() -> dict[str, str]:
    """Answers, each worked a second time in a test."""
    latency = 0.3 + 199 * 0.025
    wanted = 5 / 6  # load / (2 (1 - load)) * 0.4 s = 1 s
    return {
        "exercise-latency": quantity(latency, "s", 3),
        "exercise-rate-user": quantity(1 / 0.025, "token/s"),
        "exercise-guidellm": milliseconds(latency / 200 * 1e3, 1),
        "exercise-load": percent(wanted),
        "exercise-rate": decimal(wanted / 0.4, 2),
        "exercise-faster": milliseconds(queueing.mean_wait(wanted / 0.4, 0.2) * 1e3),
        "exercise-inside": count(12 * 8.5),
        "exercise-queued": count(12 * 8.5 - 64),
        "exercise-queue-time": quantity((12 * 8.5 - 64) / 12, "s", 1),
        "exercise-p99.9-minutes": quantity(
            measures.samples_for(99.9) / 0.5 / 60, "min"
        ),
        "exercise-p99-minutes": quantity(measures.samples_for(99) / 0.5 / 60, "min"),
        **{
            f"exercise-bursty-{name}": decimal(queueing.bursty_wait(0.7, burstiness), 2)
            for name, burstiness in (("even", 4.0), ("poisson", 1.0), ("half", 0.5))
        },
        **{
            f"exercise-kingman-{name}": decimal(
                queueing.kingman(0.7, 1.0, 1 / burstiness, 0.0), 2
            )
            for name, burstiness in (("even", 4.0), ("poisson", 1.0), ("half", 0.5))
        },
    }


def values() -> dict[str, str]:
    """Every value of the chapter, by its key."""
    parts = (
        of_request, of_held, of_omission, of_queue, of_knee, of_samples, of_dialects,
        of_peers, of_h100, of_exercises,
    )  # fmt: skip
    table = {name: text for part in parts for name, text in part().items()}
    return {f"metrics--{name}": text for name, text in table.items()}
