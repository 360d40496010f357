"""What a page says to those who do not see it: description, cards, sitemap, a page for what is not there."""

from __future__ import annotations

import html
import os
import re
import struct
import subprocess
import sys
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from docutils import nodes
from docutils.utils import new_document
from PIL import Image
from sphinx import addnodes

from tests.book.conftest import SITE, serving
from tools import LANGUAGES, ROOT

import cards  # isort: skip
import checked  # isort: skip
import page_meta  # isort: skip
import settings  # isort: skip

EDITIONS = [SITE / one.folder for one in LANGUAGES.values()]
BASE = "https://book.example/read"


def pages(edition: Path) -> list[Path]:
    return [edition / "index.html", *sorted(edition.glob("chapters/**/*.html"))]


@pytest.mark.built
@pytest.mark.parametrize("edition", EDITIONS, ids=lambda path: path.name)
def test_every_page_describes_itself_in_its_own_words(edition):
    found = {}
    for page in pages(edition):
        html = page.read_text("utf-8")
        if 'http-equiv="refresh"' in html:
            continue
        (text,) = re.findall(r'<meta name="description" content="([^"]*)">', html)
        assert 20 <= len(text) <= 201 and "{" not in text and "  " not in text, page
        assert bool(re.search("[\u4e00-\u9fff]", text)) == (edition != SITE), page
        found[text] = page
    assert len(found) > 0.9 * len(pages(edition)), "descriptions differ"


@pytest.mark.built
@pytest.mark.parametrize("edition", EDITIONS, ids=lambda path: path.name)
def test_what_needs_an_address_is_there_only_with_one(edition):
    """A publisher's build has one in the environment, and so have its tests."""
    wanted = bool(settings.setting("baseurl"))
    for page in pages(edition):
        html = page.read_text("utf-8")
        if 'http-equiv="refresh"' not in html:
            assert ("og:" in html) == wanted, page
    for name in ("sitemap.xml", cards.FOLDER):
        assert (edition / name).exists() == wanted


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("One sentence. Another one.", 200, "One sentence. Another one."),
        ("One sentence. Another one.", 20, "One sentence."),
        ("At 3.5 GB it is full. Next.", 22, "At 3.5 GB it is full."),
        ("A sentence that never comes to an end", 20, "A sentence that…"),
        ("第一句话。第二句话。", 6, "第一句话。"),
        ("一句没有停顿的很长很长的话", 8, "一句没有停顿的…"),
    ],
)
def test_a_description_ends_where_a_sentence_does(text, most, kept):
    assert page_meta.shortened(text, most) == kept and len(kept) <= most


def test_a_description_is_the_text_and_nothing_beside_it():
    document = new_document("page")
    box = nodes.admonition(
        "", nodes.paragraph(text="What stands in a box is not what the page is about.")
    )
    date = nodes.paragraph(
        text="Facts checked on 2026-11-23, in words enough", classes=["checked"]
    )
    text = nodes.paragraph(text="The question that this chapter answers, in a ")
    text += [nodes.math("x", "x"), nodes.Text(" paragraph.")]
    links = addnodes.compact_paragraph(
        text="A list of pages, as a toctree leaves it behind"
    )
    document += [date, box, links, text]
    wanted = "The question that this chapter answers, in a paragraph."
    assert page_meta.description(document, "en") == wanted


@pytest.mark.parametrize(
    ("title", "most"),
    [
        ("Attention: queries, keys and values", 2),
        ("The KV cache and the memory tsunami of long conversations", 3),
        ("注意力：查询、键与值", 1),
        ("LLM 从原理到生产级推理，以及更多", 2),
    ],
)
def test_titles_of_cards_break_where_they_may(title, most):
    found = cards.lines(title)
    assert len(found) <= most and "".join(found).replace(" ", "") == title.replace(
        " ", ""
    )
    assert all(cards.width(line) <= cards.LINE + 2 for line in found)
    assert not any(line[0] in "，：。、" for line in found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_card_is_a_picture_of_the_size_it_says(tmp_path, language):
    cards.draw("KV 缓存 & the <cache>", language, tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (cards.WIDTH, cards.HEIGHT)


@pytest.mark.built
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_title_of_the_book_is_cut_on_its_card(tmp_path, language):
    """The right-most ink of every page's own title keeps a margin."""
    titles, cut = set(), {}
    for page in pages(SITE / LANGUAGES[language].folder):
        title = re.search(r"<title>(.*?)</title>", page.read_text("utf-8"))[1]
        titles.add(html.unescape(title.partition(" — ")[0]))
    assert len(titles) > 10
    for title in titles:
        cards.draw(title, language, tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as picture:
            dark = picture.convert("L").point(lambda tone: 255 if tone < 200 else 0)
            _, top, right, bottom = dark.getbbox()
        if right > cards.WIDTH - 60 or top < 60 or bottom > cards.HEIGHT - 60:
            cut[title] = right
    assert not cut


PAGE = "# A book\n\nA sentence that is long enough to say what the book is about.\n"


@pytest.fixture(scope="module", params=LANGUAGES)
def published(request, tmp_path_factory):
    """An edition of one page that has an address."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "index.md").write_text(PAGE, "utf-8")
    out = folder / "site"
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-c", str(ROOT)]
    command += ["-D", f"language={request.param}", "-D", "include_patterns=index.md"]
    command += ["-D", "redirects=", str(folder), str(out)]
    done = subprocess.run(
        command,
        env=os.environ | {"BOOK_BASEURL": BASE + "/"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return request.param, out


def test_a_published_page_has_whole_addresses(published):
    language, out = published
    html = (out / "index.html").read_text("utf-8")
    meta = dict(
        re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)">', html)
    )
    folder = f"/{LANGUAGES[language].folder}".rstrip("/")
    assert meta["og:url"] == f"{BASE}{folder}/index.html"
    assert meta["og:image"] == f"{BASE}{folder}/_static/cards/index.png"
    assert (out / "_static/cards/index.png").is_file()
    assert meta["og:description"] == meta["description"] == PAGE.splitlines()[2]
    assert meta["twitter:card"] == "summary_large_image"
    assert f'<link rel="canonical" href="{BASE}{folder}/index.html"' in html
    twins = re.findall(
        r'<link rel="alternate" hreflang="([^"]+)" href="([^"]+)">', html
    )
    wanted = {
        one.code: f"{BASE}/{one.folder}/index.html".replace("//index", "/index")
        for one in LANGUAGES.values()
    }
    assert dict(twins) == wanted | {"x-default": wanted["en"]}
    assert len(twins) == len(LANGUAGES) + 1


def test_the_sitemap_lists_pages_with_their_twins(published):
    language, out = published
    tree = ET.parse(out / "sitemap.xml").getroot()
    space = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
    (place,) = [one.text for one in tree.findall("s:url/s:loc", space)]
    folder = f"/{LANGUAGES[language].folder}".rstrip("/")
    assert place == f"{BASE}{folder}/index.html"
    twins = {
        one.get("hreflang"): one.get("href")
        for one in tree.iter()
        if one.get("hreflang")
    }
    assert twins == {"en": f"{BASE}/index.html", "zh-CN": f"{BASE}/zh/index.html"}
    robots = out / "robots.txt"
    assert robots.is_file() == (language == "en")
    if robots.is_file():
        assert robots.read_text().count("Sitemap: https://") == len(LANGUAGES)


def test_the_page_for_nothing_is_found_from_any_depth(published):
    language, out = published
    html = (out / "404.html").read_text("utf-8")
    folder = LANGUAGES[language].folder
    root = f"/read/{folder}/" if folder else "/read/"
    assert html.index(f'<base href="{root}">') < html.index("<link")
    for one in LANGUAGES.values():
        assert one.say("Page not found") in html


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_wrong_address_is_answered_in_the_book_s_own_way(site, tab, language):
    """By the local server as by a host: the page, with its style and its links, at any depth."""
    if urlsplit(settings.setting("baseurl")).path:
        pytest.skip("the site was built for a folder of its host")
    here = LANGUAGES[language]
    page = tab()
    for address in ("nothing.html", "chapters/principles/nothing/at/all.html"):
        answer = page.goto("/".join(filter(None, (site, here.folder, address))))
        assert answer.status == 404
        assert page.locator("h1").inner_text() == here.say("Page not found")
        assert (
            page.evaluate(
                "getComputedStyle(document.querySelector('article')).fontSize"
            )
            != "16px"
        )
        links = page.locator("article a").evaluate_all(
            "links => links.map((a) => a.href)"
        )
        twin = {"en": f"{site}/zh/index.html", "zh_CN": f"{site}/index.html"}[language]
        assert links[1] == twin
        page.locator("article a").first.click()
        assert page.url == "/".join(filter(None, (site, here.folder, "index.html")))


def test_a_wrong_address_outside_a_book_is_plain(tmp_path):
    address, server = serving(tmp_path)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address}/nothing.html")
    server.shutdown()


@pytest.mark.parametrize("text", ["2999-01-01", "2026-13-01", "yesterday", "2026-11"])
def test_facts_are_checked_on_a_day_that_has_been(text):
    with pytest.raises(ValueError):
        checked.day(text)


@pytest.mark.built
@pytest.mark.parametrize("code", LANGUAGES)
def test_every_page_shows_when_its_facts_were_checked(code):
    say = LANGUAGES[code].say
    for page in pages(SITE / LANGUAGES[code].folder):
        html = page.read_text("utf-8")
        if 'http-equiv="refresh"' in html:
            continue
        (line,) = re.findall(r'<p class="checked">(.*?)</p>', html)
        line = re.sub(r"<[^>]*>", "", line)
        (date,) = re.findall(r"\d{4}-\d\d-\d\d", line)
        assert checked.day(date) and line in (
            say("Facts checked on {date}").format(date=date),
            say("Facts checked on {date} or later").format(date=date),
        ), page


def test_a_page_that_gathers_others_is_as_old_as_the_oldest(tmp_path):
    """A part of its own pages, cover, solutions and references of the whole book."""
    for name, date in {"one/a": "2026-03-01", "one/b": "2026-02-01", "two/c": "2026-01-01"}.items():  # fmt: skip
        page = tmp_path / "chapters" / f"{name}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"# T\n\n```{{checked}} {date}\n```\n", "utf-8")
    for name, day in {
        "index": "2026-01-01",
        "chapters/one/index": "2026-02-01",
        "chapters/one/solutions": "2026-01-01",
    }.items():
        page = tmp_path / f"{name}.md"
        page.write_text("# T\n\n```{checked}\n```\n", "utf-8")
        assert str(checked.oldest(checked.gathered(page, tmp_path))) == day
    with pytest.raises(ValueError, match="no page"):
        checked.oldest([tmp_path / "index.md"])


def test_a_setting_comes_from_the_environment_before_the_file(monkeypatch, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.book]\nbaseurl = "https://file.example/"\n'
    )
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    for name in ("BOOK_BASEURL", "BOOK_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    assert settings.setting("baseurl") == "https://file.example"
    monkeypatch.setenv("BOOK_BASEURL", "https://other.example/x/")
    assert settings.setting("baseurl") == "https://other.example/x"
    assert settings.setting("repository") == ""
