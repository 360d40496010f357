"""References keep the titles that were published, and say in the edition's language what the book adds."""

from __future__ import annotations

import re

import pytest
from pybtex.database import parse_string

from tests.book.conftest import SITE
from tools import LANGUAGES

import references  # isort: skip

ENTRY = """@misc{one, author = {%s}, title = {%s}, year = 2026, note = {%s}}"""


def set_in(language: str, author="A B", title="T", note="") -> str:
    class Here(references.Style):
        say = staticmethod(LANGUAGES[language].say)

    data = parse_string(ENTRY % (author, title, note), "bibtex")
    (entry,) = Here().format_bibliography(data)
    return entry.text.render_as("text")


def said_in_a_sentence(entry: str, full: bool = False) -> str:
    style = references.in_sentences(LANGUAGES["en"].say)()
    data = parse_string(entry, "bibtex").entries["one"]
    node = style.person.author_or_editor_or_title(full)
    return node.format_data({"entry": data, "style": style}).render_as("text")


def test_authors_in_a_sentence():
    three = ENTRY % ("B, A and D, C and F, E", "T", "")
    assert said_in_a_sentence(three) == "B et al."
    assert "F" in said_in_a_sentence(three, full=True)
    assert said_in_a_sentence("@misc{one, title = {A Title}}") == "A Title"


@pytest.mark.parametrize("title", ["llama.cpp, Read Me", "What Is It? An Analysis"])
def test_a_title_stays_as_it_was_published(title):
    assert f". {title}. 2026" in set_in("en", title=title)


@pytest.mark.parametrize(
    ("author", "english", "chinese"),
    [
        ("B, A and D, C and others", "A B, C D et al. T", "A B, C D 等. T"),
        ("B, A and others", "A B et al. T", "A B 等. T"),
        ("B, A and D, C", "A B and C D. T", "A B and C D. T"),
        ("{vLLM project}", "vLLM project. T", "vLLM project. T"),
    ],
)
def test_further_authors_are_said_in_the_language(author, english, chinese):
    assert set_in("en", author=author).startswith(english)
    assert set_in("zh_CN", author=author).startswith(chinese)


@pytest.mark.parametrize(
    ("note", "chinese"),
    [
        ("Read 2026-11-23", "读于 2026-11-23."),
        (
            "Opened 2025-08-13, read 2026-11-23",
            "提出于 2025-08-13，读于 2026-11-23.",
        ),
        ("README, read 2026-11-23", "README，读于 2026-11-23."),
        ("README; read 2026-11-23", "README; 读于 2026-11-23."),
        ("Read carefully", "Read carefully."),
    ],
)
def test_the_day_of_reading_is_said_in_the_language(note, chinese):
    assert set_in("en", note=note).endswith(f"{note}.")
    assert set_in("zh_CN", note=note).endswith(chinese)


@pytest.mark.built
@pytest.mark.parametrize("code", LANGUAGES)
def test_every_reference_of_the_book_is_set_so(code):
    page = SITE / LANGUAGES[code].folder / "chapters/appendix/references.html"
    html = page.read_text("utf-8")
    text = re.sub(r"<[^>]+>", "", html[html.index("<article") : html.index("</article")])  # fmt: skip
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    assert "and others" not in text and LANGUAGES[code].say("et al.") in text
    assert bool(re.search(r"(?i)\bread \d{4}", text)) == (code == "en")
    assert "[100]" in text, "all of them"
