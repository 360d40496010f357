"""No file lies about: each is of a kind that its folder holds, and is named for a page or listed as shared.

That the data, outputs and figures are used is for the gate `layout` to say, that modules are shown for `listings`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tools.gates.book import Book

# The files that a folder holds, by suffix; what lies deeper belongs to the nearest folder named here.
HOLDS = {
    "chapters": (".md", ".bib"),
    "locale": (".po", ".csv"),
    "examples": (".py",),
    "examples/data": (".json",),
    "examples/figures": (".py",),
    "examples/gpu": (".py",),
    "examples/outputs": (".txt",),
    "_static/figures": (".svg",),
    "tests/chapters": (".py",),
}
FLAT = ("examples/data", "examples/figures", "examples/outputs", "_static/figures", "tests/chapters")  # fmt: skip
# What has the name of no page, since several chapters use it.
SHARED = {
    "examples": "__init__ cli engine predict record request values",
    "examples/figures": "__init__ __main__ style",
    "examples/gpu": "__init__ checks ladder llama runs timing",
    "tests/chapters": "conftest test_cli test_engine test_predict test_request test_server",
}
NOT_OURS = {".pyc", ".mo", ".partial"}  # as in .gitignore


def of_kinds(book: Book) -> Iterator[str]:
    """Files of a kind that their folder does not hold, or in a folder where none belongs."""
    for root in ("chapters", "locale", "examples", "_static/figures", "tests/chapters"):
        for path in sorted((book.root / root).rglob("*")):
            if path.is_dir() or path.suffix in NOT_OURS:
                continue
            name = book.name(path)
            folder = max((f for f in HOLDS if name.startswith(f"{f}/")), key=len)
            if path.suffix not in HOLDS[folder]:
                kinds = " and ".join(HOLDS[folder])
                yield f"{name}: {folder}/ holds {kinds} files only"
            elif folder in FLAT and path.parent != book.root / folder:
                yield f"{name}: {folder}/ has no folders below it"


def of_names(book: Book) -> Iterator[str]:
    """Modules, packages and tests that are named for no page and are not shared."""
    slugs = {slug.replace("-", "_") for slug in book.slugs}
    for folder, words in SHARED.items():
        shared = words.split()
        tests = folder == "tests/chapters"
        known = {*shared, *(f"test_{slug}" if tests else slug for slug in slugs)}
        for path in sorted((book.root / folder).glob("*")):
            ours = path.suffix == ".py" or any(path.glob("*.py"))
            if not ours or book.name(path) in HOLDS:
                continue
            # A test may look at a part: test_engine_text, test_kv_cache_gpu.
            begun = tests and any(path.stem.startswith(f"{name}_") for name in known)
            if path.stem not in known and not begun:
                yield f"{book.name(path)}: is named for no page and is not SHARED"


def faults(book: Book) -> Iterator[str]:
    yield from of_kinds(book)
    yield from of_names(book)
