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


class Row:
    """A line of a page: where it stands, its text, and the faces and the largest size it is set in."""

    def __init__(self, place: float):
        self.place, self.text, self.faces, self.size = place, "", set(), 0.0

    def is_code(self) -> bool:
        return all("Mono" in face for face in self.faces)

    def is_heading(self) -> bool:
        sans = ("Heros-Bold", "SansCJK")
        return self.size > 10.9 and all(any(n in f for n in sans) for f in self.faces)


def rows(page) -> list[Row]:
    """The lines of a page as they follow each other, without the running head and the page's number."""
    found: list[Row] = []

    def keep(text, _user, matrix, font, size):
        if not text.strip():
            return
        if not found or abs(found[-1].place - matrix[5]) > 5:
            found.append(Row(matrix[5]))
        row = found[-1]
        row.text += text
        row.faces.add(str((font or {}).get("/BaseFont", "")))
        row.size = max(row.size, size)

    page.extract_text(visitor_text=keep)
    if found and found[0].size < 10:  # a page that opens a chapter has none
        found.pop(0)
    return [row for row in found if not re.fullmatch(r"[\divxl]+", row.text.strip())]


def stranded(pages: list[list[Row]]) -> Iterator[str]:
    """Headings at the foot of a page, alone or with one line."""
    for number, page in enumerate(pages, start=1):
        last = [row for row in page[-2:] if row.is_heading()]
        if last and len(page) > 2:
            yield f"page {number}: {last[-1].text.strip()!r} is stranded"


def run_of_code(lines: Iterable[Row]) -> int:
    """How many lines of code follow each other, empty ones among them."""
    places = [row.place for row in itertools.takewhile(Row.is_code, lines)]
    return round(abs(places[0] - places[-1]) / 12) + 1 if places else 0


def torn_code(pages: list[list[Row]], begin: int, end: int) -> Iterator[str]:
    """Listings of which fewer than `begin` lines stand before a page's end, or fewer than `end` after it."""
    for number, (one, other) in enumerate(itertools.pairwise(pages), start=1):
        before, after = run_of_code(reversed(one)), run_of_code(other)
        if before and after and (before < begin or after < end):
            yield f"page {number}: {before} lines of a listing before its end, {after} after it"


def lone_characters(pages: list[list[Row]]) -> Iterator[str]:
    """Chinese paragraphs whose last line is a single character; figures have a face of their own."""
    for number, page in enumerate(pages, start=1):
        for row in page:
            alone = re.fullmatch(r"[\u3400-\u9fff][^\w\s]?", row.text.strip())
            if alone and any("NotoSerifCJK" in face for face in row.faces):
                yield f"page {number}: {row.text.strip()} is a line by itself"


def untold_pages(reader: PdfReader, told: str) -> Iterator[str]:
    """Pages that the text tells (`told` finds their numbers) and no link on that page leads to."""
    names, labels = reader.named_destinations, reader.page_labels
    for number, page in enumerate(reader.pages, start=1):
        led = set()
        for annotation in page.get("/Annots") or []:
            action = annotation.get_object().get("/A") or {}
            place = names.get(str(action.get("/D")))
            if isinstance(place, Destination):
                led.add(labels[reader.get_destination_page_number(place)])
        for found in re.findall(told, page.extract_text()):
            if found not in led:
                yield f"page {number}: no link leads to page {found}"


def contrast(one: str, other: str) -> float:
    """The contrast of two colors as WCAG has it, from 1 to 21."""

    def light(color: str) -> float:
        parts = (int(color[at : at + 2], 16) / 255 for at in (0, 2, 4))
        linear = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
        )
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    darker, lighter = sorted((light(one), light(other)))
    return (lighter + 0.05) / (darker + 0.05)
