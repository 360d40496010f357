"""Exercises and solutions: numbered by their chapter, and on the web a title line with the way to the other.

An author writes the solution's link at the end of an exercise, in brackets, and begins a solution with the link
to its exercise; print keeps it so. On the web the links move to the title lines, and each solution becomes a block.

An author counts the exercises of a chapter; each gets the chapter's number before its own, in its box and
in every link to it, and the solutions of a chapter stand under the chapter's number and title.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

OPENING = re.compile(r"\s*[(（]\s*$")
CLOSING = re.compile(r"^\s*[)）]")
STOP = re.compile(r"^[.。：:]\s*")


def name_of(link: nodes.reference) -> str:
    """The name of a link's target."""
    return link.get("refid") or link.get("refuri", "").rpartition("#")[2]


def leads_to(node: nodes.Node, prefix: str) -> bool:
    """Whether a link's target has a name that begins with `prefix`."""
    return isinstance(node, nodes.reference) and name_of(node).startswith(prefix)


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


NUMBER = re.compile(r"\d+$")


def chapter_of(env, name: str) -> tuple[str, str]:
    """Number and title of the chapter that the id `sol-<slug>-…` or `ex-<slug>-…` belongs to; "" where it has none."""
    rest = name.partition("-")[2]
    slugs = {one.rpartition("/")[2]: one for one in env.titles}
    found = [slug for slug in slugs if rest.startswith(f"{slug}-")]
    if not found:
        return "", ""
    docname = slugs[max(found, key=len)]
    number = env.toc_secnumbers.get(docname, {}).get("") or ()
    return ".".join(map(str, number)), env.titles[docname].astext()


def numbered(text: nodes.Element, env, name: str) -> None:
    """`Exercise 2` becomes `Exercise 5.2` in chapter 5."""
    number, _ = chapter_of(env, name)
    last = text.children[-1] if text.children else None
    while isinstance(last, nodes.Element) and last.children:
        last = last.children[-1]
    if number and isinstance(last, nodes.Text):
        full = NUMBER.sub(lambda own: f"{number}.{own[0]}", last.astext())
        last.parent.replace(last, nodes.Text(full))


def first_solution(section: nodes.section) -> str:
    """The name of the first solution in a section, not in those inside it; "" for none."""
    ids = (
        one
        for child in section
        for one in getattr(child, "attributes", {}).get("ids", ())
    )
    return next((one for one in ids if one.startswith("sol-")), "")


class Exercises(SphinxPostTransform):
    """On the site: give the numbers, move the links and make the blocks."""

    default_priority = 20  # when references are resolved
    formats: tuple[str, ...] = ("html",)
    moved = True

    def run(self, **kwargs) -> None:
        for box in self.document.findall(nodes.admonition):
            if "exercise" in box["classes"]:
                self.exercise(box)
        for section in list(self.document.findall(nodes.section)):
            self.heading(section)
            if self.moved:
                self.solutions(section)
        for link in self.document.findall(nodes.reference):
            if leads_to(link, "ex-") and "solution-exercise" not in link["classes"]:
                numbered(link, self.env, name_of(link))

    def exercise(self, box: nodes.admonition) -> None:
        if names := [one for one in box["ids"] if one.startswith("ex-")]:
            numbered(box[0], self.env, names[0])
        links = [one for one in box.findall(nodes.reference) if leads_to(one, "sol-")]
        if links and self.moved:
            link = taken(links[-1])
            link["classes"] = ["exercise-solution"]
            box[0] += [nodes.Text(" "), link]

    def heading(self, section: nodes.section) -> None:
        if name := first_solution(section):
            number, title = chapter_of(self.env, name)
            if title and isinstance(section[0], nodes.title):
                sign: nodes.Node = nodes.Text(f"{number}. ")
                if self.moved:  # print would show the class in its bookmarks
                    sign = nodes.inline("", "", sign, classes=["section-number"])
                section[0].children = []
                section[0] += [*([sign] if number else []), nodes.Text(title)]

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
            numbered(link, self.env, block["ids"][0])
            block += nodes.paragraph("", "", link, classes=["solution-title"])


class PrintedExercises(Exercises):
    """In print: give the numbers; links and blocks stay as they are written."""

    formats = ("latex",)
    moved = False


def on_updated(app, env) -> list[str]:
    """The page's own contents say what its headings say; they name other pages, so it is written anew each time."""
    if app.builder.format != "html":
        return []
    places = env.get_domain("std").anonlabels.items()
    pages = sorted({page for name, (page, _) in places if name.startswith("sol-")})
    for page in pages:
        entries = {
            one["anchorname"].removeprefix("#"): one
            for one in env.tocs[page].findall(nodes.reference)
        }
        for section in env.get_doctree(page).findall(nodes.section):
            name = first_solution(section)
            entry = entries.get(section["ids"][0])
            number, title = chapter_of(env, name) if name else ("", "")
            if title and entry:
                entry.children = []
                entry += nodes.Text(f"{number}. {title}" if number else title)
    return pages


def setup(app):
    app.add_post_transform(Exercises)
    app.add_post_transform(PrintedExercises)
    # After the collector that gives the chapters their numbers.
    app.connect("env-get-updated", on_updated, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
