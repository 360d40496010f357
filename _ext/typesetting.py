"""The last hand on a page: where a line may end and where not, and the gap between two scripts.

Browsers break a line between a formula or a piece of code and the comma behind it: a word joiner forbids that. In the
name of a file they break anywhere: the places after `/` and `_` are offered. The page's Markdown and the search
index have neither.

Between Chinese and Latin letters stands a gap. A translator sets it, but does not see the title that a reference
will show: where such a title begins or ends with a Latin letter, the gap is set here.
"""

from __future__ import annotations

import re

WORD_JOINER = "&#8288;"
CLOSING = r".,;:!?)\]}%…，。、；：！？）】》」』”’"
# What ends with a formula or with code: both may stand in further elements (a link, a long formula's box).
END = re.compile(rf"(</(?:math|code)>(?:</(?:span|a|em|strong)>)*)(?=[{CLOSING}])")
CAPTION = re.compile(r'(<div class="code-block-caption">)(.*?)(?=</div>)', re.DOTALL)


HAN = "[\u4e00-\u9fff]"
LINK_ENDS = re.compile(rf"([A-Za-z0-9](?:</(?:span|em|strong|code)>)*</a>)(?={HAN})")
LINK_BEGINS = re.compile(
    rf'(?<={HAN})(?=<a class="reference internal[^>]*>(?:<(?:span|em|strong)[^>]*>)*[A-Za-z0-9])'
)


def apart(body: str) -> str:
    """A gap between Chinese and a link that ends or begins with a Latin letter."""
    return LINK_BEGINS.sub(" ", LINK_ENDS.sub(r"\1 ", body))


def joined(body: str) -> str:
    """Closing punctuation stays with the formula or the code before it."""
    return END.sub(rf"\1{WORD_JOINER}", body)


def breakable(body: str) -> str:
    """The names of files in the captions of listings may go on in the next line after `/` and `_`."""

    def offered(caption: re.Match) -> str:
        names = re.sub(
            r"(<span class=\"pre\">)([^<]*)",
            lambda one: one[1] + re.sub(r"(?<=[/_])(?=[\w.-])", "<wbr>", one[2]),
            caption[2],
        )
        return caption[1] + names

    return CAPTION.sub(offered, body)


def on_page(app, pagename, templatename, context, doctree) -> None:
    if app.builder.name == "html":
        context["body"] = breakable(joined(context.get("body", "")))


def on_text(app, pagename, templatename, context, doctree) -> None:
    if app.config.language.startswith("zh"):
        context["body"] = apart(context.get("body", ""))


def setup(app):
    app.connect("html-page-context", on_text, priority=955)
    app.connect("html-page-context", on_page, priority=970)  # after markdown_pages
    return {"parallel_read_safe": True, "parallel_write_safe": True}
