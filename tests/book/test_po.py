"""Refreshing the catalogs: nothing new changes nothing, an edit shows, an orphan goes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import polib
import pytest

from examples import cli
from tools import ROOT, po, status


@pytest.fixture
def book(tmp_path) -> Path:
    """A book of one page with a whole catalog."""
    (tmp_path / "index.md").write_text(
        "# Title\n\nOne sentence.\n\nAnother.\n", "utf-8"
    )
    assert po.refresh_all("zh_CN", tmp_path) == ["index.po"]
    catalog = polib.pofile(str(path_of(tmp_path)))
    for entry, text in zip(catalog, ("标题", "一句话。", "另一句。"), strict=True):
        entry.msgstr = text
    path_of(tmp_path).write_text(
        po.text_of(list(catalog), "zh_CN", "2026-01-01 00:00+0000"), "utf-8"
    )
    return tmp_path


def path_of(book: Path, name: str = "index.po") -> Path:
    return book / "locale" / "zh_CN" / "LC_MESSAGES" / name


def test_nothing_new_changes_nothing(book):
    before = path_of(book).read_bytes()
    assert po.refresh_all("zh_CN", book) == []
    assert path_of(book).read_bytes() == before


def test_an_edited_sentence_becomes_fuzzy_and_keeps_its_translation(book):
    page = book / "index.md"
    page.write_text(
        page.read_text("utf-8").replace("One sentence.", "One short sentence.")
    )
    assert po.refresh_all("zh_CN", book) == ["index.po"]
    (entry,) = (e for e in polib.pofile(str(path_of(book))) if "short" in e.msgid)
    assert entry.msgstr == "一句话。" and entry.flags == ["fuzzy"]
    (counted,) = status.of_language("zh_CN", book)
    assert (counted.translated, counted.fuzzy, counted.missing) == (2, 1, 0)


def test_a_new_sentence_is_missing_and_a_dropped_one_gone(book):
    (book / "index.md").write_text("# Title\n\nSomething else entirely, quite new.\n")
    po.refresh_all("zh_CN", book)
    entries = list(polib.pofile(str(path_of(book))))
    assert [entry.msgstr for entry in entries] == ["标题", ""]
    assert not any(entry.obsolete for entry in entries)


def test_a_page_that_moves_takes_its_translation_along(book):
    (book / "chapters").mkdir()
    text = (book / "index.md").read_text("utf-8").replace("Title", "Moved")
    (book / "chapters" / "moved.md").write_text(text, "utf-8")
    (book / "index.md").write_text("# Title\n", "utf-8")
    po.refresh_all("zh_CN", book)
    entries = list(polib.pofile(str(path_of(book, "chapters/moved.po"))))
    assert [entry.msgstr for entry in entries] == ["", "一句话。", "另一句。"]
    assert not any(entry.fuzzy for entry in entries)
    assert po.refresh_all("zh_CN", book) == []


def test_a_translator_s_edit_is_kept_and_dated(book):
    path = path_of(book)
    text = path.read_text("utf-8").replace("另一句。", "另外一句。")
    path.write_text(f'{text}\n#~ msgid "old"\n#~ msgstr "旧"\n', "utf-8")
    assert po.refresh_all("zh_CN", book) == ["index.po"]
    catalog = polib.pofile(str(path))
    assert [entry.msgstr for entry in catalog] == ["标题", "一句话。", "另外一句。"]
    assert catalog.metadata["PO-Revision-Date"] > "2026-01-01 00:00+0000"
    assert "POT-Creation-Date" not in catalog.metadata


def test_the_form_does_not_depend_on_the_tool_that_wrote_it(book):
    """Lines that another editor wrapped come back as they were, but for the date."""
    path = path_of(book)
    before = path.read_text("utf-8")
    path.write_text(before.replace('msgstr "标题"', 'msgstr ""\n"标"\n"题"'), "utf-8")
    po.refresh_all("zh_CN", book)
    dated = polib.pofile(str(path)).metadata["PO-Revision-Date"]
    assert path.read_text("utf-8").replace(dated, "2026-01-01 00:00+0000") == before


def test_a_broken_catalog_is_one_line(book, capsys):
    path_of(book).write_text('msgid "a"\nmsgstr "b"\nnonsense\n', "utf-8")
    with pytest.raises(SystemExit) as stopped:
        cli.run(po.main, ["--source", str(book)])
    told = capsys.readouterr().err
    assert stopped.value.code == 2
    assert told.count("\n") == 1 and "index.po" in told


def test_status_shows_the_worst_page_first_and_pages_without_a_catalog(book, capsys):
    (book / "chapters").mkdir()
    (book / "chapters" / "new.md").write_text("# New\n\nText of it.\n", "utf-8")
    po.refresh_all("zh_CN", book)
    (book / "chapters" / "newer.md").write_text("# Newer\n", "utf-8")
    status.main(["--source", str(book)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [line[3] for line in lines] == [
        "chapters/newer",
        "chapters/new",
        "index",
        "all",
    ]
    assert lines[1][:3] == ["0", "0", "2"] and lines[-1][:3] == ["3", "0", "2"]


def test_a_catalog_without_a_page_is_deleted(book):
    shutil.copy(path_of(book), path_of(book, "old.po"))
    assert po.refresh_all("zh_CN", book) == ["old.po (deleted: no such page)"]


def test_the_books_own_catalogs_are_fresh(tmp_path):
    """`make po` on the book would change nothing (on a copy: a test leaves the tree alone)."""
    copy = tmp_path / "book"
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "index.md", "chapters", "locale",
         "examples", "_static"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    for name in filter(None, names):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    assert po.refresh_all("zh_CN", copy) == [], "run `make po`"
