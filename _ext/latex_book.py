"""The print edition: what LaTeX needs to know beyond Sphinx's own output.

A4, since a listing of 88 columns then stands without a break beside margins of three centimeters; TeX Gyre
Pagella with its math font, and Noto CJK. A part's `index.md` becomes a part, the preface front matter, the
appendix back matter, each chapter a chapter. Chapters, figures, tables, listings and equations have the numbers
that the web edition gives them, written out.

The LaTeX stands in `latex/`, its words in `latex_words`; `latex_room` says how much must stand together on a page,
`latex_line` where a line may end.
"""

from __future__ import annotations

from docutils import nodes
from exercises import name_of
from languages import LANGUAGES
from latex_line import written
from latex_room import (
    COLUMNS,
    HEADING,
    LONG_TABLE,
    TEXT,
    follows_heading,
    is_led,
    leads_in,
    least_lines,
    next_shown,
    stays_whole,
    widths,
)
from latex_words import filled, words_of
from listings import PATH
from sphinx.builders.latex.nodes import captioned_literal_block
from sphinx.locale import admonitionlabels
from sphinx.writers.latex import LaTeXTranslator
from tables import mark_numbers

FRONT, BACK = "chapters/preface", "chapters/appendix/index"
BOXES = ("takeaway", "pitfall", "in-production", "try-it", "exercise")
NARROWEST = 14  # letters: how wide a column of such a table is with the space beside it
ALARMS = ("attention", "caution", "danger", "error", "warning")


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


def is_number(entry) -> bool:
    return "number" in entry["classes"]


def columns_of(table) -> str:
    """How LaTeX sets a table's columns: numbers flush right; where it goes over pages, as wide as their cells ask."""
    rows = list(table.findall(nodes.row))
    if len(rows) <= LONG_TABLE:
        return "".join("R" if is_number(one) else "L" for one in rows[0])
    wide = [max(NARROWEST, min(one, COLUMNS // 2)) for one in widths(table)]
    whole = max(sum(wide), COLUMNS)
    return "".join(rf"\X{{{one}}}{{{whole}}}" for one in wide)


class BookTranslator(LaTeXTranslator):
    """Front matter, parts, back matter; the web's numbers; boxes by their class; listings kept whole."""

    main_begun = False
    in_references = False
    page_told = ""

    def __init__(self, *arguments):
        self.labels: set[str] = set()  # those already written
        super().__init__(*arguments)

    # Pages -----------------------------------------------------------------------------------
    def visit_start_of_file(self, node) -> None:
        name = node["docname"]
        if name == FRONT:  # a chapter before the parts, not a part
            self.leave_numbers(-1)
            self.sectionlevel += 1
        elif name == BACK:
            self.body.append("\n\\backmatter\n")
            self.leave_numbers(-2)  # it opens as a part does, without a number
        elif name.endswith("/index") and not self.main_begun:
            self.main_begun = True
            self.body.append("\n\\mainmatter\\setcounter{secnumdepth}{1}\n")
            self.body.append("\\addtocontents{toc}{\\setcounter{tocdepth}{1}}\n")
        if number := self.builder.env.toc_secnumbers.get(name, {}).get(""):
            self.body.append(f"\n\\setcounter{{chapter}}{{{number[0] - 1}}}\n")
        super().visit_start_of_file(node)

    def leave_numbers(self, depth: int) -> None:
        """From here on no heading has a number, and the contents list chapters only."""
        self.body.append(f"\n\\setcounter{{secnumdepth}}{{{depth}}}\n")
        self.body.append("\\addtocontents{toc}{\\setcounter{tocdepth}{0}}\n")

    def depart_start_of_file(self, node) -> None:
        if node["docname"] == FRONT:
            self.sectionlevel -= 1
        super().depart_start_of_file(node)

    def visit_title(self, node) -> None:
        if isinstance(node.parent, nodes.section) and self.sectionlevel > 1:
            follower = next_shown(node)
            least = 0 if follower is None else least_lines(follower)
            self.need(HEADING + max(TEXT, least))
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

    def visit_paragraph(self, node) -> None:
        if "checked" in node["classes"]:
            self.body.append("\n\\begin{bookchecked}\n")
        elif leads_in(node) and not follows_heading(node):
            self.need(least_lines(node))
        super().visit_paragraph(node)

    def depart_paragraph(self, node) -> None:
        super().depart_paragraph(node)
        if "checked" in node["classes"]:
            self.body.append("\\end{bookchecked}\n")

    def visit_target(self, node) -> None:
        if not isinstance(
            node.next_node(ascend=True), nodes.Admonition
        ):  # the box bears its name
            super().visit_target(node)

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
        mark_numbers(node)
        self.next_table_colspec = self.next_table_colspec or columns_of(node)
        node["align"] = "left"
        super().visit_table(node)

    def visit_entry(self, node) -> None:
        super().visit_entry(node)
        opened = self.bodystack[-1]
        if is_number(node) and isinstance(node.parent.parent, nodes.thead):
            for at, one in enumerate(opened[-2:], start=len(opened) - 2):
                opened[at] = one.replace(r"\sphinxcolwidth", r"\bookheadwidth")
        # Behind the opening of the cell's box, which would set its lines to the full width.
        opened.append(r"\raggedleft " if is_number(node) else r"\raggedright ")

    def visit_tbody(self, node) -> None:
        super().visit_tbody(node)
        self.long_rows = sum(widths(node)) > COLUMNS

    def depart_row(self, node) -> None:
        super().depart_row(node)
        last = node is node.parent[-1]
        if isinstance(node.parent, nodes.tbody) and self.long_rows and not last:
            self.body.append(r"\addlinespace[3pt]")

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
        """Begin a listing or a table where it fits; a heading or a line that leads in has seen to that."""
        if not is_led(node):
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

    # Lines -----------------------------------------------------------------------------------
    def visit_Text(self, node) -> None:
        if self.in_title:
            super().visit_Text(node)
        else:
            self.body.append(written(node, self.encode, self.in_references))
        if self.page_told and node.astext() == "》":
            self.body.append(self.page_told)
            self.page_told = ""

    def visit_thebibliography(self, node) -> None:
        self.in_references = True
        super().visit_thebibliography(node)

    def depart_thebibliography(self, node) -> None:
        super().depart_thebibliography(node)
        self.in_references = False

    def visit_emphasis(self, node) -> None:
        if "dotted" in node["classes"]:  # Chinese
            self.body.append(r"\bookstress{")
        else:
            super().visit_emphasis(node)

    # Links -----------------------------------------------------------------------------------
    def visit_reference(self, node) -> None:
        if name_of(node).startswith("sol-"):  # one word, not to be parted
            self.body.append(r"\mbox{")
        super().visit_reference(node)

    def depart_reference(self, node) -> None:
        super().depart_reference(node)
        if name_of(node).startswith("sol-"):
            self.body.append("}")
        if phrase := self.page_phrase(node):
            place = self.idescape(node["refuri"][1:].replace("#", ":"))
            page = rf"\pageref*{{{place}}}"
            told = words_of(self.config.language)[phrase].format(page=page)
            after = node.next_node(descend=False, siblings=True)
            if after is not None and after.astext() == "》":
                self.page_told = told  # behind the mark that closes the title
            else:
                self.body.append(told)

    def page_phrase(self, link) -> str:
        """How the page of a link is told: from an exercise to its solution and back, and to all solutions."""
        if not link.get("refuri", "").startswith("%") or self.in_title:
            return ""
        target = name_of(link)
        if target.startswith("sol-"):
            return "page"
        back = target.startswith("ex-") and link.parent.index(link) == 0
        return "page in brackets" if back or target == "solutions" else ""

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
        hold = "unbreakable" if stays_whole(node) else "breakable"
        self.body.append(f"\n\\begin{{bookbox}}[{hold}]{{{kind}}}{{")
        self.body += [self.hypertarget(name) for name in names]  # on the box's own page
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
