"""`make gates`: print every broken promise of the book, a line each; exit 1 when there is one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from examples import cli
from tools import ROOT, gates
from tools.gates.book import Book


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m tools.gates", description=__doc__)
    parser.add_argument("--source", type=Path, default=ROOT)
    source = parser.parse_args(argv).source
    if not (source / "index.md").is_file():
        raise cli.CommandError(f"there is no book in {source} (no index.md)")
    total = 0
    for name, found in gates.faults(Book(source.resolve())).items():
        print(f"{'ok ' if not found else len(found):>4}  {name}")
        for fault in found:
            print(f"      {fault}")
        total += len(found)
    if total:
        sys.exit(1)


if __name__ == "__main__":
    cli.run(main)
