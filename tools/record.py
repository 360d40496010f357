"""`make record`: repeat the recorded runs of the CPU, one after the other.

Each data file names the command that made it. Runs that need an accelerator, or something that a reader has to name
(an argument in capitals), are left alone and named.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from examples import measurements

ROOT = Path(__file__).parent.parent
PLACEHOLDER = re.compile(r"[A-Z]+(?:_[A-Z]+)*")  # SITE_PACKAGES, but not H100 or -V


def needs(command: str) -> str:
    """What a command needs besides a CPU; "" for nothing."""
    words = shlex.split(command)
    if words[2].startswith("examples.gpu"):
        return "a GPU"
    return " and ".join(word for word in words[3:] if PLACEHOLDER.fullmatch(word))


def main() -> int:
    commands: dict[str, list[str]] = {}
    for stem, data in measurements.recorded().items():
        commands.setdefault(data["command"], []).append(stem)
    for command, stems in commands.items():
        if missing := needs(command):
            print(f"left   {', '.join(stems)}: needs {missing} ({command})")
            continue
        print(f"runs   {', '.join(stems)}: {command}", flush=True)
        words = shlex.split(command)
        done = subprocess.run([sys.executable, *words[1:]], cwd=ROOT)
        if done.returncode:
            print(f"error: exit {done.returncode}: {command}", file=sys.stderr)
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
