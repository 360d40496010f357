"""TODO: what this example shows, in a line.

python -m examples.batching          prints what the chapter discusses, in seconds
"""

from __future__ import annotations

from collections.abc import Sequence

from examples import cli
from examples.values import count


def double(number: int) -> int:
    """TODO: a concept by its name; shapes, units and the formula's source here."""
    return 2 * number


def values() -> dict[str, str]:
    """The numbers that the chapter quotes."""
    return {"batching--double": count(double(21))}


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m examples.batching", description=__doc__)
    parser.parse_args(argv)
    print(f"twice 21 is {double(21)}")


if __name__ == "__main__":
    cli.run(main)
