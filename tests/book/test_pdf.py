"""Both PDFs: whole, searchable, in their language, with nothing missing; and what judges them bites."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import polib
import pytest
from pypdf import PdfReader

from examples.cli import CommandError
from tests.book import pdf_look
from tools import LANGUAGES, ROOT, pdf

FOLDER = Path(os.environ.get("BOOK_PDF", ROOT / "_build" / "pdf"))
HEADS = {"en": r"Chapter\s*1", "zh_CN": r"第\s*1\s*章"}
FIGURES = {"en": r"Figure\s*1\.1\b", "zh_CN": r"图\s*1\.1\b"}
IN_A_FIGURE = {"en": "without a cache", "zh_CN": "无缓存"}

needs_pdf = pytest.mark.built


def first_title(page: str) -> dict[str, str]:
    """A page's title in each language."""
    (title,) = re.findall(r"^# (.+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)[
        :1
    ]
    catalog = polib.pofile(
        str(ROOT / "locale/zh_CN/LC_MESSAGES" / page).replace(".md", ".po")
    )
    return {"en": title, "zh_CN": catalog.find(title).msgstr}


def listed(page: str) -> list[str]:
    """The pages of a page's table of contents, in order."""
    text = (ROOT / page).read_text("utf-8")
    (block,) = re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    names = [line for line in block.splitlines() if line and not line.startswith(":")]
    return [(Path(page).parent / name).with_suffix(".md").as_posix() for name in names]


NUMERALS = {
    "en": "I II III IV V VI VII VIII".split(),
    "zh_CN": list("一二三四五六七八"),
}
PART = {"en": "Part {} {}", "zh_CN": "第{}部分 {}"}


def in_order(language: str) -> list[tuple[int, str]]:
    """The bookmarks that the toctrees call for: pages and parts at depth 0, chapters at depth 1."""
    marks, part, chapter = [], 0, 0
    for page in listed("index.md"):
        title = first_title(page)[language]
        if not page.endswith("/index.md"):
            marks.append((0, title))
        elif Path(page).parent.name == "appendix":
            marks += [(0, first_title(one)[language]) for one in listed(page)]
        else:
            marks.append((0, PART[language].format(NUMERALS[language][part], title)))
            part += 1
            for one in listed(page):
                chapter += 1
                marks.append((1, f"{chapter} {first_title(one)[language]}"))
    return marks


@pytest.fixture(scope="module", params=list(HEADS))
def book(request):
    path = FOLDER / LANGUAGES[request.param].pdf
    assert path.is_file(), f"{path.name} is not built: make book"
    reader = PdfReader(path)
    text = "\n".join(page.extract_text() for page in reader.pages)
    return request.param, reader, text


@needs_pdf
def test_title_author_and_language(book):
    language, reader, _ = book
    edition = LANGUAGES[language]
    assert not list(pdf_look.information(reader, edition.title, edition.code))


@needs_pdf
def test_pages_are_a4_and_none_is_blank(book):
    _, reader, _ = book
    assert len(reader.pages) > 20
    for number, page in enumerate(reader.pages, start=1):
        assert [round(float(side)) for side in page.mediabox[2:]] == [595, 842]
        assert page.extract_text().strip(), f"page {number} is blank"


@needs_pdf
def test_front_matter_has_roman_numbers_and_the_first_part_is_page_one(book):
    language, reader, _ = book
    labels = reader.page_labels
    first = labels.index("1")
    assert labels[0] == "i" and not [
        label for label in labels if labels.count(label) > 1
    ]
    part = next(page for page in listed("index.md") if page.endswith("/index.md"))
    assert first_title(part)[language] in reader.pages[first].extract_text()


@needs_pdf
def test_bookmarks_are_the_book_s_own_order(book):
    language, reader, _ = book
    assert not list(pdf_look.bookmarks(reader, in_order(language)))
    assert any(
        level == 2 and title.startswith("1.1 ")
        for level, title in pdf_look.flat(reader.outline)
    )


@needs_pdf
def test_heads_and_captions_are_in_the_language(book):
    language, _, text = book
    other = "en" if language == "zh_CN" else "zh_CN"
    for words in (HEADS, FIGURES):
        assert re.search(words[language], text)
        assert not re.search(words[other], text)


@needs_pdf
def test_a_table_stands_under_its_caption(book):
    """On the same page: at least its head and two rows come after the caption's first line."""
    _, reader, _ = book
    captions = 0
    for page in reader.pages:
        lines = page.extract_text().splitlines()
        for number, line in enumerate(lines):
            # A sentence may begin with a table's number, too: its next word is small.
            if re.match(r"(Table|表) ?\d+\.\d+ (?![a-z])\S", line):
                captions += 1
                assert len(lines) - number > 3, line
    assert captions >= 4


@needs_pdf
def test_the_figures_speak_the_language(book):
    language, _, text = book
    assert IN_A_FIGURE[language] in text
    assert IN_A_FIGURE["zh_CN" if language == "en" else "en"] not in text


@needs_pdf
def test_no_markup_shows(book):
    assert not list(pdf_look.markup(book[1]))


@needs_pdf
def test_every_font_is_embedded(book):
    language, reader, _ = book
    wanted = ["TeXGyrePagella", "TeXGyreHeros", "DejaVuSansMono", "NotoSerifCJK"]
    wanted += ["NotoSansCJK"] if language == "zh_CN" else []
    assert not list(pdf_look.fonts(reader, wanted))


@needs_pdf
def test_links_inside_lead_somewhere(book):
    assert not list(pdf_look.links(book[1], least=51))


# What judges the log --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "Missing character: There is no 缓 in font [lmroman10-regular]!",
        "LaTeX Warning: Reference `kv-cache' on page 3 undefined on input line 12.",
        "LaTeX Warning: Citation `kwon2023' on page 3 undefined on input line 12.",
        "LaTeX Warning: There were undefined references.",
        "LaTeX Warning: Label `kv-cache' multiply defined.",
        "LaTeX Font Warning: Font shape `TU/Heros(0)/b/sc' undefined",
        "Overfull \\hbox (10.4pt too wide) in paragraph at lines 7--9",
        "Overfull \\vbox (177.1pt too high) has occurred while \\output is active []",
        "Package hyperref Warning: Hyper reference `x' on page 1 undefined on input line 4.",
        "xdvipdfmx:warning: Object @page.1 already defined.",
    ],
)
def test_a_fault_in_the_log_is_found(line):
    assert pdf.faults(f"This is XeTeX\n{line}\n[1]\n") == [line]


def test_a_fault_broken_over_two_lines_is_found():
    long = "Missing character: There is no 缓 in font " + "x" * 60 + "!"
    assert pdf.faults(f"a\n{long[:79]}\n{long[79:]}\nb\n") == [long]


def test_a_clean_log_passes():
    log = "Overfull \\hbox (9.9pt too wide) in paragraph\nUnderfull \\hbox (badness 10000)\n"
    assert pdf.faults(log) == []


TEX = r"""
\newcommand{\val}{}\begin{document}
\label{\detokenize{chapters/a::doc}}
Fine, and \sphinxcode{\sphinxupquote{\{\{ x \}\} 2**3}}.
\begin{sphinxVerbatim}[commandchars=\\\{\}]
a **b** \val \PYGZob{}
\end{sphinxVerbatim}
\label{\detokenize{chapters/b::doc}}
Here: @.
"""


@pytest.mark.parametrize("written", sorted(pdf.LEFT_OVER))
def test_markup_that_would_show_is_found_with_its_page(written):
    mark = pdf.LEFT_OVER[written]
    tex = TEX.replace("@", written)
    assert pdf.left_over(tex) == [f"{mark} shows in chapters/b.md"]


def test_markup_in_code_passes():
    assert pdf.left_over(TEX) == []


def test_a_fault_is_said_with_its_page():
    fault = "Overfull \\hbox (20.0pt too wide) in paragraph at lines 5--6"
    assert pdf.located(fault, TEX) == f"{fault} (chapters/a.md)"
    assert pdf.located(fault.replace("5--6", "9--9"), TEX).endswith("(chapters/b.md)")


# The command ----------------------------------------------------------------------------------


def test_what_takes_too_long_is_ended_with_all_it_started(tmp_path):
    mark = tmp_path / "mark"
    start = time.monotonic()
    with pytest.raises(CommandError, match="no end after"):
        child = f"(sleep 2; touch {mark}) & wait"
        pdf.run(["bash", "-c", child], tmp_path, start + 0.3)
    assert time.monotonic() - start < 2
    time.sleep(2.2)
    assert not mark.exists()


def test_a_faulty_book_leaves_the_old_pdf(tmp_path, monkeypatch, capsys):
    old = tmp_path / "pdf" / "llm-inference.pdf"
    old.parent.mkdir()
    old.write_bytes(b"old")

    def fail(*_):
        raise CommandError("English PDF: Missing character")

    monkeypatch.setattr(pdf, "write_latex", lambda *_: None)
    monkeypatch.setattr(pdf, "typeset", fail)
    monkeypatch.setattr(pdf.shutil, "which", lambda _: "/usr/bin/it")
    with pytest.raises(CommandError, match="Missing character"):
        pdf.main(["en", "--out", str(old.parent)])
    assert [path.name for path in old.parent.iterdir()] == [old.name]
    assert old.read_bytes() == b"old"
    assert "typesetting" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["xx"], "no language xx; there are en, zh_CN"), (["en"], "latexmk is not")],
)
def test_a_wrong_call_gets_one_line(arguments, words, monkeypatch):
    monkeypatch.setattr(pdf.shutil, "which", lambda _: None)
    with pytest.raises(CommandError, match=words) as caught:
        pdf.main(arguments)
    assert "\n" not in str(caught.value)


# A toy of the book as LaTeX ---------------------------------------------------------------------

TOY = {
    "index": """# Toy

```{toctree}
:hidden:

chapters/preface
chapters/principles/index
chapters/bottlenecks/index
chapters/appendix/index
```
""",
    "chapters/preface": "(preface)=\n# Preface\n\nSee {ref}`appendix` and {ref}`two`.\n",
    "chapters/principles/index": "(principles)=\n# Principles\n\n"
    "```{toctree}\n:numbered: 2\n\none\n```\n",
    "chapters/principles/one": "(one)=\n# One\n\n## First\n\nText.\n",
    "chapters/bottlenecks/index": "(bottlenecks)=\n# Bottlenecks\n\n"
    "```{toctree}\n:numbered: 2\n\ntwo\n```\n",
    "chapters/bottlenecks/two": """(two)=
# Two

See {numref}`lst-two--a`, {numref}`tab-two--b`, {eq}`eq-two--c` and `max_num_batched_tokens`.

```{code-block} bash
:name: lst-two--a
:caption: tools/book.sh
make book
```

:::{list-table} A table
:name: tab-two--b

* - one
  - two
:::

$$
a = b
$$ (eq-two--c)

(ex-two)=
:::{admonition} Exercise 1
:class: exercise
How many?
:::

:::{warning}
Hot.
:::
""",
    "chapters/appendix/index": "(appendix)=\n# Back matter\n\n```{toctree}\nsolutions\n```\n",
    "chapters/appendix/solutions": """(solutions)=
# Solutions

{ref}`Exercise 1 <ex-two>`: {numref}`lst-solutions--a`.

```{code-block} bash
:name: lst-solutions--a
:caption: In the back
make book
```
""",
}
HAN = 'msgid "Text."\nmsgstr "见{ref}`KV <two>`，{ref}`缓存 <two>`。"\n'


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The toy's LaTeX in both languages."""
    folder = tmp_path_factory.mktemp("toy")
    for name, text in TOY.items():
        page = folder / f"{name}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, "utf-8")
    catalog = folder / "locale/zh_CN/LC_MESSAGES/chapters/principles/one.po"
    catalog.parent.mkdir(parents=True)
    head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    catalog.write_text(head + HAN, "utf-8")
    (folder / "chapters/appendix/references.bib").write_text("", "utf-8")
    tex = {}
    for language, edition in LANGUAGES.items():
        work = folder / "latex" / language
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "latex", "-c", str(ROOT)]
        command += ["-D", f"language={language}", "-d", str(folder / language)]
        # The translation names a target that the English text does not: no fault here.
        command += ["-D", "suppress_warnings=i18n.inconsistent_references"]
        done = subprocess.run(
            [*command, str(folder), str(work)], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        text = (work / edition.pdf.replace(".pdf", ".tex")).read_text("utf-8")
        tex[language] = text.partition(r"\begin{document}")
    return tex


def test_front_matter_parts_chapters_and_back_matter_follow_each_other(toy):
    seen = re.findall(
        r"\\(?:front|main|back)matter|\\(?:part|chapter|section)\{[^}]*\}", toy["en"][2]
    )
    assert seen == [
        r"\frontmatter",
        r"\chapter{Preface}",
        r"\mainmatter",
        r"\part{Principles}",
        r"\chapter{One}",
        r"\section{First}",
        r"\part{Bottlenecks}",
        r"\chapter{Two}",
        r"\backmatter",
        r"\chapter{Solutions}",
    ]


def test_numbers_are_those_of_the_web_through_all_parts(toy):
    body = toy["en"][2]
    assert re.findall(r"\\setcounter\{chapter\}\{(\d)\}", body) == ["0", "1"]
    given = dict(re.findall(r"\\renewcommand\{\\the(\w+)\}\{([\d.]+)\}%", body))
    assert given == {"literalblock": "1", "table": "2.1", "equation": "2.1"}
    assert r"\renewcommand{\theliteralblock}{2.1}%" in body


def test_every_link_has_one_target(toy):
    for _, _, body in toy.values():
        labels = re.findall(r"\\label\{\\detokenize\{([^}]*)\}\}", body)
        assert len(labels) == len(set(labels))
        wanted = re.findall(r"\\hyperref\[\\detokenize\{([^}]*)\}\]", body)
        assert wanted and set(wanted) <= set(labels)
        assert any("appendix" in label for label in wanted), "the page that has no page"


def test_boxes_code_and_captions(toy):
    body = toy["en"][2]
    assert r"\begin{bookbox}[unbreakable]{exercise}{Exercise 1}" in body
    assert r"\begin{bookbox}[unbreakable]{pitfall}{Warning}" in body
    assert r"{\sphinxcode{tools/book.sh}}" in body
    assert r"{In the back}" in body
    assert r"max\_\bookbreak{}num\_\bookbreak{}batched\_\bookbreak{}tokens" in body


def test_a_link_that_begins_with_a_latin_letter_keeps_its_space_in_chinese(toy):
    body = toy["zh_CN"][2]
    assert "见\\ {\\hyperref" in body and "，{\\hyperref" in body


def test_each_edition_has_its_own_words_and_the_day(toy, monkeypatch):
    assert "第 \\thechapter\\ 章" in toy["zh_CN"][0]
    assert "Chapter \\thechapter" in toy["en"][0]
    assert "Chapter \\thechapter" not in toy["zh_CN"][0]
    for _, _, body in toy.values():
        assert re.search(r"\b\d{4}-\d\d-\d\d\b", body)
        assert all(edition.title in body for edition in LANGUAGES.values())
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert pdf.edition_date() == "1970-01-02"
