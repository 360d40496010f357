"""`make status`: how complete the translation is, page by page, worst first.

It reads the catalogs as they are; `make po` brings them up to the English pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from examples import cli
from tools import LANGUAGES, ROOT, po


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
    catalog = po.load(path)
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


def without_catalog(counts: list[Count], source: Path = ROOT) -> list[str]:
    """Pages that no catalog belongs to yet."""
    pages = [source / "index.md", *sorted((source / "chapters").rglob("*.md"))]
    names = [str(page.relative_to(source).with_suffix("")) for page in pages]
    return [name for name in names if name not in {one.page for one in counts}]


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m tools.status", description=__doc__)
    parser.add_argument("--source", type=Path, default=ROOT)
    source = parser.parse_args(argv).source
    for language in LANGUAGES:
        if language == "en":
            continue
        counts = of_language(language, source)
        print(LANGUAGES[language].name)
        print(f"{'translated':>10} {'fuzzy':>6} {'missing':>8}  page")
        for name in without_catalog(counts, source):
            print(f"{'-':>10} {'-':>6} {'-':>8}  {name} (no catalog yet: make po)")
        for one in counts:
            print(f"{one.translated:>10} {one.fuzzy:>6} {one.missing:>8}  {one.page}")
        translated, fuzzy, missing = (
            sum(getattr(one, column) for one in counts)
            for column in ("translated", "fuzzy", "missing")
        )
        print(f"{translated:>10} {fuzzy:>6} {missing:>8}  all")


if __name__ == "__main__":
    cli.run(main)
