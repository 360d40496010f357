"""`make lint`: the style checkers, one after the other; all of them run, the exit code is theirs.

`--strict`, as `make test` runs it: a checker that is not there is a failure, too.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
JSON_SCHEMAS = {  # of GitHub's own files and the citation file; they come with the checker
    "vendor.github-workflows": ".github/workflows/*.yml",
    "vendor.github-issue-forms": ".github/ISSUE_TEMPLATE/[!c]*.yml",
    "vendor.github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
    "vendor.citation-file-format": "CITATION.cff",
}
# Pages and catalogs: tools/gates/source.py, since sphinx-lint passes over Markdown.
OF_CODE = "--enable=horizontal-tab,missing-final-newline,trailing-whitespace"
CODE = ("conf.py", "_ext", "examples", "tests", "tools")
SHELLCHECK = "shellcheck"
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
        [python, "-m", "sphinxlint", "--disable=all", OF_CODE, *CODE],
        ["zizmor", "--quiet", "--offline", "--no-progress", ".github"],
    ]
    for schema, glob in JSON_SCHEMAS.items():
        files = [str(p.relative_to(ROOT)) for p in sorted(ROOT.glob(glob))]
        commands.append(
            ["check-jsonschema", "-q", f"--builtin-schema={schema}", *files]
        )
    # Programs of the environment, not of the machine.
    bin_folder = Path(python).parent
    commands = [
        [str(bin_folder / c[0]) if (bin_folder / c[0]).exists() else c[0], *c[1:]]
        for c in commands
    ]
    if shutil.which(SHELLCHECK):
        commands.append([SHELLCHECK, *scripts])
    else:
        print(
            "lint: no shellcheck on this machine; `make test` installs it",
            file=sys.stderr,
        )
    return commands


def main(argv: Sequence[str] = ()) -> int:
    commands = checks()
    failed = [c for c in commands if subprocess.run(c, cwd=ROOT).returncode]
    if "--strict" in argv and not any(c[0] == SHELLCHECK for c in commands):
        failed.append([SHELLCHECK])
    for command in failed:
        print(f"error: failed: {' '.join(command)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
