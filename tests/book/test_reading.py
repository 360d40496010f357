"""Reading aids: the measure, tips at terms and citations, figures over the whole window, listings, exercises."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document

from tests.book.conftest import PAGES, SITE
from tools import LANGUAGES

import exercises  # isort: skip
import inline_figures  # isort: skip
import listings  # isort: skip
import settings  # isort: skip
import tips  # isort: skip

FOLDERS = [f"{one.folder}/" if one.folder else "" for one in LANGUAGES.values()]
CHAPTER = "chapters/principles/attention.html"
SOLUTIONS = "chapters/appendix/solutions.html"
browser = pytest.mark.browser

# How long the lines of plain paragraphs are, in letters (a Chinese character is two), last lines left out.
LINES = """() => {
    const wide = /[\\u2e80-\\u9fff\\u3000-\\u303f\\uff00-\\uffef“”‘’…—]/u, lengths = [];
    for (const p of document.querySelectorAll("article section > p")) {
        if (p.querySelector("math, code")) continue;
        const lines = new Map(), range = document.createRange();
        const walk = document.createTreeWalker(p, NodeFilter.SHOW_TEXT);
        for (let node = walk.nextNode(); node; node = walk.nextNode()) {
            for (let at = 0; at < node.length; at++) {
                range.setStart(node, at); range.setEnd(node, at + 1);
                const box = range.getBoundingClientRect();
                if (!box.width) continue;
                const line = Math.round((box.top + box.bottom) / 16);
                lines.set(line, (lines.get(line) ?? 0) + (wide.test(node.data[at]) ? 2 : 1));
            }
        }
        lengths.push(...[...lines.values()].slice(0, -1));
    }
    return lengths.sort((a, b) => a - b);
}"""


@browser
@pytest.mark.parametrize(
    ("folder", "least", "most"), [("", 65, 75), ("zh/", 2 * 35, 2 * 42)]
)
def test_the_measure(site, tab, folder, least, most):
    page = tab(1280)
    for name in ("principles/attention", "bottlenecks/kv-cache"):
        page.goto(f"{site}/{folder}chapters/{name}.html")
        lengths = page.evaluate(LINES)
        assert len(lengths) > 30
        assert least <= lengths[len(lengths) // 2] <= most, lengths


@browser
def test_a_listing_shows_88_columns_on_a_desk_and_is_readable_on_a_phone(site, tab):
    width = "(pre) => { pre.textContent = 'x'.repeat(88); return pre.scrollWidth - pre.clientWidth; }"
    page = tab(1280)
    for name in (CHAPTER, SOLUTIONS):
        page.goto(f"{site}/{name}")
        assert page.locator(".literal-block-wrapper pre").first.evaluate(width) <= 0
    page = tab(390)
    page.goto(f"{site}/{CHAPTER}")
    size = "pre => parseFloat(getComputedStyle(pre).fontSize)"
    assert page.locator("article pre").first.evaluate(size) >= 12


@browser
@pytest.mark.parametrize("folder", FOLDERS)
def test_the_copy_button_works_from_the_keyboard_and_is_in_view(site, tab, folder):
    page = tab(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{site}/{folder}{CHAPTER}")
    listing = page.locator(".literal-block-wrapper").first
    copy = listing.locator("button.copybtn")
    copy.wait_for()
    assert copy.evaluate("one => getComputedStyle(one).opacity") == "1"
    caption = listing.locator(".code-block-caption").bounding_box()
    box = copy.bounding_box()
    assert box["y"] + box["height"] <= caption["y"] + caption["height"] + 1
    copy.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "navigator.clipboard.readText().then((text) => text.includes('examples.attention'))"
    )


def caption(text: str, repository: str) -> nodes.caption:
    """A listing's caption as the page's writer gets it."""
    document = new_document("page")
    config = SimpleNamespace(listing_repository=repository)
    document.settings.env = SimpleNamespace(config=config)
    document += nodes.caption("", text)
    listings.PathCaption(document).run()
    return document[0]


@pytest.mark.parametrize(
    ("text", "repository", "link"),
    [
        (
            "examples/kv_cache.py",
            "https://x.org/a/b",
            "https://x.org/a/b/blob/HEAD/examples/kv_cache.py",
        ),
        ("examples/kv_cache.py", "", None),
        ("examples/not_there.py", "https://x.org/a/b", None),
    ],
)
def test_a_listing_leads_to_its_file_when_a_repository_is_configured(
    text, repository, link
):
    made = caption(text, repository)
    assert made.astext() == text and list(made.findall(nodes.literal))
    links = [one["refuri"] for one in made.findall(nodes.reference)]
    assert links == ([link] if link else [])


def test_a_caption_in_words_stays_as_it_is():
    made = caption("The loop, and what it prints", "https://x.org/a/b")
    assert not list(made.findall(nodes.literal)) and not list(
        made.findall(nodes.reference)
    )


def test_the_repository_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("BOOK_REPOSITORY", "https://x.org/a/b/")
    assert settings.setting("repository") == "https://x.org/a/b"


# ---- exercises and solutions -------------------------------------------------------------------
@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_exercise_leads_to_its_solution_and_back(folder):
    solutions = (SITE / folder / SOLUTIONS).read_text("utf-8")
    blocks = re.findall(
        r'<div class="solution docutils container" id="([^"]+)">\n<p class="solution-title">'
        r'<a class="solution-exercise[^"]*" href="[^"#]*#([^"]+)">',
        solutions,
    )
    back = dict(blocks)
    seen = 0
    for path in (SITE / folder / "chapters").glob("*/*.html"):
        html = path.read_text("utf-8")
        boxes = re.findall(
            r'<div class="exercise admonition" id="([^"]+)">\n(<p class="admonition-title">.*?</p>)',
            html,
        )
        for exercise, title in boxes:
            solution = re.search(
                r'class="exercise-solution[^"]*" href="[^"#]*#([^"]+)"', title
            )
            assert re.search(r">\D+\d+\.\d+ <a", title), "chapter and number"
            text = re.sub(
                "<[^>]*>", "", html.split(f'id="{exercise}">')[1].split("</div>")[0]
            )
            assert not re.search(r"[(（]\s*([)）]|$)", text.strip()), (
                "the brackets went with the link"
            )
            assert solution and back[solution[1]] == exercise
            seen += 1
    assert seen == len(back) == solutions.count('class="solution ') >= 20


NO_CHAPTERS = SimpleNamespace(titles={})
CHAPTERS = SimpleNamespace(
    titles={
        "chapters/a/kv": nodes.title(text="Another"),
        "chapters/a/kv-cache": nodes.title(text="The cache"),
    },
    toc_secnumbers={"chapters/a/kv-cache": {"": (6,)}, "chapters/a/kv": {"": (5,)}},
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("sol-kv-cache-first", ("6", "The cache")),
        ("ex-kv-more", ("5", "Another")),
        ("sol-nothing-x", ("", "")),
    ],
)
def test_an_exercise_s_name_tells_its_chapter(name, found):
    assert exercises.chapter_of(CHAPTERS, name) == found


def test_solutions_stand_under_the_number_and_title_of_their_chapter():
    link = nodes.reference("", "", nodes.inline("", "Exercise 2"), refuri="x#ex-kv-b")
    section = nodes.section("", nodes.title("", "Cache"), ids=["cache"])
    section += nodes.paragraph(
        "", "", link, nodes.Text(". So."), ids=["sol-kv-cache-b"]
    )
    document = new_document("page")
    document += section
    document.settings.env = CHAPTERS
    exercises.Exercises(document).run()
    assert section[0].astext() == "6. The cache" and section["ids"] == ["cache"]
    assert section[1][0].astext() == "Exercise 6.2"


@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_the_solutions_page_and_its_contents_name_the_chapters(folder):
    html = (SITE / folder / SOLUTIONS).read_text("utf-8")
    words = re.compile(r"<[^>]*>")
    heads = [
        words.sub("", one).strip()
        for one in re.findall(r"<h2>(.*?)<a class=\"headerlink", html)
    ]
    toc = html[html.index('id="pst-page-toc-nav"') :]
    listed = [
        words.sub("", one).strip()
        for one in re.findall(
            r"<a[^>]*>(.*?)</a>", toc[: toc.index("</nav>")], re.DOTALL
        )
    ]
    assert heads == listed and len(heads) >= 9
    for at, head in enumerate(heads, start=1):
        assert head.startswith(f"{at}. "), head
    titles = re.findall(r'class="solution-title">.*?</p>', html)
    names = [words.sub("", one) for one in titles]
    assert len(set(names)) == len(names), "no name stands twice"


CLOSING = ".,;:!?)]}%，。、；：！？）】》」』”’"


@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_no_paragraph_begins_with_a_closing_mark(folder):
    seen = 0
    for path in (SITE / folder).glob("**/*.html"):
        if "zh" in path.parts and not folder:
            continue
        for text in re.findall(
            r"<p\b[^>]*>(.*?)</p>", path.read_text("utf-8"), re.DOTALL
        ):
            bare = re.sub(r"<[^>]*>", "", text).strip()
            assert not bare or bare[0] not in CLOSING, (path, bare[:40])
            seen += 1
    assert seen > 500


@pytest.mark.parametrize(("before", "after"), [("even? (", ")"), ("均匀？（", "）")])
def test_brackets_go_with_the_link_and_the_question_stays(before, after):
    link = nodes.reference("", "Solution", refuri="solutions.html#sol-x")
    text = nodes.paragraph("", "", nodes.Text(before), link, nodes.Text(after))
    box = nodes.admonition(
        "", nodes.title("", "Exercise 1"), text, classes=["exercise"]
    )
    document = new_document("page")
    document += box
    document.settings.env = NO_CHAPTERS
    exercises.Exercises(document).run()
    assert text.astext() == before.rstrip("( （")
    assert box[0].astext() == "Exercise 1 Solution" and link["classes"] == [
        "exercise-solution"
    ]


@pytest.mark.parametrize("stop", [".", "。", "：", ":"])
def test_a_solution_ends_where_the_next_begins(stop):
    section = nodes.section()
    for name in ("a", "b"):
        link = nodes.reference("", "Exercise", refuri=f"x.html#ex-{name}")
        section += nodes.paragraph(
            "", "", link, nodes.Text(f"{stop} It is."), ids=[f"sol-{name}"]
        )
        section += nodes.literal_block("", name)
    section += nodes.section("", nodes.paragraph("", "after"))
    document = new_document("page")
    document += section
    document.settings.env = NO_CHAPTERS
    exercises.Exercises(document).run()
    assert [one["ids"] for one in section[:2]] == [["sol-a"], ["sol-b"]] and len(
        section
    ) == 3
    assert [one.astext() for one in section[0]] == ["Exercise", "It is.", "a"]


# ---- tips ---------------------------------------------------------------------------------------
@pytest.mark.built
@pytest.mark.parametrize("folder", FOLDERS)
def test_links_to_terms_and_references_have_their_text_on_the_page(folder):
    found = {"term": 0, "cite": 0}
    for path in (SITE / folder / "chapters").rglob("*.html"):
        html = path.read_text("utf-8")
        texts = dict(
            re.findall(
                r'<div id="(tip-[^"]+)" data-name="[^"]*">(.*?)</div>', html, re.DOTALL
            )
        )
        assert not [text for text in texts.values() if "<a" in text or "id=" in text]
        for name, tip in re.findall(
            r'class="reference internal book-(term|cite)"[^>]*aria-describedby="([^"]+)"',
            html,
        ):
            assert len(re.sub("<[^>]*>", "", texts[tip])) > 10
            found[name] += 1
        if path.stem not in ("glossary", "references"):
            assert not re.findall(
                r'<a class="reference internal" href="[^"]*(?:glossary.html#term-|references.html#id)',
                html,
            )
        if folder == "zh/":
            terms = [text for tip, text in texts.items() if tip.startswith("tip-term")]
            assert not [
                text for text in terms if not re.search("[\u4e00-\u9fff]", text)
            ]
    assert found["term"] > 40 and found["cite"] > 40
    references = (SITE / folder / "chapters/appendix/references.html").read_text(
        "utf-8"
    )
    entries = references.split('<div class="citation"')[1:]
    assert len(entries) > 40
    assert {entry.count('<span class="label">') for entry in entries} == {1}, (
        "each reference stands on its own page once"
    )


@browser
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_tip_shows_on_hover_and_stays_for_the_pointer(site, tab, folder):
    page = tab()
    page.goto(f"{site}/{folder}{CHAPTER}")
    link, tip = page.locator("a.book-term").nth(1), page.locator(".book-tip")
    assert not tip.is_visible()
    link.hover()
    tip.wait_for(state="visible")
    described = page.locator(f"#{link.get_attribute('aria-describedby')}")
    assert described.text_content().strip() in tip.inner_text()
    tip.hover()
    page.wait_for_timeout(500)
    assert tip.is_visible(), "the pointer may move onto it"
    page.mouse.move(5, 700)
    tip.wait_for(state="hidden")
    link.hover()
    tip.wait_for(state="visible")
    page.keyboard.press("Escape")
    assert not tip.is_visible()


@browser
def test_a_tip_follows_the_focus(site, tab):
    page = tab()
    page.goto(f"{site}/{CHAPTER}")
    tip, cite = page.locator(".book-tip"), page.locator("a.book-cite").first
    cite.evaluate(
        "link => link.closest('p').querySelector('a').focus({focusVisible: true})"
    )
    for _ in range(5):
        if cite.evaluate("link => link === document.activeElement"):
            break
        page.keyboard.press("Tab")
    tip.wait_for(state="visible")
    assert "Bahdanau" in tip.inner_text()
    page.keyboard.press("Escape")
    assert not tip.is_visible() and cite.evaluate(
        "link => link === document.activeElement"
    )
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    tip.wait_for(state="visible")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("references.html#"))


@browser
@pytest.mark.parametrize("folder", FOLDERS)
def test_the_first_tap_shows_a_tip_and_the_second_follows(site, tab, folder):
    page = tab(390, has_touch=True)
    page.goto(f"{site}/{folder}{CHAPTER}")
    link, tip = page.locator("a.book-term").first, page.locator(".book-tip")
    link.tap()
    tip.wait_for(state="visible")
    box = tip.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert page.url.endswith(CHAPTER)
    page.locator("article h1").first.tap()
    tip.wait_for(state="hidden")
    link.tap()
    tip.wait_for(state="visible")
    link.tap()
    page.wait_for_url(re.compile("glossary.html#term-"))


@browser
def test_a_tip_at_the_edge_stays_in_the_window(site, tab):
    page = tab(320)
    page.goto(f"{site}/{CHAPTER}")
    for link in page.locator("a.book-term").all()[:12]:
        link.scroll_into_view_if_needed()
        link.hover()
        page.wait_for_function(
            "link => { const tip = document.querySelector('.book-tip'); return !tip.hidden && tip.textContent.includes("
            "document.getElementById(link.getAttribute('aria-describedby')).textContent.trim()); }",
            arg=link.element_handle(),
        )
        box = page.locator(".book-tip").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 320
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
        page.keyboard.press("Escape")
        page.mouse.move(1, 1)


@pytest.mark.parametrize(
    ("page", "href", "place"),
    [
        (
            "chapters/a/b",
            "../appendix/glossary.html#term-x",
            ("chapters/appendix/glossary", "term-x"),
        ),
        (
            "chapters/appendix/b",
            "glossary.html#term-x",
            ("chapters/appendix/glossary", "term-x"),
        ),
        ("chapters/a/b", "#here", ("chapters/a/b", "here")),
    ],
)
def test_a_link_s_target_is_found_from_its_page(page, href, place):
    assert tips.target(page, href) == place


# ---- figures ------------------------------------------------------------------------------------
@browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_figure_fills_the_window_and_focus_returns(site, tab, folder, width):
    page = tab(width)
    page.goto(f"{site}/{folder}{CHAPTER}")
    button, dialog = (
        page.locator(".figure-zoom").first,
        page.locator("dialog.book-zoomed"),
    )
    button.focus()
    page.keyboard.press("Enter")
    dialog.wait_for(state="visible")
    box = dialog.bounding_box()
    assert box["width"] == width and box["height"] == 850
    drawing = dialog.locator("svg")
    fitted = drawing.bounding_box()
    assert fitted["width"] >= width or fitted["height"] > 750
    page.keyboard.press("+")
    assert drawing.bounding_box()["width"] > 1.2 * fitted["width"]
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    assert button.evaluate("one => one === document.activeElement")


@browser
def test_a_tap_on_the_drawing_enlarges_it_where_it_was_tapped(site, tab):
    page = tab(390, has_touch=True)
    page.goto(f"{site}/chapters/principles/attention.html")
    wide = "all => all.findIndex((one) => one.getBoundingClientRect().width > 420)"
    at = page.locator(".book-figure svg").evaluate_all(wide)
    inline = page.locator(".book-figure svg").nth(at)
    width = inline.bounding_box()["width"]
    assert width > 420, "in the page it is wider than the window, and scrolls"
    inline.tap()
    drawing = page.locator("dialog.book-zoomed svg")
    drawing.wait_for()
    assert drawing.bounding_box()["width"] >= width, "it has not become smaller"
    box = drawing.bounding_box()
    spot = (box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"])
    page.touchscreen.tap(*spot)
    large = drawing.bounding_box()
    assert large["width"] > 2 * 390
    assert abs(large["x"] + 0.6 * large["width"] - spot[0]) < 3
    page.touchscreen.tap(*spot)
    assert abs(drawing.bounding_box()["width"] - box["width"]) < 1, (
        "back to the first size"
    )
    page.locator(".zoom-close").tap()
    page.locator("dialog.book-zoomed").wait_for(state="detached")


@pytest.mark.parametrize(
    ("svg", "width"),
    [
        (
            '<svg viewBox="0 0 374.4 200"><text style="font-size: 9px">a</text></svg>',
            375,
        ),
        (
            '<svg viewBox="0 0 300 200"><text style="font: 12px x">a</text><text style="font-size: 6px">b</text></svg>',
            450,
        ),
        ('<svg viewBox="0 0 300 200"><path/></svg>', 0),
    ],
)
def test_a_drawing_is_as_wide_as_its_smallest_word_needs(svg, width):
    assert inline_figures.least_width(svg) == width


@browser
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_figure_s_words_are_large_enough_on_a_phone(site, tab, folder):
    page, small, figures = tab(390), {}, 0
    for name in PAGES:
        if not name.startswith(f"{folder}chapters"):
            continue
        page.goto(f"{site}/{name}")
        figures += page.locator(".book-figure svg").count()
        sizes = page.evaluate(
            """() => [...document.querySelectorAll(".book-figure svg text, .book-figure svg tspan")].filter((one) => one.textContent.trim())
            .map((one) => parseFloat(getComputedStyle(one).fontSize) * one.closest("svg").getBoundingClientRect().width / one.closest("svg").viewBox.baseVal.width)"""
        )
        if sizes and min(sizes) < 8.99:
            small[name] = min(sizes)
    assert figures > 15 and not small


@browser
def test_a_figure_s_words_change_with_the_theme(site, tab):
    colors = set()
    for scheme in ("light", "dark"):
        page = tab(color_scheme=scheme)
        page.goto(f"{site}/{CHAPTER}")
        colors.add(
            page.locator(".book-figure svg text").first.evaluate(
                "one => getComputedStyle(one).fill"
            )
        )
    assert len(colors) == 2
