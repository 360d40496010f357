"""The manners of every command: one clear line, the right exit code, no noise when a pipe closes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "rest",
    [
        "for _ in range(100_000): print('a line', flush=True)",
        "for _ in range(100_000): print('a line')",  # closed at a write, with more behind it
        "input(); print('the end')",  # closed before the only write, at the end
    ],
)
def test_a_reader_that_stops_reading_is_no_fault(rest):
    """`python -m examples.kv_cache models | head -1`: no traceback, exit 0."""
    script = (
        "from examples import cli\n"
        "def main(argv):\n"
        "    print('a line', flush=True)\n"
        f"    {rest}\n"
        "cli.run(main)\n"
    )
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    reading = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=buffered,
    )  # fmt: skip
    assert reading.stdout.readline() == "a line\n"
    reading.stdout.close()
    reading.stdin.write("closed\n")
    reading.stdin.close()
    assert reading.stderr.read() == ""
    assert reading.wait(timeout=30) == 0


def test_an_error_of_many_lines_becomes_one():
    script = (
        "from examples import cli\n"
        "def main(argv): raise cli.CommandError('too\\n   long')\n"
        "cli.run(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr == "error: too long\n"
