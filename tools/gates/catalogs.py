"""Catalogs are well formed and complete, and there is one for each page and none besides."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polib

from tools.gates.book import Book, shortened

MSGFMT = "msgfmt"
INTERFACE = {"sphinx.po", "booktheme.po"}  # words of the theme, not of a page
# An English fix from outside may land before its translation: at most three pages, each with the
# notice that the page shows; a release needs the list empty, and our own changes leave it empty.
UNTRANSLATED: tuple[str, ...] = ()
MOST_UNTRANSLATED = 3


def well_formed(path: Path) -> str:
    """What GNU msgfmt has against a catalog; "" when nothing, or where there is no msgfmt (`faults` says so once).

    Not `-c`: it takes "80% of" for a format and then refuses correct Chinese.
    """
    if not shutil.which(MSGFMT):
        return ""
    command = [MSGFMT, "--check-header", "--check-domain", "-o", "/dev/null"]
    done = subprocess.run(
        [*command, str(path)], capture_output=True, text=True, check=False
    )
    return (
        " ".join(done.stderr.split()) if done.returncode or done.stderr.strip() else ""
    )


def of_catalog(path: Path) -> Iterator[str]:
    if fault := well_formed(path):
        yield f"msgfmt: {fault[:200]}"
        return
    try:
        catalog = polib.pofile(str(path), encoding="utf-8")
    except (OSError, ValueError) as error:
        yield f"is no catalog: {error}"
        return
    for entry in catalog:
        if entry.obsolete:
            yield f"obsolete: {shortened(entry.msgid)}"
        elif not entry.msgstr.strip():
            yield f"not translated: {shortened(entry.msgid)}"
        elif entry.fuzzy:
            yield f"fuzzy (the English has changed): {shortened(entry.msgid)}"
    if catalog.metadata.get("PO-Revision-Date", "YEAR").startswith("YEAR"):
        yield "the header has no date (make po writes it)"


def faults(book: Book) -> Iterator[str]:
    if not shutil.which(MSGFMT):
        yield f"there is no {MSGFMT} on this machine to try the catalogs; install gettext"
    if len(UNTRANSLATED) > MOST_UNTRANSLATED:
        yield f"UNTRANSLATED names {len(UNTRANSLATED)} pages; at most {MOST_UNTRANSLATED}"
    pages = {p.relative_to(book.root).with_suffix(".po") for p in book.pages}
    for language in book.languages:
        folder = book.messages(language)
        there = {p.relative_to(folder) for p in folder.rglob("*.po")}
        for name in sorted(pages - there):
            yield f"{book.name(folder)}/{name}: there is no catalog (make po)"
        for name in sorted(there - pages):
            if str(name) not in INTERFACE:
                yield f"{book.name(folder)}/{name}: there is no such page"
        for name in sorted(there):
            if str(name.with_suffix("")) not in UNTRANSLATED:
                for fault in of_catalog(folder / name):
                    yield f"{book.name(folder)}/{name}: {fault}"
