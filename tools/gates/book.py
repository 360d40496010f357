"""The book as files: pages, catalogs, and the prose of a page as the book's own parser reads it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polib
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from tools import LANGUAGES

# As in conf.py (a test compares them): what the pages are written in.
SYNTAX = frozenset({"amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"})
# Directives whose content is code, data or a list of pages; that of every other one is prose.
NOT_PROSE = frozenset(
    "bibliography checked code code-block code-cell editions eval-rst image include "
    "literalinclude math parsed-literal raw sourcecode toctree".split()
)
GUIDES = ("README.md", "CONTRIBUTING.md", "TRANSLATING.md")
OPTION = re.compile(r"^:[\w-]+:.*$")
# Options whose value a reader gets to see or hear.
SAID = re.compile(r"^:(?:alt|caption):[ \t]+(?P<text>.+)$")
ROLE_TARGET = re.compile(r"^(?P<text>.*?)\s*<(?P<target>[^<>]+)>$", re.DOTALL)


@functools.cache
def parser():
    """The MyST parser that renders the pages."""
    return create_md_parser(MdParserConfig(enable_extensions=set(SYNTAX)), RendererHTML)


@dataclass(frozen=True)
class Passage:
    """A paragraph, title, item or cell: its line in the page, its tokens, where it stands."""

    line: int
    tokens: tuple[Token, ...]
    exercise: bool = False


def inline_tokens(text: str) -> tuple[Token, ...]:
    """The inline tokens of a piece of MyST, its blocks one after the other."""
    found: list[Token] = []
    for token in parser().parse(text):
        found += token.children or []
    return tuple(found)


def plain(text: str) -> str:
    """The words of a message: no code, math or role."""
    return "".join(t.content for t in inline_tokens(text) if t.type == "text")


def target(role_content: str) -> tuple[str, str]:
    """What a role shows and what it points to: `KV 缓存 <KV cache>` or one word for both."""
    if match := ROLE_TARGET.match(role_content):
        return match["text"], " ".join(match["target"].split())
    return role_content, " ".join(role_content.split())


@dataclass(frozen=True)
class Directive:
    """A fence that is one: its options as lines, and its content without them."""

    name: str
    title: str
    options: tuple[str, ...]
    body: str


def directive(token: Token) -> Directive | None:
    """The directive that a block is, if it is one."""
    name, _, title = token.info.strip().partition(" ")
    if token.type not in ("colon_fence", "fence") or not name.startswith("{"):
        return None
    lines = token.content.split("\n")
    options = []
    while lines and (OPTION.match(lines[0]) or (options and not lines[0])):
        options.append(lines.pop(0))
    return Directive(name.strip("{}"), title, tuple(options), "\n".join(lines))


@dataclass(frozen=True)
class Block:
    """A block of a page: its line, its token, whether it stands in an exercise."""

    line: int
    token: Token
    exercise: bool


def blocks(text: str, line: int = 1, exercise: bool = False) -> Iterator[Block]:
    """Every block of a page, those inside quotes, lists and directives of prose included."""
    for token in parser().parse(text):
        at = line + (token.map[0] if token.map else 0)
        found = directive(token)
        inside = exercise or bool(found and ":class: exercise" in found.options)
        yield Block(at, token, inside)
        if found and found.name not in NOT_PROSE:
            yield from blocks(found.body, at + 1 + len(found.options), inside)


def passages(text: str) -> Iterator[Passage]:
    """The prose of a page: captions and text alternatives included."""
    for block in blocks(text):
        line, token, exercise = block.line, block.token, block.exercise
        if token.type == "inline":
            yield Passage(line, tuple(token.children or ()), exercise)
        elif found := directive(token):
            if found.title and found.name not in NOT_PROSE:
                yield Passage(line, inline_tokens(found.title), exercise)
            for number, option in enumerate(found.options, start=line + 1):
                if said := SAID.match(option):
                    yield Passage(number, inline_tokens(said["text"]), exercise)


@dataclass(frozen=True)
class Book:
    """A book in a folder: the real one, or a toy of the tests."""

    root: Path

    @property
    def pages(self) -> list[Path]:
        """The cover and every page, in the order of their paths."""
        return [self.root / "index.md", *sorted((self.root / "chapters").rglob("*.md"))]

    @property
    def guides(self) -> list[Path]:
        """What an author or translator reads before the first change."""
        return [path for name in GUIDES if (path := self.root / name).is_file()]

    @property
    def slugs(self) -> dict[str, Path]:
        """Pages that are no index, by slug."""
        return {p.stem: p for p in self.pages if p.stem != "index"}

    @property
    def chapters(self) -> dict[str, Path]:
        """Pages of a part, by slug: what has an example and a test."""
        return {
            slug: path
            for slug, path in self.slugs.items()
            if path.parent.name not in ("chapters", "appendix")
        }

    def messages(self, language: str) -> Path:
        return self.root / "locale" / language / "LC_MESSAGES"

    @property
    def languages(self) -> list[str]:
        """Languages other than English that have catalogs here."""
        return [
            code for code in LANGUAGES if code != "en" and self.messages(code).is_dir()
        ]

    def catalogs(self, language: str) -> Iterator[tuple[Path, polib.POFile]]:
        """Catalogs that can be read; the gate `catalogs` tells of the others."""
        for path in sorted(self.messages(language).rglob("*.po")):
            try:
                yield path, polib.pofile(str(path), encoding="utf-8")
            except (OSError, ValueError):
                continue

    def name(self, path: Path) -> str:
        """A path as it is named in a fault."""
        return path.relative_to(self.root).as_posix()


def shortened(text: str, width: int = 60) -> str:
    """The beginning of a message, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
