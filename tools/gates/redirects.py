"""A page that moved leaves a redirect: `redirects.toml` maps its old address to where it went.

Every address that a page ever had in the history of `main` must still lead somewhere.
"""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterator

from redirects import table  # of _ext/

from tools.gates.book import Book

FILE = "redirects.toml"


def pages_ever(book: Book) -> set[str]:
    """Every page that a commit of this history ever held, without `.md`; none without a history."""
    done = subprocess.run(
        ["git", "log", "--format=", "--name-only", "--diff-filter=AR", "--", "chapters"],
        cwd=book.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    names = done.stdout.split("\n") if done.returncode == 0 else []
    return {name.removesuffix(".md") for name in names if name.endswith(".md")}


def faults(book: Book) -> Iterator[str]:
    pages = {book.name(path).removesuffix(".md") for path in book.pages}
    try:
        moved = table(book.root)
    except (tomllib.TOMLDecodeError, KeyError) as error:
        yield f"{FILE}: cannot be read: {error}"
        return
    for old, new in moved.items():
        if old in pages:
            yield f"{FILE}: {old} is still a page"
        if new not in pages:
            yield f"{FILE}: {old} leads to {new}, which is no page"
    for lost in sorted(pages_ever(book) - pages - moved.keys()):
        yield f"{FILE}: {lost} was a page once and leads nowhere now"
