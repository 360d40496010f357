"""Code on a page comes from a file, by name; and every file and marker that is there to be shown is shown."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tools.gates.book import Book, blocks, directive

# What a page may hold as typed: lines for a shell, which the gate `shell` tries. All else is included.
LANGUAGE = "sh"
OF_CODE = (
    "code code-block code-cell sourcecode parsed-literal raw eval-rst prompt doctest"
).split()
INCLUDE = re.compile(
    r"\{literalinclude\} (?P<path>\S+)\n(?P<options>(?:[ \t]*:[\w-]+:.*\n)*)"
)
OPTION = re.compile(r"^[ \t]*:([\w-]+):[ \t]*(.*)$", re.MULTILINE)
BY_NUMBER = ("lines", "lineno-match", "emphasize-lines")
MARKER = re.compile(r"^\s*# (begin|end): (?P<name>[a-z][a-z0-9-]*)$", re.MULTILINE)
LONGEST, WIDEST = 40, 88
# What makes a package run as a command shows nothing by itself.
NOT_SHOWN = ("__init__.py", "__main__.py")


def cut(source: str, options: dict[str, str]) -> list[str] | str:
    """The lines that an inclusion shows, or what is wrong with it."""
    lines = source.splitlines()
    if name := options.get("pyobject"):
        parts, body = name.split("."), ast.parse(source).body
        node = None
        for part in parts:
            node = next((n for n in body if getattr(n, "name", None) == part), None)
            if node is None:
                return f"there is no {name}"
            body = node.body
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        return lines[first - 1 : node.end_lineno]
    if after := options.get("start-after"):
        begin, end = after.strip("\"' "), options.get("end-before", "").strip("\"' ")
        if not begin.startswith("begin: ") or end != begin.replace("begin", "end", 1):
            return f"{begin!r} and {end!r} are no pair '# begin: x', '# end: x'"
        marks = [line.strip("# \t") for line in lines]
        if marks.count(begin) != 1 or marks.count(end) != 1:
            return f"the markers {begin!r} and {end!r} do not stand there once each"
        return lines[marks.index(begin) + 1 : marks.index(end)]
    return lines


def typed(text: str) -> Iterator[str]:
    """Code that stands on a page itself, whatever it stands in."""
    for block in blocks(text):
        token, found = block.token, directive(block.token)
        if token.type == "code_block":
            yield f"{block.line}: an indented block is code; include it from a file"
        elif token.type == "html_block":
            yield f"{block.line}: HTML typed into prose; write a directive"
        elif token.type == "fence" and not found and token.info.strip() != LANGUAGE:
            kind = token.info.strip() or "code"
            yield f"{block.line}: {kind} typed into prose; include it from a file"
        elif found and found.name in OF_CODE and found.title != LANGUAGE:
            kind = found.title or found.name
            yield f"{block.line}: {kind} typed into prose; include it from a file"


def of_page(book: Book, page: Path) -> Iterator[str]:
    text, name = page.read_text("utf-8"), book.name(page)
    for fault in typed(text):
        yield f"{name}:{fault}"
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        options = dict(OPTION.findall(match["options"]))
        path = (page.parent / match["path"]).resolve()
        where = f"{name}:{line}: {match['path']}"
        if used := [key for key in BY_NUMBER if key in options]:
            yield f"{where}: cut by line number ({used[0]}); use a name"
        if not path.is_file():
            yield f"{where}: there is no such file"
        elif path.suffix == ".py":
            if not options.keys() & {"pyobject", "start-after"}:
                yield f"{where}: a whole module; name the object or the marker to show"
                continue
            lines = cut(path.read_text("utf-8"), options)
            if isinstance(lines, str):
                yield f"{where}: {lines}"
            elif len(lines) >= LONGEST:
                yield f"{where}: {len(lines)} lines; a listing has under {LONGEST}"
            elif max(map(len, lines), default=0) > WIDEST:
                yield f"{where}: a line is wider than {WIDEST} characters"
        if "caption" not in options or "name" not in options:
            yield f"{where}: a listing has a :name: and a :caption:"
        elif path.suffix == ".py" and options["caption"] != book.name(path):
            yield f"{where}: the caption is not the file's path"


def not_shown(book: Book) -> Iterator[str]:
    """Modules of chapters that no page shows or runs, and markers that no page includes."""
    pages = [p.read_text("utf-8") for p in book.pages]
    texts = [*pages]
    texts += [p.read_text("utf-8") for p in book.root.glob("examples/outputs/*.txt")]
    texts += [p.read_text("utf-8") for p in book.root.glob("examples/data/*.json")]
    shown = "\n".join(texts)
    for slug in book.chapters:
        name = slug.replace("-", "_")
        # A page's table of a package's files names the folder once.
        tables = [page for page in pages if f"`examples/{name}/`" in page]
        modules = [
            book.root / f"examples/{name}.py",
            book.root / f"examples/gpu/{name}.py",
            *sorted((book.root / f"examples/{name}").glob("*.py")),
        ]
        for path in modules:
            relative = book.name(path)
            dotted = relative.removesuffix(".py").replace("/", ".")
            if path.is_file() and path.name not in NOT_SHOWN:
                run = re.search(rf"python -m {re.escape(dotted)}\b", shown)
                named = any(f"`{path.name}`" in page for page in tables)
                if f"/{relative}" not in shown and not named and not run:
                    yield f"{relative}: no page shows or runs it"
    for path in sorted((book.root / "examples").rglob("*.py")):
        for match in MARKER.finditer(path.read_text("utf-8")):
            if f"begin: {match['name']}" not in shown:
                yield f"{book.name(path)}: the marker {match['name']} is shown nowhere"


def faults(book: Book) -> Iterator[str]:
    for page in book.pages:
        yield from of_page(book, page)
    yield from not_shown(book)
