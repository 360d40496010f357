"""Exercises and solutions on the web: a title line with the way to the other.

An author writes the solution's link at the end of an exercise, in brackets, and begins a solution with the link
to its exercise; print keeps it so. Here the links move to the title lines, and each solution becomes a block.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

OPENING = re.compile(r"\s*[(（]\s*$")
CLOSING = re.compile(r"^\s*[)）]")
STOP = re.compile(r"^[.。]\s*")


def leads_to(node: nodes.Node, prefix: str) -> bool:
    """Whether a link's target has a name that begins with `prefix`."""
    if not isinstance(node, nodes.reference):
        return False
    _, _, anchor = node.get("refuri", "").rpartition("#")
    return (node.get("refid") or anchor).startswith(prefix)


def trimmed(parent: nodes.Element, index: int, pattern: re.Pattern) -> None:
    """Take what the pattern matches away from the text at this place, if there is text."""
    if 0 <= index < len(parent) and isinstance(parent[index], nodes.Text):
        text = pattern.sub("", parent[index].astext())
        parent[index] = nodes.Text(text)


def taken(link: nodes.reference) -> nodes.reference:
    """Take a link out of its paragraph, with the brackets round it."""
    parent, place = link.parent, link.parent.index(link)
    trimmed(parent, place + 1, CLOSING)
    trimmed(parent, place - 1, OPENING)
    parent.remove(link)
    return link


class Exercises(SphinxPostTransform):
    """Move the links and make the blocks, in HTML only."""

    default_priority = 20  # when references are resolved
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for box in self.document.findall(nodes.admonition):
            if "exercise" in box["classes"]:
                self.exercise(box)
        for section in list(self.document.findall(nodes.section)):
            self.solutions(section)

    def exercise(self, box: nodes.admonition) -> None:
        links = [one for one in box.findall(nodes.reference) if leads_to(one, "sol-")]
        if links:
            link = taken(links[-1])
            link["classes"] = ["exercise-solution"]
            box[0] += [nodes.Text(" "), link]

    def solutions(self, section: nodes.section) -> None:
        block = None
        for child in list(section.children):
            mine = [one for one in child.get("ids", []) if one.startswith("sol-")]
            if isinstance(child, nodes.paragraph) and mine:
                block = nodes.container(ids=mine, classes=["solution"])
                child["ids"] = [one for one in child["ids"] if one not in mine]
                section[section.index(child)] = block
                self.title(block, child)
                block += child
            elif isinstance(child, nodes.section):
                break
            elif block is not None:
                section.remove(child)
                block += child

    def title(self, block: nodes.container, first: nodes.paragraph) -> None:
        if len(first) and leads_to(first[0], "ex-"):
            link = first[0]
            first.remove(link)
            trimmed(first, 0, STOP)
            link["classes"] = ["solution-exercise"]
            block += nodes.paragraph("", "", link, classes=["solution-title"])


def setup(app):
    app.add_post_transform(Exercises)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
