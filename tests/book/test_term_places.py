"""The glossary leads back to the chapters that use a term, each time to where it first stands."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup

from tests.book.conftest import SITE
from tests.book.test_navigation import FOLDERS
from tools import search_index

import term_places  # isort: skip

GLOSSARY = "chapters/appendix/glossary.html"


def article(path):
    return BeautifulSoup(path.read_text("utf-8"), "html.parser").article


def first_uses(folder: str) -> dict[str, dict[str, str]]:
    """By term the chapters that link to it, each with the section of the first link."""
    found: dict[str, dict[str, str]] = {}
    for page in (SITE / folder / "chapters").glob("*/*.html"):
        if page.parent.name == "appendix" or page.name == "index.html":
            continue
        for link in article(page).select('a[href*="glossary.html#term-"]'):
            if not link.find_parent(class_="book-tips"):
                term = link["href"].partition("#")[2]
                section = link.find_parent("section")["id"]
                found.setdefault(term, {}).setdefault(page.name, section)
    return found


@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_term_names_every_chapter_that_uses_it_and_no_other(folder):
    used, seen = first_uses(folder), 0
    for entry in article(SITE / folder / GLOSSARY).select("dt[id^=term-]"):
        line = entry.find_next_sibling("dd").select_one(".term-places")
        links = [] if line is None else line.select("a")
        shown = {}
        for link in links:
            page, _, section = link["href"].rpartition("/")[2].partition("#")
            shown[page] = section
            assert link["title"].startswith(f"{link.get_text()}. ")
        assert shown == used.get(entry["id"], {}), entry["id"]
        numbers = [int(link.get_text()) for link in links]
        assert numbers == sorted(set(numbers))
        seen += bool(links)
    assert seen > 80


@pytest.mark.built
@pytest.mark.parametrize(
    ("folder", "words"), [("", r"^Chapters? \d"), ("zh", r"^第 \d.* 章$")]
)
def test_the_line_is_in_the_edition_s_words(folder, words):
    for line in article(SITE / folder / GLOSSARY).select(".term-places"):
        text = line.get_text().replace("\N{NO-BREAK SPACE}", " ")
        assert re.search(words, text), text
        assert text.startswith("Chapters") == (", " in text)


@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_it_is_no_part_of_the_definition(folder):
    """Neither where a chapter shows it, nor for the search."""
    page = (SITE / folder / "chapters/principles/attention.html").read_text("utf-8")
    assert "book-tips" in page and "term-places" not in page
    html = search_index.for_index((SITE / folder / GLOSSARY).read_text("utf-8"))
    assert html.count('<span data-pagefind-ignore class="term-places">') > 80
    assert '<span class="term-places">' not in html


def test_what_a_page_used_goes_with_it_and_comes_from_another_process():
    one, other = SimpleNamespace(), SimpleNamespace()
    term_places.places(one).update({"a": {"token": "x"}, "b": {}})
    term_places.places(other).update({"c": {"decode": "y"}})
    term_places.on_merge(None, one, ["c"], other)
    term_places.on_purge(None, one, "a")
    assert term_places.places(one) == {"b": {}, "c": {"decode": "y"}}
