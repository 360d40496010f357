"""`make po`: refresh the catalogs from the English pages; nothing new changes nothing.

Templates are built from scratch, each catalog takes over the translations it has, a message that is gone is
dropped (git remembers it), and a catalog whose page is gone is deleted. A message that stood on another page,
word for word, brings its translation along, so a page can be renamed or split. A changed English paragraph
keeps its old translation as fuzzy, so that it can be mended; a published page must have none.
"""

from __future__ import annotations

import datetime
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

import polib

from examples import cli
from tools import LANGUAGES, ROOT

LIKE = 0.6  # how much of an old message must remain for its translation to be kept as fuzzy
NOTE = "Translation of the book, CC BY 4.0. See TRANSLATING.md before editing."


def templates(source: Path, folder: Path) -> dict[Path, polib.POFile]:
    """The pages' templates, built from scratch, by the catalog's path below LC_MESSAGES."""
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-b", "gettext"]
    command += ["-c", str(ROOT), "-d", str(folder / "doctrees")]
    done = subprocess.run(
        [*command, str(source), str(folder / "pot")], capture_output=True, text=True
    )
    if done.returncode:
        raise cli.CommandError(
            f"the templates were not built: {done.stderr.strip()[-400:]}"
        )
    root = folder / "pot"
    return {
        path.relative_to(root).with_suffix(".po"): polib.pofile(str(path))
        for path in sorted(root.rglob("*.pot"))
        if path.stem != "sphinx"
    }


def nearest(msgid: str, left: dict[str, polib.POEntry]) -> polib.POEntry | None:
    """The dropped entry whose English is most like `msgid`, if any is like it enough."""
    best, likeness = None, LIKE
    for entry in left.values():
        matcher = SequenceMatcher(None, msgid, entry.msgid, autojunk=False)
        if matcher.quick_ratio() > likeness and (ratio := matcher.ratio()) > likeness:
            best, likeness = entry, ratio
    return best


def load(path: Path) -> polib.POFile:
    """A catalog; one that cannot be read is a CommandError that says where."""
    try:
        return polib.pofile(str(path), encoding="utf-8")
    except (OSError, ValueError) as error:
        raise cli.CommandError(f"{path.name} is no catalog: {error}") from None


def translations(paths: list[Path]) -> dict[str, str]:
    """All finished translations in some catalogs, the first of each message."""
    found: dict[str, str] = {}
    for path in paths:
        for entry in load(path).translated_entries():
            found.setdefault(entry.msgid, entry.msgstr)
    return found


def merged(
    template: polib.POFile, old: polib.POFile, elsewhere: dict[str, str]
) -> list[polib.POEntry]:
    """The template's messages in page order, with the translations that are there."""
    kept = {entry.msgid: entry for entry in old if not entry.obsolete}
    wanted = {entry.msgid for entry in template}
    left = {msgid: e for msgid, e in kept.items() if msgid not in wanted and e.msgstr}
    entries = []
    for new in template:
        entry = polib.POEntry(msgid=new.msgid)
        before = kept.get(new.msgid)
        if before:
            entry.tcomment = before.tcomment
        if before and before.msgstr:
            entry.msgstr = before.msgstr
            entry.flags = ["fuzzy"] if before.fuzzy else []
        elif new.msgid in elsewhere:
            entry.msgstr = elsewhere[new.msgid]
        elif before := nearest(new.msgid, left):
            entry.msgstr, entry.flags = before.msgstr, ["fuzzy"]
        entries.append(entry)
    return entries


def text_of(entries: list[polib.POEntry], language: str, revised: str) -> str:
    """The whole catalog, in the one form that this tool writes."""
    catalog = polib.POFile(wrapwidth=0)
    catalog.header = NOTE
    catalog.metadata = {
        "Project-Id-Version": LANGUAGES["en"].title,
        "Report-Msgid-Bugs-To": "the repository's issues",
        "PO-Revision-Date": revised,
        "Last-Translator": "The authors",
        "Language-Team": LANGUAGES[language].name,
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": "nplurals=1; plural=0;",
    }
    catalog.extend(entries)
    return str(catalog).rstrip("\n") + "\n"


def refresh(
    path: Path, template: polib.POFile, language: str, elsewhere: dict[str, str]
) -> bool:
    """Bring one catalog up to its page; whether it changed."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    old = load(path) if before else polib.POFile()
    entries = merged(template, old, elsewhere)
    dated = old.metadata.get("PO-Revision-Date", "")
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M+0000")
    valid = dated and not dated.startswith("YEAR")
    if valid and text_of(entries, language, dated) == before:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".po.partial")
    partial.write_text(text_of(entries, language, now), encoding="utf-8")
    partial.replace(path)
    return True


def refresh_all(language: str, source: Path = ROOT) -> list[str]:
    """Refresh every catalog of a language; the names of those written or deleted."""
    folder = source / "locale" / language / "LC_MESSAGES"
    changed = []
    with tempfile.TemporaryDirectory() as scratch:
        pages = templates(source, Path(scratch))
    catalogs = sorted(folder.rglob("*.po"))
    elsewhere = translations(catalogs)
    for name, template in pages.items():
        if refresh(folder / name, template, language, elsewhere):
            changed.append(str(name))
    interface = {"sphinx.po", "booktheme.po"}  # words of the theme, not of a page
    for path in catalogs:
        name = path.relative_to(folder)
        if name not in pages and str(name) not in interface:
            path.unlink()
            path.with_suffix(".mo").unlink(missing_ok=True)
            changed.append(f"{name} (deleted: no such page)")
    return changed


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m tools.po", description=__doc__)
    parser.add_argument("--source", type=Path, default=ROOT)
    source = parser.parse_args(argv).source
    if not (source / "index.md").is_file():
        raise cli.CommandError(f"there is no book in {source} (no index.md)")
    for language in LANGUAGES:
        if language != "en":
            for name in refresh_all(language, source):
                print(f"{language}  {name}")


if __name__ == "__main__":
    cli.run(main)
