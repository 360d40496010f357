"""`make record`: repeat the recorded runs of the CPU, one after the other.

Each data file names the command that made it. Runs that need an accelerator are left alone and named.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from examples import measurements

ROOT = Path(__file__).parent.parent


def main() -> int:
    commands: dict[str, list[str]] = {}
    for stem, data in measurements.recorded().items():
        commands.setdefault(data["command"], []).append(stem)
    for command, stems in commands.items():
        words = shlex.split(command)
        if "examples.gpu" in command:
            print(f"left   {', '.join(stems)}: needs a GPU ({command})")
            continue
        print(f"runs   {', '.join(stems)}: {command}", flush=True)
        done = subprocess.run([sys.executable, *words[1:]], cwd=ROOT)
        if done.returncode:
            print(f"error: exit {done.returncode}: {command}", file=sys.stderr)
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
