"""A translation keeps what is not language: roles and targets, math, code, links, footnotes, emphasis, numbers.

Both texts are parsed by the book's own parser, since what counts is what a reader would see. The strict
build finds a lost reference; it is silent on lost math, code and emphasis, and on a number that changed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from markdown_it.token import Token

from tools.gates.book import Book, blocks, inline_tokens, plain, shortened, target
from tools.gates.numbers import of_numbers

TEX = re.compile(r"\\[a-zA-Z]+(?:\{[\w.-]*--[\w.-]+\})?")
TEX_WORDS = re.compile(r"\\text\{[^{}]*\}")
IN_ALT = re.compile(r"%\{[^}]*\}")
# What must not be left in the text once markup is parsed. A star may stand alone (a footnote mark).
LEFT_OVER = re.compile(r"\*\*|`|\{[a-z]+\}|\]\(|(?<!\\)\$|\{\{|\}\}|</?[a-z]+>")
# Bold that holds nothing but these has closed in the wrong place.
LONE = re.compile(r"^[\s和与及或、，。：；（）()]*$")


def kinds(text: str) -> Counter:
    """What is not language in a message, counted: `("role val", "kv-cache--x")` and so on."""
    found: Counter = Counter()
    for token in inline_tokens(text):
        if token.type == "myst_role":
            name = token.meta["name"]
            content = target(token.content)[1]
            found[f"role {name}", " ".join(content.split())] += 1
        elif token.type in ("math_inline", "math_single", "math_inline_double"):
            found["math", TEX_WORDS.sub("", "".join(token.content.split()))] += 1
        elif token.type == "code_inline":
            found["code", token.content] += 1
        elif token.type == "link_open":
            found["link", str(token.attrs.get("href", ""))] += 1
        elif token.type == "image":
            found["image", str(token.attrs.get("src", ""))] += 1
        elif token.type == "footnote_ref":
            found["footnote", str(token.meta.get("label", ""))] += 1
        elif token.type in ("strong_open", "em_open"):
            found["emphasis", token.tag] += 1
        elif token.type == "html_inline":
            found["HTML", token.content] += 1
    words = plain(text)
    found.update(("TeX", one) for one in TEX.findall(words))
    # Not in its words: a text that begins with `%` would be a comment on a page.
    found.update(("value in alt text", one) for one in IN_ALT.findall(text))
    return found


def misplaced(tokens: tuple[Token, ...]) -> Iterator[str]:
    """Emphasis that does not hold what it should."""
    depth, inside = 0, ""
    for token in tokens:
        if token.type == "strong_open":
            depth += 1
            inside = ""
            if depth > 1:
                yield "bold inside bold: it closed in the wrong place"
        elif token.type == "strong_close":
            depth -= 1
            if LONE.match(inside):
                yield f"bold holds only {inside!r}: it closed in the wrong place"
        else:
            inside += token.content or ("x" if token.type != "softbreak" else "")


def of_message(english: str, translated: str) -> Iterator[str]:
    ours, theirs = kinds(english), kinds(translated)
    for (kind, what), times in sorted((ours - theirs).items()):
        yield f"{kind} {what!r} is missing" + (f" {times} times" if times > 1 else "")
    for (kind, what), times in sorted((theirs - ours).items()):
        yield f"{kind} {what!r} is too many" + (f" {times} times" if times > 1 else "")
    words = plain(translated)
    shows, shown_before = (
        LEFT_OVER.search(TEX.sub("", IN_ALT.sub("", one)))
        for one in (words, plain(english))
    )
    if shows and not shown_before:
        yield f"markup shows: {shows[0]!r}"
    yield from misplaced(inline_tokens(translated))
    if "\n" in translated.strip("\n") and "\n" not in english.strip("\n"):
        yield "a line break inside: it becomes a space between two characters"
    yield from of_numbers(english, translated)


def of_formula(english: str, translated: str) -> Iterator[str]:
    """A displayed formula stays as it is, but for the words in `\\text{}`."""
    ours, theirs = (
        "".join(TEX_WORDS.sub(r"\\text{}", one).split())
        for one in (english, translated)
    )
    if ours != theirs:
        yield "another formula; only what stands in \\text{} is translated"


def formulas(page: Path) -> set[str]:
    """The displayed formulas of a page, without blanks."""
    if not page.is_file():
        return set()
    kinds = ("math_block", "math_block_label", "amsmath")
    found = (block.token for block in blocks(page.read_text("utf-8")))
    return {"".join(one.content.split()) for one in found if one.type in kinds}


def faults(book: Book) -> Iterator[str]:
    for language in book.languages:
        folder = book.messages(language)
        for path, catalog in book.catalogs(language):
            page = (book.root / path.relative_to(folder)).with_suffix(".md")
            displayed = formulas(page)
            for entry in catalog:
                if not entry.translated():
                    continue
                found = list(of_message(entry.msgid, entry.msgstr))
                if "".join(entry.msgid.split()) in displayed:
                    found += of_formula(entry.msgid, entry.msgstr)
                for fault in found:
                    where = f"{book.name(path)}: “{shortened(entry.msgid, 40)}”"
                    yield f"{where}: {fault}"
