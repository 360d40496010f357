"""The look for lines that no test runs: it bites, and a reason has to be given where none can."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import ROOT

EXAMPLE = """\
def shown(number):
    if number > 3:
        return "many"{reason}
    return "few"
"""
TEST = "from examples.toy import shown\n\n\ndef test_few():\n    assert shown(1) == 'few'\n"
REASON = "  # not covered: needs more than a toy has"


@pytest.mark.parametrize(
    ("reason", "code"), [("", 1), ("  # not covered:", 1), ("  # not covered: no", 1), (REASON, 0)]
)  # fmt: skip
def test_a_line_that_no_test_runs_fails_unless_it_says_why(tmp_path, reason, code):
    examples = tmp_path / "examples"
    examples.mkdir()
    (examples / "__init__.py").touch()
    (examples / "toy.py").write_text(EXAMPLE.format(reason=reason))
    (tmp_path / "test_toy.py").write_text(TEST)
    config = (ROOT / "pyproject.toml").read_text("utf-8").partition("[tool.coverage")
    (tmp_path / "pyproject.toml").write_text("[tool.coverage" + config[2])
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "coverage.py", tmp_path / "tools")
    done = subprocess.run(
        [sys.executable, Path("tools/coverage.py"), "-p", "no:cacheprovider", "test_toy.py"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert ("examples/toy.py" in done.stdout) == bool(code)
