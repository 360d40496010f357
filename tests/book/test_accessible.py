"""axe finds nothing serious on any page, in light, in dark and on a phone."""

from __future__ import annotations

import pytest

from tests.book.conftest import PAGES
from tools import LANGUAGES, ROOT

pytestmark = pytest.mark.browser
AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
FOLDERS = [f"{one.folder}/" if one.folder else "" for one in LANGUAGES.values()]
# One page of each kind, in both languages: cover, front matter, a chapter, a list of definitions.
KINDS = (
    "index",
    "chapters/preface",
    "chapters/bottlenecks/kv-cache",
    "chapters/appendix/glossary",
)
TEMPLATES = [f"{folder}{kind}.html" for folder in FOLDERS for kind in KINDS]
SERIOUS = ("serious", "critical")
RUN = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
    (one) => [one.impact, one.id, one.nodes.map((node) => node.target.join(" ")).slice(0, 3)])"""


def violations(page) -> list[str]:
    """What axe has against the page as it is shown now."""
    page.evaluate(AXE)
    return [
        f"{impact}: {rule} at {', '.join(map(str, where))}"
        for impact, rule, where in page.evaluate(RUN)
        if impact in SERIOUS
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
    page, trouble = tab(width, color_scheme=scheme), {}
    for name in TEMPLATES:
        page.goto(f"{site}/{name}")
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        if found := violations(page):
            trouble[name] = found
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
