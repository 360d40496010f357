"""`make status`: how complete the translation is, page by page, worst first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polib

from examples import cli
from tools import LANGUAGES, ROOT


class Count(NamedTuple):
    """Messages of one catalog."""

    page: str
    translated: int
    fuzzy: int
    missing: int

    @property
    def share(self) -> float:
        total = self.translated + self.fuzzy + self.missing
        return self.translated / total if total else 1.0


def count(path: Path, folder: Path) -> Count:
    catalog = polib.pofile(str(path))
    page = str(path.relative_to(folder).with_suffix(""))
    entries = [entry for entry in catalog if not entry.obsolete]
    fuzzy = sum("fuzzy" in entry.flags for entry in entries)
    missing = sum(not entry.msgstr for entry in entries)
    return Count(page, len(entries) - fuzzy - missing, fuzzy, missing)


def of_language(language: str, source: Path = ROOT) -> list[Count]:
    """All pages of a language, the least complete first."""
    folder = source / "locale" / language / "LC_MESSAGES"
    counts = [count(path, folder) for path in folder.rglob("*.po")]
    return sorted(
        counts, key=lambda one: (one.share, -one.missing - one.fuzzy, one.page)
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m tools.status", description=__doc__)
    parser.parse_args(argv)
    for language in LANGUAGES:
        if language == "en":
            continue
        counts = of_language(language)
        print(
            f"{LANGUAGES[language].name}\n{'translated':>10} {'fuzzy':>6} {'missing':>8}  page"
        )
        for one in counts:
            print(f"{one.translated:>10} {one.fuzzy:>6} {one.missing:>8}  {one.page}")
        total = [
            sum(column) for column in zip(*(one[1:] for one in counts), strict=True)
        ]
        print(f"{total[0]:>10} {total[1]:>6} {total[2]:>8}  all")


if __name__ == "__main__":
    cli.run(main)
