"""Accelerators by their datasheets, dense figures only, and what follows from two of their numbers."""

from __future__ import annotations

from dataclasses import dataclass

from examples import record
from examples.cli import CommandError
from examples.predict import memory, shapes
from examples.values import count, decimal, quantity

STEM = "hardware--accelerators"
MODEL = "Llama-3.1-8B"


@dataclass(frozen=True)
class Accelerator:
    """One row of a datasheet; a rate that the vendor does not publish is 0."""

    name: str
    memory_bytes: float
    bytes_per_s: float
    flop_per_s: float  # dense, bf16
    watts: float

    @property
    def ridge(self) -> float:
        """FLOP per byte at which arithmetic and bandwidth are balanced."""
        return self.flop_per_s / self.bytes_per_s


def accelerators() -> dict[str, Accelerator]:
    """All of the table, by name."""
    rows = record.load(STEM)["accelerators"]
    return {
        row["name"]: Accelerator(
            row["name"],
            row["memory_gb"] * 1e9,
            row["tb_per_s"] * 1e12,
            row["dense_bf16_tflop_per_s"] * 1e12,
            row["watts"],
        )
        for row in rows
    }


def named(name: str) -> Accelerator:
    """The accelerator of that name; another is a CommandError that lists them."""
    found = accelerators()
    if name not in found:
        raise CommandError(f"no accelerator {name!r}; there are {', '.join(found)}")
    return found[name]


def of_tag(tag: str) -> Accelerator:
    """The datasheet of the card that data files call `tag`; of the H100 for a run on the CPU.

    CommandError where the table has no such card.
    """
    wanted = "h100" if tag == "cpu" else tag
    found = [a for n, a in accelerators().items() if n.split()[0].lower() == wanted]
    if not found:
        raise CommandError(
            f"no datasheet of a card {tag!r} in examples/data/{STEM}.json"
        )
    return found[0]


def floor_ms(one: Accelerator, context: int = 1024) -> float:
    """ms to read what a decode step of MODEL in bf16 reads, at batch 1."""
    shape = shapes.named(MODEL)
    cache = context * memory.kv_bytes_per_token(shape)
    return 1e3 * (memory.weight_bytes_read(shape) + cache) / one.bytes_per_s


def table() -> list[str]:
    """A line for each accelerator."""
    lines = ["                 GB   TB/s   TFLOP/s   FLOP/byte   floor, ms       W"]
    for one in accelerators().values():
        rate = f"{one.flop_per_s / 1e12:7,.0f}" if one.flop_per_s else "      –"
        ridge = f"{one.ridge:9,.0f}" if one.flop_per_s else "        –"
        watts = f"{one.watts:5,.0f}" if one.watts else f"{'–':>5}"
        lines.append(
            f"{one.name:14} {one.memory_bytes / 1e9:4,.0f}  {one.bytes_per_s / 1e12:5.2f}"
            f"   {rate}   {ridge}   {floor_ms(one):9.2f}   {watts}"
        )
    return lines


def of_datasheets() -> dict[str, str]:
    """Two cards of one chip, and how far the ridges of others lie apart."""
    h100, h200 = named("H100 SXM"), named("H200 SXM")
    ridges = {n: a.ridge for n, a in accelerators().items() if a.flop_per_s}
    return {
        "h100-tbs": quantity(h100.bytes_per_s / 1e12, "TB/s", 2),
        "h200-tbs": quantity(h200.bytes_per_s / 1e12, "TB/s", 1),
        "sheet-tflops": quantity(h100.flop_per_s / 1e12, "TFLOP/s"),
        "sheet-sparse": quantity(2 * h100.flop_per_s / 1e12, "TFLOP/s"),
        "h100-ridge": count(h100.ridge),
        "h200-ridge": count(h200.ridge),
        "h100-floor": quantity(floor_ms(h100), "ms", 2),
        "h200-floor": quantity(floor_ms(h200), "ms", 2),
        "ridge-least": count(min(ridges.values())),
        "ridge-most": count(max(ridges.values())),
        "ridge-ratio": decimal(max(ridges.values()) / min(ridges.values()), 1),
        "watts": quantity(h100.watts, "W"),
        "wrong-h100": count(2 * h100.ridge),
        "exercise-fp8": quantity(2 * h200.flop_per_s / 1e12, "TFLOP/s"),
        "exercise-fp8-ridge": count(2 * h200.ridge),
    }
