"""Run all tests and fail when a line of `examples/` was run by none of them.

A line that no test can run says so where it stands, with the reason: `# not covered: needs a GPU`. Without
PyTorch (`make torch`) the examples for a GPU cannot run at all; they are left out then, and a line says so.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
COVERAGE = [sys.executable, "-m", "coverage"]


def run(*arguments: str) -> int:
    return subprocess.run([*COVERAGE, *arguments], cwd=ROOT).returncode


def left_out() -> list[str]:
    """What to leave out of the report, with a word about it."""
    if importlib.util.find_spec("torch"):
        return []
    print("coverage: no PyTorch here, so examples/gpu/ is left out (make torch)")
    return ["--omit=examples/gpu/*"]


def main() -> int:
    run("erase")
    if run("run", "-m", "pytest", *sys.argv[1:]):
        return 1
    run("combine", "--quiet")
    if run("report", "--fail-under=100", *left_out()):
        print(
            "error: lines of examples/ that no test runs; test them, or say why not: "
            "`# not covered: <reason>`",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
