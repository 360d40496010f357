"""What ships beside the pages: the icons in use, no script or font that no page needs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from fontTools.ttLib import TTFont

from tests.book.conftest import SITE, serving
from tools import LANGUAGES, ROOT

import site_assets  # isort: skip

EDITIONS = [SITE / one.folder for one in LANGUAGES.values()]
ICONS = "_static/vendor/fontawesome/webfonts/fa-solid-900.woff2"


def test_icon_codes_are_read_from_the_theme_s_rules():
    css = '.fa-list,.fa-list-squares{--fa:"\\f03a"}.fa-sun{--fa:"\\f185"}.other{color:red}'
    codes = site_assets.icon_codes(css)
    assert codes == {"fa-list": 0xF03A, "fa-list-squares": 0xF03A, "fa-sun": 0xF185}


@pytest.mark.built
@pytest.mark.parametrize("edition", EDITIONS, ids=lambda path: path.name)
def test_every_icon_on_a_page_is_in_the_font(edition):
    css = (site_assets.STATIC / "styles/pydata-sphinx-theme.css").read_text("utf-8")
    codes = site_assets.icon_codes(css)
    cmap = TTFont(edition / ICONS).getBestCmap()
    for page in [edition / "index.html", *edition.glob("chapters/**/*.html")]:
        html = page.read_text(encoding="utf-8")
        named = re.findall(r'class="[^"]*\bfa-solid ([^"]*)"', html)
        icons = {name for names in named for name in names.split() if name in codes}
        assert icons, "the theme names its icons as expected"
        assert {codes[name] for name in icons} <= set(cmap), page


@pytest.mark.built
@pytest.mark.parametrize("edition", EDITIONS, ids=lambda path: path.name)
def test_nothing_ships_that_no_page_needs(edition):
    for name in site_assets.UNUSED:
        assert not (edition / name).exists(), name
    assert not list((edition / "_static").glob("*.png")), "of Sphinx's own"
    pages = [edition / "index.html", *edition.glob("chapters/**/*.html")]
    tabs = any("sd-tab-set" in page.read_text("utf-8") for page in pages)
    assert (edition / "_static/design-tabs.js").exists() == tabs
    assert not (edition / "searchindex.js").exists()
    assert not (edition / "search.html").exists()
    fonts = list((edition / "_static").rglob("*.woff*"))
    assert sum(font.stat().st_size for font in fonts) < 100_000


TABS = """# A page

::::{tab-set}
:::{tab-item} First
The first text.
:::
:::{tab-item} Second
The second text.
:::
::::

:::{dropdown} More
What was folded.
:::
"""


@pytest.mark.browser
def test_tabs_and_folds_work_where_a_page_has_them(tab, tmp_path):
    """No page of the book has any yet: what they need ships with the page that does."""
    (tmp_path / "index.md").write_text(TABS, "utf-8")
    out = tmp_path / "site"
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-c", str(ROOT)]
    command += ["-D", "include_patterns=index.md", "-D", "redirects=", str(tmp_path)]
    done = subprocess.run([*command, str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (out / "_static/design-tabs.js").is_file()
    address, server = serving(out)
    page = tab()
    page.goto(f"{address}/index.html")
    first, second = (
        page.get_by_text("The first text."),
        page.get_by_text("The second text."),
    )
    assert first.is_visible() and not second.is_visible()
    page.locator("label", has_text="Second").click()
    assert second.is_visible() and not first.is_visible()
    page.locator("label", has_text="First").click()
    assert first.is_visible()
    page.locator(".sd-tab-set input").first.focus()
    page.keyboard.press("ArrowRight")
    assert second.is_visible(), "by key, too"
    folded = page.get_by_text("What was folded.")
    assert not folded.is_visible()
    page.locator("summary", has_text="More").click()
    folded.wait_for()
    server.shutdown()
