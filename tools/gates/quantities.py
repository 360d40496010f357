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

from examples import values
from tools.gates.book import Book, Passage, passages

GIVEN = Path(__file__).parent / "given.toml"
UNIT = (
    r"(?:[KMGT]iB|[kMGT]B)(?:/s)?|[kMGTP]?FLOP(?:/s|/B)?|[mµun]?s|min|h|[kM]?Hz"
    r"|(?<=[ \u00a0])B|bytes|(?:milli|micro)?seconds?|percent|tokens?/s|requests?/s|[kMm]?W|[kM]?J|%|×|x"
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
CITED = "\x00"


def sentences(passage: Passage) -> Iterator[str]:
    """The words of a passage, sentence by sentence, a mark where something is cited."""
    words = []
    for token in passage.tokens:
        if token.type == "text":
            words.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            words.append(" ")
        elif token.type == "myst_role" and token.meta["name"].startswith("cite"):
            words.append(CITED)
        else:
            words.append("\x01")  # a value, a formula, code: no part of a typed number
    yield from SENTENCE.split("".join(words))


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
