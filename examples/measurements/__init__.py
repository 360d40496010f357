"""Which runs the book's measured numbers come from, and how far their predictions were off."""

from __future__ import annotations

import json
from pathlib import Path

from examples import record


def values() -> dict[str, str]:
    """The numbers that pages quote of runs on two cards."""
    from examples.measurements import cards

    return {f"measurements--{name}": text for name, text in cards.of_cards().items()}


def recorded(folder: Path = record.FOLDER) -> dict[str, dict]:
    """All data files of a folder that hold a measurement, by stem."""
    files = {
        path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")
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
