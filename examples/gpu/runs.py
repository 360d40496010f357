"""What the measurements of this folder share: where a step's time goes, provenance, the command line."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from examples import cli, record
from examples.gpu import timing

PARTS = {  # words in the names of kernels
    "attention": ("flash", "fmha", "sdpa", "attention"),
    "products": ("gemm", "gemv", "nvjet", "cutlass", "splitK", "xmma"),
}


def part_of(kernel: str) -> str:
    """Which part of a step a kernel of that name belongs to."""
    found = [
        part for part, words in PARTS.items() if any(word in kernel for word in words)
    ]
    return found[0] if found else "other"


def where_spent(work: timing.Work, calls: int = 5) -> dict:
    """Device time in ms by part, medians over several calls, and kernels by part of one call.

    Also the attention kernel that took longest: evidence of the path that PyTorch chose.
    """
    runs = [timing.kernels(work) for _ in range(calls)]

    def total(run: list[tuple[str, float]], part: str) -> float:
        return sum(time for name, time in run if part_of(name) == part)

    parts = (*PARTS, "other")
    return {
        "kernels_ms": {
            p: round(statistics.median(total(r, p) for r in runs), 4) for p in parts
        },
        "kernels": {p: sum(part_of(name) == p for name, _ in runs[0]) for p in parts},
        "attention_kernel": max(
            (time, name) for name, time in runs[0] if part_of(name) == "attention"
        )[1],
    }


def rounded(numbers: Iterable[float], digits: int = 4) -> list[float]:
    """Numbers with so many digits."""
    return [float(f"{number:.{digits}g}") for number in numbers]


def ceilings(found: dict[str, float]) -> dict[str, float]:
    """Measured ceilings as a data file holds them."""
    return dict(zip(found, rounded(found.values()), strict=True))


def provenance(module: str, device: str, model: str) -> dict:
    """How a run came about: command, device, versions, date, and the model in words."""
    return {
        "command": f"python -m examples.gpu.{module}",
        "device": timing.device_name(device),
        "versions": timing.versions(),
        "date": record.today(),
        "model": model,
    }


def stem(slug: str, device: str, what: str) -> str:
    """The data file's name: the chapter, the card, what was measured (`batching--h100-step`)."""
    return f"{slug}--{timing.card_tag(device)}-{what}"


def random_model(name: str, dtype: torch.dtype) -> str:
    """The words for a model of random weights."""
    return f"shape of {name}, random weights, {str(dtype).removeprefix('torch.')}"


def command(
    module: str,
    description: str,
    plans: dict[str, Callable],
    measure: Callable[[object], dict[str, dict]],
    argv: Sequence[str] | None,
) -> None:
    """`python -m examples.gpu.MODULE [--quick | --toy] [--out FOLDER]`.

    `plans` makes the plan of each size, `full` among them; `measure` turns one into records by stem. Only a full
    run writes into the book's own data, and nothing is written before all is measured.
    """
    parser = cli.Parser(
        prog=f"python -m examples.gpu.{module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a few of the points")
    size.add_argument("--toy", action="store_true", help="a toy shape, on the CPU")
    parser.add_argument("--out", type=Path, help="folder of the data files")
    options = parser.parse_args(argv)
    chosen = "toy" if options.toy else "quick" if options.quick else "full"
    plan = plans[chosen]()
    if plan.device == timing.ON_GPU and not torch.cuda.is_available():
        raise cli.CommandError(
            "no CUDA device is visible to PyTorch; --toy runs on a CPU"
        )
    folder = options.out or (record.FOLDER if chosen == "full" else None)
    for stem, data in measure(plan).items():
        if folder:
            print("written ", record.write(stem, data, folder))
