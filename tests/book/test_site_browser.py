"""The web editions as a reader meets them: in a browser, on a desk and on a phone."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from tests.book.conftest import PAGES
from tools import LANGUAGES

pytestmark = pytest.mark.browser
FOLDERS = [f"{one.folder}/" if one.folder else "" for one in LANGUAGES.values()]
CHAPTER = "chapters/bottlenecks/kv-cache.html"
SECTION = "bytes-per-token"  # a section in the middle of that chapter
WIDE, PHONE = 1280, 390
SCROLLS_SIDEWAYS = "document.documentElement.scrollWidth > innerWidth"
TOP_SECTION = """() => {
    const above = [...document.querySelectorAll("article section[id]")]
        .filter((section) => section.getBoundingClientRect().top <= 100);
    return above.at(-1)?.id;
}"""


def test_there_are_pages_of_every_edition():
    for folder in FOLDERS:
        assert f"{folder}index.html" in PAGES
        assert f"{folder}{CHAPTER}" in PAGES


def complaints(page, site: str) -> list[str]:
    """What goes wrong on a page, as it goes wrong: a list that fills itself."""
    found = []

    def on_request(request):
        if not request.url.startswith((site, "data:", "blob:")):
            found.append(f"asks another host: {request.url}")

    def on_response(response):
        if response.status >= 400:
            found.append(f"{response.status} {response.url}")

    def on_message(message):
        if message.type in ("error", "warning"):
            found.append(f"{message.type}: {message.text}")

    page.on("request", on_request)
    page.on("response", on_response)
    page.on("console", on_message)
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    return found


def test_pages_load_quietly_and_ask_no_other_host(site, tab):
    page = tab()
    found, trouble = complaints(page, site), {}
    for name in PAGES:
        page.goto(f"{site}/{name}")
        page.wait_for_timeout(100)  # what scripts start after loading
        if found:
            trouble[name] = found.copy()
            found.clear()
    assert not trouble


def test_the_look_for_complaints_bites(site, tab):
    page = tab()
    found = complaints(page, site)
    page.goto(f"{site}/index.html")
    page.evaluate("fetch('http://127.0.0.1:9/').catch(() => console.error('mine'))")
    page.evaluate("fetch('no-such-file')")
    page.wait_for_timeout(300)
    assert any("another host" in one for one in found)
    assert any(one.startswith("404") for one in found)
    assert "error: mine" in found


@pytest.mark.parametrize("width", [PHONE, 320])
def test_no_page_scrolls_sideways_on_a_phone(site, tab, width):
    page, sideways = tab(width), []
    for name in PAGES:
        page.goto(f"{site}/{name}")
        if page.evaluate(SCROLLS_SIDEWAYS):
            sideways.append(name)
    assert not sideways


def test_a_wide_formula_scrolls_inside_itself(site, tab):
    page = tab(320)
    page.goto(f"{site}/chapters/principles/attention.html")
    wide = "all => all.findIndex((box) => box.scrollWidth > box.clientWidth + 1)"
    at = page.locator(".math-scroll").evaluate_all(wide)
    assert at >= 0, "a formula of three parts is wider than such a screen"
    first = page.locator(".math-scroll").nth(at)
    assert first.get_attribute("tabindex") == "0", (
        "it can be scrolled from the keyboard"
    )
    assert not page.evaluate(SCROLLS_SIDEWAYS)


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_the_language_switch_keeps_page_and_section(site, tab, width):
    page = tab(width)
    page.goto(f"{site}/{CHAPTER}")
    page.evaluate(
        "(id) => document.getElementById(id).scrollIntoView({behavior: 'instant'})",
        SECTION,
    )
    page.mouse.move(width / 2, 500)
    page.mouse.wheel(0, 150)  # into the section's text
    page.wait_for_timeout(300)
    for folder in (f"{LANGUAGES['zh_CN'].folder}/", ""):  # there and back
        assert page.evaluate(TOP_SECTION) == SECTION
        page.locator(".book-language").first.click()
        page.wait_for_url(re.compile(rf"^{re.escape(site)}/{folder}chapters/.*#"))
        page.wait_for_load_state()
        page.wait_for_timeout(300)
        address = urlsplit(page.url)
        assert address.path == f"/{folder}{CHAPTER}"
        assert address.fragment == SECTION
        box = page.locator(f"#{SECTION} > :is(h2, h3)").first.bounding_box()
        assert 40 <= box["y"] < 200, "the heading stands below the header, in view"


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_the_language_switch_at_a_page_s_top_and_end(site, tab, width):
    page = tab(width)
    page.goto(f"{site}/{CHAPTER}")
    page.locator(".book-language").first.click()
    page.wait_for_url(f"{site}/zh/{CHAPTER}")
    last = page.locator("article section[id] > section[id]").last.get_attribute("id")
    page.goto(f"{site}/zh/{CHAPTER}#{last}")
    for folder in ("", "zh/", ""):  # a short last section does not drift away
        page.locator(".book-language").first.click()
        page.wait_for_url(f"{site}/{folder}{CHAPTER}#{last}")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_knows_its_twins_and_its_pdf(site, tab, name):
    page = tab()
    page.goto(f"{site}/{name}")
    links = page.locator(".book-language")
    assert links.count() == len(LANGUAGES) - 1
    for link in links.all():
        assert page.request.get(link.evaluate("a => a.href")).status == 200
    pdf = page.request.get(page.locator("a.book-pdf").first.evaluate("a => a.href"))
    assert pdf.status == 200
    assert pdf.body().startswith(b"%PDF-")


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("side", ["primary", "secondary"])
def test_both_drawers_open_and_close_on_a_phone(site, tab, folder, side):
    page = tab(PHONE, has_touch=True)
    page.goto(f"{site}/{folder}{CHAPTER}")
    drawer = page.locator(f"#pst-{side}-sidebar-modal")
    link = drawer.locator("nav a[href]").last
    assert not drawer.is_visible()

    def open_drawer():
        page.locator(f".{side}-toggle").first.tap()
        link.wait_for(state="visible")
        box = drawer.bounding_box()
        assert box["width"] > 200 and box["height"] > 800
        return box

    toggle = page.locator(f".{side}-toggle").first
    assert toggle.get_attribute("aria-expanded") == "false"
    open_drawer()
    assert toggle.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    drawer.wait_for(state="hidden")
    page.wait_for_function(
        "one => one.ariaExpanded === 'false'", arg=toggle.element_handle()
    )
    box = open_drawer()
    page.touchscreen.tap(PHONE - 5 if box["x"] < 50 else 5, 400)  # beside it
    drawer.wait_for(state="hidden")
    open_drawer()
    link.tap()
    drawer.wait_for(state="hidden")
    assert not page.evaluate(SCROLLS_SIDEWAYS)


def test_a_sidebar_hides_on_a_desk(site, tab):
    page = tab(WIDE)
    page.goto(f"{site}/{CHAPTER}")
    sidebar = page.locator("#pst-primary-sidebar")
    assert sidebar.is_visible()
    toggle = page.locator(".primary-toggle").first
    search = page.locator(".bd-header-article .search-button")
    assert toggle.get_attribute("aria-expanded") == "true" and not search.is_visible()
    toggle.click()
    assert not sidebar.is_visible()
    assert toggle.get_attribute("aria-expanded") == "false"
    search.click()  # the sidebar's own has gone with it
    assert page.locator("#pst-search-dialog").is_visible()
    page.keyboard.press("Escape")
    toggle.click()
    assert sidebar.is_visible() and not search.is_visible()
    assert toggle.get_attribute("aria-expanded") == "true"


def background(page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_dark_mode_persists(site, tab):
    page = tab(color_scheme="light")
    page.goto(f"{site}/{CHAPTER}")
    light = background(page)
    page.locator(".theme-switch-button").first.click()
    page.locator(".theme-change-button[data-mode=dark]").first.click()
    assert background(page) != light
    for address in (page.url, f"{site}/zh/index.html"):  # over a reload, and elsewhere
        page.goto(address)
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert background(page) != light


def test_the_system_s_dark_mode_is_followed(site, tab):
    page = tab(color_scheme="dark")
    page.goto(f"{site}/index.html", wait_until="commit")
    page.wait_for_selector("article")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_copy_button_copies_the_command(site, tab, folder):
    page = tab(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{site}/{folder}chapters/preface.html")
    block = page.locator("div.highlight").first
    block.hover()
    block.locator("button.copybtn").click()
    assert page.evaluate("navigator.clipboard.readText()").startswith("make book\n")


@pytest.mark.parametrize("folder", FOLDERS)
def test_math_is_in_the_page_and_in_its_font(site, tab, folder):
    page = tab()
    page.goto(f"{site}/{folder}{CHAPTER}", wait_until="networkidle")
    assert page.locator("article math").count() > 10
    assert page.locator("article .math-block .eqno").count() >= 3
    fonts = (
        "[...document.fonts].filter((f) => f.status === 'loaded').map((f) => f.family)"
    )
    assert any("Book Math" in family for family in page.evaluate(fonts))
    scripts = page.evaluate("[...document.scripts].map((s) => s.src + s.text).join()")
    assert not re.search("mathjax|katex|temml", scripts, re.IGNORECASE)


def test_a_page_without_math_asks_for_no_math_font(site, tab):
    page = tab()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}/chapters/preface.html", wait_until="networkidle")
    assert not [url for url in asked if "math" in url]


def test_roots_and_brackets_stretch(site, tab):
    """The font's MATH table survived the cut: a tall content makes its fence tall."""
    page = tab()
    page.goto(f"{site}/{CHAPTER}", wait_until="networkidle")
    height = """(tall) => {
        const box = document.querySelector("article .math-scroll");
        box.innerHTML = `<math display="block"><mrow><mo id="fence">(</mo><mfrac>
            <mfrac><mi>a</mi>${tall ? "<mfrac><mi>b</mi><mfrac><mi>c</mi><mi>d</mi></mfrac></mfrac>"
            : "<mi>b</mi>"}</mfrac><mi>e</mi></mfrac><mo>)</mo></mrow></math>`;
        return document.getElementById("fence").getBoundingClientRect().height;
    }"""
    assert page.evaluate(height, True) > 1.3 * page.evaluate(height, False)


@pytest.mark.parametrize("folder", FOLDERS)
def test_search_from_the_keyboard(site, tab, folder):
    page = tab()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}/{folder}index.html", wait_until="networkidle")
    assert not [url for url in asked if "pagefind/" in url], (
        "loaded before it is needed"
    )
    page.keyboard.press("Control+k")
    dialog = page.locator("#pst-search-dialog")
    dialog.wait_for(state="visible")
    page.keyboard.type("num_key_value_heads")
    first = page.locator("#book-search-results a").first
    first.wait_for()
    assert page.locator("#book-search-results mark").count() > 0
    page.keyboard.press("ArrowDown")
    assert first.evaluate("a => a === document.activeElement")
    page.keyboard.press("ArrowDown")
    assert not first.evaluate("a => a === document.activeElement")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    page.keyboard.press("Control+k")
    dialog.wait_for(state="visible")
    page.wait_for_function("document.activeElement.name === 'q'")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"/{folder}{CHAPTER}"))


def test_a_search_result_leads_to_its_section(site, tab):
    page = tab(PHONE, has_touch=True)
    page.goto(f"{site}/{CHAPTER}")
    page.locator(".search-button__button:visible").first.tap()
    page.locator("#pst-search-dialog input").fill("terabyte arithmetic")
    page.locator(".search-section", has_text="terabyte").first.tap()
    page.wait_for_url(f"{site}/{CHAPTER}#the-terabyte-arithmetic")
    assert not page.locator("#pst-search-dialog").is_visible()


@pytest.mark.parametrize("folder", FOLDERS)
def test_pages_are_readable_without_scripts(site, tab, folder):
    page = tab(java_script_enabled=False)
    page.goto(f"{site}/{folder}index.html")
    page.locator(".bd-links a", has_text=re.compile("KV")).first.click()
    assert page.url.endswith(CHAPTER)
    assert len(page.locator("article").text_content()) > 5000
    assert page.locator("article math").first.is_visible()
    assert page.locator("article svg").first.is_visible()
    for dead in (".search-button__button", ".theme-switch-button", ".copybtn"):
        assert not page.locator(dead).locator("visible=true").count(), dead
    page.locator(".book-language").first.click()
    assert page.url.endswith(CHAPTER) and page.url != f"{site}/{folder}{CHAPTER}"


# Names of things, the same in every language, that the interface may show.
KEPT = re.compile(
    r"\b(PDF|English|Ctrl|K|LLM|KV|CC BY|Apache|GPU|CPU|H200|LinkedIn|X|Markdown|GitHub Discussions)\b"
)


def test_no_english_word_in_the_chinese_interface(site, tab):
    """Menus, tooltips and labels; titles of pages and sections are the translators' part."""
    page = tab()
    page.goto(f"{site}/zh/{CHAPTER}", wait_until="networkidle")
    seen = page.evaluate(
        """() => {
        const others = ["article", ".bd-links", ".prev-next-area", "#pst-page-toc-nav", "noscript"];
        const names = ["title", "aria-label", "placeholder", "data-bs-original-title", "data-tooltip"];
        const parts = [];
        for (const node of document.body.querySelectorAll("*:not(script, style)")) {
            const ours = node.matches(".headerlink, .copybtn");
            if (!ours && others.some((one) => node.closest(one))) continue;
            for (const name of names) parts.push(node.getAttribute(name) ?? "");
            for (const child of node.childNodes) if (child.nodeType === 3) parts.push(child.data);
        }
        return parts.map((part) => part.trim()).filter(Boolean);
    }"""
    )
    assert "搜索" in seen
    english = [text for text in seen if re.search("[A-Za-z]{2}", KEPT.sub("", text))]
    assert not english
