"""The one style sheet: rules of elements that stand on a page stay, others go, and so do the originals."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.book.conftest import SITE
from tools import LANGUAGES

import style_sheet  # isort: skip

PAGE = '<html><body class="here"><p id="one" data-kind="x" style="color: var(--used-inline)">text</p></body></html>'


@pytest.fixture
def edition(tmp_path):
    """An edition of one page whose only sheet is the given CSS."""

    def make(css: str, script: str = "") -> str:
        static = tmp_path / "_static"
        (static / "fonts").mkdir(parents=True)
        (static / "fonts/there.woff2").touch()
        (static / "basic.css").write_text(css)
        (static / "some.js").write_text(script)
        page = tmp_path / "index.html"
        page.write_text(PAGE)
        return style_sheet.bundle(tmp_path, [page])

    return make


@pytest.mark.parametrize(
    ("css", "stays"),
    [
        (".here{color:red}", True),
        (".gone{color:red}", False),
        ("p#one{color:red}", True),
        ("p#two{color:red}", False),
        ("aside{color:red}", False),
        ("[data-kind]{color:red}", True),
        ("[data-other]{color:red}", False),
        (".here:hover>p::before{content:'x'}", True),
        ("p:not(.gone){color:red}", True),
        (":is(.here,.gone) p{color:red}", True),
        ("@media print{.here{color:red}}", True),
        ("@media print{.gone{color:red}}", False),
        ("@supports (display:grid){p{color:red}}", True),
        ("html[data-theme=dark] p{color:red}", True),
        (".made-by-script{color:red}", True),
    ],
)
def test_a_rule_stays_when_something_may_need_it(edition, css, stays):
    made = edition(css, 'node.classList.add("made-by-script")')
    assert ("{color:red}" in made or 'content:"x"' in made) == stays


def test_of_a_list_of_selectors_those_in_use_stay(edition):
    assert ".here,p{color:red}" in edition(".here, .gone, p {color:red}")


def test_where_no_script_says_the_theme_the_system_does(edition):
    """Rules of a theme follow for pages without one: dark by the system's wish, light on paper, too."""
    made = edition(
        'html[data-theme="dark"] p,html[data-theme=dark] b,p{color:red}html[data-theme="light"] p{color:blue}'
    )
    assert 'html[data-theme="dark"] p,p{color:red}' in made
    bare = "html:not([data-theme]) p"
    assert (
        f"@media screen and (prefers-color-scheme:dark){{{bare}{{color:red}}}}" in made
    )
    assert f"@media print,(prefers-color-scheme:light){{{bare}{{color:blue}}}}" in made
    assert made.count("@media") == 2, "and nothing for what stands on no page"


def test_variables_animations_and_fonts_without_use_go(edition):
    made = edition(
        ":root{--a:1px;--b:var(--a);--c:2px;--used-inline:red}p{margin:var(--b);animation:turn 1s}"
        "@keyframes turn{to{rotate:1turn}}@keyframes spin{to{rotate:2turn}}"
        "@font-face{font-family:A;src:url(fonts/there.woff2)}"
        "@font-face{font-family:B;src:url(fonts/gone.woff2)}"
    )
    assert "--a:1px" in made and "--b:" in made and "--used-inline" in made
    assert "--c" not in made and "spin" not in made and "turn" in made
    assert "there.woff2" in made and "gone.woff2" not in made


def test_addresses_are_seen_from_the_bundle():
    css = "a{b:url(../vendor/x.woff2)}c{d:url('data:,x')}"
    moved = style_sheet.rebased(css, "_static/styles/theme.css")
    assert moved == "a{b:url(vendor/x.woff2)}c{d:url('data:,x')}"


EDITIONS = [SITE / one.folder for one in LANGUAGES.values()]


@pytest.mark.built
@pytest.mark.parametrize("edition", EDITIONS, ids=lambda path: path.name)
def test_pages_load_one_sheet_and_it_is_small(edition: Path):
    sheets = [p for p in (edition / "_static").rglob("*.css")]
    assert [p.name for p in sheets] == ["style.css"]
    assert sheets[0].stat().st_size < 130_000
    version = set()
    for page in [edition / "index.html", *edition.glob("chapters/**/*.html")]:
        html = page.read_text("utf-8")
        links = re.findall(r'<link href="[^"]*_static/([^"]*)" rel="stylesheet"', html)
        assert len(links) == 1 and 'rel="stylesheet" type' not in html
        version.add(links[0])
    assert len(version) == 1 and "?v=" in version.pop()
