"""The name contract: from a slug every other name follows, and nothing lies about that no page uses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import checked  # of _ext/

from tools.gates.book import Book

STEM = re.compile(r"^(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)--[a-z0-9]+(?:-[a-z0-9]+)*$")
SLUG = re.compile(r"^[a-z0-9]+(?:-[a-z0-9]+)*$")
KINDS = ("fig", "tab", "eq", "lst", "ex", "sol")
LABEL = re.compile(
    rf"^:name: (\S+)$|^\$\$ \((\S+)\)$|^\(((?:{'|'.join(KINDS)})-\S+)\)=$", re.MULTILINE
)
TOCTREE = re.compile(r"```\{toctree\}\n(.*?)```", re.DOTALL)
# An appendix table whose data chapters use already; its page comes with the part that needs it.
DATA_BEFORE_PAGE = {"models"}
# What `make new-chapter` leaves for the author to write.
UNFINISHED = re.compile(r"\bTODO\b|\bFIXME\b|\bTBD\b|coming soon|敬请期待|待补", re.I)


def of_pages(book: Book) -> Iterator[str]:
    """Slugs, labels, and that each page stands in a toctree and has a text."""
    for slug, times in Counter(p.stem for p in book.pages if p.stem != "index").items():
        if times > 1:
            yield f"chapters: the slug {slug} names {times} pages"
        if not SLUG.match(slug):
            yield f"chapters: {slug} is no slug (lower case, digits, single hyphens)"
    listed: Counter = Counter()
    for page in book.pages:
        text = page.read_text("utf-8")
        if page.name == "index.md":
            for block in TOCTREE.findall(text):
                entries = (s for s in block.splitlines() if s and not s.startswith(":"))
                listed.update((page.parent / f"{one}.md").resolve() for one in entries)
        yield from of_date(book, page, text)
        if page == book.root / "index.md":
            continue
        label = page.parent.name if page.stem == "index" else page.stem
        if not text.startswith(f"({label})=\n# "):
            yield f"{book.name(page)}: does not begin with ({label})= and a title"
        said = checked.LINE.sub("", text.split("\n", 2)[-1])
        if len(said.strip("`\n ")) <= 10:
            yield f"{book.name(page)}: the page is empty"
        yield from of_labels(book, page, text)
    for page in book.pages[1:]:
        if listed[page.resolve()] != 1:
            times = listed[page.resolve()] or "no"
            yield f"{book.name(page)}: stands in {times} toctree(s), not in one"


def of_date(book: Book, page: Path, text: str) -> Iterator[str]:
    """Every page says once how old its facts are; one that only gathers others leaves the day to them."""
    dates = checked.LINE.findall(text)
    if len(dates) != 1:
        yield f"{book.name(page)}: has {len(dates)} {{checked}}, not one under its title"
    for date in filter(None, dates):
        try:
            checked.day(date)
        except ValueError as error:
            yield f"{book.name(page)}: checked: {error}"
    if dates == [""] and not checked.gathers(page):
        yield f"{book.name(page)}: {{checked}} needs the day on which its facts were held against the sources"


def of_labels(book: Book, page: Path, text: str) -> Iterator[str]:
    """Labels carry the slug of their page (the solutions carry the exercises')."""
    for groups in LABEL.findall(text):
        name = next(filter(None, groups))
        kind, _, rest = name.partition("-")
        stem = STEM.match(rest)
        if kind not in KINDS or not stem:
            yield f"{book.name(page)}: the label {name} is not <kind>-<slug>--<what>"
        elif stem["slug"] != page.stem and page.stem != "solutions":
            yield f"{book.name(page)}: the label {name} belongs to another page"


def of_chapters(book: Book) -> Iterator[str]:
    """A chapter has an example, a test and a catalog in every language."""
    for slug in book.chapters:
        name = slug.replace("-", "_")
        if not any((book.root / "examples" / n).exists() for n in (f"{name}.py", name)):
            yield f"examples/{name}.py: the chapter {slug} has no example"
        if not (book.root / f"tests/chapters/test_{name}.py").is_file():
            yield f"tests/chapters/test_{name}.py: the chapter {slug} has no test"


def of_files(book: Book) -> Iterator[str]:
    """Data, outputs and figures are named for a page, and used."""
    pages = "\n".join(p.read_text("utf-8") for p in book.pages)
    code = "\n".join(
        p.read_text("utf-8") for p in sorted((book.root / "examples").rglob("*.py"))
    )
    uses = {  # where a stem of that folder must be named
        "examples/data/*.json": lambda stem: f'"{stem}"' in code,
        "examples/outputs/*.txt": lambda stem: f"/examples/outputs/{stem}.txt" in pages,
        "_static/figures/*.svg": lambda stem: f"/figures/{stem}.svg" in pages,
    }
    for glob, used in uses.items():
        for path in sorted(book.root.glob(glob)):
            stem = path.name.split(".")[0]
            match = STEM.match(stem)
            if not match or match["slug"] not in book.slugs.keys() | DATA_BEFORE_PAGE:
                yield f"{book.name(path)}: is not named for a page (<slug>--<what>)"
            elif not used(stem):
                yield f"{book.name(path)}: nothing uses it"


def faults(book: Book) -> Iterator[str]:
    yield from of_pages(book)
    yield from of_chapters(book)
    yield from of_files(book)


def unfinished(book: Book) -> Iterator[str]:
    """Marks of work to be done, in what a reader gets to see."""
    shown = [*book.pages, *sorted((book.root / "examples").rglob("*.py"))]
    shown += sorted((book.root / "tests" / "chapters").glob("*.py"))
    shown += sorted((book.root / "locale").rglob("*.po"))
    for path in shown:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            # The English of a catalog is told of where it stands, on its page.
            if (match := UNFINISHED.search(line)) and not line.startswith("msgid"):
                yield f"{book.name(path)}:{number}: {match[0]} is left"
