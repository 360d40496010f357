"""The ladder: one decode step of Llama-3.1-8B, rung by rung, as it was measured on an H100."""

from __future__ import annotations

from examples import record
from examples.hardware import datasheet
from examples.values import count, decimal, decimal_bytes, quantity

STEM = "hardware--h100-ladder"
# Each faster than the one before, on the H100 and on the H200.
RUNGS = ("transformers", "eager", "static", "graph", "compile", "fused")
ASIDE = ("fused-overlap", "compile-tuned")  # faster on the H100, slower on the H200


def rung(name: str, stem: str = STEM) -> dict:
    """The recorded point of a rung."""
    (found,) = [p for p in record.load(stem)["points"] if p["rung"] == name]
    return found


def share(name: str) -> float:
    """Time of the step's bytes at the rate of a copy, over the rung's time."""
    return record.load(STEM)["floor_ms"] / record.median(rung(name))


def bytes_while_launching(kernels: int, launch_s: float, bytes_per_s: float) -> float:
    """Bytes that a card reads in the time in which its host asks for the kernels of a step."""
    return kernels * launch_s * bytes_per_s


def lines() -> list[str]:
    """A line for each rung."""
    found = ["                 ms a step   kernels   share of the floor   tokens/s"]
    for name in (*RUNGS, *ASIDE):
        ms = record.median(rung(name))
        found.append(
            f"{name:14}   {ms:9.2f}   {rung(name)['kernels']:7,}   {share(name):18.0%}"
            f"   {1e3 / ms:8.0f}"
        )
    return found


def of_ladder() -> dict[str, str]:
    """Times, kernels and tokens of the rungs."""
    data = record.load(STEM)
    found = {
        "floor-ms": quantity(data["floor_ms"], "ms", 2),
        "floor-gb": decimal_bytes(data["floor_bytes"], "GB", 1),
        "floor-copy": quantity(data["ceilings"]["copy_bytes_per_s"] / 1e12, "TB/s", 2),
        "ladder-launch": quantity(data["ceilings"]["launch_s"] * 1e6, "µs", 1),
        "ladder-kernel": quantity(data["ceilings"]["kernel_s"] * 1e6, "µs", 1),
    }
    for name in (*RUNGS, *ASIDE):
        one = rung(name)
        ms, kernels = record.median(one), one["kernels"]
        found |= {
            f"{name}-ms": quantity(ms, "ms", 2 if ms < 10 else 1),
            f"{name}-predicted": quantity(one["predicted_ms"], "ms", 2),
            f"{name}-kernels": count(kernels),
            f"{name}-share": quantity(100 * share(name), "%"),
            f"{name}-least": quantity(min(one["samples"]), "ms", 1),
            f"{name}-most": quantity(max(one["samples"]), "ms", 1),
            f"{name}-us-kernel": quantity(1e3 * ms / kernels, "µs"),
            f"{name}-equal": count(one["tokens_equal"]),
        }
    gaps = [abs(f["gap"]) for name in RUNGS for f in rung(name)["flips"]]
    sheet = datasheet.named("H100 SXM")
    for name in (*RUNGS, *ASIDE):
        rate = data["floor_bytes"] / record.median(rung(name)) * 1e3
        found[f"{name}-of-sheet"] = quantity(100 * rate / sheet.bytes_per_s, "%")
    return found | {
        "exercise-host": decimal_bytes(
            bytes_while_launching(80 * 14, 7e-6, 3.1e12), "GB"
        ),
        "exercise-host-ms": quantity(80 * 14 * 7e-3, "ms", 1),
        "floor-read-ms": quantity(
            1e3 * data["floor_bytes"] / data["ceilings"]["read_bytes_per_s"], "ms", 2
        ),
        "tokens": count(rung("eager")["tokens"]),
        "flip-most": decimal(max(gaps), 2),
        "ladder-fold": count(
            record.median(rung("transformers")) / record.median(rung("fused"))
        ),
        "graph-fold": decimal(
            record.median(rung("static")) / record.median(rung("graph")), 1
        ),
        "graph-floors": decimal(1 / share("graph"), 1),
        "host-ms": quantity(
            rung("graph")["kernels"] * data["ceilings"]["launch_s"] * 1e3, "ms", 1
        ),
        "bench-least": quantity(127 * data["floor_ms"] / 1e3, "s", 2),
        "fused-tokens": count(1e3 / record.median(rung("fused"))),
        "removed": count(rung("graph")["kernels"] - rung("fused")["kernels"]),
    }
