"""The live preview: which page it names, what it sets, and that it marks what is not translated."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from examples import cli
from tests.book import toy
from tools import ROOT, live

import style_sheet  # isort: skip

PAGE = "chapters/bottlenecks/kv-cache"


@pytest.fixture
def started(monkeypatch):
    """The commands that would have been started."""
    commands = []

    def run(command, **_):
        commands.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(live.subprocess, "run", run)
    return commands


@pytest.mark.parametrize(
    "name", [PAGE, f"{PAGE}.md", f"locale/zh_CN/LC_MESSAGES/{PAGE}.po"]
)
def test_a_page_may_be_named_by_its_own_path_or_its_catalog_s(name, started, capsys):
    with pytest.raises(SystemExit) as ended:
        live.main(["zh_CN", "--port", "8123", "--page", name])
    assert ended.value.code == 0
    assert f"http://localhost:8123/{PAGE}.html" in capsys.readouterr().out
    (command,) = started
    assert command[command.index("--port") + 1] == "8123"
    assert {"language=zh_CN", "translation_progress_classes=1"} <= set(command)


def test_the_english_preview_begins_at_the_cover_and_sets_nothing(started, capsys):
    with pytest.raises(SystemExit):
        live.main(["en"])
    assert "http://localhost:8000/index.html" in capsys.readouterr().out
    assert "-D" not in started[0]


def test_a_page_that_is_not_there_is_one_line(started):
    with pytest.raises(cli.CommandError, match=r"no page chapters/gone\.md"):
        live.main(["zh_CN", "--page", "chapters/gone"])
    assert not started


def test_the_chinese_preview_marks_what_is_not_translated(tmp_path):
    book = toy.book(tmp_path / "book")
    toy.translate(book, "A fact with", "")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-E",
        "-b",
        "html",
        "-c",
        str(ROOT),
    ]
    done = subprocess.run(
        [*command, *live.settings("zh_CN"), str(book), str(tmp_path / "out")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    html = (tmp_path / f"out/{PAGE}.html").read_text("utf-8")
    assert '<p class="untranslated">A fact with' in html
    assert '<p class="translated">在 80\N{NO-BREAK SPACE}GB' in html
    css = (tmp_path / "out" / style_sheet.BUNDLE).read_text("utf-8")
    (rule,) = (line for line in css.split("}") if ".untranslated" in line)
    assert "background: var(--pst-color-target)" in rule
    assert css.count("--pst-color-target:") >= 2, "one for light pages, one for dark"
    # A page that is published has no such class, and the sheet no such rule.
    (tmp_path / "plain.html").write_text('<p class="book">text</p>')
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static/book.css").write_text(
        (ROOT / "_static/web/book.css").read_text("utf-8")
    )
    assert ".untranslated" not in style_sheet.bundle(
        tmp_path, [tmp_path / "plain.html"]
    )
