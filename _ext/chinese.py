"""What Chinese typography asks of a page and English does not: marks round titles, emphasis, the order of terms.

The name of a chapter in a sentence stands in 《》: it is a sentence itself and would run into the one around it.
Emphasized characters get dots below them, since they have no italics. The glossary is in the order of its own words,
not of the English ones: Latin letters first, then characters by their sound.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

HAN = re.compile("[\u4e00-\u9fff]")
# A title by itself, or an entry in a list of pages.
ALONE = (nodes.title, nodes.term, addnodes.compact_paragraph)


def inside(node: nodes.Node, kinds: tuple) -> bool:
    """Whether a node stands in one of these kinds."""
    while (node := node.parent) is not None:
        if isinstance(node, kinds):
            return True
    return False


def sound(term: str) -> tuple[bool, bytes]:
    """The key to sort a term by: GBK has the common characters in the order of their sounds."""
    return bool(HAN.match(term)), term.lower().encode("gbk", "replace")


class Chinese(SphinxPostTransform):
    default_priority = 25  # references are resolved, and not yet set in type

    def run(self, **kwargs) -> None:
        if not self.config.language.startswith("zh"):
            return
        titles = {title.astext() for title in self.env.titles.values()}
        for link in list(self.document.findall(nodes.reference)):
            sentence = isinstance(link.parent, nodes.TextElement)  # a card is none
            if sentence and link.astext() in titles and not inside(link, ALONE):
                place = link.parent.index(link)
                link.parent.insert(place + 1, nodes.Text("》"))
                link.parent.insert(place, nodes.Text("《"))
        for one in self.document.findall(nodes.emphasis):
            if HAN.search(one.astext()):
                one["classes"].append("dotted")
        for glossary in self.document.findall(addnodes.glossary):
            for terms in glossary.findall(nodes.definition_list):
                terms.children.sort(key=lambda item: sound(item[0].astext()))


def setup(app):
    app.add_post_transform(Chinese)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
