"""`make outputs`: run each shown command again and keep what it prints.

A file in `examples/outputs/` begins with its command (`$ python -m examples.kv_cache`). What was timed
(`31 ms`, `4.2x`) differs from run to run, so it is masked when two outputs are compared: a file is
written anew only when something else has changed, or with `--all`.
"""

from __future__ import annotations

import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from examples import cli

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "examples" / "outputs"
TIMED = re.compile(
    r"[ ]*\b\d[\d,]*(?:\.\d+)?(?=[  ]?(?:ms|µs|s|×|token/s|tokens/s)(?![\w/]))"
)
LIMIT = 5.0  # seconds that a shown example may take (design.md) on a quiet machine
BUSY = 3.0  # times as long may it last where others share the memory, as in CI


def normalised(text: str) -> str:
    """The output with every timed number masked, and the blanks that align it folded."""
    return re.sub(r"[ \t]+", " ", TIMED.sub(" #", text)).strip() + "\n"


def command_of(path: Path) -> list[str]:
    """The arguments after `$ python`; anything else in the first line is an error."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    words = shlex.split(first)
    if words[:3] != ["$", "python", "-m"]:
        raise cli.CommandError(
            f"{path.name}: the first line is no '$ python -m ...' command"
        )
    return words[2:]


def processor_seconds() -> float:
    """Processor time of all commands run so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(path: Path) -> tuple[str, float]:
    """Run the file's command; its whole new text and the seconds of processor time that it took.

    Processor time of one thread is what it lasts on a quiet machine; a busy one, whose memory is shared, stretches it.
    """
    start = processor_seconds()
    done = subprocess.run(
        [sys.executable, *command_of(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = processor_seconds() - start
    if done.returncode:
        raise cli.CommandError(
            f"{path.name}: exit {done.returncode}: {done.stderr.strip()}"
        )
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return f"{first}\n{done.stdout.rstrip()}\n", seconds


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m tools.outputs", description=__doc__)
    parser.add_argument("--all", action="store_true", help="take the new timings too")
    everything = parser.parse_args(argv).all
    slow = []
    for path in sorted(FOLDER.glob("*.txt")):
        old = path.read_text(encoding="utf-8")
        new, seconds = run(path)
        changed = everything or normalised(new) != normalised(old)
        if changed and new != old:
            path.write_text(new, encoding="utf-8")
        print(f"{'written' if changed else 'same   '}  {path.name}  {seconds:.1f} s")
        if seconds >= LIMIT:
            slow.append(path.name)
    if slow:
        raise cli.CommandError(f"over {LIMIT:.0f} s: {', '.join(slow)}")


if __name__ == "__main__":
    cli.run(main)
