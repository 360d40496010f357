"""Ways through the book and out of it: parts, keys, links below a page, comments, Markdown for assistants."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.book.conftest import SITE, serving
from tools import LANGUAGES, ROOT

import chapter_numbers  # isort: skip
import markdown_pages  # isort: skip
import page_links  # isort: skip
import settings  # isort: skip

CHAPTER = "chapters/principles/attention.html"
FOLDERS = [one.folder + "/" if one.folder else "" for one in LANGUAGES.values()]
PART = {"": "Part I · Principles", "zh/": "第一部分 · 原理"}
KEYS = {"repo": "a/b", "repo-id": "R_1", "category": "Pages", "category-id": "DIC_1"}


# ---- parts --------------------------------------------------------------------------------------
def test_parts_are_numbered_in_each_language():
    assert chapter_numbers.part_label(4, "en") == "Part IV"
    assert chapter_numbers.part_label(4, "zh_CN") == "第四部分"


@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_part_has_its_number_wherever_it_is_named(folder):
    def words(html: str) -> str:
        return re.sub(r"<[^>]*>", "", html)

    chapter = (SITE / folder / CHAPTER).read_text("utf-8")
    (above,) = re.findall(r'<p class="book-part"[^>]*>(.*?)</p>', chapter)
    assert words(above) == PART[folder] and 'href="index.html"' in above
    sidebar = chapter[
        chapter.index("bd-docs-nav") : chapter.index(
            "</nav>", chapter.index("bd-docs-nav")
        )
    ]
    assert PART[folder] in words(sidebar)
    assert PART[folder] in words(chapter[chapter.index('class="left-prev"') :][:900])
    part = (SITE / folder / "chapters/principles/index.html").read_text("utf-8")
    (title,) = re.findall(r"<h1>(.*?)<a", part)
    assert words(title) == PART[folder] and "book-part" not in part
    assert words(re.search("<title>(.*?)</title>", part)[1]).startswith(PART[folder])


@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_part_s_page_lists_its_chapters_with_a_line_each(folder):
    for page in (SITE / folder / "chapters").glob("*/index.html"):
        html = page.read_text("utf-8")
        article = html[html.index("<article") : html.index("</article>")]
        found = re.findall(
            r"<dt>.*?href=\"([\w-]+)\.html[#\"].*?<span[^>]*>(.*?)</span></a>.*?</dt><dd><p>(.*?)</p>",
            article.replace("\n", ""),
        )
        beside = {one.stem for one in page.parent.glob("*.html")} - {"index"}
        assert {name for name, _, _ in found} == beside, page
        for name, title, line in found:
            text = (page.parent / f"{name}.html").read_text("utf-8")
            head = re.search(r"<h1>(.*?)<a", text)[1]
            assert title == re.sub("<[^>]*>", "", head).strip() and 8 < len(line) < 200
        assert len(re.findall("<a ", article)) < 4 * len(beside) + 4, "chapters only"


@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_the_cover_has_a_card_for_every_part(folder):
    html = (SITE / folder / "index.html").read_text("utf-8")
    cards = re.findall(r"sd-card-title[^>]*>\s*(?:<p[^>]*>)?([^<]*)", html)
    nav = html[html.index("bd-docs-nav") :]
    parts = re.findall(
        r'<span class="part-number">.*?</span>[^<]*', nav[: nav.index("</nav>")]
    )
    names = [re.sub("<[^>]*>", "", one) for one in parts]
    assert len(names) >= 2
    assert [one.strip() for one in cards if " · " in one] == names


# ---- keys ---------------------------------------------------------------------------------------
@pytest.mark.browser
@pytest.mark.parametrize("folder", FOLDERS)
def test_keys_lead_where_the_list_says(site, tab, folder):
    page = tab(1280)
    address = f"{site}/{folder}{CHAPTER}"
    page.goto(address)
    page.keyboard.press("?")
    assert page.locator("#book-shortcuts").is_visible()
    assert page.locator("#book-shortcuts dt").count() == 6
    page.keyboard.press("Escape")
    page.locator("#book-shortcuts").wait_for(state="hidden")
    page.keyboard.press("/")
    assert page.locator("#pst-search-dialog input").evaluate(
        "one => one === document.activeElement"
    )
    page.keyboard.type("d]l")  # letters of a query are no keys
    assert page.locator("#pst-search-dialog input").input_value() == "d]l"
    page.keyboard.press("Escape")
    page.locator("#pst-search-dialog").wait_for(state="hidden")
    page.keyboard.press("d")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.keyboard.press("c")
    assert not page.locator("#pst-primary-sidebar").is_visible()
    page.keyboard.press("]")
    page.wait_for_url("**/transformer.html")
    page.keyboard.press("[")
    page.wait_for_url("**/attention.html")
    page.keyboard.press("l")
    page.wait_for_url(lambda url: ("/zh/" in url) != bool(folder))


@pytest.mark.browser
def test_keys_can_be_turned_off_and_stay_off(site, tab):
    page = tab(1280)
    page.goto(f"{site}/{CHAPTER}")
    page.locator(".shortcuts-open").click()
    page.locator("#book-shortcuts input").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("]")
    page.keyboard.press("?")
    page.wait_for_timeout(300)
    assert (
        page.url.endswith(CHAPTER) and not page.locator("#book-shortcuts").is_visible()
    )
    page.keyboard.press("Control+k")  # not a single key
    assert page.locator("#pst-search-dialog").is_visible()


# ---- below a page -------------------------------------------------------------------------------
@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_links_to_edit_and_comments_are_there_only_with_their_settings(folder):
    repository = bool(settings.setting("repository"))
    comments = all(settings.setting(f"comments-{name}") for name in page_links.COMMENTS)
    for page in (SITE / folder).glob("chapters/*/*.html"):
        html = page.read_text("utf-8")
        if 'http-equiv="refresh"' not in html:
            assert ('class="page-report' in html) == ("/edit/" in html) == repository
            assert ('class="page-comments' in html) == comments


def test_a_repository_brings_links_to_edit_and_to_report(monkeypatch):
    monkeypatch.setenv("BOOK_REPOSITORY", "https://code.example/a/b")
    name = "chapters/principles/attention"
    english = page_links.repository_links(name, "Attention", "en")
    assert english["edit"] == f"https://code.example/a/b/edit/main/{name}.md"
    chinese = page_links.repository_links(name, "注意力", "zh_CN")
    path = chinese["edit"].removeprefix("https://code.example/a/b/edit/main/")
    assert (ROOT / path).is_file() and path.endswith(".po")
    asked = parse_qs(urlsplit(chinese["report"]).query)
    form = (ROOT / ".github/ISSUE_TEMPLATE" / asked["template"][0]).read_text("utf-8")
    for field in ("page", "edition"):
        assert f"id: {field}\n" in form and asked[field]
    assert asked["edition"][0] in form and asked["title"] == ["注意力: "]
    monkeypatch.setenv("BOOK_REPOSITORY", "")
    assert page_links.repository_links(name, "Attention", "en") == {}


@pytest.mark.browser
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_page_is_shared_with_its_section_and_no_other_site_is_asked(
    site, tab, folder
):
    page = tab(permissions=["clipboard-read", "clipboard-write"])
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}/{folder}{CHAPTER}")
    page.evaluate("location.hash = 'many-heads'")
    page.locator(".share-copy").click()
    assert page.evaluate("navigator.clipboard.readText()").endswith(
        f"{CHAPTER}#many-heads"
    )
    for link in page.locator("[data-share]").all():
        link.focus()
        address = link.get_attribute("href")
        assert "attention.html%23many-heads" in address and "{" not in address
    assert all(url.startswith((site, "data:")) for url in asked)


# ---- comments -----------------------------------------------------------------------------------
def test_comments_need_all_of_their_settings(monkeypatch):
    for missing in KEYS:
        for name, value in KEYS.items():
            key = f"BOOK_COMMENTS_{name.upper().replace('-', '_')}"
            monkeypatch.setenv(key, "" if name == missing else value)
        assert page_links.comments("index", "en") == {}


STUB = """
const told = document.currentScript.dataset;
const frame = document.createElement("iframe");
frame.srcdoc = `<script>onmessage = (e) => { document.title = JSON.stringify(e.data); }<` + `/script>`;
document.querySelector(".page-comments").append(frame);
window.told = { ...told };
"""


REPOSITORY = "https://code.example/a/b"


@pytest.fixture(scope="module", params=LANGUAGES)
def with_comments(request, tmp_path_factory):
    """A page of a book that has a repository, with comments that come from a stub beside it."""
    folder = tmp_path_factory.mktemp("comments")
    (folder / "index.md").write_text("# A page\n\nA sentence about it.\n", "utf-8")
    out = folder / "site"
    out.mkdir()
    address, server = serving(out)
    keys = {f"BOOK_COMMENTS_{k.upper().replace('-', '_')}": v for k, v in KEYS.items()}
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-c", str(ROOT)]
    command += ["-D", f"language={request.param}", "-D", "include_patterns=index.md"]
    done = subprocess.run(
        [*command, str(folder), str(out)],
        env=os.environ
        | keys
        | {"BOOK_COMMENTS_HOST": address, "BOOK_REPOSITORY": REPOSITORY},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (out / "client.js").write_text(STUB, "utf-8")
    yield request.param, address
    server.shutdown()


@pytest.mark.browser
def test_comments_load_when_asked_for_in_the_page_s_language_and_colors(
    with_comments, tab
):
    language, address = with_comments
    page, asked = tab(1280, color_scheme="dark"), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/index.html")
    page.wait_for_timeout(200)
    assert not [url for url in asked if "client.js" in url]
    page.locator(".page-comments button").click()
    page.wait_for_function("window.told")
    told = page.evaluate("window.told")
    wanted = {
        "repo": "a/b",
        "repoId": "R_1",
        "category": "Pages",
        "categoryId": "DIC_1",
    }
    assert {name: told[name] for name in wanted} == wanted
    assert told["lang"] == LANGUAGES[language].code and told["theme"] == "dark"
    assert told["term"] == "index" and told["reactionsEnabled"] == "1"
    frame = page.frames[-1]
    page.keyboard.press("d")
    message = 'document.title.includes(\'"theme":"light"\')'
    frame.wait_for_function(message, timeout=5000)


@pytest.mark.browser
def test_a_page_of_a_book_with_a_repository_can_be_edited_and_reported(
    with_comments, tab
):
    """The links as they are on the page; the report names the section, by pointer and by key."""
    language, address = with_comments
    say, page = LANGUAGES[language].say, tab()
    page.goto(f"{address}/index.html")
    edit = page.get_by_role("link", name=say("Edit this page")).get_attribute("href")
    path = "index.md" if language == "en" else f"locale/{language}/LC_MESSAGES/index.po"
    assert edit == f"{REPOSITORY}/edit/main/{path}"
    report = page.get_by_role("link", name=say("Report an error"))
    asked = parse_qs(urlsplit(report.get_attribute("href")).query)
    assert report.get_attribute("href").startswith(f"{REPOSITORY}/issues/new?")
    assert asked["page"] == ["index.html"] and asked["template"] == ["erratum.yml"]
    for number, act in enumerate(
        (report.focus, lambda: report.dispatch_event("pointerdown"))
    ):
        page.evaluate(f"document.activeElement.blur(); location.hash = 'part-{number}'")
        act()
        asked = parse_qs(urlsplit(report.get_attribute("href")).query)
        assert asked["page"] == [f"index.html#part-{number}"]


# ---- Markdown -----------------------------------------------------------------------------------
def test_an_article_becomes_markdown():
    math = {
        "<math>a</math>": "a_1 < 2",
        '<math display="block">b</math>': r"\frac{b}{2}",
    }
    body = (
        '<section id="x"><h2>Title<a class="headerlink" href="#x">#</a></h2>'
        '<p>A <em>word</em>, <math>a</math>, <a href="other.html#y">there</a>, <a href="https://x.org/a.html">x</a>.</p>'
        '<div><math display="block">b</math></div>'
        '<div class="highlight-python notranslate"><div class="highlight"><pre>def f_x(): ...\n</pre></div></div>'
        '<figure><svg aria-label="Two lines"><text>noise</text></svg><figcaption>Caption</figcaption></figure>'
        '<p>The token <code><span class="pre"> Paris</span></code> and <code>a`b</code></p>'
        '<div class="book-tips" hidden>tip</div></section>'
    )
    text = markdown_pages.markdown(body, math)
    assert text.startswith("## Title\n") and "$a_1 < 2$" in text
    assert "$$\n\\frac{b}{2}\n$$" in text and "```python\ndef f_x(): ...\n```" in text
    assert "[there](other.md#y)" in text and "(https://x.org/a.html)" in text
    assert "[Two lines]" in text and "Caption" in text
    assert "The token ` Paris` and ``a`b``" in text
    assert not re.search(r"noise|tip|<\w", text.replace("a_1 < 2", ""))


@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_page_has_its_markdown_and_a_line_in_the_list(folder):
    edition = SITE / folder
    listed = (edition / "llms.txt").read_text("utf-8")
    pages = [edition / "index.html", *edition.glob("chapters/**/*.html")]
    pages = [
        page for page in pages if 'http-equiv="refresh"' not in page.read_text("utf-8")
    ]
    for page in pages:
        name = page.relative_to(edition).with_suffix(".md").as_posix()
        text = page.with_suffix(".md").read_text("utf-8")
        bare = re.sub(r"```.*?```|`[^`]*`|\$[^$]*\$", "", text, flags=re.DOTALL)
        assert text.startswith("# ") and not re.search(
            r"\{(val|term|ref|numref|cite)\b|<math|<svg|</", bare
        ), name
        assert f"]({name})" in listed
        link = f'<link rel="alternate" type="text/markdown" href="{page.stem}.md">'
        assert link in page.read_text("utf-8")
        shown = f'<a href="{page.stem}.md" type="text/markdown">'
        assert shown in page.read_text("utf-8")
    assert listed.count(".md)") == len(pages)
    assert '<a href="llms.txt">' in (edition / "index.html").read_text("utf-8")
    assert not [line for line in listed.splitlines() if len(line) > 400], "a dump"
    chapter = (edition / CHAPTER).with_suffix(".md").read_text("utf-8")
    assert bool(re.search("[\u4e00-\u9fff]{8}", chapter)) == bool(folder)


def test_the_list_follows_the_contents():
    env = SimpleNamespace(
        config=SimpleNamespace(root_doc="index"),
        toctree_includes={"index": ["a", "b"], "a": ["a1", "a2"], "b": ["b1"]},
    )
    assert markdown_pages.reading_order(env) == ["index", "a", "a1", "a2", "b", "b1"]
