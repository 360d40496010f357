"""The pages at their worst: printed by the browser, at twice the size, without motion, scripts, pointer or sight."""

from __future__ import annotations

import io
import itertools
import re
import unicodedata

import pytest
from pypdf import PdfReader

from tests.book.conftest import PAGES
from tools import LANGUAGES

pytestmark = pytest.mark.browser
FOLDERS = [f"{one.folder}/" if one.folder else "" for one in LANGUAGES.values()]
CHAPTER = "chapters/principles/attention.html"
SIDEWAYS = "document.documentElement.scrollWidth > innerWidth"


# ---- printed ------------------------------------------------------------------------------------
@pytest.mark.parametrize("folder", FOLDERS)
def test_print_shows_the_text_and_nothing_to_click(site, tab, folder):
    page = tab(color_scheme="light")
    page.goto(f"{site}/{folder}{CHAPTER}", wait_until="networkidle")
    page.emulate_media(media="print")
    for gone in (
        ".bd-sidebar-primary",
        ".bd-sidebar-secondary",
        ".bd-header-article",
        ".prev-next-footer",
        ".copybtn",
        ".headerlink",
        ".figure-zoom",
        ".skip-link",
    ):
        assert page.locator(gone).count(), gone
        assert not page.locator(gone).locator("visible=true").count(), gone
    assert page.locator("article h1").is_visible()
    assert "none" in page.locator("article p a").first.evaluate(
        "a => getComputedStyle(a).textDecorationLine"
    )
    noise = "[...document.querySelectorAll('article a')].map((a) => getComputedStyle(a, '::after').content)"
    assert set(page.evaluate(noise)) <= {"none", "normal"}, (
        "no addresses behind the links"
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_printed_page_is_whole(site, tab, folder):
    """Nothing reaches over the paper's edge, wide code and tables included; the text stands on few pages."""
    page = tab(color_scheme="dark")
    page.goto(f"{site}/{folder}{CHAPTER}", wait_until="networkidle")
    pdf = PdfReader(
        io.BytesIO(
            page.pdf(
                format="A4",
                margin=dict.fromkeys(("top", "right", "bottom", "left"), "15mm"),
            )
        )
    )
    text = "".join(one.extract_text() for one in pdf.pages)
    assert 10 <= len(pdf.pages) <= 30
    assert "http" not in text and "#" not in text.replace("# ", "")
    heading = page.evaluate(
        "document.querySelector('article h1').firstElementChild.nextSibling.data"
    )
    words = unicodedata.normalize(
        "NFKC", pdf.pages[0].extract_text()
    )  # a font's own twins of characters
    assert unicodedata.normalize("NFKC", heading).strip() in words.replace("\n", " ")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark", (
        "the screen is as it was"
    )
    page.set_viewport_size({"width": 680, "height": 960})  # 180 mm
    page.emulate_media(media="print")
    over = page.evaluate(
        """() => [...document.querySelectorAll("article :is(p, li, table, figure, svg, pre, math)")]
        .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 || one.scrollWidth > one.clientWidth + 2 && one.matches("pre"))
        .map((one) => one.outerHTML.slice(0, 90))"""
    )
    assert not over


def test_the_browser_prints_light_and_unfolded(site, tab):
    page = tab(color_scheme="dark")
    page.goto(f"{site}/{CHAPTER}")
    page.evaluate(
        "document.querySelector('article').insertAdjacentHTML('beforeend', '<details><summary>s</summary>text</details>')"
    )
    state = "[document.documentElement.dataset.theme, document.querySelector('article details').open]"
    assert page.evaluate(state) == ["dark", False]
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(state) == ["light", True]
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(state) == ["dark", False]


@pytest.mark.parametrize("name", [CHAPTER, "chapters/appendix/solutions.html"])
def test_figures_are_not_torn(site, tab, name):
    page = tab()
    page.goto(f"{site}/{name}")
    page.emulate_media(media="print")
    torn = "[...document.querySelectorAll('figure, .admonition, table')].filter((one) => getComputedStyle(one).breakInside !== 'avoid').length"
    assert page.evaluate(torn) == 0


# ---- twice the size, no motion ------------------------------------------------------------------
@pytest.mark.parametrize("folder", FOLDERS)
def test_twice_the_size(site, tab, folder):
    """200 % on a laptop: half the CSS pixels at two device pixels each; then larger text alone."""
    page = tab(640, 400, device_scale_factor=2)
    trouble = []
    for name in PAGES:
        if name.startswith(f"{folder}chapters"):
            page.goto(f"{site}/{name}")
            if page.evaluate(SIDEWAYS):
                trouble.append(name)
    assert not trouble
    page.goto(f"{site}/{folder}{CHAPTER}")
    assert page.locator("article h1").is_visible()
    assert page.locator(".bd-header-article").bounding_box()["height"] < 120, (
        "the bar leaves room for the text"
    )
    page.add_style_tag(content="html { font-size: 200% !important }")
    assert not page.evaluate(SIDEWAYS)


def test_nothing_moves_where_motion_is_unwanted(site, tab):
    page = tab(reduced_motion="reduce")
    page.goto(f"{site}/{CHAPTER}")
    moving = """() => [...document.querySelectorAll("*")].filter((one) => {
        const style = getComputedStyle(one);
        return [style.transitionDuration, style.animationDuration].join().split(",").some((time) => parseFloat(time) > 0.001);
    }).map((one) => one.outerHTML.slice(0, 80))"""
    assert not page.evaluate(moving)
    assert (
        page.evaluate("getComputedStyle(document.documentElement).scrollBehavior")
        == "auto"
    )
    page = tab(reduced_motion="no-preference")
    page.goto(f"{site}/{CHAPTER}")
    assert page.evaluate(moving), "the look for motion sees some"


# ---- without scripts ----------------------------------------------------------------------------
@pytest.mark.parametrize("folder", FOLDERS)
def test_without_scripts_nothing_is_missing(site, tab, folder):
    page = tab(390, java_script_enabled=False)
    page.goto(f"{site}/{folder}{CHAPTER}")
    for there in (
        ".table-box table",
        ".book-figure svg",
        ".math-block math",
        ".literal-block-wrapper pre",
        "figcaption",
    ):
        assert page.locator(there).first.is_visible(), there
    assert not page.locator(".figure-zoom").first.is_visible()
    assert page.locator(".table-box").first.get_attribute("tabindex") == "0"
    link = page.locator("a.book-term").first
    assert page.locator(f"#{link.get_attribute('aria-describedby')}").count() == 1
    link.click()
    assert re.search("glossary.html#term-", page.url)
    page.goto(f"{site}/{folder}{CHAPTER}")
    page.locator("a.exercise-solution").first.click()
    assert "solutions.html#sol-" in page.url
    page.locator("a.solution-exercise").first.click()
    assert "#ex-" in page.url


@pytest.mark.parametrize("folder", FOLDERS)
def test_without_scripts_the_system_s_colors_are_followed(site, tab, folder):
    """Page, code, boxes and drawings look as they do where a script has set the theme."""
    look = """() => ["body", "article a", "article pre", ".highlight .nb, .highlight .n", ".admonition-title", "article code", ".book-figure svg text"].map((one) => {
        const style = getComputedStyle(document.querySelector(one));
        return [one, style.color, style.backgroundColor, style.fill, style.colorScheme];
    })"""
    seen = []
    for scheme in ("light", "dark"):
        looks = []
        for scripts in (True, False):
            page = tab(color_scheme=scheme, java_script_enabled=scripts)
            page.goto(f"{site}/{folder}{CHAPTER}")
            looks.append(page.evaluate(look))
        assert looks[0] == looks[1], scheme
        seen.append(looks[1])
    assert all(one != other for one, other in zip(*seen, strict=True))


@pytest.mark.parametrize("folder", FOLDERS)
def test_without_scripts_the_contents_are_below_the_text_of_a_phone(site, tab, folder):
    page = tab(390, java_script_enabled=False)
    page.goto(f"{site}/{folder}{CHAPTER}")
    link = page.locator("nav.bd-docs-nav a[href]").last
    assert link.bounding_box()["y"] > page.locator("article").bounding_box()["height"]
    page.locator(".book-contents").click()
    page.wait_for_timeout(300)
    assert 0 <= page.locator("nav.bd-docs-nav").bounding_box()["y"] < 850
    assert not page.evaluate(SIDEWAYS)
    link.click()
    assert page.url.endswith("references.html")
    page = tab(390)
    page.goto(f"{site}/{folder}{CHAPTER}")
    assert not page.locator(".book-contents").locator("visible=true").count()
    assert not page.locator("nav.bd-docs-nav").is_visible()


# ---- without a pointer --------------------------------------------------------------------------
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("width", [1280, 390])
def test_the_tab_key_visits_all_in_order_and_shows_where_it_is(
    site, tab, folder, width
):
    page = tab(width)
    page.goto(f"{site}/{folder}{CHAPTER}")
    page.keyboard.press("Tab")
    skip = page.locator(".skip-link a")
    assert skip.evaluate("one => one === document.activeElement")
    page.wait_for_timeout(300)
    assert skip.bounding_box()["y"] >= 0, "it comes into view"
    page.keyboard.press("Enter")
    seen, order = (
        [],
        """() => {
        const one = document.activeElement, style = getComputedStyle(one);
        const box = one.getBoundingClientRect();
        return {article: Boolean(one.closest("article")), what: one.outerHTML.slice(0, 100), top: box.top + scrollY,
            tall: box.height, inView: box.bottom > 0 && box.top < innerHeight,
            shown: style.outlineStyle !== "none" || style.boxShadow !== "none" || style.borderStyle !== "none"};
    }""",
    )
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(order))
    inside = [one for one in seen if one["article"]]
    assert len(inside) >= 30, "the skip link leads to the text"
    for one in inside:
        assert one["inView"] and one["shown"], one
    for before, after in itertools.pairwise(inside):
        assert after["top"] + after["tall"] + 60 >= before["top"], (before, after)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_tab_key_reaches_links_to_headings_and_shows_them(site, tab, folder):
    page = tab()
    page.goto(f"{site}/{folder}{CHAPTER}")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # past the header
    shown = "one => [one.className, getComputedStyle(one).opacity, one.getAttribute('href')]"
    found = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        name, opacity, href = page.locator(":focus").evaluate(shown)
        if name == "headerlink":
            assert opacity == "1"
            found.add(href)
    assert len(found) >= 3
    page.locator("article h2 .headerlink").nth(1).focus()
    page.keyboard.press("Enter")
    assert "#" in page.url
    page.locator("article h1").focus()
    page.mouse.move(5, 5)
    page.locator("article p a").first.focus()
    hidden = page.locator("article h2 .headerlink").nth(2)
    assert hidden.evaluate("one => getComputedStyle(one).opacity") == "0"
    page = tab(390, has_touch=True, is_mobile=True)  # nothing hovers
    page.goto(f"{site}/{folder}{CHAPTER}")
    faint = page.locator("article h2 .headerlink").first
    assert 0.5 <= float(faint.evaluate("one => getComputedStyle(one).opacity")) < 1
    faint.tap()
    assert "#" in page.url


# ---- without sight ------------------------------------------------------------------------------
def test_what_a_screen_reader_walks_through(site, tab):
    page, trouble = tab(), {}
    for name in PAGES:
        page.goto(f"{site}/{name}")
        found = page.evaluate(
            """() => {
            const wrong = [], article = document.querySelector("article");
            if (document.querySelectorAll("main, [role=main]").length !== 1) wrong.push("not one main landmark");
            if (!article?.closest("main, [role=main]")) wrong.push("the text is not in it");
            const levels = [...article.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((one) => Number(one.tagName[1]));
            if (levels.filter((one) => one === 1).length !== 1 || levels[0] !== 1) wrong.push("not one first heading");
            levels.forEach((one, at) => at && one > levels[at - 1] + 1 && wrong.push(`h${levels[at - 1]} to h${one}`));
            for (const svg of article.querySelectorAll("figure svg"))
                if (svg.getAttribute("role") !== "img" || (svg.getAttribute("aria-label") ?? "").length < 20) wrong.push("a figure without words");
            for (const link of article.querySelectorAll("[aria-describedby]"))
                if (!document.getElementById(link.getAttribute("aria-describedby"))?.textContent.trim()) wrong.push("a description of nothing");
            const nav = document.querySelector("nav.bd-docs-nav"), skip = document.querySelector(".skip-link");
            if (!(skip.compareDocumentPosition(nav) & 4) || !(nav.compareDocumentPosition(article) & 4)) wrong.push("order");
            return wrong;
        }"""
        )
        if found:
            trouble[name] = found
    assert not trouble


def test_a_term_s_link_is_described_by_its_definition(site, tab):
    page = tab()
    page.goto(f"{site}/{CHAPTER}")
    session = page.context.new_cdp_session(page)
    tree = session.send("Accessibility.getFullAXTree")["nodes"]
    described = [
        one["description"]["value"]
        for one in tree
        if one.get("role", {}).get("value") == "link"
        and one.get("description", {}).get("value")
    ]
    assert any("vector takes in information" in text for text in described)
