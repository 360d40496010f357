"""A number with a unit is substituted from code or data, unless it is a premise or has a source.

Allowed as typed: a premise (in `given.toml`, with its reason), what stands in the same sentence as a citation,
and what an exercise or its solution sets. Never allowed: a quantity that the page's own module computes or
measures under some name. Then the name has to be written, wherever it stands.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from markdown_it.token import Token

from examples import values
from tools.gates.book import Book, Passage, passages

GIVEN = Path(__file__).parent / "given.toml"
UNIT = (
    r"(?:[KMGTP]iB|[kMGTP]B)(?:/s)?|[kMGT]?(?:bit/s|b/s|bps)|[kMGTPE]?FLOP(?:/s|/B|S|s)?|T?OPS"
    r"|[mµun]?s|min|h|[kMG]?Hz|(?<=[ \u00a0])B|bytes|(?:milli|micro|nano)?seconds?|minutes?|hours?|days?"
    r"|(?:tok(?:en)?s?|requests?)(?:/s| (?:per|a) (?:second|minute|hour|day))"
    r"|percent|[kMm]?Wh?|[kM]?J|°[CF]|%|×|x"
)
QUANTITY = re.compile(
    rf"(?<![\w.,-])(\d[\d,]*(?:\.\d+)?)(?:[ \u00a0\u202f-]?)({UNIT})(?![\w/])"
)


@functools.cache
def premises() -> dict[str, frozenset[str]]:
    """Quantities that may be typed, by page slug; `everywhere` for all pages."""
    table = tomllib.loads(GIVEN.read_text("utf-8"))
    return {
        page: frozenset(normal(one["quantity"]) for one in rows)
        for page, rows in table.items()
    }


def normal(text: str) -> str:
    """`7.9 ms`, `7.9\u00a0ms` and `7.9ms` are one quantity."""
    return re.sub(r"[\s\u00a0\u202f,]", "", text)


@functools.cache
def computed(slug: str) -> dict[str, str]:
    """Quantities that the chapter's module gives, with the name of each."""
    try:
        table = values.of_chapter(slug)
    except KeyError:
        return {}
    found: dict[str, str] = {}
    for key, text in table.items():
        if QUANTITY.fullmatch(text):
            found.setdefault(normal(text), key)
    return found


SENTENCE = re.compile(r"(?<=[.?!:;])\s+")
CITED, OTHER = "\x00", "\x01"
ALONE = re.compile(rf"\d[\d,.]*\s*(?:{UNIT})?")
VALUE = re.compile(r"%\{[^}]*\}")
TEX = (
    (re.compile(r"\\(?:text|mathrm|mathbf)\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\\[,;: !]|~"), " "),
    (re.compile(r"\\times"), "×"),
    (re.compile(r"[\\{}]"), ""),
)


def in_words(tex: str) -> str:
    """A formula that is a number or a quantity, as it shows; any other is no part of a typed number."""
    for pattern, shown in TEX:
        tex = pattern.sub(shown, tex)
    return tex.strip() if ALONE.fullmatch(tex.strip()) else OTHER


def shown(token: Token) -> str:
    """What a token adds to the words of a sentence; emphasis and links add nothing of their own."""
    if token.type in ("text", "image"):
        return VALUE.sub(OTHER, token.content)
    if token.type in ("softbreak", "hardbreak"):
        return " "
    if token.type.endswith(("_open", "_close")) or token.type == "html_inline":
        return ""
    if token.type.startswith("math"):
        return in_words(token.content)
    cites = token.type == "myst_role" and token.meta["name"].startswith("cite")
    return CITED if cites else OTHER  # else a value or code


def sentences(passage: Passage) -> Iterator[str]:
    """The words of a passage, sentence by sentence, a mark where something is cited."""
    yield from SENTENCE.split("".join(map(shown, passage.tokens)))


def faults(book: Book) -> Iterator[str]:
    for page in book.pages:
        allowed = premises().get("everywhere", frozenset())
        allowed |= premises().get(page.stem, frozenset())
        own = computed(page.stem)
        for passage in passages(page.read_text("utf-8")):
            where = f"{book.name(page)}:{passage.line}"
            posed = passage.exercise or page.stem == "solutions"
            for sentence in sentences(passage):
                for match in QUANTITY.finditer(sentence):
                    typed = normal(match[0])
                    if typed in own and typed not in allowed:
                        yield f"{where}: {match[0]} is typed; write {{val}}`{own[typed]}`"
                    elif typed not in allowed and not posed and CITED not in sentence:
                        yield (
                            f"{where}: {match[0]} is typed; compute or measure it "
                            "({val}), cite its source, or name it as a premise in "
                            "tools/gates/given.toml"
                        )
