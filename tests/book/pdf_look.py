"""What a PDF of the book must have, each a function that names what is wrong with a reader's file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from pypdf import PdfReader
from pypdf.generic import Destination, DictionaryObject

EMBEDDED = ("/FontFile", "/FontFile2", "/FontFile3")
# Markup as it is written; code may hold it, and so may a page's `$` and backtick.
LEFT_OVER = re.compile(
    r"\{\{|\}\}|\\val\b|%\{|\*\*|\]\(|:::|\[\^|\{[a-z]+(?::[a-z]+)*\}"
)


def information(reader: PdfReader, title: str, code: str) -> Iterator[str]:
    """Title, author and language."""
    told = reader.metadata or {}
    if told.get("/Title") != title:
        yield f"the title is {told.get('/Title')!r}, not {title!r}"
    if title not in str(told.get("/Author", "")):
        yield f"the author is {told.get('/Author')!r}"
    if (language := reader.trailer["/Root"].get("/Lang")) != code:
        yield f"the language is {language!r}, not {code!r}"


def flat(outline, level: int = 0) -> list[tuple[int, str]]:
    """The bookmarks with their depths, in order."""
    titles = []
    for item in outline:
        if isinstance(item, list):
            titles += flat(item, level + 1)
        else:
            titles.append((level, " ".join(str(item.title).split())))
    return titles


def bookmarks(reader: PdfReader, wanted: list[tuple[int, str]]) -> Iterator[str]:
    """Pages outside the parts at depth 0, parts too, their chapters at depth 1, in the book's order.

    The list of contents comes first and is no page; sections are not compared.
    """
    parts = {
        title
        for (level, title), (deeper, _) in itertools.pairwise(wanted)
        if level < deeper
    }
    found, inside = [], False
    for level, title in flat(reader.outline)[1:]:
        if level == 0:
            inside = title in parts
        if level == 0 or (level == 1 and inside):
            found.append((level, title))
    for level, title in wanted:
        if (level, title) not in found:
            yield f"no bookmark {title!r} at depth {level}"
    for level, title in found:
        if (level, title) not in wanted:
            yield f"the bookmark {title!r} at depth {level} is no page of the book"
    if sorted(found) == sorted(wanted) and found != wanted:
        yield "the bookmarks are not in the book's order"


def fonts_of(page) -> Iterator:
    """The fonts of a page and of the figures on it; those drawn in the file itself (Type 3) apart."""
    resources = page.get("/Resources", DictionaryObject()).get_object()
    inside = resources.get("/XObject", DictionaryObject()).get_object().values()
    figures = (x.get_object().get("/Resources", DictionaryObject()) for x in inside)
    for one in (resources, *(figure.get_object() for figure in figures)):
        for font in one.get("/Font", DictionaryObject()).get_object().values():
            if font.get_object()["/Subtype"] != "/Type3":
                yield font.get_object()


def fonts(reader: PdfReader, families: Iterable[str]) -> Iterator[str]:
    """Every font is in the file, and so is one of each wanted family."""
    names = set()
    for page in reader.pages:
        for font in fonts_of(page):
            inner = font.get("/DescendantFonts", [font])[0].get_object()
            descriptor = inner.get("/FontDescriptor", DictionaryObject()).get_object()
            name = str(font["/BaseFont"])
            if name not in names and not any(k in descriptor for k in EMBEDDED):
                yield f"the font {name} is not embedded"
            names.add(name)
    for family in families:
        if not any(family.lower() in name.lower() for name in names):
            yield f"there is no font {family}"


def links(reader: PdfReader, least: int) -> Iterator[str]:
    """Links inside lead to a place that is there, those outside to an address."""
    names, inside = reader.named_destinations, 0
    for number, page in enumerate(reader.pages, start=1):
        for annotation in page.get("/Annots") or []:
            link = annotation.get_object()
            action = link.get("/A") or {}
            to = action.get("/D") if action.get("/S") == "/GoTo" else link.get("/Dest")
            if to is not None and not isinstance(to, list):
                inside += 1
                if not isinstance(names.get(str(to)), Destination):
                    yield f"page {number}: a link leads to {to}, which is nowhere"
            uri = str(action.get("/URI"))
            if action.get("/S") == "/URI" and not re.match(r"https?://|mailto:", uri):
                yield f"page {number}: {uri} is no address"
    if inside < least:
        yield f"{inside} links inside, at least {least} are expected"


def without_code(page) -> str:
    """The page's text but for what is set in the typewriter face: code may hold braces."""
    pieces = []

    def keep(text, _user, _matrix, font, _size):
        if "Mono" not in str((font or {}).get("/BaseFont", "")):
            pieces.append(text)

    page.extract_text(visitor_text=keep)
    return "".join(pieces)


def markup(reader: PdfReader) -> Iterator[str]:
    """Pages on which markup shows."""
    for number, page in enumerate(reader.pages, start=1):
        if match := LEFT_OVER.search(without_code(page)):
            yield f"page {number}: {match[0]} shows"
