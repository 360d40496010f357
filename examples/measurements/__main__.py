"""Which runs the book's measured numbers come from, and how far their predictions were off.

python -m examples.measurements                     the recorded runs: when, on what, by which command
python -m examples.measurements atlas               the runs on a GPU, predicted beside measured
python -m examples.measurements atlas --data FOLDER the same for your own card, measured with --out FOLDER
python -m examples.measurements cards               what the runs on one card say of another
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from examples import cli, measurements, record
from examples.measurements import atlas, cards


def files(_: argparse.Namespace) -> None:
    """Print the recorded runs."""
    print("\n".join(measurements.lines(measurements.recorded())).rstrip())


def compare(options: argparse.Namespace) -> None:
    """Print the atlas."""
    if not options.data.is_dir():
        raise cli.CommandError(f"{options.data}: no such folder")
    made = atlas.summary if options.summary else atlas.report
    print(made(options.data))


def another(_: argparse.Namespace) -> None:
    """Print how far measurements on one card predict those on another."""
    print("\n".join(cards.lines()))


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(
        prog="python -m examples.measurements",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=files)
    acts = parser.add_subparsers(metavar="{atlas,cards}")
    one = acts.add_parser("atlas", help="predicted beside measured, on a GPU")
    one.add_argument("--data", type=Path, default=record.FOLDER, help="data files")
    one.add_argument("--summary", action="store_true", help="without the points")
    one.set_defaults(act=compare)
    two = acts.add_parser("cards", help="what one card says of another")
    two.set_defaults(act=another)
    options = parser.parse_args(argv)
    options.act(options)


if __name__ == "__main__":
    cli.run(main)
