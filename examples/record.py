"""Data files: what was measured, on what, when, by which command, beside its prediction."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
from importlib import metadata
from pathlib import Path

FOLDER = Path(__file__).parent / "data"


def cpu_name() -> str:
    """The processor's name and the number of cores this process may use."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    cores = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count()
    )
    return f"{name}, {cores} cores"


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python and of the named packages, as installed."""
    return {"python": platform.python_version()} | {
        p: metadata.version(p) for p in packages
    }


def today() -> str:
    """The date in UTC, as YYYY-MM-DD."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def path(stem: str) -> Path:
    """Where the data file of that stem (`<slug>--<what>`) lies."""
    return FOLDER / f"{stem}.json"


def load(stem: str) -> dict:
    """Read a data file; a missing one is an error that names the file."""
    return json.loads(path(stem).read_text(encoding="utf-8"))


def write(stem: str, record: dict, folder: Path = FOLDER) -> Path:
    """Write a data file whole or not at all, one line per sample list kept short."""
    target = folder / f"{stem}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".json.partial")
    partial.write_text(
        json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    partial.replace(target)
    return target


def median(point: dict) -> float:
    """The median of a point's samples, in the point's own unit."""
    return statistics.median(point["samples"])
