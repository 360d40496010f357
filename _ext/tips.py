"""What a term means and what a citation cites, on the page that uses them.

Each page carries the definitions and references that it links to, out of sight; the links point to them with
`aria-describedby`, and `_static/web/tips.js` shows them on hover, focus and tap. The text is that of the glossary and
of the references in the page's language, without their links.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass
from html import escape

from docutils import nodes
from sphinxcontrib.bibtex.transforms import (
    BibliographyTransform,
    node_text_transform,
)

LINK = re.compile(r'<a class="reference internal" href="([^"]*)"([^>]*)>')
ANCHOR = re.compile(r"</?a\b[^>]*>")
PERMALINK = re.compile(r'<a class="headerlink".*?</a>')
OWN_ID = re.compile(r'\s(?:id|title)="[^"]*"')
PLACES = re.compile(r'\s*<span class="term-places">.*?</span>(?=</p>)', re.DOTALL)
ADDRESS = re.compile(r"\s*(?:URL|doi): ?<a\b.*?</a>\.?", re.DOTALL)
TITLE = re.compile(r'\stitle="[^"]*"')


@dataclass(frozen=True)
class Tip:
    """The text of one tip as HTML; `kind` is "term" or "cite", `name` what is explained."""

    kind: str
    name: str
    html: str


Tips = dict[tuple[str, str], Tip]  # by page and anchor


def glossaries(env) -> list[str]:
    """The pages on which terms stand."""
    objects = env.get_domain("std").objects.items()
    return sorted({page for (kind, _), (page, _) in objects if kind == "term"})


def text_of(builder, children: list[nodes.Node]) -> str:
    """Paragraphs as HTML that may stand anywhere: no links, no ids."""
    html = ""
    for child in children:
        html += builder.render_partial(child)["fragment"]
    html = ADDRESS.sub("", PERMALINK.sub("", html))
    return OWN_ID.sub("", ANCHOR.sub("", html)).strip()


def term_tips(app, docname: str) -> Tips:
    """The definitions that stand on a page."""
    doctree = app.env.get_and_resolve_doctree(
        docname, app.builder, tags=app.builder.tags
    )
    found: Tips = {}
    for item in doctree.findall(nodes.definition_list_item):
        definition = next(one for one in item if isinstance(one, nodes.definition))
        html = text_of(app.builder, definition.children)
        html = PLACES.sub("", html)
        for term in item.findall(nodes.term):
            tip = Tip("term", term.astext(), html)
            found |= {(docname, anchor): tip for anchor in term["ids"]}
    return found


def cite_tips(app) -> Tips:
    """The references. Not taken from their page: to resolve it twice would print each of them twice."""
    found: Tips = {}
    for one in app.env.get_domain("cite").citations:
        paragraph = BibliographyTransform.backend.paragraph(one.formatted_entry)
        node_text_transform(paragraph)
        text = text_of(app.builder, [paragraph])
        inner = text.replace("<p>", "").replace("</p>", " ").strip()
        html = f'<cite lang="en">{inner}</cite>'  # titles stay as published
        place = (one.bibliography_key.docname, one.citation_id)
        found[place] = Tip("cite", "", html)
    return found


def tips(app) -> Tips:
    """All tips of the edition, made when the first page asks."""
    known = getattr(app, "book_tips", None)
    if known is None:
        known = cite_tips(app)
        for docname in glossaries(app.env):
            known |= term_tips(app, docname)
        app.book_tips = known
    return known


def target(pagename: str, href: str) -> tuple[str, str]:
    """Page and anchor that a link of a page leads to."""
    path, _, anchor = href.partition("#")
    here = posixpath.dirname(pagename)
    page = posixpath.normpath(posixpath.join(here, path)) if path else pagename
    return page.removesuffix(".html"), anchor


def on_page(app, pagename, templatename, context, doctree) -> None:
    """Mark the links of a page and put the tips that they need behind its text."""
    if doctree is None or app.builder.format != "html":
        return
    used: dict[str, Tip] = {}

    def mark(link: re.Match) -> str:
        place = target(pagename, link[1])
        tip = tips(app).get(place)
        if tip is None or place[0] == pagename:  # there the text is in view
            return link[0]
        name = f"tip-{place[1]}"
        used[name] = tip
        rest = TITLE.sub("", link[2])
        return (
            f'<a class="reference internal book-{tip.kind}" href="{link[1]}"{rest} '
            f'aria-describedby="{name}">'
        )

    body = LINK.sub(mark, context.get("body", ""))
    if used:
        texts = "\n".join(
            f'<div id="{name}" data-name="{escape(tip.name)}">{tip.html}</div>'
            for name, tip in used.items()
        )
        body += f'<div class="book-tips" data-pagefind-ignore="all" hidden>\n{texts}\n</div>'
    context["body"] = body


def on_updated(app, env) -> list[str]:
    """Pages carry words of other pages: write all again when those have changed."""
    text = "".join(env.get_doctree(docname).astext() for docname in glossaries(env))
    for one in env.get_domain("cite").citations:
        text += str(one.formatted_entry.text)
    now = hashlib.sha256(text.encode()).hexdigest()
    before, env.book_tips = getattr(env, "book_tips", now), now
    return [] if before == now else sorted(env.found_docs)


def setup(app):
    app.connect("env-updated", on_updated)
    app.connect("html-page-context", on_page)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
