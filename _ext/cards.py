"""The picture of a page that others show beside a link to it: the book's sign, the page's title.

1200 x 630 pixels, drawn only for a book whose address is known (`baseurl`), since a card is asked for by its
whole address. rsvg-convert draws it, which the PDFs need too, with the fonts of the machine.
"""

from __future__ import annotations

import html
import re
import subprocess
import textwrap
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from languages import LANGUAGES
from settings import setting

WIDTH, HEIGHT = 1200, 630
FOLDER = "_static/cards"
LINE = 26  # widths of a Latin letter that a line of the title holds
FONTS = "'Noto Sans', 'Noto Sans CJK SC', sans-serif"
CARD = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" lang="{code}">
<rect width="{width}" height="{height}" fill="#fbfaf7"/>
<g transform="translate(0 110)">
<g fill="#13917c">{cells}</g><rect x="236" y="236" width="56" height="56" fill="#c9731c"/>
<g font-family="{fonts}" fill="#22303c">
<text x="360" y="140" font-size="30" fill="#5b6570">{book}</text>
{title}</g></g></svg>"""
# The lower triangle of a causal mask, its newest token in another color.
CELLS = "".join(
    f'<rect x="{80 + 78 * x}" y="{80 + 78 * y}" width="56" height="56"/>'
    for y in range(3)
    for x in range(y + 1)
    if (x, y) != (2, 2)
)


def name(pagename: str) -> str:
    """`chapters/preface` as a file's name."""
    return pagename.replace("/", "--") + ".png"


def address(pagename: str, language: str) -> str:
    """A card's address from the site's root."""
    folder = LANGUAGES[language].folder
    return "/".join(filter(None, (folder, FOLDER, name(pagename))))


def width(text: str) -> int:
    """Widths of a Latin letter: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def lines(title: str) -> list[str]:
    """A title in lines; Chinese may break anywhere but before a mark."""
    if width(title) == len(title):
        return textwrap.wrap(title, LINE)
    found, line = [], ""
    for piece in re.findall(r"[A-Za-z0-9.,+-]+\s?|.[，：。、？）》”]?", title):
        if width(line + piece) > LINE and line:
            found.append(line)
            line = ""
        line += piece
    return [*found, line]


def svg(title: str, language: str) -> str:
    """A card as a drawing."""
    here = LANGUAGES[language]
    rows = "".join(
        f'<text x="360" y="{244 + 74 * row}" font-size="52" font-weight="600">{html.escape(text)}</text>'
        for row, text in enumerate(lines(title))
    )
    book = html.escape(here.title)
    return CARD.format(
        width=WIDTH,
        height=HEIGHT,
        code=here.code,
        cells=CELLS,
        fonts=FONTS,
        book=book,
        title=rows,
    )


def draw(title: str, language: str, target: Path) -> None:
    """Write the card of a title."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["rsvg-convert", "--format=png", f"--output={target}"]
    subprocess.run(command, input=svg(title, language), text=True, check=True)


def on_finished(app, exception) -> None:
    """The cards of all pages, if the book has an address."""
    if exception or app.builder.name != "html" or not setting("baseurl"):
        return
    language, out = app.config.language, Path(app.outdir)
    titles = {one: app.env.titles[one].astext() for one in app.env.found_docs}
    titles["404"] = LANGUAGES[language].title
    with ThreadPoolExecutor(2) as pool:
        for pagename, title in titles.items():
            pool.submit(draw, title, language, out / FOLDER / name(pagename))


def setup(app):
    app.connect("build-finished", on_finished)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
