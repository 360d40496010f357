"""What the book promises, each promise a function that names whatever breaks it.

A gate takes a `Book` and yields faults: one line each, with the file that it stands in. The tests run every
gate on the book, and on a toy book that is damaged one way at a time, to show that the gates bite
(tests/book/test_gates.py). `make gates` prints the faults of the book in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tools.gates import (
    catalogs,
    data,
    inline,
    layout,
    listings,
    orphans,
    quantities,
    redirects,
    shell,
    source,
    terms,
    typography,
)
from tools.gates.book import Book

Gate = Callable[[Book], Iterator[str]]

GATES: dict[str, Gate] = {
    "layout: names, labels, files": layout.faults,
    "orphans: a file has its kind and its page": orphans.faults,
    "layout: nothing unfinished": layout.unfinished,
    "source: clean lines, no reStructuredText": source.faults,
    "listings: included by name, all shown": listings.faults,
    "shell: typed lines parse and name what exists": shell.faults,
    "quantities: computed or measured, not typed": quantities.faults,
    "data: files say how they came about": data.faults,
    "redirects: no address is lost": redirects.faults,
    "catalogs: whole, and one for each page": catalogs.faults,
    "inline: translation keeps roles, math, code, links": inline.faults,
    "terms: one rendering, none forbidden": terms.faults,
    "typography: Chinese spaces and punctuation": typography.faults,
}


def faults(book: Book) -> dict[str, list[str]]:
    """What every gate finds, by the gate's name; empty lists where all is well."""
    return {name: list(gate(book)) for name, gate in GATES.items()}
