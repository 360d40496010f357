"""The name contract of design.md: from a slug every other name follows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "chapters").glob("**/*.md"))
SLUGS = {path.stem: path for path in PAGES if path.stem != "index"}
CHAPTERS = {
    slug: path
    for slug, path in SLUGS.items()
    if path.parent.name not in ("chapters", "appendix")
}
# An appendix table whose data chapters use already; its page comes with the part that needs it.
DATA_BEFORE_PAGE = {"models"}
STEM = re.compile(r"^(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)--[a-z0-9]+(?:-[a-z0-9]+)*$")


def test_slugs_are_unique():
    names = [path.stem for path in PAGES if path.stem != "index"]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_begins_with_its_label(path):
    label = path.parent.name if path.stem == "index" else path.stem
    assert path.read_text(encoding="utf-8").startswith(f"({label})=\n# ")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_has_its_catalog(path):
    catalog = (
        ROOT / "locale/zh_CN/LC_MESSAGES" / path.relative_to(ROOT).with_suffix(".po")
    )
    assert catalog.is_file()


@pytest.mark.parametrize("slug", sorted(CHAPTERS))
def test_a_chapter_has_its_example_and_its_test(slug):
    name = slug.replace("-", "_")
    assert (ROOT / f"examples/{name}.py").is_file() or (
        ROOT / f"examples/{name}"
    ).is_dir()
    assert (ROOT / f"tests/chapters/test_{name}.py").is_file()


@pytest.mark.parametrize(
    "path",
    [
        *(ROOT / "examples/data").glob("*.json"),
        *(ROOT / "examples/outputs").glob("*.txt"),
        *(ROOT / "_static/figures").glob("*.svg"),
    ],
    ids=lambda path: path.name,
)
def test_a_file_is_named_for_a_page(path):
    match = STEM.match(path.name.split(".")[0])
    assert match and match["slug"] in SLUGS.keys() | DATA_BEFORE_PAGE


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_labels_are_named_for_their_page(path):
    text = path.read_text(encoding="utf-8")
    names = re.findall(r"^:name: (\S+)$", text, re.M) + re.findall(
        r"^\$\$ \((\S+)\)$", text, re.M
    )
    names += re.findall(r"^\(((?:fig|tab|eq|lst|ex|sol)-\S+)\)=$", text, re.M)
    for name in names:
        kind, _, rest = name.partition("-")
        assert kind in ("fig", "tab", "eq", "lst", "ex", "sol")
        assert STEM.match(rest), name
        if path.stem != "solutions":
            assert STEM.match(rest)["slug"] == path.stem, name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_listings_are_included_by_name(path):
    """No Python typed into prose, no listing cut by line number."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^[`:]{3,}\s*(python|py)\b", text, re.M)
    assert not re.search(
        r"^[`:]{3,}\{(code-block|code|sourcecode)\}\s*(python|py)\b", text, re.M
    )
    assert ":lines:" not in text


def test_the_toctree_holds_every_page_and_no_empty_one():
    listed = set()
    for index in [ROOT / "index.md", *(ROOT / "chapters").glob("*/index.md")]:
        for block in re.findall(
            r"```\{toctree\}\n(.*?)```", index.read_text("utf-8"), re.S
        ):
            entries = [
                line for line in block.splitlines() if line and not line.startswith(":")
            ]
            listed |= {(index.parent / f"{entry}.md").resolve() for entry in entries}
    assert listed == {path.resolve() for path in PAGES}
    for path in listed:
        body = path.read_text(encoding="utf-8").split("\n", 2)[-1]
        assert len(body.strip()) > 15, f"{path.name} is empty"


INCLUDED = re.compile(
    r"\{literalinclude\} (?P<path>\S+\.py)\n:pyobject: (?P<name>\S+)", re.MULTILINE
)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_listing_is_short_and_fits_the_page(path):
    """Under 40 lines, docstring included, none wider than a page shows."""
    for match in INCLUDED.finditer(path.read_text(encoding="utf-8")):
        source = (path.parent / match["path"]).read_text(encoding="utf-8")
        tree = ast.parse(source)
        (node,) = (n for n in tree.body if getattr(n, "name", None) == match["name"])
        lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
        assert len(lines) < 40, match["name"]
        assert max(map(len, lines)) <= 88, match["name"]
