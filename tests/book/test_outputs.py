"""What a page shows as output is what its command prints today."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from examples import cli
from tools import outputs

FILES = sorted(outputs.FOLDER.glob("*.txt"))


def test_there_are_outputs():
    assert FILES


def fresh(path: Path) -> tuple[bool, float]:
    """Whether a file holds what its command prints, timings apart, and the seconds that this took."""
    printed, seconds = outputs.run(path)
    shown = path.read_text(encoding="utf-8")
    return outputs.normalised(printed) == outputs.normalised(shown), seconds


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_output_is_fresh_and_quick(path):
    same, seconds = fresh(path)
    assert same, "run `make outputs`"
    assert seconds < outputs.LIMIT * outputs.BUSY


def test_the_look_for_stale_outputs_bites(tmp_path):
    path = tmp_path / "kv-cache--models.txt"
    shutil.copy(outputs.FOLDER / path.name, path)
    assert fresh(path)[0]
    text = path.read_text("utf-8")
    path.write_text(text.replace("1", "2", 1), "utf-8")
    assert path.read_text("utf-8") != text and not fresh(path)[0]


def test_only_timings_are_masked():
    normalised = outputs.normalised
    assert normalised("a  31 ms  4.2×") == normalised("a 144 ms 24.0×")
    assert normalised("context 128") != normalised("context 129")
    assert normalised("46,080 B") != normalised("46,081 B")
    assert normalised("12 samples") != normalised("13 samples")


def test_a_first_line_that_is_no_command_is_refused(tmp_path):
    path = tmp_path / "x--y.txt"
    path.write_text("python -m examples.kv_cache\n", encoding="utf-8")
    with pytest.raises(cli.CommandError, match="first line"):
        outputs.command_of(path)


def test_a_slow_example_is_named(tmp_path, monkeypatch):
    shutil.copy(outputs.FOLDER / "kv-cache--models.txt", tmp_path)
    monkeypatch.setattr(outputs, "FOLDER", tmp_path)
    outputs.main([])
    monkeypatch.setattr(outputs, "LIMIT", 0.0)
    with pytest.raises(cli.CommandError, match="over 0 s: kv-cache--models"):
        outputs.main([])
