"""What a page says of itself to search engines and to those who share it: title, description, picture.

The description is the beginning of the page's own text, in its own language. Addresses must be whole
there, so what needs one is left out of a book that has no `baseurl` (see settings.py).
"""

from __future__ import annotations

import re

import cards
from docutils import nodes
from languages import LANGUAGES, address
from settings import setting
from sphinx import addnodes

MOST = {"en": 200, "zh_CN": 110}  # characters that a result shows
LEAST = 40  # shorter paragraphs introduce a list or stand under a picture
SENTENCE = re.compile(r".*?(?:[.?!](?=\s)|[。？！])", re.DOTALL)
# What stands before the text, or beside it.
ASIDE = (
    nodes.Admonition,
    nodes.admonition,
    nodes.figure,
    nodes.table,
    nodes.footnote,
    nodes.citation,
)


def shortened(text: str, most: int) -> str:
    """Whole sentences up to `most` characters; of a longer first sentence its beginning."""
    kept = ""
    for sentence in SENTENCE.findall(text + " "):
        if len(kept + sentence) > most:
            break
        kept += sentence
    if kept.strip():
        return kept.strip()
    cut = text[: most - 1]
    return (cut.rpartition(" ")[0] if " " in cut[most // 2 :] else cut) + "…"


def words(paragraph: nodes.paragraph) -> str:
    """A paragraph's words; a formula is none of them."""
    copy = paragraph.deepcopy()
    for math in list(copy.findall(nodes.math)):
        math.parent.remove(math)
    return " ".join(copy.astext().split())


def description(doctree: nodes.document, language: str) -> str:
    """The first paragraph with something to say, shortened; "" where there is none."""
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph, addnodes.compact_paragraph):  # of a list of pages
            continue
        above, beside = paragraph, False
        while above is not None:
            beside |= isinstance(above, ASIDE) or "checked" in above.get("classes", ())
            above = above.parent
        text = words(paragraph)
        if not beside and len(text) >= LEAST * (0.5 if language == "zh_CN" else 1):
            return shortened(text, MOST.get(language, MOST["en"]))
    return ""


def meta(app, pagename: str, title: str, doctree) -> list[tuple[str, str, str]]:
    """(kind of attribute, its value, content) of every `<meta>` of a page."""
    language = app.config.language
    here = LANGUAGES[language]
    text = description(doctree, language) if doctree is not None else ""
    text = text or " · ".join(filter(None, (title, here.title)))
    found = [("name", "description", text)]
    if not (base := setting("baseurl")):
        return found
    og = {
        "type": "website" if pagename == "index" else "article",
        "site_name": here.title,
        "locale": language if "_" in language else "en_US",
        "title": title or here.title,
        "description": text,
        "url": f"{base}/{address(pagename, language)}",
        "image": f"{base}/{cards.address(pagename, language)}",
        "image:width": str(cards.WIDTH),
        "image:height": str(cards.HEIGHT),
    }
    found += [("property", f"og:{name}", content) for name, content in og.items()]
    return [*found, ("name", "twitter:card", "summary_large_image")]


def on_page(app, pagename, templatename, context, doctree) -> None:
    title = re.sub(r"<[^>]+>", "", context.get("title", ""))
    context["book_meta"] = meta(app, pagename, title, doctree)


def setup(app):
    app.connect("html-page-context", on_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
