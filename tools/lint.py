"""`make lint`: the style checkers, one after the other; all of them run, the exit code is theirs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SPHINX_LINT = ("--enable=all", "--disable=line-too-long,default-role")
SHELL_SCRIPTS = ("tools/*.sh", ".ci/run")


def checks() -> list[list[str]]:
    """The commands, each with its arguments."""
    scripts = [
        str(p.relative_to(ROOT)) for glob in SHELL_SCRIPTS for p in ROOT.glob(glob)
    ]
    python = sys.executable
    commands = [
        [python, "-m", "ruff", "check", "."],
        [python, "-m", "ruff", "format", "--check", "."],
        [python, "-m", "codespell_lib"],
        [python, "-m", "sphinxlint", *SPHINX_LINT, "index.md", "chapters", "README.md"],
    ]
    if shutil.which("shellcheck"):
        commands.append(["shellcheck", *scripts])
    else:
        print(
            "lint: no shellcheck on this machine; `make test` installs it",
            file=sys.stderr,
        )
    return commands


def main() -> int:
    failed = [
        command for command in checks() if subprocess.run(command, cwd=ROOT).returncode
    ]
    for command in failed:
        print(f"error: failed: {' '.join(command)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
