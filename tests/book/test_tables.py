"""Tables and formulas that are wider than a phone scroll inside themselves, and can be reached by keyboard."""

from __future__ import annotations

import re

import pytest
from docutils import nodes

from tests.book.conftest import PAGES, SITE
from tools import LANGUAGES

import tables  # isort: skip

FOLDERS = [f"{one.folder}/" if one.folder else "" for one in LANGUAGES.values()]
BOX = re.compile(
    r'<div aria-label="[^"]+" class="table-box" role="group" tabindex="0">'
)


@pytest.mark.built
def test_every_table_stands_in_a_named_box_that_takes_focus():
    tables = 0
    for name in PAGES:
        html = (SITE / name).read_text("utf-8")
        found = html.count("<table ")
        assert len(BOX.findall(html)) == found, name
        tables += found
    assert tables >= 2 * len(LANGUAGES)


CHAPTERS = [f"{folder}chapters/principles/attention.html" for folder in FOLDERS]
SPILLS = """() => [...document.querySelectorAll("article *")].filter((one) => {
    if (one.closest(".table-box, .math-scroll, .math-long, .book-figure, pre, dialog, .headerlink") && !one.matches(".table-box, .math-long")) return false;
    return one.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
}).map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 320])
def test_nothing_outside_a_scroller_reaches_over_the_edge(site, tab, width):
    """Stricter than the page's own scroll width, which `overflow: hidden` could hide."""
    page, trouble = tab(width), {}
    for name in PAGES:
        page.goto(f"{site}/{name}")
        if found := page.evaluate(SPILLS):
            trouble[name] = found
    assert not trouble


def table(*rows: list[str]) -> nodes.table:
    """A table of a head and a body."""
    group = nodes.tgroup(cols=len(rows[0]))
    for kind, lines in ((nodes.thead, rows[:1]), (nodes.tbody, rows[1:])):
        group += kind(
            "",
            *(
                nodes.row(
                    "", *(nodes.entry("", nodes.paragraph(text=text)) for text in line)
                )
                for line in lines
            ),
        )
    return nodes.table("", group)


@pytest.mark.parametrize(
    ("column", "numbers"),
    [
        (["1", "16", "1,024"], True),
        (["3.4 ms", "12.0 ms", "–"], True),
        (["45%", "≈ 7.9 ms", "16×"], True),
        (["128 KiB", "989 TFLOP/s", "3.35 TB/s"], True),
        (["1.2.3 of vLLM", "2", "3"], False),
        (["H100", "H200", "B200"], False),
        (["2026-11-23", "2026-11-24", "2026-11-25"], False),
        (["–", "", "–"], False),
    ],
)
def test_a_column_of_numbers_is_set_flush_right(column, numbers):
    made = table(["name", "size"], *(["x", text] for text in column))
    tables.mark_numbers(made)
    marked = ["number" in one["classes"] for one in made.findall(nodes.entry)]
    assert marked == [False, numbers] * 4


@pytest.mark.browser
@pytest.mark.parametrize("folder", FOLDERS)
def test_numbers_of_a_column_end_at_one_edge(site, tab, folder):
    page, seen = tab(), 0
    for name in (
        "bottlenecks/batching",
        "appendix/measurements",
        "principles/transformer",
    ):
        page.goto(f"{site}/{folder}chapters/{name}.html")
        seen += page.locator("article td.number").count()
        ends = page.locator("article .number").evaluate_all(
            "all => all.map((one) => getComputedStyle(one).textAlign)"
        )
        assert set(ends) <= {"end"}
    assert seen > 20


@pytest.mark.browser
def test_the_look_over_the_edge_bites(site, tab):
    page = tab(320)
    page.goto(f"{site}/{CHAPTERS[0]}")
    page.evaluate(
        "document.querySelector('article p').innerHTML = '<span style=\"white-space: nowrap\">' + 'wide '.repeat(30)"
    )
    assert page.evaluate(SPILLS)


@pytest.mark.browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_wide_table_scrolls_by_key_and_keeps_its_caption_in_view(site, tab, name):
    page = tab(320)
    page.goto(f"{site}/{name}")
    box = page.locator(".table-box").first
    box.evaluate(
        "box => box.querySelectorAll('td').forEach((one) => one.style.minWidth = '20rem')"
    )
    page.wait_for_timeout(100)
    assert box.get_attribute("tabindex") == "0"
    box.focus()
    page.keyboard.press("ArrowRight", delay=50)
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    caption = box.locator("caption").bounding_box()
    assert caption["x"] >= 0 and caption["x"] + caption["width"] <= 321


@pytest.mark.browser
def test_a_table_with_room_is_no_stop_for_the_tab_key(site, tab):
    page = tab(1280)
    page.goto(f"{site}/{CHAPTERS[0]}")
    page.wait_for_timeout(100)
    assert page.locator(".table-box").count()
    assert not page.locator(".table-box[tabindex]").count()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("name", CHAPTERS)
def test_an_equation_s_number_is_in_view_and_covers_nothing(site, tab, name, width):
    page = tab(width)
    page.goto(f"{site}/{name}", wait_until="networkidle")
    rows = page.evaluate(
        """() => [...document.querySelectorAll(".math-block")].filter((one) => one.querySelector(".eqno")).map((one) => {
            const number = one.querySelector(".eqno").getBoundingClientRect();
            const scroll = one.querySelector(".math-scroll");
            const box = scroll.getBoundingClientRect();
            return {inside: number.left >= 0 && number.right <= document.documentElement.clientWidth,
                beside: number.left >= box.right - 0.5, below: number.top >= box.bottom - 0.5,
                cut: scroll.scrollWidth > scroll.clientWidth + 1};
        })"""
    )
    assert len(rows) >= 2
    for row in rows:
        assert row["inside"] and (row["beside"] or row["below"]), rows
        assert not (row["beside"] and row["cut"]), "a cut formula gets the whole line"
    assert width > 400 or any(row["below"] for row in rows)
