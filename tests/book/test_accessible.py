"""axe finds nothing on any page, in light, in dark and on a phone."""

from __future__ import annotations

import pytest

from tests.book.conftest import PAGES
from tools import LANGUAGES, ROOT

pytestmark = pytest.mark.browser
AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
FOLDERS = [f"{one.folder}/" if one.folder else "" for one in LANGUAGES.values()]
# One page of each kind, in both languages: cover, front matter, a part, chapters with all that a chapter has, a list
# of definitions, tables, measurements, solutions, references.
KINDS = (
    "index",
    "chapters/preface",
    "chapters/principles/index",
    "chapters/principles/transformer",
    "chapters/bottlenecks/kv-cache",
    "chapters/appendix/glossary",
    "chapters/appendix/notation",
    "chapters/appendix/measurements",
    "chapters/appendix/solutions",
    "chapters/appendix/references",
)
TEMPLATES = [f"{folder}{kind}.html" for folder in FOLDERS for kind in KINDS]
RUN = """async () => (await axe.run(document, {resultTypes: ["violations"], rules: {"target-size": {enabled: true}}})).violations.map(
    (one) => [one.impact, one.id, one.nodes.map((node) => node.target.join(" ")).slice(0, 3)])"""


def violations(page) -> list[str]:
    """What axe has against the page as it is shown now."""
    page.evaluate(AXE)
    return [
        f"{impact}: {rule} at {', '.join(map(str, where))}"
        for impact, rule, where in page.evaluate(RUN)
    ]


def test_every_page(site, tab):
    page, trouble = tab(), {}
    for name in PAGES:
        page.goto(f"{site}/{name}")
        if found := violations(page):
            trouble[name] = found
    assert not trouble


@pytest.mark.parametrize(
    ("width", "scheme"),
    [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")],
)
def test_a_page_of_each_kind(site, tab, width, scheme):
    """A phone has no pointer that hovers: there, what a finger must hit is large enough."""
    touch = {"has_touch": True, "is_mobile": True} if width < 500 else {}
    page, trouble = tab(width, color_scheme=scheme, **touch), {}
    for name in TEMPLATES:
        page.goto(f"{site}/{name}")
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        if found := violations(page):
            trouble[name] = found
    assert not trouble


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "dark")]
)
def test_what_opens_over_a_page(site, tab, folder, width, scheme):
    """Search with results, the list of keys, a figure, a drawer, a tip, the menu of themes."""
    page = tab(width, color_scheme=scheme)
    address = f"{site}/{folder}chapters/bottlenecks/kv-cache.html"

    def search():
        page.keyboard.press("Control+k")
        page.keyboard.type("KV")
        page.locator(".search-page").nth(3).wait_for()

    def keys():
        page.keyboard.press("?")
        page.locator("#book-shortcuts").wait_for()

    def figure():
        page.locator(".figure-zoom").first.click()
        page.locator(".book-zoomed svg").wait_for()

    def drawer():
        page.locator(".primary-toggle").first.click()
        page.wait_for_timeout(500)

    def tip():
        page.locator("a.book-term").first.hover()
        page.locator(".book-tip").wait_for()

    def themes():
        page.locator(".theme-switch-button").first.click()
        page.locator("#book-theme-menu").wait_for()

    trouble = {}
    for opened in (search, keys, figure, drawer, tip, themes):
        page.goto(address)
        opened()
        if found := violations(page):
            trouble[opened.__name__] = found
    assert not trouble


def test_axe_bites(site, tab):
    page = tab()
    page.goto(f"{site}/index.html")
    page.evaluate(
        """() => {
        const article = document.querySelector("article");
        article.insertAdjacentHTML("beforeend", '<img src="x.png"><p style="color: #bbb; background: #fff">pale</p>');
    }"""
    )
    found = " ".join(violations(page))
    assert "image-alt" in found and "color-contrast" in found
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<p>outside of all landmarks</p>')"
    )
    assert "region" in " ".join(violations(page)), "what is moderate counts, too"
