"""What Chinese typography asks of a page and English does not: marks round titles, emphasis, the order of terms.

The name of a chapter or a part in a sentence stands in 《》: it is a sentence itself and would run into the one around it.
Emphasized characters get dots below them, since they have no italics. The glossary is in the order of its own words,
not of the English ones: Latin letters first, then characters by their sound.
"""

from __future__ import annotations

import re

import han
from chapter_numbers import bare
from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

HAN = re.compile(han.LETTER)
# A title by itself, or an entry in a list of pages.
ALONE = (nodes.title, nodes.term, addnodes.compact_paragraph)


def inside(node: nodes.Node, kinds: tuple) -> bool:
    """Whether a node stands in one of these kinds."""
    while (node := node.parent) is not None:
        if isinstance(node, kinds):
            return True
    return False


def names_page(link: nodes.reference, titles: set[str]) -> bool:
    """Whether a link in a sentence shows the title of a page: a term may be the same word, a list of pages is none."""
    term = any("std-term" in one["classes"] for one in link.findall(nodes.inline))
    sentence = isinstance(link.parent, nodes.TextElement)  # a card is none
    ours = link.get("internal") and not term and sentence
    return bool(ours) and link.astext() in titles and not inside(link, ALONE)


def marked(link: nodes.reference) -> bool:
    """Whether a translator has typed the marks."""
    place = link.parent.index(link)
    return place > 0 and link.parent[place - 1].astext().endswith("《")


def sound(term: str) -> tuple[bool, bytes]:
    """The key to sort a term by: GBK has the common characters in the order of their sounds."""
    return bool(HAN.match(term)), term.lower().encode("gbk", "replace")


class Chinese(SphinxPostTransform):
    default_priority = 25  # references are resolved, and not yet set in type

    def run(self, **kwargs) -> None:
        if not self.config.language.startswith("zh"):
            return
        titles = {bare(title) for title in self.env.titles.values()}
        for link in list(self.document.findall(nodes.reference)):
            if names_page(link, titles) and not marked(link):
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
