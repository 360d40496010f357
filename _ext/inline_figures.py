"""SVG figures stand inside the page, so that they follow its colors and its fonts, and can be enlarged.

An `<img>` cannot see the page's dark mode; the figures are drawn in `currentColor`, which only works
inline. Other builders (LaTeX) keep the image node and take the PDF made from the same SVG.
"""

from __future__ import annotations

import html
import math
import re
from pathlib import Path

from docutils import nodes
from languages import LANGUAGES
from lean_svg import lean
from sphinx.transforms.post_transforms import SphinxPostTransform

PROLOG = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
# A style sheet inside an inline SVG would style the whole page: its rules become attributes below.
DROPPED = re.compile(r"<!--.*?-->|<(metadata|style)\b.*?</\1>", re.DOTALL)
LINES = 'stroke-linejoin="round" stroke-linecap="butt"'
BETWEEN_TAGS = re.compile(r">\s+<")
SIZE = re.compile(r'\b(width|height)="[^"]*"\s*')
ID = re.compile(r'\bid="([^"]+)"')
VIEW_WIDTH = re.compile(r'viewBox="\S+ \S+ (\S+) ')
VIEW = re.compile(r'viewBox="\S+ \S+ (\S+) (\S+)"')
FONT_SIZE = re.compile(r"\bfont(?:-size)?:[^;\"]*?([\d.]+)px")
SMALLEST = 9  # CSS pixels: no word of a figure is set smaller, it scrolls instead


def least_width(svg: str) -> int:
    """The width in CSS pixels at which the smallest text of a drawing is SMALLEST high; 0 without text."""
    sizes = [float(size) for size in FONT_SIZE.findall(svg)]
    width = VIEW_WIDTH.search(svg)
    return math.ceil(float(width[1]) * SMALLEST / min(sizes)) if sizes and width else 0


def inline_svg(source: str, stem: str, alt: str) -> str:
    """The `<svg>` element of a file: scoped ids, no fixed size, a text alternative."""
    svg = DROPPED.sub("", PROLOG.sub("", source)).strip()
    svg = BETWEEN_TAGS.sub("><", svg)
    for name in sorted(set(ID.findall(svg)), key=len, reverse=True):
        if f"#{name}" in svg:  # only what something points to needs an id
            for quote in (f'id="{name}"', f'"#{name}"', f"url(#{name})"):
                svg = svg.replace(quote, quote.replace(name, f"{stem}-{name}"))
        else:
            svg = svg.replace(f' id="{name}"', "")
    opening, rest = lean(svg).split(">", 1)
    opening = SIZE.sub("", opening)
    least = least_width(svg)
    # A drawing far below the screen is not laid out, and must know its height all the same.
    ratio = VIEW.search(opening)
    rules = [f"min-width: {least}px"] if least else []
    rules += [f"aspect-ratio: {ratio[1]} / {ratio[2]}"] if ratio else []
    style = f'style="{"; ".join(rules)}" ' if rules else ""
    return f'{opening} {LINES} {style}role="img" aria-label="{html.escape(alt)}">{rest}'


def zoom_button(say) -> str:
    """What opens the figure over the whole window (_static/web/zoom.js)."""
    words = " ".join(
        f'data-{word.lower()}="{say(word)}"' for word in ("Larger", "Smaller", "Close")
    )
    name = say("Enlarge the figure")
    return (
        f'<button type="button" class="figure-zoom pst-js-only" title="{name}" '
        f'aria-label="{name}" {words}></button>'
    )


class InlineFigures(SphinxPostTransform):
    """Replace the image nodes of SVG figures by their source, in HTML only."""

    default_priority = 5  # before Sphinx copies images
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for node in list(self.document.findall(nodes.image)):
            uri = node.get("candidates", {}).get("*", node["uri"])
            if not uri.endswith(".svg") or "://" in uri:
                continue
            path = Path(self.env.srcdir, uri)
            if not path.is_file():
                continue  # Sphinx has warned already
            stem = path.stem.replace(".", "-")
            svg = inline_svg(
                path.read_text(encoding="utf-8"), stem, node.get("alt", "")
            )
            button = zoom_button(LANGUAGES[self.config.language].say)
            figure = (
                f'<div class="book-drawing"><div class="book-figure" id="{stem}-drawing">'
                f"{svg}</div>{button}</div>"
            )
            node.replace_self(nodes.raw("", figure, format="html"))


def setup(app):
    app.add_post_transform(InlineFigures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
