"""Spaces and punctuation of the Chinese text, as autocorrect sees the words that a reader sees."""

from __future__ import annotations

import re
from collections.abc import Iterator

import autocorrect_py
import han  # of _ext/

from tools.gates.book import Book, inline_tokens, shortened, target

CITED = "\x00"
# What autocorrect leaves alone and zh-style.md does not.
OURS = (
    (re.compile(rf"{han.LETTER} +[，。；：？！、）》”’]|[，。；：？！、（《“‘] +{han.LETTER}"), "a space beside a full-width mark"),
    (re.compile(rf"{han.LETTER} +{han.LETTER}"), "a space between two characters"),
    (re.compile(rf"{han.LETTER}-{{2,}}{han.LETTER}|{han.LETTER}—{han.LETTER}"), "a dash is written ——"),
    (re.compile(rf"{han.LETTER}\.{{3}}|(?<!…)…(?!…)"), "an ellipsis is written ……"),
    (re.compile(r"(?<![\w.-])\d[\d,.]* ?[-–] ?\d[\d,.]*(?![\w-])"), "a range is written with ～"),
    (re.compile(rf"{han.LETTER}\([^()]*\)|\([^()]*{han.LETTER}[^()]*\)"), "brackets are full-width"),
    (re.compile(rf"{han.LETTER}[,;:?!](?!\d)"), "punctuation is full-width"),
    (re.compile(r"您|！"), "no 您 and no exclamation mark"),
    (re.compile(rf"{han.LETTER}['\"]|['\"]{han.LETTER}"), "quotes are “ ”"),
)  # fmt: skip


def display(text: str) -> str:
    """A message as it is shown, roles and code replaced by something of the same kind.

    A numbered reference shows as `图 1`, a value as `1 GB`, code and math as a letter, a
    citation in the sentence as an author's name.
    """
    shown = []
    for token in inline_tokens(text):
        if token.type == "text":
            shown.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            shown.append(" ")
        elif token.type == "myst_role":
            name = token.meta["name"]
            words, goal = target(token.content)
            if name == "numref":
                shown.append("图 1")
            elif name == "val":
                shown.append("1 GB")
            elif name == "cite:t":
                shown.append("Su")
            elif name.startswith("cite"):
                shown.append(CITED)
            elif name == "eq":
                shown.append("1")
            elif words != goal or name == "term":
                shown.append(words)
            else:
                shown.append("第一节")  # the title of another page or section
        elif token.type in ("code_inline", "math_inline", "math_single"):
            shown.append("x")
    # A citation is set off by a space; it says nothing about what stands around it.
    return re.sub(rf" ?{CITED}", "", "".join(shown))


def of_message(text: str) -> Iterator[str]:
    shown = re.sub(r"\\[a-z]+\{[^}]*\}|%\{[^}]*\}", "1", display(text))
    if not re.search(f"{han.LETTER}", shown):
        return
    for pattern, fault in OURS:
        if match := pattern.search(shown):
            yield f"{fault}: …{shown[max(0, match.start() - 8) : match.end() + 8]}…"
    better = autocorrect_py.format(shown)
    if better != shown:
        at = next(
            (i for i, (a, b) in enumerate(zip(shown, better, strict=False)) if a != b),
            min(len(shown), len(better)),
        )
        yield f"…{shown[max(0, at - 8) : at + 8]}… should be …{better[max(0, at - 8) : at + 8]}…"


def faults(book: Book) -> Iterator[str]:
    for path, catalog in book.catalogs("zh_CN"):
        for entry in catalog:
            if entry.translated() and entry.msgid != entry.msgstr:
                for fault in of_message(entry.msgstr):
                    where = f"{book.name(path)}: “{shortened(entry.msgid, 40)}”"
                    yield f"{where}: {fault}"
