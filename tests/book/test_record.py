"""`make record` runs what a CPU can repeat, names what it leaves, and stops at the first failure."""

from __future__ import annotations

import subprocess
import sys

import pytest

from examples import measurements
from tools import record


@pytest.fixture
def ran(monkeypatch):
    """The commands that would run, without running them; the code that they end with."""
    seen, code = [], {"exit": 0}

    def run(words, **_):
        seen.append(" ".join(words))
        return subprocess.CompletedProcess(words, code["exit"])

    monkeypatch.setattr(record.subprocess, "run", run)
    seen_and_code = (seen, code)
    return seen_and_code


def test_every_recorded_run_is_repeated_or_named_with_what_it_needs(ran, capsys):
    seen, _ = ran
    assert record.main() == 0
    shown = capsys.readouterr().out
    for stem, data in measurements.recorded().items():
        (line,) = [one for one in shown.splitlines() if stem in one.replace(",", "").replace(":", "").split()]  # fmt: skip
        words = data["command"].removeprefix("python ")
        if "examples.gpu" in words or "SITE_PACKAGES" in words:
            assert line.startswith("left") and "needs" in line
            assert f"{sys.executable} {words}" not in seen
        else:
            assert line.startswith("runs") and seen.count(f"{sys.executable} {words}") == 1  # fmt: skip
    assert len(seen) > 10


def test_needs_are_named():
    assert record.needs("python -m examples.gpu.kv_cache") == "a GPU"
    assert record.needs("python -m examples.kv_cache record") == ""
    assert record.needs("python -m examples.x read FOLDER FILE") == "FOLDER and FILE"
    assert record.needs("python -m examples.x record --card H100 -V") == ""


def test_the_first_failure_ends_it(ran, capsys):
    seen, code = ran
    code["exit"] = 2
    assert record.main() == 2 and len(seen) == 1
    assert "error: exit 2" in capsys.readouterr().err
