"""What must never show on a built page: markup, names of values, links that lead nowhere."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

pytestmark = pytest.mark.built
SITE = Path(os.environ.get("BOOK_SITE", Path(__file__).parents[2] / "_build" / "site"))
# Markup as it is written, the name of any role among it.
LEFT_OVER = re.compile(
    r"\{\{|\}\}|\\val\b|%\{|\*\*|`|\$|\]\(|:::|\[\^|\{[a-z]+(?::[a-z]+)*\}"
)
MARKS = "{{ }} \\val %{ ** ` $ ]( ::: [^ {val} {term} {ref} {eq} {doc} {numref} {cite:t}".split()
VOID = {
    "area",
    "base",
    "br",
    "col",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "wbr",
}


class Page(HTMLParser):
    """Ids, links and the text that a reader sees (code and scripts apart)."""

    def __init__(self, html: str):
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.text: list[str] = []
        self.alternatives: list[str] = []
        self.stack: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        self.links += [values[key] for key in ("href", "src") if values.get(key)]
        self.alternatives += [
            values[key] for key in ("alt", "aria-label") if values.get(key)
        ]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag in self.stack:
            while self.stack.pop() != tag:
                pass

    def handle_data(self, data):
        if not {"script", "style", "pre", "code"} & set(self.stack):
            self.text.append(data)


def left_over(html: str) -> list[str]:
    """Markup that shows through in text or in a text alternative."""
    page = Page(html)
    seen = " ".join(page.text + page.alternatives)
    return LEFT_OVER.findall(seen)


def pages() -> dict[Path, Page]:
    """All but the pages for what is not there: their links start at the site's root (test_meta.py)."""
    found = {
        path.resolve(): Page(path.read_text("utf-8"))
        for path in SITE.rglob("*.html")
        if path.name != "404.html"
    }
    assert found, "no built site: make book"
    return found


def dead_links(found: dict[Path, Page]) -> list[str]:
    """Links inside the site whose file or anchor is not there."""
    dead = []
    for path, page in found.items():
        for link in page.links:
            if re.match(r"[a-z]+:|//", link):
                continue
            target, anchor = urldefrag(link)
            target = target.partition("?")[
                0
            ]  # `?v=...` keeps a browser from an old copy
            goal = (path.parent / unquote(target)).resolve() if target else path
            if goal.is_dir():
                goal /= "index.html"
            there = goal.exists() and (
                not anchor or goal not in found or unquote(anchor) in found[goal].ids
            )
            if not there:
                dead.append(f"{path.relative_to(SITE.resolve())}: {link}")
    return dead


def test_no_markup_shows():
    broken = {}
    for path in SITE.rglob("*.html"):
        if marks := left_over(path.read_text(encoding="utf-8")):
            broken[str(path)] = marks
    assert not broken


@pytest.mark.parametrize("mark", MARKS)
def test_the_look_for_markup_bites(mark):
    assert left_over(f"<p>the cache {mark} holds</p>") == [mark]
    assert left_over(f'<img alt="{mark} tokens">') == [mark]
    assert left_over(f"<pre>{mark}</pre><code>{mark}</code>") == []


HAN = re.compile("[\u3400-\u9fff]")
BLOCK = re.compile(r"<(p|li|dd|td|th|h[1-4]|figcaption)\b[^>]*>(.*?)</\1>", re.DOTALL)
CODE = re.compile(r"<(code|pre|math|cite)\b.*?</\1>", re.DOTALL)


def english_blocks(html: str) -> list[str]:
    """Text blocks of a page's article that hold a sentence and no Chinese (citations apart)."""
    article = html.partition("<article")[2].partition("</article>")[0]
    article = re.sub(r'<div class="citation".*', "", article, flags=re.DOTALL)
    found = []
    for _, inside in BLOCK.findall(article):
        text = re.sub(r"<[^>]+>", " ", CODE.sub(" ", inside))
        words = re.findall(r"\b[a-z]{2,}\b", text)
        if len(words) >= 4 and not HAN.search(text):
            found.append(" ".join(text.split()))
    return found


def test_no_english_page_in_the_chinese_edition():
    """No paragraph is left in English, and every page is mostly Chinese."""
    trouble = {}
    for path in (SITE / "zh").rglob("*.html"):
        if path.name == "404.html":  # one for all editions, on many hosts
            continue
        html = path.read_text("utf-8")
        article = html.partition("<article")[2].partition("</article>")[0]
        if article and (left := english_blocks(html)):
            trouble[path.name] = left
        enough = 5 if path.name == "references.html" else 30  # titles stay as published
        assert not article or len(HAN.findall(article)) > enough, path
        assert '<html lang="zh-CN"' in html, path
    assert not trouble


def test_the_look_for_english_bites():
    page = "<article><p>{}</p></article>".format
    assert english_blocks(page("The cache is full and the next request waits."))
    assert not english_blocks(page("缓存满了 <code>the cache is full of tokens</code>"))
    assert not english_blocks(page("<code>make the book and test it</code>"))


def test_links_inside_the_site_lead_somewhere():
    assert not dead_links(pages())


def test_the_look_for_dead_links_bites(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.SITE", tmp_path)
    (tmp_path / "a.html").write_text(
        '<a href="b.html#x"></a><a href="c.html"></a><p id="y">'
    )
    (tmp_path / "b.html").write_text('<a href="a.html#y"></a>')
    found = {path.resolve(): Page(path.read_text()) for path in tmp_path.glob("*.html")}
    assert dead_links(found) == ["a.html: b.html#x", "a.html: c.html"]
