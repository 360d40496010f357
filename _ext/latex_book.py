"""The print edition: what LaTeX needs to know beyond Sphinx's own output.

A4, since a listing of 88 columns then stands without a break; TeX Gyre Pagella with its math font, and
Noto CJK for Chinese in both editions (the English glossary shows it too). A part's `index.md` becomes a part,
the preface front matter, the appendix back matter, each chapter a chapter.
"""

from __future__ import annotations

import datetime
import os
import subprocess
from pathlib import Path

from docutils import nodes
from languages import LANGUAGES
from sphinx.writers.latex import LaTeXTranslator

ROOT = Path(__file__).parent.parent
FRONT, BACK = "chapters/preface", "chapters/appendix/index"
BOXES = ("takeaway", "pitfall", "in-production", "try-it", "exercise")

# What LaTeX itself writes: chapter and part heads, contents, captions of the theme's own.
WORDS = {
    "en": {
        "chapter": r"Chapter \thechapter",
        "part": r"Part \thepart",
        "contents": "Contents",
        # xeCJK would set quotes and dashes as Chinese punctuation.
        "quotes": r'\xeCJKDeclareCharClass{Default}{"2013 -> "2014, "2018 -> "201D, "2026}',
        "edition": "Edition of",
        "license": "Text: Creative Commons Attribution 4.0. Code: Apache License 2.0.",
    },
    "zh_CN": {
        "chapter": r"第 \thechapter\ 章",
        "part": r"第 \thepart\ 部分",
        "contents": "目录",
        "quotes": "",
        "edition": "版本日期：",
        "license": "正文：知识共享署名 4.0（CC BY 4.0）。代码：Apache License 2.0。",
    },
}

FONTS = r"""
\usepackage{unicode-math}
\setmainfont{TeX Gyre Pagella}
\setsansfont{TeX Gyre Heros}
\setmonofont{DejaVu Sans Mono}[Scale=0.82]
\setmathfont{TeX Gyre Pagella Math}
\usepackage[CJKmath=true]{xeCJK}
% Chinese emphasis is never slanted: the italic of each family is its upright face.
\setCJKmainfont{Noto Serif CJK SC}[BoldFont={Noto Serif CJK SC Bold},
  ItalicFont={Noto Serif CJK SC}, BoldItalicFont={Noto Serif CJK SC Bold}]
\setCJKsansfont{Noto Sans CJK SC}[BoldFont={Noto Sans CJK SC Bold},
  ItalicFont={Noto Sans CJK SC}, BoldItalicFont={Noto Sans CJK SC Bold}]
\setCJKmonofont{Noto Sans Mono CJK SC}[BoldFont={Noto Sans Mono CJK SC Bold},
  ItalicFont={Noto Sans Mono CJK SC}, BoldItalicFont={Noto Sans Mono CJK SC Bold}]
"""

PREAMBLE = r"""
\usepackage[most]{tcolorbox}
\usepackage{bookmark}
\bookmarksetup{open,numbered}
\setlength{\headheight}{16pt}
\definecolor{booklink}{HTML}{0B6155}
\definecolor{bookmuted}{HTML}{5A6270}
\definecolor{takeaway}{HTML}{13917C}
\definecolor{pitfall}{HTML}{B8471F}
\definecolor{in-production}{HTML}{2F6FA8}
\definecolor{try-it}{HTML}{7A62C2}
\definecolor{exercise}{HTML}{9AA0A8}
\definecolor{note}{HTML}{9AA0A8}
\newtcolorbox{bookbox}[2]{breakable, enhanced, frame hidden, colback=white, boxrule=0pt,
  borderline west={1.6pt}{0pt}{#1}, left=10pt, right=0pt, top=2pt, bottom=2pt, before skip=12pt,
  after skip=12pt, coltitle=#1, colbacktitle=white, fonttitle=\bfseries\sffamily, title={#2},
  toptitle=0pt, bottomtitle=1pt, titlerule=0pt, arc=0pt, outer arc=0pt, parbox=false}
\makeatletter
\titleformat{\chapter}[display]
  {\normalfont\raggedright}{\color{bookmuted}\large\sffamily @CHAPTER@}{6pt}{\Huge\bfseries\sffamily}
\titlespacing*{\chapter}{0pt}{24pt}{28pt}
% A part opens with its own short text below its title, not with an empty page.
\titleclass{\part}{top}
\titleformat{\part}[display]
  {\normalfont\raggedright}{\color{bookmuted}\Large\sffamily @PART@}{18pt}{\Huge\bfseries\sffamily}
\titlespacing*{\part}{0pt}{0.22\textheight}{32pt}
\titleformat{\section}{\Large\bfseries\sffamily}{\thesection}{0.7em}{}
\titleformat{\subsection}{\large\bfseries\sffamily}{\thesubsection}{0.7em}{}
\renewcommand{\chaptermark}[1]{\markboth{\if@mainmatter @CHAPTER@\quad\fi #1}{}}
\renewcommand{\sectionmark}[1]{\markright{\thesection\quad #1}}
\renewcommand{\contentsname}{@CONTENTS@}
\fancypagestyle{normal}{\fancyhf{}
  \fancyhead[L]{\small\sffamily\color{bookmuted}\nouppercase{\leftmark}}
  \fancyhead[R]{\small\sffamily\color{bookmuted}\thepage}
  \renewcommand{\headrulewidth}{0pt}\renewcommand{\footrulewidth}{0pt}}
\fancypagestyle{plain}{\fancyhf{}\fancyfoot[C]{\small\sffamily\color{bookmuted}\thepage}
  \renewcommand{\headrulewidth}{0pt}\renewcommand{\footrulewidth}{0pt}}
% The page "References" has its heading already.
\renewenvironment{sphinxthebibliography}[1]
  {\begin{list}{\@biblabel{\@arabic\c@enumiv}}{\settowidth\labelwidth{\@biblabel{#1}}%
    \leftmargin\labelwidth\advance\leftmargin\labelsep\usecounter{enumiv}}\sloppy}
  {\end{list}}
% Numbers as on the web: 1.1, counted within the chapter; only chapters have numbered sections.
\AtBeginDocument{\counterwithin{figure}{chapter}\counterwithin{table}{chapter}%
  \counterwithin{literalblock}{chapter}\counterwithin{equation}{chapter}}
\makeatother
\setcounter{tocdepth}{1}
\let\cleardoublepage\clearpage
\setcounter{secnumdepth}{1}
@QUOTES@
\AtBeginDocument{\hypersetup{pdftitle={@TITLE@}, pdfauthor={@AUTHOR@},
  pdfdisplaydoctitle=true, colorlinks=true, linkcolor=booklink, urlcolor=booklink,
  citecolor=booklink, bookmarksnumbered=true}%
  \special{pdf:put @catalog << /Lang (@LANG@) >>}} % hyperref's pdflang does not reach xdvipdfmx
"""

TITLE_PAGE = r"""
\begin{titlepage}\sffamily\raggedright
\vspace*{0.22\textheight}
{\fontsize{30}{38}\selectfont\bfseries @TITLE@\par}
\vspace{1.4em}{\Large\color{bookmuted}@OTHER@\par}
\vfill
{\large @AUTHOR@\par}\vspace{0.4em}{\color{bookmuted}@EDITION@ @DATE@\par}
\end{titlepage}
\thispagestyle{empty}\vspace*{\fill}{\small @LICENSE@\par}\clearpage
"""


def edition_date() -> str:
    """The day of SOURCE_DATE_EPOCH, else of the last commit, else today: YYYY-MM-DD."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if not seconds:
        command = ["git", "log", "-1", "--format=%ct"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        seconds = done.stdout.strip()
    moment = datetime.datetime.now(datetime.UTC)
    if seconds:
        moment = datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
    return moment.date().isoformat()


def filled(template: str, language: str, config) -> str:
    """The template with its @NAMES@ replaced."""
    words = WORDS.get(language, WORDS["en"])
    other = "zh_CN" if language == "en" else "en"
    table = {
        "CHAPTER": words["chapter"],
        "PART": words["part"],
        "CONTENTS": words["contents"],
        "QUOTES": words["quotes"],
        "EDITION": words["edition"],
        "LICENSE": words["license"],
        "TITLE": LANGUAGES[language].title,
        "OTHER": LANGUAGES[other].title,
        "AUTHOR": config.author,
        "LANG": LANGUAGES[language].code,
        "DATE": edition_date(),
    }
    for name, text in table.items():
        template = template.replace(f"@{name}@", text)
    return template


def on_config(app, config) -> None:
    language = config.language
    here = LANGUAGES[language]
    config.latex_documents = [
        (
            "index",
            here.pdf.replace(".pdf", ".tex"),
            here.title,
            config.author,
            "manual",
            True,
        )
    ]
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
        "fontpkg": FONTS,
        "geometry": r"\usepackage[a4paper,hmargin=29mm,top=26mm,bottom=27mm]{geometry}",
        "sphinxsetup": "VerbatimColor={HTML}{F5F6F7}, VerbatimBorderColor={HTML}{D9DCE0}, "
        "verbatimwithframe=true, verbatimwrapslines=true, TitleColor={HTML}{1B1F24}, "
        "InnerLinkColor={HTML}{0B6155}, OuterLinkColor={HTML}{0B6155}",
        "fvset": r"\fvset{fontsize=\footnotesize}",
        "preamble": filled(PREAMBLE, language, config),
        "maketitle": filled(TITLE_PAGE, language, config),
        "makeindex": "",
        "printindex": "",
    }


class BookTranslator(LaTeXTranslator):
    """Front matter, parts, back matter; boxes by their class; lines that may not break kept."""

    def visit_start_of_file(self, node) -> None:
        name = node["docname"]
        if name == FRONT:  # a chapter before the parts, not a part
            self.body.append("\n\\frontmatter\\setcounter{secnumdepth}{-1}\n")
            self.sectionlevel += 1
        elif name == BACK:
            self.body.append("\n\\backmatter\\setcounter{secnumdepth}{-1}\n")
            self.body.append("\\bookmarksetup{startatroot}\n")
        elif name.endswith("/index") and not getattr(self, "main_begun", False):
            self.main_begun = True
            self.body.append("\n\\mainmatter\\setcounter{secnumdepth}{1}\n")
        super().visit_start_of_file(node)

    def depart_start_of_file(self, node) -> None:
        if node["docname"] == FRONT:
            self.sectionlevel -= 1
        super().depart_start_of_file(node)

    def visit_title(self, node) -> None:
        if self.curfilestack[-1:] == [BACK]:
            raise nodes.SkipNode  # its pages are chapters of their own; it has no page
        super().visit_title(node)

    def visit_admonition(self, node, name: str = "") -> None:
        kind = next((one for one in BOXES if one in node["classes"]), "note")
        title = node[0] if isinstance(node[0], nodes.title) else None
        self.body.append(f"\n\\begin{{bookbox}}{{{kind}}}{{")
        if title is not None:
            for child in title.children:
                child.walkabout(self)
            node.remove(title)
        self.body.append("}\n")
        self.no_latex_floats += 1

    def depart_admonition(self, node) -> None:
        self.body.append("\n\\end{bookbox}\n")
        self.no_latex_floats -= 1


def setup(app):
    app.connect("config-inited", on_config, priority=200)  # after the languages' own
    app.set_translator("latex", BookTranslator)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
