"""The tools that build the book: strict every time, nothing left behind, an end to what hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polib
import pytest

from examples import cli
from tools import ROOT, bench_build, site

BOTH = ["en", "zh_CN"]
TOC = "```{{toctree}}\n{}\n```\n"


class Book:
    """A book of two pages in a folder of its own, and where its site goes."""

    def __init__(self, folder: Path):
        self.source, self.out = folder / "book", folder / "built" / "site"
        self.write("index", "# Title\n\nText.\n\n" + TOC.format("chapters/one"))
        self.write("chapters/one", "# One\n\nA sentence with $x$.\n")

    def write(self, name: str, text: str) -> None:
        path = self.source / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def build(self, *languages: str) -> None:
        site.build(languages, self.source, self.out)

    def pages(self) -> set[str]:
        return {str(path.relative_to(self.out)) for path in self.out.rglob("*.html")}


@pytest.fixture
def book(tmp_path) -> Book:
    return Book(tmp_path)


def test_both_editions_stand_in_their_places_and_a_lost_page_goes(book):
    book.build(*BOTH)
    english = {"index.html", "404.html", "chapters/one.html"}
    assert book.pages() == english | {f"zh/{name}" for name in english}
    assert (book.out / "pagefind").is_dir() and (book.out / "zh/pagefind").is_dir()
    (book.source / "chapters/one.md").rename(book.source / "chapters/two.md")
    book.write("index", "# Title\n\nText.\n\n" + TOC.format("chapters/two"))
    book.build(*BOTH)
    english = {"index.html", "404.html", "chapters/two.html"}
    assert book.pages() == english | {f"zh/{name}" for name in english}


def test_a_warning_fails_every_build_until_it_is_mended(book, capfd):
    """Sphinx alone warns when it reads a page, and is silent and green the next time."""
    book.write("chapters/one", "# One\n\nSee {ref}`nowhere` and ![](no-such.png).\n")
    for _ in range(2):
        with pytest.raises(cli.CommandError, match="en failed"):
            book.build("en")
        assert "no-such.png" in capfd.readouterr().err
    book.write("chapters/one", "# One\n\nMended.\n")
    book.build("en")


def test_an_unchanged_page_is_not_written_again_but_new_code_writes_all(
    book, monkeypatch
):
    book.build("en")
    page = book.out / "chapters/one.html"
    first = page.stat().st_mtime_ns
    book.build("en")
    assert page.stat().st_mtime_ns == first
    monkeypatch.setattr(site, "makers", lambda: "other code")
    book.build("en")
    assert page.stat().st_mtime_ns > first


def test_the_fingerprint_follows_the_code(tmp_path, monkeypatch):
    (tmp_path / "_ext").mkdir()
    (tmp_path / "conf.py").write_text("a = 1\n")
    monkeypatch.setattr(site, "ROOT", tmp_path)
    seen = {site.makers()}
    (tmp_path / "conf.py").write_text("a = 2\n")
    seen.add(site.makers())
    (tmp_path / "_ext" / "new.py").write_text("")
    seen.add(site.makers())
    assert len(seen) == 3


def test_a_build_that_hangs_is_ended_with_what_it_started(book, monkeypatch, capfd):
    child = book.source / "child"
    hang = (
        "import subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])\n"
        f"pathlib.Path({str(child)!r}).write_text(str(child.pid))\n"
        "time.sleep(99)\n"
    )
    monkeypatch.setattr(site, "sphinx", lambda *_: [sys.executable, "-c", hang])
    monkeypatch.setattr(site, "LIMIT", 2)
    start = time.monotonic()
    with pytest.raises(cli.CommandError, match="en, zh_CN failed"):
        book.build(*BOTH)
    assert time.monotonic() - start < 20
    assert capfd.readouterr().err.count("no end after 2 s") == 2
    assert not is_running(int(child.read_text()))


def test_ending_the_tool_ends_its_builds(book):
    command = [sys.executable, "-m", "tools.site", *BOTH, "--source", str(book.source)]
    tool = subprocess.Popen(
        [*command, "--out", str(book.out)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    builds: list[str] = []
    until = time.monotonic() + 20
    while len(builds) < 2 and time.monotonic() < until:
        time.sleep(0.05)
        children = Path(f"/proc/{tool.pid}/task/{tool.pid}/children")
        builds = children.read_text().split()
    tool.terminate()
    assert tool.wait(timeout=20) == 128 + signal.SIGTERM
    assert len(builds) == 2
    assert not any(is_running(int(build)) for build in builds)


def is_running(pid: int) -> bool:
    """Whether a process does anything still (one that is dead but not waited for does not)."""
    for _ in range(50):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (OSError, IndexError):
            return False
        if state == "Z":
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["xx"], "no language xx"),
        (["en", "--source", "/nowhere"], "no book in /nowhere"),
    ],
)
def test_bad_arguments_are_one_line(argv, told, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.run(site.main, argv)
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and told in said and said.count("\n") == 1


def test_the_synthetic_book_is_whole_and_the_same_each_time(tmp_path):
    words = [bench_build.write_book(tmp_path / name, 24_000) for name in ("a", "b")]
    assert words[0] == words[1] >= 24_000
    files = [path for path in sorted((tmp_path / "a").rglob("*")) if path.is_file()]
    for path in files:
        if path.suffix != ".mo":
            twin = tmp_path / "b" / path.relative_to(tmp_path / "a")
            assert path.read_bytes() == twin.read_bytes(), path
    pages = [path for path in files if path.stem.startswith("chapter-")]
    text = "".join(path.read_text("utf-8") for path in pages if path.suffix == ".md")
    assert len(pages) == 2 * bench_build.CHAPTERS
    for kind in ("{term}", "{ref}", "$$", "| --- |", "{admonition}", "```python"):
        assert text.count(kind) >= 10, kind
    for path in (path for path in files if path.suffix == ".po"):
        catalog = polib.pofile(str(path))
        assert catalog.percent_translated() == 100, path


def test_the_bench_fails_over_budget(capsys):
    clock = bench_build.Clock()
    clock.time(bench_build.COLD, lambda: None)
    assert clock.report() == []
    clock.spent[bench_build.PDFS] = (bench_build.BUDGETS[bench_build.PDFS] + 0.1, 1.0)
    assert clock.report() == [bench_build.PDFS]
    assert "180" in capsys.readouterr().out
