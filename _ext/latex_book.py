"""The print edition: what LaTeX needs to know beyond Sphinx's own output.

A4, since a listing of 88 columns then stands without a break beside margins of three centimeters; TeX Gyre
Pagella with its math font, and Noto CJK. A part's `index.md` becomes a part, the preface front matter, the
appendix back matter, each chapter a chapter. Chapters, figures, tables, listings and equations have the numbers
that the web edition gives them, written out. The LaTeX stands in `latex/`, its words here.
"""

from __future__ import annotations

import datetime
import os
import re
import subprocess
from pathlib import Path

from docutils import nodes
from languages import LANGUAGES
from listings import PATH
from sphinx.builders.latex.nodes import captioned_literal_block
from sphinx.locale import admonitionlabels
from sphinx.writers.latex import LaTeXTranslator

ROOT = Path(__file__).parent.parent
TEMPLATES = Path(__file__).parent / "latex"
FRONT, BACK = "chapters/preface", "chapters/appendix/index"
BOXES = ("takeaway", "pitfall", "in-production", "try-it", "exercise")
ALARMS = ("attention", "caution", "danger", "error", "warning")
HEADING = 5.5  # lines: a heading with two of its text
WHOLE, BEGIN = 20, 8  # lines: shorter listings stay on one page, longer ones begin so
SHORT = 700  # letters: a shorter box stays on one page
LINE = 0.9  # of a line of text: how high a line of code is
# A name in code may break after these, between two letters or digits.
BREAKS = re.compile(r"(?<=\w[_./=,:-])(?=\w)|(?<=_)(?=\w)")

# xeCJK puts a space between Chinese and Latin letters, but drops it before a link.
HAN_END = re.compile(r"[\u3400-\u9fff] ?$")

# What LaTeX itself writes: chapter and part heads, contents; and how far the lines stand apart.
WORDS = {
    "en": {
        "chapter": r"Chapter \thechapter",
        "part": r"Part \Roman{part}",
        "contents": "Contents",
        # xeCJK would set quotes and dashes as Chinese punctuation.
        "quotes": r'\xeCJKDeclareCharClass{Default}{"2013 -> "2014, "2018 -> "201D, "2026}',
        "leading": "1.04",
        "edition": "Edition of {date}",
        "license": "Text: Creative Commons Attribution 4.0 International (CC BY 4.0). "
        "Code: Apache License 2.0.",
    },
    "zh_CN": {
        "chapter": r"第 \thechapter\ 章",
        "part": r"第\ifcase\value{part}\or 一\or 二\or 三\or 四\or 五\or 六\or 七\or 八\fi 部分",
        "contents": "目录",
        "quotes": "",
        "leading": "1.18",
        "edition": "{date} 版",
        "license": "正文：知识共享署名 4.0 国际（CC BY 4.0）。代码：Apache License 2.0。",
    },
}


def edition_date() -> str:
    """The day of SOURCE_DATE_EPOCH, else of the last commit, else today: YYYY-MM-DD."""
    moment = datetime.datetime.fromtimestamp(edition_second(), datetime.UTC)
    return moment.date().isoformat()


def edition_second() -> int:
    """The same moment in seconds since 1970, for the dates inside the PDF."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not seconds.isdigit():
        command = ["git", "log", "-1", "--format=%ct"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        seconds = done.stdout.strip()
    return int(seconds or datetime.datetime.now(datetime.UTC).timestamp())


def filled(template: str, language: str, author: str) -> str:
    """The named file of `latex/` with its @NAMES@ replaced; a third language has English words."""
    words = WORDS.get(language, WORDS["en"])
    other = "zh_CN" if language == "en" else "en"
    table = {name.upper(): text for name, text in words.items()}
    table |= {
        "EDITION": words["edition"].format(date=edition_date()),
        "TITLE": LANGUAGES[language].title,
        "OTHER": LANGUAGES[other].title,
        "AUTHOR": author,
        "LANG": LANGUAGES[language].code,
    }
    text = (TEMPLATES / f"{template}.tex").read_text("utf-8")
    return re.sub(r"@([A-Z]+)@", lambda name: table[name[1]], text)


def on_config(app, config) -> None:
    language, author = config.language, config.author
    here = LANGUAGES[language]
    name = here.pdf.replace(".pdf", ".tex")
    config.latex_documents = [("index", name, here.title, author, "manual", True)]
    config.latex_docclass = {"manual": "book"}
    config.latex_toplevel_sectioning = "part"
    config.latex_table_style = ["booktabs"]
    config.latex_use_xindy = False
    config.latex_domain_indices = False
    config.latex_show_urls = "no"
    config.latex_elements = {
        "papersize": "a4paper",
        "pointsize": "11pt",
        "extraclassoptions": "openany,oneside",
        "babel": "",
        "polyglossia": "",
        "fncychap": "",
        "fontpkg": filled("fonts", language, author),
        "geometry": r"\usepackage[a4paper,hmargin=29mm,top=28mm,bottom=27mm]{geometry}",
        "sphinxsetup": "VerbatimColor={HTML}{F5F6F7}, VerbatimBorderColor={HTML}{D9DCE0}, "
        "verbatimwithframe=true, verbatimwrapslines=true, TitleColor={HTML}{1B1F24}, "
        "InnerLinkColor={HTML}{0B6155}, OuterLinkColor={HTML}{0B6155}",
        "fvset": "",
        "preamble": filled("preamble", language, author),
        "maketitle": filled("title", language, author),
        "tableofcontents": filled("contents", language, author),
        "makeindex": "",
        "printindex": "",
    }


def least_lines(node) -> float:
    """How many lines of text must fit on the page for `node` to begin there well."""
    if isinstance(node, nodes.table):
        rows = sum(1 for _ in node.findall(nodes.row))
        return min(rows, WHOLE) * 1.2 + 3
    blocks = list(node.findall(nodes.literal_block))
    if not blocks:
        return 0.0
    lines = max(block.astext().count("\n") + 3 for block in blocks)
    return (lines if lines <= WHOLE else BEGIN) * LINE


def stays_whole(box) -> bool:
    """Whether a box is so short that a page break inside it would look like an accident."""
    tall = (nodes.literal_block, nodes.table, nodes.figure, nodes.math_block)
    text = box.astext()
    wide = sum(
        1 for letter in text if letter >= "\u2e80"
    )  # Chinese takes twice the room
    return len(text) + wide < SHORT and not any(
        isinstance(one, tall) for one in box.findall()
    )


def neighbors(node, step: int):
    """The nodes beside `node` that show something, nearest first."""
    place = node.parent.index(node)
    rest = node.parent[place + 1 :] if step > 0 else node.parent[:place][::-1]
    return (one for one in rest if not isinstance(one, (nodes.Invisible, nodes.target)))


def next_shown(node):
    return next(neighbors(node, 1), None)


def starts_latin(text) -> bool:
    """Whether a link, or other inline node with its own group, with a Latin beginning follows."""
    follower = text.next_node(descend=False, siblings=True)
    return (
        isinstance(follower, (nodes.Inline, nodes.TextElement))
        and not isinstance(follower, nodes.math)
        and follower.astext()[:1].isascii()
        and follower.astext()[:1].isalnum()
    )


def follows_heading(node) -> bool:
    return isinstance(next(neighbors(node, -1), None), nodes.title)


class BookTranslator(LaTeXTranslator):
    """Front matter, parts, back matter; the web's numbers; boxes by their class; listings kept whole."""

    main_begun = False

    def __init__(self, *arguments):
        self.labels: set[str] = set()  # those already written
        super().__init__(*arguments)

    # Pages -----------------------------------------------------------------------------------
    def visit_start_of_file(self, node) -> None:
        name = node["docname"]
        if name == FRONT:  # a chapter before the parts, not a part
            self.leave_numbers()
            self.sectionlevel += 1
        elif name == BACK:
            self.body.append("\n\\backmatter\\bookmarksetup{startatroot}\n")
            self.leave_numbers()
        elif name.endswith("/index") and not self.main_begun:
            self.main_begun = True
            self.body.append("\n\\mainmatter\\setcounter{secnumdepth}{1}\n")
            self.body.append("\\addtocontents{toc}{\\setcounter{tocdepth}{1}}\n")
        if number := self.builder.env.toc_secnumbers.get(name, {}).get(""):
            self.body.append(f"\n\\setcounter{{chapter}}{{{number[0] - 1}}}\n")
        super().visit_start_of_file(node)

    def leave_numbers(self) -> None:
        """From here on no heading has a number, and the contents list chapters only."""
        self.body.append("\n\\setcounter{secnumdepth}{-1}\n")
        self.body.append("\\addtocontents{toc}{\\setcounter{tocdepth}{0}}\n")

    def depart_start_of_file(self, node) -> None:
        if node["docname"] == FRONT:
            self.sectionlevel -= 1
        super().depart_start_of_file(node)

    def visit_title(self, node) -> None:
        if self.curfilestack[-1:] == [BACK] and isinstance(node.parent, nodes.section):
            # Its pages are chapters of their own; it has no page, but may be linked to.
            self.body.append(f"\\clearpage{self.hypertarget_to(node.parent, True)}\n")
            raise nodes.SkipNode
        if isinstance(node.parent, nodes.section) and self.sectionlevel > 1:
            follower = next_shown(node)
            self.need(HEADING + (0 if follower is None else least_lines(follower)))
        super().visit_title(node)

    def need(self, lines: float) -> None:
        """Break the page here unless it has room for so many lines."""
        if not (self.no_latex_floats or self.table or self.in_footnote):
            self.body.append(f"\n\\needspace{{{lines:.1f}\\baselineskip}}\n")

    def visit_transition(self, node) -> None:
        if (
            "footnotes" not in node["classes"]
        ):  # MyST's, above notes that are not there in print
            super().visit_transition(node)

    def depart_transition(self, node) -> None:
        pass

    def label(self, name: str, withdoc: bool = True) -> str:
        return f"{self.curfilestack[-1]}:{name}" if withdoc else name

    def hypertarget(self, id: str, withdoc: bool = True, anchor: bool = True) -> str:
        self.labels.add(self.label(id, withdoc))
        return super().hypertarget(id, withdoc, anchor)

    # Numbers ---------------------------------------------------------------------------------
    def give_number(self, node, kind: str, counter: str) -> None:
        """Let the coming figure, table, listing or equation have its number of the web edition."""
        given = self.builder.env.toc_fignumbers.get(self.curfilestack[-1], {})
        for name in node["ids"]:
            if number := given.get(kind, {}).get(name):
                text = ".".join(map(str, number))
                # No blank line: before an equation it would end the paragraph.
                start = "" if self.body[-1].endswith("\n") else "\n"
                self.body.append(
                    f"{start}\\renewcommand{{\\the{counter}}}{{{text}}}%\n"
                )

    def visit_figure(self, node) -> None:
        self.give_number(node, "figure", "figure")
        super().visit_figure(node)

    def visit_table(self, node) -> None:
        self.give_number(node, "table", "table")
        self.keep_whole(node)
        super().visit_table(node)

    def visit_math_block(self, node) -> None:
        self.give_number(node, "displaymath", "equation")
        super().visit_math_block(node)

    # Code ------------------------------------------------------------------------------------
    def visit_captioned_literal_block(self, node) -> None:
        self.give_number(node, "code-block", "literalblock")
        self.keep_whole(node)

    def visit_literal_block(self, node) -> None:
        if not isinstance(node.parent, captioned_literal_block):
            self.keep_whole(node)
        super().visit_literal_block(node)

    def keep_whole(self, node) -> None:
        """Begin a listing or a table where it fits; under a heading the heading has seen to that."""
        if not follows_heading(node):
            self.need(least_lines(node))

    def visit_caption(self, node) -> None:
        super().visit_caption(node)
        self.path_caption = isinstance(
            node.parent, captioned_literal_block
        ) and PATH.fullmatch(node.astext())
        if self.path_caption:
            self.body.append(r"\sphinxcode{")

    def depart_caption(self, node) -> None:
        if self.path_caption:
            self.body.append("}")
        self.path_caption = None
        super().depart_caption(node)

    def visit_Text(self, node) -> None:
        if isinstance(node.parent, nodes.literal) and not self.in_title:
            pieces = BREAKS.split(node.astext())
            self.body.append(r"\bookbreak{}".join(map(self.encode, pieces)))
        elif HAN_END.search(text := node.astext()) and starts_latin(node):
            self.body.append(self.encode(text.rstrip()) + "\\ ")
        else:
            super().visit_Text(node)

    # Boxes -----------------------------------------------------------------------------------
    def visit_admonition(self, node, name: str = "") -> None:
        kind = next((one for one in BOXES if one in node["classes"]), "note")
        self.open_box(node, kind, node[0].children)
        node.remove(node[0])

    def depart_admonition(self, node) -> None:
        self.body.append("\n\\end{bookbox}\n")
        self.no_latex_floats -= 1

    def open_box(self, node, kind: str, title: list) -> None:
        names = [name for name in node["ids"] if self.label(name) not in self.labels]
        self.body += [self.hypertarget(name) for name in names]
        hold = "unbreakable" if stays_whole(node) else "breakable"
        self.body.append(f"\n\\begin{{bookbox}}[{hold}]{{{kind}}}{{")
        for child in title:
            child.walkabout(self)
        self.body.append("}\n")
        self.no_latex_floats += 1

    def visit_named_box(self, node) -> None:
        kind = "pitfall" if node.tagname in ALARMS else "note"
        self.open_box(node, kind, [nodes.Text(str(admonitionlabels[node.tagname]))])


for _name in (*ALARMS, "hint", "important", "note", "tip"):
    setattr(BookTranslator, f"visit_{_name}", BookTranslator.visit_named_box)
    setattr(BookTranslator, f"depart_{_name}", BookTranslator.depart_admonition)


def setup(app):
    app.connect("config-inited", on_config, priority=200)  # after the languages' own
    app.set_translator("latex", BookTranslator)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
