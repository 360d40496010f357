"""The last hand on a page: where a line may end and where not, and the gap between two scripts.

Browsers break a line between a formula and the comma behind it, and at every hyphen and slash of a name in code: a
formula is kept with the marks that close after it, a name that fits a phone's line in one piece. In a longer one, as of
a file above a listing, the places where its parts meet are offered. The page's Markdown and the search index have
none of it. In both editions and in print a date, a number with its unit and `Figure 1.2` stay in one line.

Between Chinese and Latin letters stands a gap. A translator sets it, but does not see the title that a reference
will show: where such a title begins or ends with a Latin letter, the gap is set here.
"""

from __future__ import annotations

import html
import re

import han
from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

NBSP = "\N{NO-BREAK SPACE}"
# A date, or a name with a number or a single letter behind a hyphen: Llama-3.1-8B, UTF-8, top-p.
HYPHENED = re.compile(
    r"((?<![\w/.-])(?:\d{4}-\d\d-\d\d|(?=[\w.-]*-(?:[\w.]*\d|\w\b))[A-Za-z]\w*(?:\.\w+)*(?:-\w+(?:\.\w+)*)+)(?![\w-]))",
    re.ASCII,
)
UNIT = r"(?:[KMGTP]iB|[kMGTP]?B)(?:/s|/token)?|[kMGTPE]?FLOP(?:/s|/B)?|[mµn]?s|[kMG]?Hz|k?Wh?|J|%|tokens?(?:/s)?"
# `576 × 49,152`; of two named values the text between them.
TIMES = re.compile(r"(?<=\d)[ \n]×[ \n](?=\d)|^[ \n]×[ \n]$")
QUANTITY = re.compile(rf"(?<=\d)[ \n](?=(?:{UNIT})(?![\w/]))")
NUMBERED = re.compile(r"^(\S+) (?=\d[\d.]*$)")
CLOSING = r".,;:!?)\]}%…，。、；：！？）】》」』”’"
FORMULA = re.compile(
    rf'((?:<span class="math-long">)?<math\b(?:(?!</math>).)*</math>(?:</span>)?)([{CLOSING}]+)',
    re.DOTALL,
)
FITS = 25  # letters of code that a line holds in a list, on a phone of 320 pixels
ADDRESS = re.compile(
    r'(<a class="reference external" href="[^"]*">)(https?://[^<]*)(?=</a>)'
)
CITATION = re.compile(r'<div class="citation".*?</div>', re.DOTALL)
FILE = re.compile(
    r"(?<![\w/\"=#])[\w.-]+/[\w./-]*\w(?![^<]*>)"
)  # in the text of a reference
CITED = re.compile(r' (?=<span class="bibtex-citation"[^>]*>\[)')
NAME = re.compile(r'(<code class="[^"]*literal[^"]*">)(.*?)(?=</code>)', re.DOTALL)
PIECE = re.compile(r'<span class="pre">([^<]*)</span>')
MEETS = re.compile(
    r"((?<=\w)(?:--|[_:-])|/)(?=[\w.])"
)  # of an option the two dashes are its beginning
LINK_ENDS = re.compile(
    rf"([A-Za-z0-9](?:</(?:span|em|strong|code)>)*</a>)(?={han.LETTER})"
)
LINK_BEGINS = re.compile(
    rf'(?<={han.LETTER})(?=<a class="reference internal[^>]*>(?:<(?:span|em|strong)[^>]*>)*[A-Za-z0-9])'
)


def apart(body: str) -> str:
    """A gap between Chinese and a link that ends or begins with a Latin letter."""
    return LINK_BEGINS.sub(" ", LINK_ENDS.sub(r"\1 ", body))


def breakable(name: str) -> str:
    """A name that may go on in the next line where its parts meet."""
    return MEETS.sub(r"\1<wbr>", name)


def addressed(address: str) -> str:
    """An address or path, escaped, that may go on in the next line behind its marks."""
    return re.sub(r"(?:(?<=(?<!/)[/_=?-])|(?<=&amp;))(?=\w)", "<wbr>", address)


class Together(SphinxPostTransform):
    """What a line must not part: a date, a name like UTF-8, a number and its unit, the words of `Figure 1.2`."""

    default_priority = 30  # references are resolved, exercises have their numbers
    apart_from = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw, nodes.title)  # fmt: skip

    def run(self, **kwargs) -> None:
        for text in list(self.document.findall(nodes.Text)):
            above, link = text.parent, False
            while above is not None and not isinstance(above, self.apart_from):
                link |= isinstance(above, nodes.reference)
                above = above.parent
            if above is None:
                self.keep(text, link)

    def keep(self, text: nodes.Text, link: bool) -> None:
        words = QUANTITY.sub(NBSP, text.astext())
        words = TIMES.sub(f"{NBSP}×{NBSP}", words).replace("et al.", f"et{NBSP}al.")
        if link:
            words = NUMBERED.sub(rf"\1{NBSP}", words)
        parts = HYPHENED.split(words)
        if words == text.astext() and len(parts) == 1:
            return
        kept = [
            nodes.inline("", part, classes=["whole"]) if at % 2 else nodes.Text(part)
            for at, part in enumerate(parts)
            if part
        ]
        text.parent.replace(text, kept)


def piece(found: re.Match) -> str:
    """A short name in one piece; a long one with places to break."""
    if len(html.unescape(found[1])) <= FITS:
        return f'<span class="pre whole">{found[1]}</span>'
    return f'<span class="pre">{breakable(found[1])}</span>'


def kept(code: str) -> str:
    """Several short words in code that fit together stay together; of ` Paris` the space is a part."""
    letters = len(html.unescape(re.sub(r"<[^>]*>", "", code)))
    if " <span" not in code or letters > FITS:
        return code
    return f'<span class="whole">{code}</span>'


def whole(body: str) -> str:
    """Closing marks stay with the formula before them, names in code in one piece where they can."""
    body = FORMULA.sub(r'<span class="whole">\1\2</span>', body)
    body = ADDRESS.sub(lambda link: link[1] + addressed(link[2]), body)
    body = CITATION.sub(
        lambda one: FILE.sub(lambda path: addressed(path[0]), one[0]), body
    )
    body = CITED.sub(NBSP, body)
    return NAME.sub(lambda code: code[1] + kept(PIECE.sub(piece, code[2])), body)


def on_page(app, pagename, templatename, context, doctree) -> None:
    if app.builder.name == "html":
        context["body"] = whole(context.get("body", ""))


def on_text(app, pagename, templatename, context, doctree) -> None:
    if app.config.language.startswith("zh"):
        context["body"] = apart(context.get("body", ""))


def setup(app):
    app.add_post_transform(Together)
    app.connect("html-page-context", on_text, priority=955)
    app.connect("html-page-context", on_page, priority=970)  # after markdown_pages
    return {"parallel_read_safe": True, "parallel_write_safe": True}
