"""Which runs the book's measured numbers come from: one line a data file."""

from __future__ import annotations

import json
from collections.abc import Sequence

from examples import cli, record


def recorded() -> dict[str, dict]:
    """All data files that hold a measurement, by stem."""
    files = {
        path.stem: json.loads(path.read_text("utf-8"))
        for path in record.FOLDER.glob("*.json")
    }
    return {stem: data for stem, data in sorted(files.items()) if "device" in data}


def describe(stem: str, data: dict) -> str:
    """Three lines: what and when, on what, by which command."""
    samples = sum(len(point.get("samples", [])) for point in data["points"])
    versions = ", ".join(
        f"{name} {number}" for name, number in data["versions"].items()
    )
    return (
        f"{stem}  {data['date']}  {len(data['points'])} points, {samples} samples\n"
        f"  on  {data['device']}; {versions}\n"
        f"  by  {data['command']}"
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m examples.measurements", description=__doc__)
    parser.parse_args(argv)
    for stem, data in recorded().items():
        print(describe(stem, data))


if __name__ == "__main__":
    cli.run(main)
