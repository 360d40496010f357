"""A third language is one line, and every word on a page can be translated.

The book is built in a made-up language whose catalogs put ⟦ ⟧ around every message, markup kept. Whatever
then stands on a page outside the marks is text that gettext never saw: no translator could reach it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, NavigableString, Tag

from tests.book import toy
from tools import LANGUAGES, ROOT, po

LANGUAGE = "eo"  # any that Sphinx knows and the book has not
FIRST = tuple(LANGUAGES.values())
# Whole text blocks of a page that no translator needs: code, formulas, the bibliography's entries.
LEFT = "script, style, pre, math, svg, .highlight, .citation, .editions, .headerlink, .translation-notice"
LEFT += ", .checked, .book-part"  # words of the interface
BLOCKS = "p li dt dd td th h1 h2 h3 h4 figcaption caption summary".split()
HEADER = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
WORD = re.compile(r"[A-Za-z]{2,}")


def catalogs(source: Path, target: Path) -> None:
    """Catalogs of the made-up language for every page of `source`."""
    for name, template in po.templates(source, target / "scratch").items():
        for entry in template:
            formula = re.search(r"\\[a-zA-Z]", entry.msgid)
            formula = formula and not re.search(r"[`$]", entry.msgid)
            path = re.fullmatch(r"[\w./-]+\.\w+", entry.msgid)
            plain = formula or path or not entry.msgid.strip()
            entry.msgstr = entry.msgid if plain else f"⟦{entry.msgid}⟧"
        path = target / "locale" / LANGUAGE / "LC_MESSAGES" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER + str(template).partition("\n\n")[2], "utf-8")


def build(source: Path, target: Path) -> Path:
    """The strict web edition in the made-up language."""
    catalogs(source, target)
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-n",
        "-W",
        "--keep-going",
        "-b",
        "html",
    ]
    command += ["-c", str(ROOT), "-d", str(target / "doctrees")]
    command += ["-D", f"language={LANGUAGE}", "-D", f"locale_dirs={target / 'locale'}"]
    done = subprocess.run(
        [*command, str(source), str(target / "html")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target / "html"


def out_of_reach(html: str) -> list[str]:
    """Text and alternative texts of a page's article that carry no mark of a translation."""
    soup = BeautifulSoup(html, "html.parser")
    article = soup.find("article") or soup
    found = [
        image["alt"]
        for image in article.select("img[alt], svg[aria-label]")
        if image.has_attr("alt")
        and WORD.search(image["alt"])
        and "⟦" not in image["alt"]
    ]
    found += [
        svg["aria-label"]
        for svg in article.select("svg[aria-label]")
        if WORD.search(svg["aria-label"]) and "⟦" not in svg["aria-label"]
    ]
    for left in article.select(LEFT):
        left.decompose()
    for block in article.find_all(BLOCKS):
        own = "".join(
            child if isinstance(child, NavigableString) else child.get_text()
            for child in block.children
            if not (isinstance(child, Tag) and child.name in (*BLOCKS, "ul", "ol", "dl", "div", "table"))
        ).strip()  # fmt: skip
        own = re.sub(r"^(Figure|Table|Listing|Section) [\d.]+\s*#?", "", own).strip()
        is_path = re.fullmatch(r"[\w./-]+\.\w+#?", own)
        if WORD.search(own) and not is_path and ("⟦" not in own or "⟧" not in own):
            found.append(" ".join(own.split()))
    return found


@pytest.fixture(scope="module")
def edition(tmp_path_factory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("third"))


def test_every_word_of_the_book_can_be_translated(edition):
    trouble = {}
    for page in sorted(edition.rglob("*.html")):
        name = page.relative_to(edition).as_posix()
        left = out_of_reach(page.read_text("utf-8"))
        if left and name.startswith(("index", "chapters/")):
            trouble[name] = left
    assert not trouble


def test_the_pages_are_in_the_third_language(edition):
    html = (edition / "chapters/bottlenecks/kv-cache.html").read_text("utf-8")
    assert f'lang="{LANGUAGE}"' in html
    assert html.count("⟦") > 100
    # Section ids stay English, so a deep link works in every language.
    assert 'id="bytes-per-token"' in html
    # The other editions are one click away.
    links = BeautifulSoup(html, "html.parser").select("a.book-language")
    assert {link["hreflang"] for link in links} == {one.code for one in FIRST}


TABLE = """
:::{table} A captioned table
:name: tab-kv-cache--cells

| a name | a number |
| --- | --- |
| one thing | 1 |
:::
"""
UNSEEN = {
    "raw HTML": "\n<p>Raw words here.</p>\n",
    "a directive's raw HTML": "\n```{raw} html\n<p>More raw words.</p>\n```\n",
    "the cells of a captioned table": TABLE,
}


@pytest.mark.parametrize("kind", ["nothing", *UNSEEN])
def test_text_that_gettext_does_not_see_is_found(tmp_path, kind):
    book = toy.book(tmp_path / "book")
    page = book / f"{toy.PAGE}.md"
    text = page.read_text("utf-8")
    page.write_text(
        text.replace(
            "## Second section\n", "## Second section\n" + UNSEEN.get(kind, "")
        )
    )
    html = build(book, tmp_path / "built") / f"{toy.PAGE}.html"
    found = out_of_reach(html.read_text("utf-8"))
    assert bool(found) == (kind != "nothing"), found
