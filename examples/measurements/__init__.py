"""Which runs the book's measured numbers come from, and how far their predictions were off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from examples import record

WIDTH = 88  # columns of a listing


def values() -> dict[str, str]:
    """The numbers that pages quote of all runs together."""
    from examples.measurements import atlas, cards

    found = cards.of_cards() | atlas.of_timed()
    return {f"measurements--{name}": text for name, text in found.items()}


def recorded(folder: Path = record.FOLDER) -> dict[str, dict]:
    """All data files of a folder that hold a measurement, by stem."""
    files = {
        path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")
    }
    return {stem: data for stem, data in sorted(files.items()) if "device" in data}


def setting(data: dict) -> str:
    """What a run was made on: the device, then the versions."""
    versions = ", ".join(f"{one} {number}" for one, number in data["versions"].items())
    return f"{data['device']}\n{versions}"


def lines(found: dict[str, dict]) -> Iterator[str]:
    """The runs by device and versions; each with its date, its points and samples, and the command that made it."""
    by_setting: dict[str, list[str]] = {}
    for stem, data in found.items():
        by_setting.setdefault(setting(data), []).append(stem)
    for place, stems in sorted(by_setting.items()):
        yield from place.splitlines()
        yield f"  {'run':32} date       points samples  python -m examples."
        for stem in stems:
            data = found[stem]
            samples = sum(len(point.get("samples", [])) for point in data["points"])
            command = data["command"].removeprefix("python -m examples.")
            counted = f"{len(data['points']):6} {samples:7}"
            row = f"  {stem:32} {data['date']} {counted}  {command}"
            yield row if len(row) <= WIDTH else row.replace(f"  {command}", f"\n    {command}")  # fmt: skip
        yield ""
