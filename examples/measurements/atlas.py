"""Predicted beside measured for every run on a GPU, and why where they part by more than a quarter.

A step's excess is split over its parts by the time of its kernels, which the run recorded: products with
weights, attention, and all else (norms, rotations, additions, and the gaps between kernels). Where a run
recorded no kernels, a reason is given in words, and a test holds each to the points it speaks of.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from examples import measurements, record
from examples.cli import CommandError
from examples.predict import roofline, shapes
from examples.predict.roofline import Ceilings, Segment
from examples.values import count, quantity

CARD = "NVIDIA H100"
MS = {"ms": 1.0, "s": 1e3}
CLOSE = 0.25  # a larger error, relative to the prediction, is explained
# By the unit of a file: what its points predict, best first.
PREDICTED = {
    "ms": ("predicted_with_starts_ms", "predicted_ms"),
    "s": ("predicted_s",),
    "J": ("predicted_j",),
    "B": ("predicted_bytes",),
}
NAMES = ("rung", "kind", "what", "how", "phase", "side", "rows", "kv_heads", "batch")
NAMES += ("tokens", "context", "cached", "chunk", "past")
DTYPE_BYTES = {"bfloat16": 2, "float32": 4}

Point = dict
Reason = tuple[str, Callable[[Point], bool], str]

REASONS: tuple[Reason, ...] = (
    (
        "attention",
        lambda p: p["kind"] == "naive",
        "mask and softmax pass over the scores at a fraction of a copy's bandwidth",
    ),
    (
        "attention",
        lambda p: p["kind"] == "fused",
        "a short prompt does not fill the card; the rate grows with the length",
    ),
    (
        "ceilings",
        lambda p: p.get("side", 1 << 20) <= 2048,
        "the product is too small to fill the card",
    ),
    (
        "ceilings",
        lambda p: p.get("side", 0) > 2048,
        "the datasheet's rate wants a clock that the power limit does not allow",
    ),
    (
        "ceilings",
        lambda p: p.get("how") in ("alone", "stream"),
        "a guess made before the first run; the host decides it",
    ),
    (
        "roofline",
        lambda p: p["what"] == "product",
        "both ceilings are near, and a kernel that meets both reaches neither",
    ),
    (
        "roofline",
        lambda p: p["what"] == "attention",
        "so few bytes that the start and the end of the kernel show",
    ),
    (
        "energy",
        lambda p: True,
        "the step takes longer than its roofline, at nearly the same power",
    ),
    (
        "ladder",
        lambda p: p["rung"] in ("transformers", "eager", "static"),
        "an operation costs the host more than the bare addition that measured a launch",
    ),
    (
        "ladder",
        lambda p: p["rung"] in ("graph", "compile", "compile-tuned"),
        "kernels on one row reach a part of the read bandwidth, and wait for each other",
    ),
)


@dataclass(frozen=True)
class Entry:
    """One point: predicted and measured in the file's unit, and the reason where one is due."""

    label: str
    predicted: float
    measured: float
    reason: str

    @property
    def error(self) -> float:
        """(measured - predicted) / predicted."""
        return self.measured / self.predicted - 1

    @property
    def far(self) -> bool:
        return abs(self.error) > CLOSE


def label(point: Point) -> str:
    """What a point was, in words: `batch 16, context 2,048`."""
    found = []
    for name in NAMES if "rung" not in point else ("rung",):
        value = point.get(name)
        if name == "cached" and value is not None:
            found.append("with a cache" if value else "without a cache")
        elif isinstance(value, str):
            found.append(value)
        elif value is not None:
            found.append(f"{name.replace('_', ' ')} {value:,}")
    return ", ".join(found)


def segments(stem: str, data: dict, point: Point) -> list[Segment]:
    """The sequences of a recorded step; empty where a file's points are no steps of the model."""
    slug, _, rest = stem.partition("--")
    if slug == "prefill-and-decode" and rest.endswith("arrival"):
        chunk = [Segment(point["chunk"], point["past"])] if point["chunk"] else []
        return [Segment(1, data["context"] - 1)] * data["answered"] + chunk
    if slug == "prefill-and-decode":
        return [Segment(point["tokens"])]
    if slug in ("batching", "kv-cache") and "context" in point:
        whole = not point.get("cached", True)
        one = Segment(point["context"]) if whole else Segment(1, point["context"] - 1)
        return [one] * point["batch"]
    return []


def by_parts(stem: str, data: dict, point: Point) -> list[tuple[str, float, float]]:
    """Where a step's time went and where it was predicted to go: part, ms measured, ms predicted."""
    name, dtype = re.findall(r"shape of (\S+),.*, (\w+)$", data["model"])[0]
    ceilings = Ceilings.of(data)
    first, *others = roofline.parts(
        shapes.named(name), segments(stem, data, point), DTYPE_BYTES[dtype]
    )
    kernels = sum(point["kernels"].values())
    starts = kernels * ceilings.kernel_s if "predicted_with_starts_ms" in point else 0.0
    attending = sum(one.seconds(ceilings) for one in others)
    spent, measured = point["kernels_ms"], statistics.median(point["samples"])
    rest = measured - spent["products"] - spent["attention"]
    return [
        ("products", spent["products"], 1e3 * first.seconds(ceilings)),
        ("attention", spent["attention"], 1e3 * attending),
        ("all else", rest, 1e3 * starts),
    ]


def reasons(stem: str, point: Point) -> list[str]:
    """The reasons in words that speak of this point."""
    part = stem.rpartition("-")[2]
    return [text for where, holds, text in REASONS if where == part and holds(point)]


def explained(stem: str, data: dict, point: Point) -> str:
    """Why a point is far off: by its kernels where they were recorded, else in words."""
    if point.get("kernels_ms") and segments(stem, data, point):
        rows = by_parts(stem, data, point)
        return ", ".join(f"{part} {took:.2f} for {due:.2f}" for part, took, due in rows)
    return "; ".join(reasons(stem, point)) or "not explained yet"


def entries(stem: str, data: dict) -> Iterator[Entry]:
    """The points of a file that predict what they measure."""
    for point in data["points"]:
        keys = [key for key in PREDICTED.get(data["unit"], ()) if key in point]
        if keys:
            measured = statistics.median(point["samples"])
            one = Entry(label(point), point[keys[0]], measured, "")
            reason = explained(stem, data, point) if one.far else ""
            yield Entry(one.label, one.predicted, one.measured, reason)


def runs(folder: Path) -> dict[str, tuple[dict, list[Entry]]]:
    """The GPU runs of a folder with their entries, by stem."""
    found = {
        stem: (data, list(entries(stem, data)))
        for stem, data in measurements.recorded(folder).items()
        if data["command"].startswith("python -m examples.gpu.")
    }
    found = {stem: pair for stem, pair in found.items() if pair[1]}
    if not found:
        raise CommandError(
            f"{folder}: no run on a GPU; measure with python -m examples.gpu.hardware --out {folder}"
        )
    return found


def kind(stem: str, point: Point) -> str:
    """What ran: a decode step, a prompt, a step with a piece of a prompt beside decode, or a kernel by itself.

    A run of another kind is a CommandError: it would be counted under a name that is not its own.
    """
    part = stem.rpartition("-")[2]
    if part in ("attention", "roofline", "ceilings"):
        return "single kernels"
    if part == "arrival" and point.get("chunk"):
        return "mixed steps"
    if part == "prefill" or point.get("cached") is False:
        return "prompts"
    if part in ("step", "batch", "ladder", "arrival"):
        return "decode steps"
    raise CommandError(f"{stem}: a timed run of a kind that the atlas does not know")


def timed(folder: Path = record.FOLDER) -> Iterator[tuple[str, float, float]]:
    """Kind, ms predicted and ms measured of every timed point on the card that the chapters speak of."""
    for stem, (data, _) in runs(folder).items():
        if data["device"].startswith(CARD) and data["unit"] in MS:
            scale = MS[data["unit"]]
            for point in data["points"]:
                for one in entries(stem, data | {"points": [point]}):
                    yield kind(stem, point), one.predicted * scale, one.measured * scale


def of_timed() -> dict[str, str]:
    """How long the timed points took, relative to their predictions."""
    ratios = [measured / predicted for _, predicted, measured in timed()]
    twice = sum(ratio <= 2 for ratio in ratios) / len(ratios)
    return {
        "timed-points": count(len(ratios)),
        "timed-median": quantity(100 * (statistics.median(ratios) - 1), "%"),
        "timed-twice": quantity(100 * twice, "%"),
    }


def errors(found: list[Entry]) -> tuple[float, Entry, int]:
    """The median error, the entry that is farthest off, and how many are far."""
    worst = max(found, key=lambda entry: abs(entry.error))
    middle = statistics.median(entry.error for entry in found)
    return middle, worst, sum(entry.far for entry in found)


def in_words(found: list[Entry]) -> str:
    """Median and worst error in words."""
    middle, worst, far = errors(found)
    return (
        f"{len(found)} points, error {middle:+.0%} in the median, {worst.error:+.0%} at worst"
        f" ({worst.label}), {far} beyond {CLOSE:.0%}"
    )


def of_run(stem: str, data: dict, found: list[Entry]) -> Iterator[str]:
    """A run: what, its errors, and each of its points."""
    yield f"{stem}  {data['date']}  {data['device']}"
    yield f"  {in_words(found)}"
    wide = max(len(entry.label) for entry in found)
    for one in found:
        numbers = f"{one.predicted:11.4g} {one.measured:11.4g} {data['unit']:2}"
        row = f"  {one.label:{wide}} {numbers} {one.error:+6.0%}  {one.reason}"
        yield row.rstrip()
    yield f"  again: {data['command']}"


def summary(folder: Path) -> str:
    """A line for each run of a folder, by device, then all points together."""
    found = runs(folder)
    head = f"  points  median   worst  beyond {CLOSE:.0%}  run"
    text: list[str] = []
    for device in dict.fromkeys(data["device"] for data, _ in found.values()):
        text += [device, head]
        text += [
            row(stem, points)
            for stem, (data, points) in found.items()
            if data["device"] == device
        ]
    return "\n".join([*text, "all devices", head, row("all", everything(found))])


def row(name: str, found: list[Entry]) -> str:
    middle, worst, far = errors(found)
    return f"  {len(found):6} {middle:+7.0%} {worst.error:+7.0%} {far:11}  {name}"


def everything(found: dict[str, tuple[dict, list[Entry]]]) -> list[Entry]:
    return [entry for _, points in found.values() for entry in points]


def report(folder: Path) -> str:
    """The atlas of a folder: every point of every run in order, then all points together."""
    found = runs(folder)
    text = [
        line
        for stem, (data, points) in found.items()
        for line in of_run(stem, data, points)
    ]
    return "\n".join([*text, f"all: {in_words(everything(found))}"])
