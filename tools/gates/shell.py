"""Shell lines that a reader types: bash can parse them, and what they call is there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tools.gates.book import Book, blocks, directive
from tools.gates.listings import WIDEST

SHELLS = ("sh", "bash", "zsh", "shell", "console")
INLINE = re.compile(
    r"(?<!`)`((?:\w+=\S+ )*(?:make|(?:[\w./~-]*/)?python3? -m) [^`\n]+)`(?!`)"
)
TARGET = re.compile(r"\bmake(?:[ \t]+-\S+)*((?:[ \t]+[a-z][\w-]*(?![\w=-]))+)")
MODULE = re.compile(r"\bpython3? -m (examples[\w.]*|tools[\w.]*)")


def shell_blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """Of each block of shell lines, a directive or not: its line, its kind, its content."""
    for block in blocks(text):
        token, found = block.token, directive(block.token)
        kind, body = token.info.strip(), token.content
        if found:
            kind = found.title if found.name.startswith("code") else ""
            body = found.body
        if token.type in ("fence", "colon_fence") and kind in SHELLS:
            yield block.line, kind, body


def commands(text: str) -> Iterator[tuple[int, str]]:
    """Line numbers and scripts: shell blocks (prompts taken off), and commands in a sentence."""
    for line, kind, body in shell_blocks(text):
        if kind == "console":
            lines = body.splitlines()
            body = "".join(f"{s[2:]}\n" for s in lines if s.startswith("$ "))
        yield line, body
    for match in INLINE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1] + "\n"


def targets(book: Book) -> set[str]:
    makefile = book.root / "Makefile"
    text = makefile.read_text("utf-8") if makefile.is_file() else ""
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", text, re.MULTILINE))


def is_module(book: Book, dotted: str) -> bool:
    path = book.root / dotted.rstrip(".").replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def of_script(book: Book, script: str, known: set[str]) -> Iterator[str]:
    done = subprocess.run(
        ["bash", "-n"], input=script, capture_output=True, text=True, check=False
    )
    if done.returncode:
        yield f"bash cannot parse it: {done.stderr.strip().splitlines()[0]}"
    code = re.sub(r"#.*", "", script)
    for match in TARGET.finditer(code):
        for one in match[1].split():
            if one not in known:
                yield f"`make {one}`: there is no such target"
    for match in MODULE.finditer(code):
        if not is_module(book, match[1]):
            yield f"`python -m {match[1]}`: there is no such module"


def of_file(book: Book, path: Path, known: set[str]) -> Iterator[str]:
    for line, script in commands(path.read_text("utf-8")):
        for fault in of_script(book, script, known):
            yield f"{book.name(path)}:{line}: {fault}"


def of_width(book: Book, page: Path) -> Iterator[str]:
    """On a page a command is as wide as a listing at most: print would break it, a screen hides its end."""
    for at, _, body in shell_blocks(page.read_text("utf-8")):
        for line in body.splitlines():
            if len(line) > WIDEST:
                yield f"{book.name(page)}:{at}: a line of {len(line)} letters, at most {WIDEST}; go on after a backslash"


def faults(book: Book) -> Iterator[str]:
    known = targets(book)
    for page in book.pages:
        yield from of_width(book, page)
    for path in [*book.pages, *book.guides]:
        yield from of_file(book, path, known)
