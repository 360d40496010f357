"""What ships beside the pages: the icons in use, no script or font that no page needs."""

from __future__ import annotations

import re

import pytest
from fontTools.ttLib import TTFont

from tests.book.conftest import SITE
from tools import LANGUAGES

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
    assert not (edition / "searchindex.js").exists()
    assert not (edition / "search.html").exists()
    fonts = list((edition / "_static").rglob("*.woff*"))
    assert sum(font.stat().st_size for font in fonts) < 100_000
