"""The book's languages: where each edition lives, what it is called, and the way between them.

A new language is one line in LANGUAGES; words it does not have are shown in English.
"""

from __future__ import annotations

import gettext
from dataclasses import dataclass, field
from pathlib import Path

import polib
from docutils import nodes
from docutils.parsers.rst import Directive
from settings import setting
from sphinx import locale


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


# What the theme or Sphinx would call by a poorer name.
ENGLISH = {"Fig. %s": "Figure %s"}

# The book's interface in Chinese, whoever the word comes from: Sphinx, the themes, or the book.
CHINESE = {
    # the book's templates and scripts
    "Read this page in": "本页的其他语言",
    "PDF of this edition": "本版 PDF",
    "Start reading": "开始阅读",
    "This page is not fully translated yet: {done} of {total} paragraphs are.": (
        "本页尚未译完：{total} 段中已译 {done} 段。"
    ),
    "Read it in English": "阅读英文版",
    "Search the book": "搜索全书",
    "Type a word or two": "输入一两个词",
    "{n} results": "{n} 条结果",
    "1 result": "1 条结果",
    "More results": "更多结果",
    "Nothing found": "没有找到",
    "Search needs a web server: run `make serve`.": "搜索需要网页服务：运行 make serve。",
    "Show or hide the book's contents": "显示或隐藏全书目录",
    "Show or hide the page's contents": "显示或隐藏本页目录",
    "Book contents": "全书目录",
    "Show or hide its pages": "显示或隐藏其下各页",
    "Facts checked on {date}": "事实核对日期：{date}",
    "Facts checked on {date} or later": "事实最早核对于 {date}",
    "Chapter\u00a0{n}": "第\u00a0{n}\u00a0章",
    "Chapters\u00a0{n}": "第\u00a0{n}\u00a0章",
    "{n}, {n}": "{n}、{n}",
    "et al.": "等",
    "*et al.*": "等人",
    " and ": " 和 ",
    "Read ": "读于 ",
    "Opened ": "提出于 ",
    "URL: ": "网址：",
    ", ": "，",
    "Part {n}": "第{n}部分",
    "Markdown of this page": "本页 Markdown",
    "All pages as Markdown": "全书各页的 Markdown",
    "Edit this page": "编辑本页",
    "Report an error": "报告错误",
    "Edition": "版本",
    "Share": "分享",
    "Copy link": "复制链接",
    "Link copied": "链接已复制",
    "Mail": "邮件",
    "Weibo": "微博",
    "More": "更多",
    "Comments and likes": "评论与点赞",
    "Show comments": "显示评论",
    "They are kept on GitHub Discussions, another site, and loaded only if you ask.": (
        "评论存于另一网站 GitHub Discussions，按下按钮才会加载。"
    ),
    "Keyboard shortcuts": "键盘快捷键",
    "search": "搜索",
    "previous or next page": "上一页、下一页",
    "contents of the book": "全书目录",
    "other language": "切换语言",
    "light or dark": "浅色、深色",
    "this list": "本列表",
    "Keys without Ctrl act": "启用单键快捷键",
    "Page not found": "找不到此页",
    "There is no page at this address. It may have moved; a search in the book finds it.": (
        "此地址没有页面，可能已移到别处；请在书中搜索。"
    ),
    "To the cover": "回到封面",
    "Table": "表格",
    "Enlarge the figure": "放大插图",
    "Larger": "放大",
    "Smaller": "缩小",
    "Close": "关闭",
    "The authors of LLM Inference from Principles to Production": (
        "《LLM 从原理到生产级推理》作者"
    ),
    "2026, the authors. Text: CC BY 4.0. Code: Apache-2.0": (
        "2026 本书作者。正文以 CC BY 4.0 许可，代码以 Apache-2.0 许可"
    ),
    # the themes
    "Contents": "本页目录",
    "On this page": "本页目录",
    "Skip to main content": "跳到正文",
    "Back to top": "回到页首",
    "Color mode": "配色",
    "Light": "浅色",
    "Dark": "深色",
    "System Settings": "跟随系统",
    "Site navigation": "全站导航",
    "Section Navigation": "本节导航",
    "Version warning": "版本提示",
    "Announcement": "公告",
    "Breadcrumb": "当前位置",
    "Breadcrumbs": "当前位置",
    "Home": "首页",
    "Edit": "编辑",
    "Edit on %(provider)s": "在 %(provider)s 上编辑",
    "Print to PDF": "打印为 PDF",
    "Last updated on %(last_updated)s.": "最近更新：%(last_updated)s。",
    "© Copyright %(copyright)s.": "© %(copyright)s。",
    "previous": "上一页",
    "next": "下一页",
    "previous page": "上一页",
    "next page": "下一页",
    "Search": "搜索",
    # Sphinx
    "Fig. %s": "图 %s",
    "Table %s": "表 %s",
    "Listing %s": "代码清单 %s",
    "Section %s": "第 %s 节",
    "Note": "说明",
    "Tip": "提示",
    "Hint": "提示",
    "Important": "重要",
    "Warning": "警告",
    "Caution": "当心",
    "Attention": "注意",
    "Danger": "危险",
    "See also": "参见",
    "Footnotes": "脚注",
    "Link to this heading": "本标题的链接",
    "Link to this equation": "本式的链接",
    "Link to this image": "本图的链接",
    "Link to this table": "本表的链接",
    "Link to this code": "本代码清单的链接",
    "Link to this term": "本术语的链接",
    "Link to this definition": "本条定义的链接",
}

LANGUAGES = {
    "en": Language(
        "English",
        "",
        "en",
        "LLM Inference from Principles to Production",
        "llm-inference.pdf",
        ENGLISH,
    ),
    "zh_CN": Language(
        "中文", "zh", "zh-CN", "LLM 从原理到生产级推理", "llm-inference-zh.pdf", CHINESE
    ),
}


class Interface(gettext.NullTranslations):
    """An edition's words before those that Sphinx or a theme has for the same text."""

    def __init__(self, language: Language, others: gettext.NullTranslations):
        super().__init__()
        self.words = language.words
        self.add_fallback(others)

    def gettext(self, message: str) -> str:
        return self.words.get(message) or super().gettext(message)


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
    config.author = here.say(config.author)
    config.copyright = here.say(config.copyright)
    # Part of the settings, so that a changed word rewrites the pages.
    config.book_words = here.words
    for catalog in ("sphinx", "booktheme"):
        others = locale.get_translator(catalog)
        locale.translators["general", catalog] = Interface(here, others)
    app.translator = locale.get_translator()
    if base := setting("baseurl"):
        config.html_baseurl = f"{base}/{here.folder}/" if here.folder else f"{base}/"


def progress(app, pagename: str) -> tuple[int, int]:
    """Translated and all messages of a page's catalog.

    Sphinx has a count of its own (`translation_progress`), which takes every translated
    alternative text for untranslated.
    """
    for folder in app.config.locale_dirs:
        catalog = Path(
            app.srcdir, folder, app.config.language, "LC_MESSAGES", f"{pagename}.po"
        )
        if catalog.is_file():
            entries = [
                entry for entry in polib.pofile(str(catalog)) if not entry.obsolete
            ]
            return sum(entry.translated() for entry in entries), len(entries)
    return 0, 1 if pagename in app.env.found_docs else 0


def on_page(app, pagename, templatename, context, doctree) -> None:
    """Give the templates the page's twins, its PDF, and a notice when it is not fully translated."""
    language = app.config.language
    here = LANGUAGES[language]
    base = setting("baseurl")
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
    done, total = progress(app, pagename) if language != "en" else (0, 0)
    if done < total and "body" in context:
        text = here.say(
            "This page is not fully translated yet: {done} of {total} paragraphs are."
        )
        english = relative(pagename, language, address(pagename, "en"))
        notice = text.format(done=done, total=total)
        link = f'<a href="{english}" hreflang="en">{here.say("Read it in English")}</a>'
        context["body"] = (
            f'<p class="translation-notice" data-pagefind-ignore>{notice} {link}</p>'
            + context["body"]
        )


def setup(app):
    app.add_node(
        editions,
        html=(visit_editions, None),
        latex=(skip, None),
        text=(skip, None),
        gettext=(skip, None),
    )
    app.add_directive("editions", Editions)
    app.add_config_value("book_words", {}, "html", dict)
    app.connect("config-inited", on_config, priority=100)
    app.connect("html-page-context", on_page, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
