"""A leaner drawing is the same drawing."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
from PIL import Image, ImageChops

from tools import ROOT

sys.path.insert(0, str(ROOT / "_ext"))
import inline_figures  # isort: skip
import lean_svg  # isort: skip

DRAWINGS = sorted((ROOT / "_static" / "figures").glob("*.svg"))
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 40 40">'
ROUND = (
    "M 0 3 C 0.8 3 1.56 2.68 2.12 2.12 C 2.68 1.56 3 0.8 3 0 C 3 -0.8 2.68 -1.56 2.12 -2.12 "
    "C 1.56 -2.68 0.8 -3 0 -3 C -0.8 -3 -1.56 -2.68 -2.12 -2.12 C -2.68 -1.56 -3 -0.8 -3 0 "
    "C -3 0.8 -2.68 1.56 -2.12 2.12 C -1.56 2.68 -0.8 3 0 3 z"
)


def marks(marker: str, style: str = "fill: #2f86c6", own: str = "") -> str:
    """A drawing with four marks of one kind, each in groups as matplotlib writes them."""
    uses = "".join(
        f'<g><use xlink:href="#m" x="{8 * i}" y="{5 * i}" style="{style}"/></g>'
        for i in range(1, 5)
    )
    return f'{HEAD}<defs><path id="m" d="{marker}" style="{own}"/></defs><g><g>{uses}</g></g></svg>'


def picture(svg: str) -> Image.Image:
    done = subprocess.run(
        ["rsvg-convert", "-b", "white", "-w", "800"],
        input=svg.encode(),
        capture_output=True,
        check=True,
    )
    return Image.open(io.BytesIO(done.stdout)).convert("L")


def differing(one: str, other: str) -> int:
    """Pixels that are not alike: more than a quarter of the way from black to white."""
    first, second = picture(one), picture(other)
    assert first.size == second.size
    return sum(ImageChops.difference(first, second).histogram()[64:])


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
def test_every_drawing_of_the_book_looks_the_same(path, monkeypatch):
    source = path.read_text("utf-8")
    now = inline_figures.inline_svg(source, path.stem, "")
    monkeypatch.setattr(inline_figures, "lean", lambda svg: svg)
    before = inline_figures.inline_svg(source, path.stem, "")
    # Where half-transparent dots lie over each other, they no longer darken.
    assert differing(before, now) <= 200
    assert now.count("<") < before.count("<") and len(now) < len(before)


@pytest.mark.parametrize(
    ("marker", "style", "own"),
    [
        (ROUND, "fill: #2f86c6", ""),
        (ROUND, "fill: #2f86c6; stroke: #2f86c6; stroke-width: 2", ""),
        (ROUND, "fill: #2f86c6", "stroke: #2f86c6; stroke-width: 2"),
        (ROUND, "fill: #2f86c6; stroke: #000000", ""),
        (ROUND, "fill: none; stroke: #000000", ""),
        (ROUND, "fill: #000000; fill-opacity: 0.5", ""),
        ("M -3 -2 L 3 -2 L 3 2 L -3 2 z", "fill: #2f86c6", ""),
        ("M 0 0 L 0 3.5", "stroke: #000000; stroke-width: 2", ""),
        ("M -3 0 Q 0 4 3 0 z", "fill: #2f86c6", ""),
    ],
)
def test_marks_become_one_path_and_look_the_same(marker, style, own):
    drawing = marks(marker, style, own)
    made = lean_svg.lean(drawing)
    assert "<use" not in made and "<defs><path" not in made.replace(" ", "")
    assert made.count("<path") == 1 and "<g" not in made
    assert differing(drawing, made) == 0
    assert differing(drawing, HEAD + "</svg>") > 100, "there is something to see"


def test_groups_that_say_something_stay_and_few_marks_are_left_alone():
    drawing = f'{HEAD}<g clip-path="url(#c)"><g><path d="M 0 0 L 9 9"/></g></g></svg>'
    assert lean_svg.lean(drawing).count("<g") == 1
    two = re.sub(r"(<g><use[^>]*/></g>){2}</g>", "</g>", marks(ROUND))
    assert lean_svg.lean(two).count("<use") == 2


def test_fonts_are_said_once():
    words = "<text style=\"font-size: 9px; font-family: 'Noto Sans', serif; fill: red\">a</text>"
    root = ET.fromstring(lean_svg.lean(f"{HEAD}{words}{words}</svg>"))
    assert root.get("font-family") == "'Noto Sans', serif"
    assert [text.get("style") for text in root] == ["font-size: 9px; fill: red"] * 2
