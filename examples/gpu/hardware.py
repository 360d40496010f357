"""What a card can do, and how near ever better code comes: the measurements of the chapter hardware.

    python -m examples.gpu.hardware                  Llama-3.1-8B's shape in bf16, about four minutes
    python -m examples.gpu.hardware --part ladder    one of: ceilings, roofline, attention, energy, ladder
    python -m examples.gpu.hardware --quick          a few of the points, nothing written without --out
    python -m examples.gpu.hardware --toy            a toy shape in float32 on the CPU, likewise

A part that fails leaves the others: their files are written, and the exit code is 1.
"""

from __future__ import annotations

import functools
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from examples import cli, record
from examples.gpu import runs, timing
from examples.gpu.ladder import card, climb, energy
from examples.gpu.ladder.plan import Plan, full, quick, toy
from examples.gpu.llama import Llama

PREDICTIONS = {
    "ceilings": "copy, read, products: the longer of bytes and FLOP over the dense rates of the "
    "datasheet; launches: guesses noted before the first run, 10 us alone, 4 us "
    "in a stream, 1 us in a graph",
    "roofline": "the longer of FLOP / (rate of a large matrix product) and bytes / (rate of reading a "
    "large tensor)",
    "attention": "naive: two products of the whole square at the rate of a large one, and six times "
    "the scores at the bandwidth of a copy, two matrices of scores at the peak; fused: the longer of half "
    "the square's FLOP and queries, keys, values and output moved once, the output at the peak",
    "energy": "the step's roofline time at the card's power limit",
    "ladder": "bytes of weights and cache at the rate of reading a large tensor; in a graph, plus the "
    "kernels at the time of an empty one; launched from Python, the longer of that and the kernels at "
    "the time of a launch in a stream",
}
UNITS = {
    "ceilings": "s",
    "roofline": "s",
    "attention": "ms",
    "energy": "J",
    "ladder": "ms",
}


class Bench:
    """What the parts share, made when the first of them asks for it."""

    def __init__(self, plan: Plan):
        self.plan, self.started = plan, time.perf_counter()

    @functools.cached_property
    def ceilings(self) -> dict[str, float]:
        """The ceilings of `timing`, and the time of a launch from Python."""
        p = self.plan
        found = timing.ceilings(p.device, p.dtype, p.copied, p.side)
        one = torch.zeros(1, device=p.device)
        many = lambda: [one.add_(1) for _ in range(1000)]  # noqa: E731
        times = timing.samples_ms(many, p.device, samples=5)
        found["launch_s"] = statistics.median(times) / 1e6
        print({name: f"{value:.4g}" for name, value in found.items()}, flush=True)
        return found

    @functools.cached_property
    def model(self) -> Llama:
        return Llama(self.plan.shape, self.plan.device, self.plan.dtype)

    @functools.cached_property
    def meter(self) -> energy.Meter:
        return energy.Meter()

    def record(self, part: str) -> tuple[dict, list[str]]:
        """What a part measured, and a line for each thing in it that failed."""
        p, failed = self.plan, []
        if part == "ladder":
            found, failed = climb.measure(p, self.ceilings, self.model, self.started)
        elif part == "energy":
            found = energy.measure(p, self.ceilings, self.model, self.meter)
        elif part == "ceilings":
            found = card.ceilings(p)
        else:
            found = getattr(card, part)(p, self.ceilings)
        words = runs.random_model(p.shape.name, p.dtype)
        head = runs.provenance("hardware", p.device, words)
        head |= {"unit": UNITS[part], "prediction": PREDICTIONS[part]}
        head["ceilings"] = runs.ceilings(self.ceilings)
        if part == "ladder":
            head["versions"] |= climb.versions()
        return head | found, failed


# The ladder comes last: a kernel of one's own that goes astray ends all work on the card.
PARTS = ("ceilings", "roofline", "attention", "energy", "ladder")


def measure(bench: Bench, parts: Sequence[str], keep: Callable) -> list[str]:
    """Run the parts, hand each record to `keep`; returns a line for everything that failed."""
    failed = []
    for part in parts:
        start = time.perf_counter()
        print(f"{part}:", flush=True)
        try:
            found, lines = bench.record(part)
            failed += [f"{part}: {line}" for line in lines]
            if not found["points"]:
                raise cli.CommandError("no point was measured")
            keep(runs.stem("hardware", bench.plan.device, part), found)
        except Exception as error:  # whatever it is, the other parts are worth having
            line = " ".join(str(error).split())[:300]
            failed.append(f"{part}: {type(error).__name__}: {line}")
        climb.release(bench.plan)
        print(f"{part}: {time.perf_counter() - start:.1f} s", flush=True)
    return failed


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(
        prog="python -m examples.gpu.hardware",
        description=__doc__,
        formatter_class=cli.argparse.RawDescriptionHelpFormatter,
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a few of the points")
    size.add_argument("--toy", action="store_true", help="a toy shape, on the CPU")
    parser.add_argument("--part", choices=PARTS, help="one part only")
    parser.add_argument("--out", type=Path, help="folder of the data files")
    options = parser.parse_args(argv)
    plan = toy() if options.toy else quick() if options.quick else full()
    if plan.device == timing.ON_GPU and not torch.cuda.is_available():
        raise cli.CommandError(
            "no CUDA device is visible to PyTorch; --toy runs on a CPU"
        )
    whole = not (options.toy or options.quick)
    folder = options.out or (record.FOLDER if whole else None)

    def keep(stem: str, data: dict) -> None:
        if folder:
            print("written ", record.write(stem, data, folder))

    parts = (options.part,) if options.part else PARTS
    if options.toy and not options.part:
        parts = tuple(part for part in PARTS if part != "energy")  # no counter there
    failed = measure(Bench(plan), parts, keep)
    if failed:
        print("error: " + "; ".join(failed), file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    cli.run(main)
