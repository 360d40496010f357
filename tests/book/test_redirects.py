"""A page that moved: what stands at its old address leads to the new one, in each edition."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes

from tests.book import conftest
from tools import LANGUAGES

import redirects  # isort: skip

OLD, NEW = "chapters/old/name", "chapters/bottlenecks/kv-cache"


@pytest.fixture
def book(tmp_path):
    """An edition whose pages have been written, as the extension sees it."""
    (tmp_path / "redirects.toml").write_text(f'[moved]\n"{OLD}" = "{NEW}"\n')

    def edition(language: str, builder: str = "html") -> SimpleNamespace:
        return SimpleNamespace(
            builder=SimpleNamespace(name=builder),
            config=SimpleNamespace(language=language),
            srcdir=tmp_path,
            outdir=tmp_path / "site" / LANGUAGES[language].folder,
            env=SimpleNamespace(titles={NEW: nodes.title("", "Keys & values")}),
        )

    return edition


class Read(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_old_address_leads_to_the_new_one(book, language):
    app = book(language)
    redirects.write(app, None)
    page = Path(app.outdir, f"{OLD}.html")
    html = page.read_text("utf-8")
    tags = Read(html).tags
    (goal,) = (a["href"] for tag, a in tags if tag == "a")
    target = Path(app.outdir, f"{NEW}.html").resolve()
    assert (page.parent / goal).resolve() == target
    assert ("meta", {"http-equiv": "refresh", "content": f"0; url={goal}"}) in tags
    assert ("link", {"rel": "canonical", "href": goal}) in tags
    assert ("html", {"lang": LANGUAGES[language].code}) in tags
    assert "Keys &amp; values" in html
    # The section that a link named goes along.
    assert f'location.replace("{goal}" + location.search + location.hash)' in html


def test_only_a_web_edition_that_was_built_gets_such_pages(book):
    redirects.write(book("en", "latex"), None)
    redirects.write(book("en"), RuntimeError("failed"))
    assert not Path(book("en").outdir).exists()


def test_a_book_without_the_table_has_moved_nothing(tmp_path):
    assert redirects.table(tmp_path) == {}


def test_what_only_leads_on_is_no_page_for_the_browser_to_look_at(book):
    app = book("en")
    redirects.write(app, None)
    page = Path(app.outdir, f"{OLD}.html")
    assert not conftest.of_book(page)
    page.write_text("<p>text</p>", "utf-8")
    assert conftest.of_book(page)
