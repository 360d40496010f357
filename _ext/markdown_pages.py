"""Every page as Markdown beside it, and `llms.txt`: for readers who work with assistants.

A page's Markdown is made from what a reader sees: numbers filled in, listings whole, formulas in TeX, a
figure as its caption and description. `llms.txt` lists an edition's pages with a line on each
(the format of llmstxt.org).
"""

from __future__ import annotations

import html
import re
from pathlib import Path

import page_meta
import temml_math
from bs4 import BeautifulSoup
from languages import LANGUAGES
from markdownify import ATX, MarkdownConverter

NOISE = (
    "a.headerlink, .book-tips, .book-part, .book-figure button, button, script, style"
)


class Converter(MarkdownConverter):
    """HTML of the book's articles to Markdown."""

    def convert_tex(self, element, text, parent_tags) -> str:
        """A formula, as `prepared` leaves it."""
        tex = element["data-tex"]
        return (
            f"\n\n$$\n{tex}\n$$\n\n" if element.has_attr("data-block") else f"${tex}$"
        )

    def convert_code(self, element, text, parent_tags) -> str:
        """Code as it is written: of ` Paris` the space is part of the token."""
        if "pre" in parent_tags or "_noformat" in parent_tags:
            return text
        code = element.get_text()
        fence = "`" * (1 + max(map(len, re.findall("`+", code)), default=0))
        gap = " " if "`" in (code[:1], code[-1:]) else ""
        return f"{fence}{gap}{code}{gap}{fence}" if code.strip() else text

    def convert_dt(self, element, text, parent_tags) -> str:
        return f"\n\n**{text.strip()}**\n"

    def convert_dd(self, element, text, parent_tags) -> str:
        return f"{text.strip()}\n\n"


def language(pre) -> str:
    """What a listing is written in: its box is `highlight-python`."""
    box = pre.find_parent(class_=re.compile("^highlight-"))
    name = box["class"][0].removeprefix("highlight-") if box else ""
    return "" if name in ("text", "default") else name


OPTIONS = {
    "heading_style": ATX,
    "bullets": "-",
    "escape_misc": False,
    "escape_asterisks": False,
    "escape_underscores": False,
    "code_language_callback": language,
}


def prepared(body: str, formulas: dict[str, str]) -> BeautifulSoup:
    """A page's HTML without what only a browser shows, formulas as TeX, links to Markdown."""

    def as_tex(match: re.Match) -> str:
        block = ' data-block=""' if 'display="block"' in match[0] else ""
        return f'<tex data-tex="{html.escape(formulas[match[0]])}"{block}>·</tex>'

    body = temml_math.MATH.sub(as_tex, body)
    soup = BeautifulSoup(body, "html.parser")
    for svg in soup.select("svg"):
        words = svg.get("aria-label") or (svg.title.get_text() if svg.title else "")
        svg.replace_with(f"[{words}]" if words else "")
    for one in soup.select(NOISE):
        one.decompose()
    for link in soup.select("a[href]"):
        if "://" not in link["href"]:
            link["href"] = re.sub(r"\.html(?=#|$)", ".md", link["href"])
    return soup


def markdown(body: str, formulas: dict[str, str]) -> str:
    """An article in Markdown."""
    text = Converter(**OPTIONS).convert_soup(prepared(body, formulas))
    return re.sub(r"[ \t]+\n", "\n", re.sub(r"\n{3,}", "\n\n", text)).strip() + "\n"


def on_page(app, pagename, templatename, context, doctree) -> None:
    """Write a page's Markdown, and keep its line for the list."""
    context["book_markdown"] = ""
    if doctree is None or app.builder.name != "html":
        return
    context["book_markdown"] = f"{pagename.rpartition('/')[2]}.md"
    target = Path(app.outdir, f"{pagename}.md")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(markdown(context["body"], temml_math.rendered), "utf-8")
    title = app.env.titles[pagename].astext()
    text = page_meta.description(doctree, app.config.language)
    app.env.book_lines[pagename] = f"- [{title}]({pagename}.md)" + (
        f": {text}" if text else ""
    )


def on_builder(app) -> None:
    app.env.book_lines = getattr(app.env, "book_lines", {})


def reading_order(env) -> list[str]:
    """All pages, as the contents list them."""
    found, open_ = [], [env.config.root_doc]
    while open_:
        name = open_.pop()
        found.append(name)
        open_ += reversed(env.toctree_includes.get(name, []))
    return found


def on_finished(app, exception) -> None:
    if exception or app.builder.name != "html":
        return
    here = LANGUAGES[app.config.language]
    lines = [
        app.env.book_lines[name]
        for name in reading_order(app.env)
        if name in app.env.book_lines
    ]
    promise = page_meta.description(
        app.env.get_doctree(app.config.root_doc), app.config.language
    )
    others = [
        f"- [{one.name}]({'../' if here.folder else ''}{one.folder + '/' if one.folder else ''}llms.txt)"
        for one in LANGUAGES.values()
        if one is not here
    ]
    text = [
        f"# {here.title}",
        "",
        f"> {promise}",
        "",
        f"## {here.say('Book contents')}",
        "",
        *lines,
    ]
    text += ["", f"## {here.say('Read this page in')}", "", *others]
    Path(app.outdir, "llms.txt").write_text("\n".join(text) + "\n", "utf-8")


def setup(app):
    app.connect("builder-inited", on_builder)
    # After all that changes a page's body.
    app.connect("html-page-context", on_page, priority=960)
    app.connect("build-finished", on_finished)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
