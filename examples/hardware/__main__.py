"""The machine: what a datasheet promises, what a card reaches, and what keeps a step from it.

python -m examples.hardware            accelerators by their datasheets, and what follows
python -m examples.hardware request    the running request on an H100, on paper
python -m examples.hardware ladder     one decode step on an H100, rung by rung
python -m examples.hardware online     attention in blocks beside attention at once
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from examples import cli
from examples.hardware import asked, climb, datasheet, online


def sheets(_: argparse.Namespace) -> None:
    """Print the datasheets."""
    print("dense bf16; the floor reads Llama-3.1-8B and 1,024 tokens of cache once\n")
    print("\n".join(datasheet.table()))


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(
        prog="python -m examples.hardware",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=sheets)
    acts = parser.add_subparsers(
        metavar="{request,ladder,online}", parser_class=cli.Parser
    )
    zero = acts.add_parser("request", help="the running request, on paper")
    zero.set_defaults(act=lambda _: print("\n".join(asked.lines())))
    one = acts.add_parser("ladder", help="one decode step, rung by rung")
    one.set_defaults(act=lambda _: print("\n".join(climb.lines())))
    two = acts.add_parser("online", help="attention in blocks")
    two.set_defaults(act=lambda _: print("\n".join(online.lines())))
    options = parser.parse_args(argv)
    options.act(options)


if __name__ == "__main__":
    cli.run(main)
