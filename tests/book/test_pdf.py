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
from docutils import nodes
from latex_book import columns_of  # of _ext/
from latex_room import least_lines
from latex_words import colophon
from pygments.styles import get_style_by_name
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
            marks.append((0, title))
            marks += [(1, first_title(one)[language]) for one in listed(page)]
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


@pytest.fixture(scope="module")
def laid(book):
    """The lines of each page."""
    return [pdf_look.rows(page) for page in book[1].pages]


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
def test_no_heading_is_stranded_and_no_listing_torn(laid):
    assert not list(pdf_look.stranded(laid))
    assert not list(pdf_look.torn_code(laid, begin=4, end=3))


@needs_pdf
def test_no_line_is_a_single_character(laid):
    assert not list(pdf_look.lone_characters(laid))


@needs_pdf
def test_a_page_that_is_told_is_the_link_s_own(book):
    language, reader, text = book
    told = {"en": r"\bpage\s(\d+)[),]", "zh_CN": r"第\s?(\d+)\s?页）"}[language]
    assert len(re.findall(told, text)) > 80
    assert not list(pdf_look.untold_pages(reader, told))


@needs_pdf
def test_the_contents_tell_the_page_of_every_part_and_of_the_back_matter(book):
    language, reader, _ = book
    start = next(
        n
        for n, page in enumerate(reader.pages)
        if n > 1 and page.extract_text().strip()
    )
    pages = [page.extract_text() for page in reader.pages[start : start + 5]]
    contents = " ".join("\n".join(pages).split())
    heads = [title for level, title in in_order(language) if level == 0][1:]
    for head in heads:
        assert re.search(
            rf"{re.escape(head).replace(chr(92) + ' ', ' ?')} ?\d", contents
        ), head


@needs_pdf
def test_paths_among_the_references_have_no_hyphen_of_the_line(book):
    _, _, text = book
    written = "".join(text.split())
    bib = (ROOT / "chapters/appendix/references.bib").read_text("utf-8")
    bib = re.sub(r"https?://\S+", "", bib.replace(r"\_", "_"))
    paths = re.findall(r"\w[\w.-]*(?:/[\w.-]+)+\.py\b", bib)
    assert len(paths) > 5
    assert not [path for path in paths if path not in written]


@needs_pdf
def test_a_model_s_name_stays_in_its_line(book):
    broken = r"\b(?:Llama|SmolLM2|Qwen[\d.]+)-(?:[\d.]+-)?\n\S+"
    pages = map(pdf_look.without_code, book[1].pages)
    assert not [found for page in pages for found in re.findall(broken, page)]


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

```{checked} 2026-01-02
```

After ` Paris`, of Llama-3.1-8B a [37 × 576] matrix. See {numref}`lst-two--a`, {numref}`tab-two--b`, {eq}`eq-two--c` and `max_num_batched_tokens`.

```{code-block} bash
:name: lst-two--a
:caption: tools/book.sh
make book
```

:::{list-table} A table
:name: tab-two--b
:header-rows: 1

* - one
  - two
* - a long cell, so long that this row and the next are wider together than the page
  - 12 ms
* - and the next
  - 3.4 ms
:::

It reads:

```{code-block} bash
make one
make two
make three
make four
```

$$
a = b
$$ (eq-two--c)

## Exercises

Solutions stand in {ref}`solutions`.

(ex-two-one)=
:::{admonition} Exercise 1
:class: exercise
How many? ({ref}`Solution <sol-two-one>`)
:::

:::{warning}
Hot.
:::
""",
    "chapters/appendix/index": "(appendix)=\n# Back matter\n\n```{toctree}\nsolutions\n```\n",
    "chapters/appendix/solutions": """(solutions)=
# Solutions

## Second

(sol-two-one)=
{ref}`Exercise 1 <ex-two-one>`. See {numref}`lst-solutions--a`.

```{code-block} bash
:name: lst-solutions--a
:caption: In the back
make book
```
""",
}
HAN = 'msgid "Text."\nmsgstr "见{ref}`KV <two>`，{ref}`缓存 <two>`，{ref}`token <two>`一章，*未定*的数。"\n'


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
        r"\section{Exercises}",
        r"\backmatter",
        r"\part{Back matter}",
        r"\chapter{Solutions}",
        r"\section{2. Two}",
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
    own = r"\phantomsection\label{\detokenize{chapters/bottlenecks/two:ex-two-one}}"
    assert rf"\begin{{bookbox}}[unbreakable]{{exercise}}{{{own}Exercise 2.1}}" in body
    assert r"\begin{bookbox}[unbreakable]{pitfall}{Warning}" in body
    assert r"{\sphinxcode{tools/book.sh}}" in body
    assert r"{In the back}" in body
    assert r"max\_\bookbreak{}num\_\bookbreak{}batched\_\bookbreak{}tokens" in body


def test_a_link_keeps_its_space_beside_chinese(toy):
    body = toy["zh_CN"][2]
    assert "见\\ {\\hyperref" in body and "，{\\hyperref" in body
    assert re.search(r"token\}+\\ 一章", body)


def test_stress_shows_in_chinese_and_links_are_upright(toy):
    head, _, body = toy["zh_CN"]
    assert r"\bookstress{未定}" in body
    assert r"\newcommand{\bookstress}[1]{\textsf{#1}}" in head
    assert r"\protected\def\sphinxcrossref#1{#1}" in head
    assert r"\sphinxcrossref#1{#1}" not in toy["en"][0]


def test_a_chinese_paragraph_s_last_character_is_not_parted(toy):
    assert r"的\xeCJKnobreak 数。" in toy["zh_CN"][2]


def test_a_token_s_blank_is_seen_and_names_and_shapes_stay_whole(toy):
    body = toy["en"][2]
    assert r"\sphinxcode{\sphinxupquote{\bookchip{\ Paris}}}" in body
    assert r"\DUrole{whole}{Llama\sphinxhyphen{}3.1\sphinxhyphen{}8B}" in body
    assert "37\u00a0×\u00a0576" in body


def test_cells_are_ragged_numbers_flush_right_and_long_rows_apart(toy):
    table = (
        toy["en"][2].partition(r"\begin{tabulary}")[2].partition(r"\end{tabulary}")[0]
    )
    assert table.startswith(r"{\linewidth}[t]{LR}")
    assert table.count(r"\raggedright ") == table.count(r"\raggedleft ") == 3
    assert table.count(r"\addlinespace[3pt]") == 1, "between rows of the body only"
    assert table.count(r"\bookheadwidth{1}{2}") == 1, "the head of the numbers may turn"


def table_of(rows: int) -> nodes.table:
    """A table of so many rows: a sign and what it means."""
    body = nodes.tbody()
    for _ in range(rows):
        texts = ("T", "the number of tokens of a sequence, its prompt among them")
        body += nodes.row("", *(nodes.entry("", nodes.paragraph("", t)) for t in texts))
    return nodes.table("", nodes.tgroup("", body))


def test_a_table_over_pages_has_columns_as_wide_as_their_cells_ask():
    assert columns_of(table_of(30)) == "LL"
    assert columns_of(table_of(31)) == r"\X{14}{84}\X{42}{84}"
    assert least_lines(table_of(30)) > 30 and least_lines(table_of(31)) < 10


def test_a_line_that_leads_in_travels_with_what_it_leads_in_to(toy):
    body = toy["en"][2]
    before, _, after = body.partition("It reads:")
    assert re.search(
        r"\\needspace\{6\.4\\baselineskip\}\s*\\sphinxAtStartPar\s*$", before
    )
    assert r"\needspace" not in after.partition(r"\begin{sphinxVerbatim}")[0]


def test_exercises_and_solutions_tell_each_other_s_page(toy):
    solution = r"\pageref*{\detokenize{chapters/appendix/solutions:sol-two-one}}"
    exercise = r"\pageref*{\detokenize{chapters/bottlenecks/two:ex-two-one}}"
    assert re.search(rf"Solution\}}+, page~{re.escape(solution)}\)", toy["en"][2])
    assert f" (page~{exercise}). See" in toy["en"][2]
    assert f"，第~{solution}~页" in toy["zh_CN"][2]
    assert r"》（第~\pageref" in toy["zh_CN"][2], "behind the mark that closes a title"


def test_the_day_of_the_facts_is_no_paragraph_of_the_text(toy):
    found = re.search(
        r"\\begin\{bookchecked\}(.*?)\\end\{bookchecked\}", toy["en"][2], re.DOTALL
    )
    assert found and "2026" in found[1]


def test_chinese_punctuation_is_not_crushed(toy):
    assert "RubberPunctSkip=plus" in toy["zh_CN"][0]


def test_code_in_print_can_be_read(toy):
    """Every color of the code's style has a contrast of 4.5 to its ground, which the preamble names."""
    import conf

    (ground,) = re.findall(r"VerbatimColor=\{HTML\}\{(\w{6})\}", toy["en"][0])
    style = get_style_by_name(conf.pygments_style)
    colors = {token["color"] for _, token in style if token["color"]}
    assert len(colors) > 3
    assert not [one for one in colors if pdf_look.contrast(one, ground) < 4.5]


def test_the_colophon_names_licenses_addresses_and_how_to_cite(monkeypatch):
    monkeypatch.setenv("BOOK_REPOSITORY", "https://example.org/book")
    monkeypatch.setenv("BOOK_BASEURL", "https://book.example.org")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    for language, edition in LANGUAGES.items():
        told = colophon(language, "Nobody")
        assert told.count(edition.title) == 2 and told.count("1970-01-02") == 2
        assert all(
            rf"\url{{https://{address}}}" in told
            for address in (
                "creativecommons.org/licenses/by/4.0/",
                "www.apache.org/licenses/LICENSE-2.0",
                "example.org/book",
                "book.example.org",
            )
        )
    monkeypatch.setenv("BOOK_REPOSITORY", "")
    assert "example.org/book}" not in colophon("en", "Nobody")


def test_the_title_page_breaks_where_the_sense_does_and_names_no_author_twice(toy):
    page = toy["en"][2].partition(r"\chapter")[0].partition(r"\clearpage")[0]
    assert r"LLM Inference\\from Principles to Production\par" in page
    assert "authors" not in page


def test_each_edition_has_its_own_words_and_the_day(toy, monkeypatch):
    assert "第 \\thechapter\\ 章" in toy["zh_CN"][0]
    assert "Chapter \\thechapter" in toy["en"][0]
    assert "Chapter \\thechapter" not in toy["zh_CN"][0]
    for _, _, body in toy.values():
        assert re.search(r"\b\d{4}-\d\d-\d\d\b", body)
        assert all(edition.title in body for edition in LANGUAGES.values())
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert pdf.edition_date() == "1970-01-02"
