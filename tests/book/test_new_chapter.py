"""`make new-chapter` lays out a chapter that stands at once and says what is left to write."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from examples import cli
from tools import ROOT, gates, new_chapter
from tools.gates.book import Book

TREES = ["index.md", "chapters", "locale", "examples", "_static", "tests/chapters"]
TREES += ["tools", "_ext", "_templates", "conf.py", "Makefile", "README.md"]
TREES += ["package.json", "package-lock.json", "pyproject.toml"]


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy of the book, to write into."""
    skip = shutil.ignore_patterns("__pycache__", "*.mo", "*.partial")
    for name in TREES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=skip)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True
    )


@pytest.mark.parametrize("part", ["bottlenecks", "frontier"])
def test_a_new_chapter_builds_and_only_the_writing_is_left(copy, part):
    new_chapter.main(["toy-chapter", part, "--source", str(copy)])
    for arguments in (
        ("examples.figures", "toy-chapter--first"),
        ("tools.po",),
        ("pytest", "-q", "-c", "/dev/null", "--rootdir", str(copy), "tests/chapters/test_toy_chapter.py"),
        ("sphinx", "-q", "-n", "-W", "-b", "html", ".", "_build/html"),
    ):  # fmt: skip
        done = run(copy, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "42" in (copy / "_build/html/chapters" / part / "toy-chapter.html").read_text()
    )
    found = gates.faults(Book(copy))
    assert any("TODO" in fault for fault in found.pop("layout: nothing unfinished"))
    left = [fault for faults in found.values() for fault in faults]
    assert left and all("not translated" in fault for fault in left), left


@pytest.mark.parametrize(
    ("slug", "part", "told"),
    [
        ("", "bottlenecks", "say both"),
        ("KV_cache", "bottlenecks", "is no slug"),
        ("new", "nowhere", "no part 'nowhere'; there are principles"),
        ("kv-cache", "bottlenecks", "there is a page called kv-cache"),
    ],
)
def test_names_that_cannot_be_used_are_one_line(slug, part, told):
    with pytest.raises(cli.CommandError, match=told):
        new_chapter.main([slug, part])


def test_a_new_part_stands_in_the_book_s_order():
    cover = (ROOT / "index.md").read_text("utf-8")
    listed = new_chapter.with_part(cover, "frontier")
    assert listed.index("bottlenecks/index") < listed.index("frontier/index")
    assert listed.index("frontier/index") < listed.index("appendix/index")


def test_an_existing_file_is_not_overwritten(copy):
    (copy / "examples/toy_chapter.py").write_text("mine\n")
    with pytest.raises(cli.CommandError, match=r"examples/toy_chapter\.py is there"):
        new_chapter.main(["toy-chapter", "bottlenecks", "--source", str(copy)])
    assert (copy / "examples/toy_chapter.py").read_text() == "mine\n"
    assert not (copy / "chapters/bottlenecks/toy-chapter.md").exists()
