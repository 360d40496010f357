"""`make licenses`: list what the book is built and tested with, and under which licenses it comes.

The list is `requirements/licenses.csv`. What the book itself needs must come under a license that lets
everyone build and change it; tools that only test may have others, since nothing of theirs is passed on.
What no lock, or no metadata, tells of stands in `licenses-by-hand.csv`, with the place that was looked at: packages of
the system, the extras, a package for another platform.
"""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from examples import cli
from tools import ROOT

LIST = ROOT / "requirements" / "licenses.csv"
BY_HAND = ROOT / "requirements" / "licenses-by-hand.csv"
EXTRAS = ("torch.txt", "peers.txt")
LOCKS = {  # the first that names a package says what it is for
    "book": ("book.lock", "model.lock"),
    "test": ("test.lock",),
}
# Lighthouse comes with its own lock, and only to who measures the site.
NPM_LOCKS = (ROOT / "package-lock.json", ROOT / "tools/lighthouse/package-lock.json")
NAME = re.compile(r"^([A-Za-z0-9][\w.-]*)==", re.MULTILINE)
FREE = re.compile(
    r"MIT|BSD|Apache|ISC|MPL|Mozilla|Python Software Foundation|PSF|OFL|0BSD|Zlib|Unlicense|HPND|Public Domain",
    re.IGNORECASE,
)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(folder: Path = ROOT / "requirements") -> dict[str, str]:
    """Package names of the lock files, and what each is for."""
    found: dict[str, str] = {}
    for purpose, files in LOCKS.items():
        for file in files:
            for name in NAME.findall((folder / file).read_text("utf-8")):
                found.setdefault(canonical(name), purpose)
    return found


def outside() -> set[str]:
    """Names of the packages that no lock holds: the extras, and those of the system."""
    names = {
        canonical(name)
        for file in EXTRAS
        for name in NAME.findall((LIST.parent / file).read_text("utf-8"))
    }
    lines = (ROOT / "system-packages.txt").read_text("utf-8").splitlines()
    return names | {line.split()[0] for line in lines if line and line[0] != "#"}


def by_hand() -> list[tuple[str, str, str, str]]:
    """(name, license, purpose, source) of what somebody looked up."""
    with BY_HAND.open(encoding="utf-8", newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def python_packages() -> list[tuple[str, str, str]]:
    """(name, license, purpose) of every locked package that is installed here."""
    command = [sys.executable, "-m", "piplicenses", "--format=json", "--with-system"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wanted = locked()
    return [
        (name, one["License"], wanted[name])
        for one in json.loads(done.stdout)
        if (name := canonical(one["Name"])) in wanted
    ]


def npm_packages(lock: Path) -> list[tuple[str, str, str]]:
    """(name, license, purpose) of every package of an npm lock."""
    book = lock == NPM_LOCKS[0]
    packages = json.loads(lock.read_text("utf-8"))["packages"]
    return [
        (
            path.rpartition("node_modules/")[2],
            one.get("license", "UNKNOWN"),
            "book" if book and not one.get("dev") else "test",
        )
        for path, one in packages.items()
        if path
    ]


def table() -> list[tuple[str, str, str]]:
    """All packages; one that several locks bring is listed once, for the book if the book needs it."""
    rows = python_packages()
    for lock in NPM_LOCKS:
        rows += npm_packages(lock)
    looked_up = {row[0]: row[:3] for row in by_hand()}
    rows = [row for row in rows if row[0] not in looked_up] + [*looked_up.values()]
    return sorted({row[0]: row for row in sorted(rows, reverse=True)}.values())


def read() -> list[tuple[str, str, str]]:
    with LIST.open(encoding="utf-8", newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def not_free(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """Packages that the book needs under a license that is none of the free ones."""
    return [row[0] for row in rows if row[2] == "book" and not FREE.search(row[1])]


def main() -> None:
    rows = table()
    if bad := not_free(rows):
        raise cli.CommandError(f"the book needs {bad[0]}, whose license is not free")
    # A package for another platform is not installed here; what the list knew of it stays.
    there = {row[0] for row in rows}
    known = set(locked()) | there
    old = read() if LIST.is_file() else []
    rows += [row for row in old if row[0] in known - there]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [("package", "license", "purpose"), *sorted(rows)]
    )
    partial = LIST.with_suffix(".partial")
    partial.write_text(text.getvalue(), "utf-8")
    partial.replace(LIST)
    print(f"written  {LIST.relative_to(ROOT)}: {len(rows)} packages")


if __name__ == "__main__":
    cli.run(lambda _: main())
