"""How much room a thing needs at the foot of a printed page to begin there: counted in lines of text.

A page is broken before a heading, a listing, a table or the line that leads in to one where not enough of it
would fit. What is told here is an estimate; LaTeX counts the room that is left.
"""

from __future__ import annotations

import math

from docutils import nodes
from sphinx.builders.latex.nodes import captioned_literal_block

HEADING = 3.5  # lines: a heading with the space around it
TEXT = 2  # lines of a paragraph that do not stand without each other
WHOLE, BEGIN = 11, 7  # lines: shorter listings stay on one page, longer ones begin so
LONG_TABLE = 30  # rows: Sphinx lets a longer one go over pages
ROWS = 5  # of such a table, that stand together
SHORT = 700  # letters: a shorter box stays on one page
LINE = 0.9  # of a line of text: how high a line of code is
COLUMNS = 84  # letters to the line; Chinese takes two of them
LEAD = 3  # lines: a longer paragraph does not travel with what it leads in to


def width(text: str) -> int:
    """Letters, with a Chinese one for two."""
    return len(text) + sum(1 for letter in text if letter >= "\u2e80")


def lines(node) -> int:
    return math.ceil(width(node.astext()) / COLUMNS)


def widths(table) -> list[int]:
    """Of each column of a table the letters of its widest cell."""
    rows = table.findall(nodes.row)
    return [
        max(width(cell.astext()) for cell in column)
        for column in zip(*rows, strict=False)
    ]


def row_lines(row, columns: list[int]) -> float:
    """The lines of a table's row, the page shared among the columns as their widest cells ask."""
    share = min(1.0, COLUMNS / max(1, sum(columns)))
    cells = zip(row, columns, strict=False)
    return 1.2 * max(
        math.ceil(width(cell.astext()) / max(1.0, column * share))
        for cell, column in cells
    )


def neighbors(node, step: int):
    """The nodes beside `node` that show something, nearest first."""
    place = node.parent.index(node)
    rest = node.parent[place + 1 :] if step > 0 else node.parent[:place][::-1]
    return (one for one in rest if not isinstance(one, (nodes.Invisible, nodes.target)))


def next_shown(node):
    return next(neighbors(node, 1), None)


def last_shown(node):
    return next(neighbors(node, -1), None)


def stays_whole(box) -> bool:
    """Whether a box is so short that a page break inside it would look like an accident."""
    tall = (nodes.literal_block, nodes.table, nodes.figure, nodes.math_block)
    return width(box.astext()) < SHORT and not any(
        isinstance(one, tall) for one in box.findall()
    )


def least_lines(node) -> float:
    """How many lines must fit on the page for `node` to begin there well; 0 where it does not matter."""
    if isinstance(node, nodes.table):
        rows = list(node.findall(nodes.row))
        rows = rows if len(rows) <= LONG_TABLE else rows[:ROWS]
        columns = widths(node)
        return sum(row_lines(row, columns) for row in rows) + 3
    if isinstance(node, (nodes.literal_block, captioned_literal_block)):
        (block,) = node.findall(nodes.literal_block)
        height = block.astext().count("\n") + 3
        return (height if height <= WHOLE else BEGIN) * LINE
    if isinstance(node, nodes.Admonition):
        whole = stays_whole(node)
        return sum(lines(one) + 0.5 for one in node) + 1.5 if whole else HEADING + TEXT
    if isinstance(node, nodes.paragraph):
        return lines(node) + least_lines(next_shown(node)) if leads_in(node) else TEXT
    return TEXT if isinstance(node, nodes.Sequential) else 0.0


def leads_in(node) -> bool:
    """Whether a paragraph would be stranded at the foot of a page, what it speaks of overleaf.

    It ends in a colon, or it is too short to stand below a heading by itself.
    """
    if not isinstance(node, nodes.paragraph) or next_shown(node) is None:
        return False
    if follows_heading(node) and lines(node) <= TEXT:
        return True
    colon = node.astext().rstrip().endswith((":", "："))
    return colon and lines(node) <= LEAD and least_lines(next_shown(node)) > TEXT


def follows_heading(node) -> bool:
    return isinstance(last_shown(node), nodes.title)


def is_led(node) -> bool:
    """Whether what stands before `node` has seen to its room already."""
    before = last_shown(node)
    return isinstance(before, nodes.title) or (before is not None and leads_in(before))
