"""A table stands in a box of its own width: on a phone the box scrolls, never the page.

The box can be reached from the keyboard and has the table's caption for a name. Other builders keep the bare
table.
"""

from __future__ import annotations

import re

from docutils import nodes
from languages import LANGUAGES
from sphinx.transforms.post_transforms import SphinxPostTransform


class table_box(nodes.General, nodes.Element):
    """What scrolls: holds one table, and its name in `label`."""


def caption_of(table: nodes.table) -> str:
    """The text of a table's caption, without its number; "" when there is none."""
    titles = [child for child in table.children if isinstance(child, nodes.title)]
    return titles[0].astext() if titles else ""


# `12`, `3.4 ms`, `16×`, `≥ 128 KiB`: a number, and at most a unit behind it.
NUMBER = re.compile(
    r"[≈~<>≤≥+−-]?\s*\d[\d.,]*(?:\s?(?:[%×]|[A-Za-zµ°]{1,3}[\w/²]{0,9}))?"
)
NO_NUMBER = ("", "-", "–", "—", "−")


def mark_numbers(table: nodes.table) -> None:
    """Columns that hold numbers only are set flush right, their heads with them."""
    (group,) = (one for one in table if isinstance(one, nodes.tgroup))
    rows = list(group.findall(nodes.row))
    if any(entry.get("morecols") for row in rows for entry in row):
        return
    body = [row for row in rows if isinstance(row.parent, nodes.tbody)]
    for column in range(len(body[0]) if body else 0):
        texts = [row[column].astext().strip() for row in body]
        told = [text for text in texts if text not in NO_NUMBER]
        if told and all(NUMBER.fullmatch(text) for text in told):
            for row in rows:
                row[column]["classes"].append("number")


class TableBoxes(SphinxPostTransform):
    """Put every table of a page into a box, in HTML only."""

    default_priority = 900  # when references in the caption are resolved
    formats = ("html",)

    def run(self, **kwargs) -> None:
        word = LANGUAGES[self.config.language].say("Table")
        for table in list(self.document.findall(nodes.table)):
            box = table_box(label=caption_of(table) or word)
            # `replace_self` would hand the table's ids to the box.
            table.parent[table.parent.index(table)] = box
            box += table
            mark_numbers(table)


def visit_box(self, node) -> None:
    opening = self.starttag(
        node,
        "div",
        CLASS="table-box",
        role="group",
        tabindex="0",
        **{"aria-label": node["label"]},
    )
    self.body.append(opening)


def depart_box(self, node) -> None:
    self.body.append("</div>\n")


def setup(app):
    app.add_node(table_box, html=(visit_box, depart_box))
    app.add_post_transform(TableBoxes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
