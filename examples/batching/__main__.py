"""Many sequences in one step: what it costs, where it ends, and what a rectangle wastes.

python -m examples.batching            a decode step by context and batch on an H100, on paper
python -m examples.batching static     a static batch, drawn, and its waste by size
python -m examples.batching questions  real questions in static batches, as recorded
python -m examples.batching record     measure the CPU's part again, into examples/data
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from examples import cli
from examples.batching import core, paper, questions, static
from examples.predict import shapes


def steps(_: argparse.Namespace) -> None:
    """Print what a step waits for, by context and batch."""
    shape = shapes.named(paper.MODEL)
    print(f"{shape.name} in bf16, a decode step\n")
    print("\n".join(paper.table(shape, paper.ceilings())))


def rectangle(_: argparse.Namespace) -> None:
    """Print a static batch and the share of its steps that is of use, by size."""
    batch = static.example()
    print("- padding   P prompt   a answer   . ended, still computed\n")
    print("\n".join(static.picture(batch)))
    print(
        f"\n{batch.computed:,} tokens computed, {batch.used:,} of use: "
        f"{batch.wasted:.0%} wasted"
    )
    print("\nrows   longest, in mean answers   useful steps   simulated")
    for size in static.SIZES:
        print(
            f"{size:4}   {static.harmonic(size):25.2f}   {static.useful_share(size):12.0%}"
            f"   {static.simulated_share(size):9.0%}"
        )


def print_questions(_: argparse.Namespace) -> None:
    """Print what the recorded static batches of real questions computed."""
    answers = questions.recorded_lengths()[1]
    print(
        f"{len(answers)} questions to SmolLM2, answers of {min(answers)} to "
        f"{max(answers)} tokens\n"
    )
    print("\n".join(questions.table()))


def record_all(options: argparse.Namespace) -> None:
    """Measure both parts again."""
    core.record_all(options)
    questions.record_questions()


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(
        prog="python -m examples.batching",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=steps)
    acts = parser.add_subparsers(
        metavar="{static,questions,record}", parser_class=cli.Parser
    )
    acts.add_parser("static", help="a static batch").set_defaults(act=rectangle)
    real = acts.add_parser("questions", help="real questions in static batches")
    real.set_defaults(act=print_questions)
    acts.add_parser("record", help="measure again").set_defaults(act=record_all)
    options = parser.parse_args(argv)
    options.act(options)


if __name__ == "__main__":
    cli.run(main)
