"""Joules per token, by the card's own energy counter."""

from __future__ import annotations

import ctypes
import math
import statistics
import time

import torch

from examples.cli import CommandError
from examples.gpu import timing
from examples.gpu.ladder.card import finish, told
from examples.gpu.ladder.plan import Plan
from examples.gpu.llama import Llama
from examples.gpu.runs import rounded
from examples.predict.roofline import Ceilings, Segment, step_s


class Meter:
    """NVIDIA's management library (NVML), by three of its functions."""

    def __init__(self, library: ctypes.CDLL | None = None):
        try:
            self.library = library or ctypes.CDLL("libnvidia-ml.so.1")
        except OSError as error:
            raise CommandError(f"no energy counter: {error}") from error
        self.handle = ctypes.c_void_p()
        self.call("Init_v2")
        self.call("DeviceGetHandleByIndex_v2", 0, ctypes.byref(self.handle))

    def call(self, name: str, *arguments) -> None:
        code = getattr(self.library, "nvml" + name)(*arguments)
        if code:
            raise CommandError(f"NVML: {name} fails with code {code}")

    def joules(self) -> float:
        """Energy since the driver was loaded; the counter is in mJ."""
        found = ctypes.c_ulonglong()
        self.call("DeviceGetTotalEnergyConsumption", self.handle, ctypes.byref(found))
        return found.value / 1e3

    def limit_w(self) -> float:
        """The power that the card may draw; the library says mW."""
        found = ctypes.c_uint()
        self.call("DeviceGetEnforcedPowerLimit", self.handle, ctypes.byref(found))
        return found.value / 1e3

    def tick(self) -> float:
        """The counter just after it moved (it does so some ten times a second), within half a second."""
        start, before = time.perf_counter(), self.joules()
        while (now := self.joules()) == before:
            if time.perf_counter() - start > 0.5:
                break
        return now


def idle_w(plan: Plan, meter: Meter) -> list[float]:
    """Watts of the card with nothing to do but a process that holds it."""
    finish(plan)
    time.sleep(plan.energy_s)
    found = []
    for _ in range(plan.energy_samples):
        before, start = meter.tick(), time.perf_counter()
        time.sleep(plan.energy_s / 2)
        found.append((meter.tick() - before) / (time.perf_counter() - start))
    return rounded(found)


def runs(plan: Plan, meter: Meter, work: timing.Work) -> list[dict]:
    """Samples of `energy_s` or longer: calls, joules and seconds each."""
    once = statistics.median(timing.samples_ms(work, plan.device, samples=3)) / 1e3
    count, found = math.ceil(1.1 * plan.energy_s / once), []
    for _ in range(plan.energy_samples):
        finish(plan)
        before, start = meter.tick(), time.perf_counter()
        for i in range(count):
            work()
            if i % 16 == 15:
                finish(plan)  # so that the queue of launches never fills up
        finish(plan)
        spent = time.perf_counter() - start
        found.append({"calls": count, "j": meter.joules() - before, "s": spent})
    return found


def workloads(plan: Plan, model: Llama) -> list[tuple[str, int, list[Segment], object]]:
    """Name, tokens, sequences and work, each made when it is reached."""

    def decode(batch: int):
        def make() -> timing.Work:
            cache = model.new_cache(batch, plan.prompt).normal_()
            ids = model.random_ids(batch, 1)
            return timing.captured(
                lambda: model.forward(ids, cache, past=plan.prompt - 1), plan.device
            )

        return "decode", batch, [Segment(1, plan.prompt - 1)] * batch, make

    def prefill() -> timing.Work:
        ids, cache = model.random_ids(1, plan.prefill), model.new_cache(1, plan.prefill)
        return lambda: model.forward(ids, cache)

    return [
        *(decode(batch) for batch in plan.energy_batches),
        ("prefill", plan.prefill, [Segment(plan.prefill)], prefill),
    ]


def measure(plan: Plan, ceiling: dict, model: Llama, meter: Meter) -> dict:
    """Joules per token of decode over batches, and of a prefill."""
    idle, limit = idle_w(plan, meter), meter.limit_w()
    ceilings, points = Ceilings.of({"ceilings": ceiling}), []
    for phase, tokens, sequences, make in workloads(plan, model):
        work = make()
        found = runs(plan, meter, work)
        predicted = limit * step_s(
            plan.shape, sequences, ceilings, number_bytes=plan.dtype.itemsize
        )
        point = {
            "phase": phase,
            "batch": len(sequences),
            "tokens": tokens,
            "predicted_j": rounded([predicted / tokens])[0],
            "samples": rounded(run["j"] / run["calls"] / tokens for run in found),
            "watts": rounded(run["j"] / run["s"] for run in found),
            "step_ms": rounded(run["s"] / run["calls"] * 1e3 for run in found),
        }
        points.append(told(point))
        del work
        if plan.device == timing.ON_GPU:  # not covered: runs on a GPU only
            torch.cuda.empty_cache()
    return {"idle_w": idle, "limit_w": limit, "points": points}
