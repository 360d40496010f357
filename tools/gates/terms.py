"""One term, one rendering: the term base `locale/zh_CN/terms.csv` and the glossary hold every page to it.

- A rendering that the base forbids stands nowhere.
- `{term}` shows what the glossary calls the term, or a short form that the base allows.
- The glossary calls a term what the base calls it.
- A term of the base that has one rendering and stands in the English stands in the Chinese.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import han  # of _ext/

from tools.gates.book import Book, inline_tokens, shortened, target

GLOSSARY = "chapters/appendix/glossary"
BASE = Path("locale/zh_CN/terms.csv")
QUOTED = re.compile(r"(?<!\*)\*([^*\n]+)\*(?!\*)")
KEEP = ("no", "yes", "abbr", "always")
BRACKET = re.compile(r"\s*\(([^()]+)\)\s*$")


@dataclass(frozen=True)
class Term:
    """A row of the base: `keep` says whether the English stays after its first gloss."""

    english: str
    chinese: str
    keep: str
    forbidden: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """`multi-query attention (MQA)` has two; `eviction (Pod)` one, the bracket says which."""
        name, inside = BRACKET.sub("", self.english), BRACKET.search(self.english)
        short = inside and (inside[1].isupper() or self.keep in ("yes", "abbr"))
        return (name, inside[1]) if short else (name,)

    def shows(self, text: str) -> bool:
        """Whether `text` is a rendering of this term."""
        text = text.replace("、", ", ")  # Q、K、V
        return text == self.chinese or (self.keep != "no" and text in self.names)


class Unreadable(Exception):
    """The base has a line that is no term."""


@functools.cache
def base(path: Path) -> tuple[Term, ...]:
    """The rows of a term base; Unreadable names the line that is wrong."""
    terms = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            if None in row or None in row.values() or not row["en"] or not row["zh"]:
                raise Unreadable(f"line {number}: a row has five cells")
            if row["keep_english_after_first"] not in KEEP:
                raise Unreadable(f"line {number}: the third cell is one of {KEEP}")
            forbidden = tuple(filter(None, row["forbidden"].split("|")))
            terms.append(
                Term(row["en"], row["zh"], row["keep_english_after_first"], forbidden)
            )
    return tuple(terms)


def words(text: str) -> str:
    """What a reader sees of a message in words: text and what roles call things, no code, no math."""
    shown = []
    for token in inline_tokens(text):
        if token.type == "text":
            shown.append(token.content)
        elif token.type == "myst_role" and token.meta["name"] in (
            "term",
            "ref",
            "doc",
            "numref",
        ):
            name, goal = target(token.content)
            if name != goal or token.meta["name"] == "term":
                shown.append(name)
        elif token.type in ("softbreak", "hardbreak"):
            shown.append(" ")
    return "".join(shown)


def stands(term: str, text: str) -> bool:
    """Whether a term stands in a text: Latin ones as whole words, Chinese ones anywhere."""
    if re.search(han.LETTER, term):
        return term in text
    return re.search(rf"(?<![\w-]){re.escape(term)}(?![\w-])", text) is not None


def glossary(book: Book) -> dict[str, str]:
    """The glossary's terms, by their English."""
    page = book.root / f"{GLOSSARY}.md"
    text = page.read_text("utf-8") if page.is_file() else ""
    body = re.search(r"\{glossary\}\n(.*?)\n(?:```|:::)", text, re.DOTALL)
    defined = re.findall(r"^(?![:\s])(.+)$", body[1], re.MULTILINE) if body else []
    for path, catalog in book.catalogs("zh_CN"):
        if path.as_posix().endswith(f"{GLOSSARY}.po"):
            known = {entry.msgid: entry.msgstr for entry in catalog}
            return {term: known.get(term, "") for term in defined}
    return {}


def of_glossary(book: Book, called: dict[str, str]) -> Iterator[str]:
    terms = base(book.root / BASE)
    for name, shown in called.items():
        rows = [term for term in terms if name in term.names]
        if rows and not any(
            t.shows(shown) or shown.startswith(t.chinese) for t in rows
        ):
            wanted = " or ".join(term.chinese for term in rows)
            yield f"{GLOSSARY}.po: {name} is {shown}, in the base {wanted}"


def of_message(
    english: str, chinese: str, called: dict[str, str], terms: tuple[Term, ...]
) -> Iterator[str]:
    shown = words(chinese)
    for term in terms:
        for bad in term.forbidden:
            if stands(bad, shown):
                yield f"{bad} is forbidden; {term.english} is {term.chinese}"
    for token in inline_tokens(chinese):
        if token.type == "myst_role" and token.meta["name"] == "term":
            name, goal = target(token.content)
            wanted = called.get(goal)
            allowed = {wanted} if wanted else set()
            rows = [t for t in terms if goal in t.names]
            if wanted and name not in allowed and not any(t.shows(name) for t in rows):
                yield f"{{term}} shows {name}; the glossary calls {goal} {wanted}"
    yield from not_rendered(english, shown, terms)


def not_rendered(english: str, shown: str, terms: tuple[Term, ...]) -> Iterator[str]:
    """Terms of several words: they mean one thing, so their one rendering must be there."""
    source = words(english)
    for quoted in QUOTED.findall(english):  # a message of a program stays as it is
        if quoted in shown:
            source = source.replace(quoted, "")
    for term in terms:
        name = term.names[0]
        if " " in name and stands(name, source):
            allowed = (term.chinese, *(term.names if term.keep != "no" else ()))
            if not any(one in shown.replace("、", ", ") for one in allowed):
                yield f"{name} stands in the English; in the Chinese no {term.chinese}"


def faults(book: Book) -> Iterator[str]:
    if not (book.root / BASE).is_file():
        yield f"{BASE}: the term base is not there"
        return
    try:
        terms = base(book.root / BASE)
    except Unreadable as error:
        yield f"{BASE}: {error}"
        return
    called = glossary(book)
    yield from of_glossary(book, called)
    for path, catalog in book.catalogs("zh_CN"):
        for entry in catalog:
            if entry.translated():
                for fault in of_message(entry.msgid, entry.msgstr, called, terms):
                    where = f"{book.name(path)}: “{shortened(entry.msgid, 40)}”"
                    yield f"{where}: {fault}"
