"""Both PDFs: whole, searchable, in their language, with nothing missing; and the log's judge bites."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pypdf import PdfReader
from pypdf.generic import Destination

from tools import LANGUAGES, pdf

FOLDER = Path(__file__).parents[2] / "_build" / "pdf"
HEADS = {"en": r"Chapter\s*1", "zh_CN": r"第\s*1\s*章"}
LEFT_OVER = ("{{", "}}", "\\val", "%{", "{val}", "{term}", "**")


@pytest.fixture(scope="module", params=list(HEADS))
def book(request):
    path = FOLDER / LANGUAGES[request.param].pdf
    assert path.is_file(), f"{path.name} is not built: make book"
    reader = PdfReader(path)
    text = "\n".join(page.extract_text() for page in reader.pages)
    return request.param, reader, text


def flat(outline) -> list[str]:
    titles = []
    for item in outline:
        titles += flat(item) if isinstance(item, list) else [str(item.title)]
    return titles


@pytest.mark.built
def test_title_and_language(book):
    language, reader, _ = book
    assert reader.metadata.title == LANGUAGES[language].title
    assert reader.trailer["/Root"]["/Lang"] == LANGUAGES[language].code


@pytest.mark.built
def test_bookmarks_lead_through_the_book(book):
    language, reader, _ = book
    titles = flat(reader.outline)
    wanted = {"en": ["KV cache", "Glossary"], "zh_CN": ["KV 缓存", "术语表"]}[language]
    for words in wanted:
        assert any(words in title for title in titles), titles


@pytest.mark.built
def test_chapter_heads_are_in_the_language(book):
    language, _, text = book
    assert re.search(HEADS[language], text)
    other = HEADS["en" if language == "zh_CN" else "zh_CN"]
    assert not re.search(other, text)


@pytest.mark.built
def test_no_markup_shows(book):
    _, _, text = book
    assert not [mark for mark in LEFT_OVER if mark in text]


@pytest.mark.built
def test_every_font_is_embedded(book):
    _, reader, _ = book
    found = set()
    for page in reader.pages:
        for font in (page["/Resources"].get("/Font") or {}).values():
            font = font.get_object()
            inner = font.get("/DescendantFonts", [font])[0].get_object()
            descriptor = inner["/FontDescriptor"].get_object()
            found.add(str(font["/BaseFont"]))
            assert any(f"/FontFile{kind}" in descriptor for kind in ("", "2", "3")), (
                font
            )
    assert len(found) > 3


@pytest.mark.built
def test_links_inside_lead_somewhere(book):
    _, reader, _ = book
    names, links = reader.named_destinations, 0
    for page in reader.pages:
        for annotation in page.get("/Annots") or []:
            action = annotation.get_object().get("/A") or {}
            if action.get("/S") == "/GoTo" and not isinstance(action["/D"], list):
                links += 1
                assert isinstance(names.get(str(action["/D"])), Destination), action
    assert links > 50


@pytest.mark.parametrize(
    "line",
    [
        "Missing character: There is no 缓 in font [lmroman10-regular]!",
        "LaTeX Warning: Reference `kv-cache' on page 3 undefined on input line 12.",
        "LaTeX Warning: There were undefined references.",
        "Overfull \\hbox (10.4pt too wide) in paragraph at lines 7--9",
        "Package hyperref Warning: Hyper reference `x' on page 1 undefined on input line 4.",
    ],
)
def test_a_fault_in_the_log_is_found(line):
    assert len(pdf.faults(f"This is XeTeX\n{line}\n[1]\n")) == 1


def test_a_clean_log_passes():
    log = "Overfull \\hbox (9.9pt too wide) in paragraph\nUnderfull \\hbox (badness 10000)\n"
    assert pdf.faults(log) == []
