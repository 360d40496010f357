"""A table stands in a box of its own width: on a phone the box scrolls, never the page.

The box can be reached from the keyboard and has the table's caption for a name. Other builders keep the bare
table.
"""

from __future__ import annotations

from docutils import nodes
from languages import LANGUAGES
from sphinx.transforms.post_transforms import SphinxPostTransform


class table_box(nodes.General, nodes.Element):
    """What scrolls: holds one table, and its name in `label`."""


def caption_of(table: nodes.table) -> str:
    """The text of a table's caption, without its number; "" when there is none."""
    titles = [child for child in table.children if isinstance(child, nodes.title)]
    return titles[0].astext() if titles else ""


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
