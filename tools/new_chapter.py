"""`make new-chapter SLUG=kv-cache PART=bottlenecks`: lay out every file of a chapter.

What it writes builds, passes its own test and draws its figure, and says TODO wherever the author has
to write; `make gates` fails until none is left. No file that exists is changed but the part's list of
chapters, the cover's list of parts (for a new part) and the solutions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

from examples import cli, record
from tools import ROOT
from tools.gates.book import Book

TEMPLATES = Path(__file__).parent / "chapter"
SLUG = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
# The parts in the order of the book; a new one is set before the first that comes after it.
PARTS = "principles bottlenecks single-node distributed orchestration frontier".split()


def filled(template: str, words: dict[str, str]) -> str:
    text = (TEMPLATES / template).read_text("utf-8")
    # `$$` begins a formula in a page, so only our own names are filled in.
    return Template(text).safe_substitute(words) if "$" in text else text


def checked(book: Book, slug: str, part: str) -> None:
    """CommandError when the names cannot be used."""
    if not slug or not part:
        raise cli.CommandError(
            "say both: make new-chapter SLUG=kv-cache PART=bottlenecks"
        )
    if not SLUG.match(slug):
        raise cli.CommandError(
            f"{slug!r} is no slug: lower case, digits and single hyphens, as in kv-cache"
        )
    if part not in PARTS:
        raise cli.CommandError(f"no part {part!r}; there are {', '.join(PARTS)}")
    if slug in book.slugs or slug in PARTS or slug == "appendix":
        raise cli.CommandError(f"there is a page called {slug} already")


LINE = """{{numref}}`{{number}}. {{name}} <{slug}>`
: TODO: what the chapter finds out, in a line.
"""


def with_line(text: str, slug: str) -> str:
    """A part's page with a line for one more chapter in the list that readers see."""
    head, mark, rest = text.partition(":::{container} part-chapters\n")
    body, close, tail = rest.partition(":::\n")
    gap = "\n" if body.strip() else ""
    return f"{head}{mark}{body}{gap}{LINE.format(slug=slug)}{close}{tail}"


def with_entry(text: str, entry: str) -> str:
    """A part's page with one more chapter at the end of its toctree."""
    head, mark, rest = text.partition("```{toctree}\n")
    body, close, tail = rest.partition("```")
    return f"{head}{mark}{body.rstrip()}\n{'' if entry_lines(body) else chr(10)}{entry}\n{close}{tail}"


def entry_lines(body: str) -> list[str]:
    return [line for line in body.splitlines() if line and not line.startswith(":")]


def with_part(cover: str, part: str) -> str:
    """The cover with one more part in its toctree, in the book's order."""
    head, mark, rest = cover.rpartition("```{toctree}\n")
    lines = rest.splitlines(keepends=True)
    later = {f"chapters/{p}/index\n" for p in PARTS[PARTS.index(part) + 1 :]}
    later.add("chapters/appendix/index\n")
    at = next(i for i, line in enumerate(lines) if line in later)
    lines.insert(at, f"chapters/{part}/index\n")
    return head + mark + "".join(lines)


def files(book: Book, slug: str, part: str) -> Iterator[tuple[Path, str]]:
    """Every file to write, with its text."""
    name = slug.replace("-", "_")
    words = {
        "slug": slug,
        "name": name,
        "part": part,
        "title": slug.replace("-", " ").capitalize(),
        "part_title": part.replace("-", " ").capitalize(),
        "today": record.today(),
    }
    root = book.root
    index = root / f"chapters/{part}/index.md"
    if not index.is_file():
        cover = root / "index.md"
        yield cover, with_part(cover.read_text("utf-8"), part)
    start = index.read_text("utf-8") if index.is_file() else filled("part.md", words)
    yield index, with_line(with_entry(start, slug), slug)
    yield root / f"chapters/{part}/{slug}.md", filled("page.md", words)
    solutions = root / "chapters/appendix/solutions.md"
    yield solutions, solutions.read_text("utf-8") + filled("solutions.md", words)
    yield root / f"examples/{name}.py", filled("example.py", words)
    yield root / f"examples/figures/{name}.py", filled("figures.py", words)
    yield root / f"tests/chapters/test_{name}.py", filled("test.py", words)
    output = f"$ python -m examples.{name}\ntwice 21 is 42\n"
    yield root / f"examples/outputs/{slug}--first.txt", output


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m tools.new_chapter", description=__doc__)
    parser.add_argument("slug")
    parser.add_argument("part")
    parser.add_argument("--source", type=Path, default=ROOT)
    options = parser.parse_args(argv)
    book = Book(options.source.resolve())
    checked(book, options.slug, options.part)
    texts = list(files(book, options.slug, options.part))
    own = [
        path
        for path, _ in texts
        if options.slug.replace("-", "_") in path.stem.replace("-", "_")
    ]
    if there := [path for path in own if path.exists()]:
        raise cli.CommandError(f"{book.name(there[0])} is there already")
    for path, text in texts:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        print(f"written  {book.name(path)}")
    print("next: make figures po, then write; make gates tells what is left")


if __name__ == "__main__":
    cli.run(main)
