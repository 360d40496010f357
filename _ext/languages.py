"""The book's languages: where each edition lives, what it is called, and the way between them.

A new language is one line in LANGUAGES; words it does not have are shown in English.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive


@dataclass(frozen=True)
class Language:
    """One edition. `folder` is relative to the site's root; `code` is what HTML calls the language."""

    name: str
    folder: str
    code: str
    title: str
    pdf: str
    words: dict[str, str] = field(default_factory=dict)

    def say(self, english: str) -> str:
        return self.words.get(english, english)


CHINESE = {
    "Read this page in": "本页的其他语言",
    "PDF of this edition": "本版 PDF",
    "Start reading": "开始阅读",
    "This page is not fully translated yet: {done} of {total} paragraphs are.": (
        "本页尚未译完：{total} 段中已译 {done} 段。"
    ),
    "Search the book": "搜索全书",
    "Type a word or two": "输入一两个词",
    "{n} results": "{n} 条结果",
    "Nothing found": "没有找到",
    "Search needs a web server: run `make serve`.": "搜索需要网页服务：运行 make serve。",
    "Contents": "本页目录",
    "Book contents": "全书目录",
    "Light or dark": "浅色或深色",
}

LANGUAGES = {
    "en": Language(
        "English",
        "",
        "en",
        "LLM Inference from Principles to Production",
        "llm-inference.pdf",
    ),
    "zh_CN": Language(
        "中文", "zh", "zh-CN", "LLM 从原理到生产级推理", "llm-inference-zh.pdf", CHINESE
    ),
}


def own_pages(app) -> list[Path]:
    """The built pages of this edition, without those of the editions inside its folder."""
    out = Path(app.outdir)
    others = [out / other.folder for other in LANGUAGES.values() if other.folder]
    return [
        page
        for page in out.rglob("*.html")
        if not any(o in page.parents for o in others)
    ]


def address(docname: str, language: str) -> str:
    """A page's address from the site's root: `zh/chapters/preface.html`."""
    folder = LANGUAGES[language].folder
    return f"{folder}/{docname}.html" if folder else f"{docname}.html"


def relative(from_docname: str, language: str, target: str) -> str:
    """A link from a page of an edition to an address from the site's root."""
    depth = address(from_docname, language).count("/")
    return "../" * depth + target


class editions(nodes.General, nodes.Element):
    """The row of links on the cover; it knows its targets only when the page is written."""


class Editions(Directive):
    """`{editions}`: start reading, and both editions as pages and as PDFs."""

    def run(self):
        return [editions()]


def visit_editions(self, node) -> None:
    language, docname = self.config.language, self.builder.current_docname
    here = LANGUAGES[language]
    first = relative(docname, language, address("chapters/preface", language))
    links = [("primary", first, here.say("Start reading"), here.code)]
    for code, other in LANGUAGES.items():
        if code != language:
            links.append(
                (
                    "",
                    relative(docname, language, address("index", code)),
                    other.name,
                    other.code,
                )
            )
    for other in LANGUAGES.values():
        pdf = relative(docname, language, f"pdf/{other.pdf}")
        links.append(("", pdf, f"PDF · {other.name}", other.code))
    self.body.append('<p class="editions">')
    for kind, href, text, code in links:
        self.body.append(
            f'<a class="edition {kind}" href="{href}" hreflang="{code}">{text}</a>'
        )
    self.body.append("</p>\n")
    raise nodes.SkipNode


def skip(self, node) -> None:
    raise nodes.SkipNode


def on_config(app, config) -> None:
    """What differs by language: title, project name, address of the published site."""
    if config.language not in LANGUAGES:  # a language that is being added, or a test's
        LANGUAGES[config.language] = Language(
            config.language,
            config.language,
            config.language.replace("_", "-"),
            config.project,
            "",
        )
    here = LANGUAGES[config.language]
    config.project = config.html_title = config.html_short_title = here.title
    if base := os.environ.get("BOOK_BASEURL", "").rstrip("/"):
        config.html_baseurl = f"{base}/{here.folder}/" if here.folder else f"{base}/"


def progress(doctree) -> tuple[int, int]:
    """Translated and all paragraphs of a page, as Sphinx counted them."""
    counted = doctree.get("translation_progress") if doctree is not None else None
    return (counted["translated"], counted["total"]) if counted else (0, 0)


def on_page(app, pagename, templatename, context, doctree) -> None:
    """Give the templates the page's twins, its PDF, and a notice when it is not fully translated."""
    language = app.config.language
    here = LANGUAGES[language]
    base = os.environ.get("BOOK_BASEURL", "").rstrip("/")
    context["say"] = here.say
    context["book_pdf"] = (
        relative(pagename, language, f"pdf/{here.pdf}") if here.pdf else ""
    )
    context["book_twins"] = [
        {
            "name": other.name,
            "code": other.code,
            "href": relative(pagename, language, address(pagename, code)),
            "url": f"{base}/{address(pagename, code)}" if base else "",
            "here": code == language,
        }
        for code, other in LANGUAGES.items()
    ]
    done, total = progress(doctree)
    if language != "en" and done < total and "body" in context:
        text = here.say(
            "This page is not fully translated yet: {done} of {total} paragraphs are."
        )
        notice = (
            f'<p class="translation-notice">{text.format(done=done, total=total)}</p>'
        )
        context["body"] = notice + context["body"]


def setup(app):
    app.add_node(
        editions,
        html=(visit_editions, None),
        latex=(skip, None),
        text=(skip, None),
        gettext=(skip, None),
    )
    app.add_directive("editions", Editions)
    app.connect("config-inited", on_config, priority=100)
    app.connect("html-page-context", on_page, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
