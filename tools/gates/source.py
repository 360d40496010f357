"""The text of pages, guides and catalogs as it is typed: clean lines, and no reStructuredText in Markdown.

sphinx-lint has no checker for a `.md` file, so its checkers of lines get the text under the name of
one that they know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sphinxlint import check_text
from sphinxlint.checkers import all_checkers

from tools.gates.book import Book, passages

OF_LINES = {
    all_checkers[name]
    for name in "carriage-return horizontal-tab missing-final-newline trailing-whitespace".split()
}
# `:ref:` with its backtick, a directive's two dots, a link's underscore, a literal block's colons:
# Markdown prints them.
RST = re.compile(
    r"(?<![\w`{]):[a-z]+(?:[:+-][a-z]+)*:`|^\s*\.\. +[\w|_\[]|`__?(?![\w`])|(?<=\w)::$",
    re.MULTILINE,
)
# In the book it has its chapter's number, and leads there: {ref}`exercise 2 <ex-attention--order>`.
EXERCISE = re.compile(r"\bexercises? \d+", re.IGNORECASE)


def of_lines(path: Path) -> Iterator[str]:
    text = path.read_bytes().decode("utf-8")  # a carriage return stays one
    for fault in check_text(f"{path.stem}.rst", text, OF_LINES):
        yield f"{fault.line_no}: {fault.msg} ({fault.checker_name})"


def of_markdown(path: Path) -> Iterator[str]:
    text = path.read_text("utf-8")
    for match in RST.finditer(text):
        line = text.count("\n", 0, match.end() - 1) + 1
        yield f"{line}: {match[0].strip()!r} is reStructuredText, not Markdown"


def of_exercises(path: Path) -> Iterator[str]:
    for passage in passages(path.read_text("utf-8")):
        words = "".join(
            {"text": token.content, "softbreak": " "}.get(token.type, "\0")
            for token in passage.tokens
        )
        if passage.exercise and EXERCISE.fullmatch(words):  # the title of its box
            continue
        for match in EXERCISE.finditer(words):
            yield f"{passage.line}: {match[0]!r} is no link; write {{ref}}`{match[0]} <ex-...>`"


def faults(book: Book) -> Iterator[str]:
    texts = [*book.pages, *book.guides]
    for path in [*texts, *sorted((book.root / "locale").rglob("*.po"))]:
        for fault in of_lines(path):
            yield f"{book.name(path)}:{fault}"
    for path in texts:
        for fault in of_markdown(path):
            yield f"{book.name(path)}:{fault}"
    for path in book.pages:
        for fault in of_exercises(path):
            yield f"{book.name(path)}:{fault}"
