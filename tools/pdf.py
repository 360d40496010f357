"""Build the PDFs: `python -m tools.pdf en zh_CN`, side by side, strict.

Sphinx writes LaTeX, latexmk runs xelatex, and the log must be clean: no missing glyph, no undefined reference,
no line that sticks out by more than ten points. A PDF is put into `_build/pdf` only when all that holds.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from latex_book import edition_date

from examples import cli
from tools import LANGUAGES, ROOT

LIMIT = 900  # seconds for one PDF
WIDEST = 10.0  # points that a line may stick out
OVERFULL = re.compile(r"Overfull \\hbox \((\d+(?:\.\d+)?)pt too wide\)[^\n]*")
FAULTS = (
    re.compile(r"Missing character: There is no [^\n]*"),
    re.compile(
        r"LaTeX Warning: (?:Reference|Citation|Hyper reference) [^\n]*undefined[^\n]*"
    ),
    re.compile(r"Package hyperref Warning: Hyper reference [^\n]*undefined[^\n]*"),
    re.compile(r"LaTeX Font Warning: Font shape [^\n]* undefined[^\n]*"),
    re.compile(
        r"LaTeX Warning: There were (?:undefined references|multiply-defined labels)[^\n]*"
    ),
)


def faults(log: str) -> list[str]:
    """What must not stand in a log, each once. LaTeX breaks its lines at 79: they are joined."""
    joined = re.sub(r"(?<=^.{79})\n", "", log, flags=re.MULTILINE) if log else log
    found = [match[0].strip() for fault in FAULTS for match in fault.finditer(joined)]
    found += [m[0] for m in OVERFULL.finditer(joined) if float(m[1]) > WIDEST]
    return list(dict.fromkeys(found))


def run(command: list[str], folder: Path, end: float) -> subprocess.CompletedProcess:
    """A command with its output kept; killed at the time `end`."""
    environment = os.environ | {
        "max_print_line": "10000"
    }  # else the log is cut at 79 columns
    try:
        return subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=max(1, end - time.monotonic()),
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise cli.CommandError(f"{command[0]}: no end after {LIMIT} s") from None


def build(language: str, source: Path = ROOT, out: Path | None = None) -> float:
    """Build one PDF into `out`; the seconds it took. A fault is a CommandError."""
    out = out or ROOT / "_build" / "pdf"
    here, start = LANGUAGES[language], time.monotonic()
    work = out.parent / "latex" / language
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-b",
        "latex",
        "-q",
        "-n",
        "-W",
        "--keep-going",
    ]
    command += [
        "-c",
        str(ROOT),
        "-d",
        str(out.parent / "doctrees" / f"latex-{language}"),
    ]
    command += ["-D", f"language={language}", str(source), str(work)]
    done = run(command, ROOT, start + LIMIT)
    if done.returncode:
        raise cli.CommandError(f"{here.name} LaTeX: {done.stderr.strip()[-1500:]}")
    tex = here.pdf.replace(".pdf", ".tex")
    flags = [
        "-xelatex",
        "-interaction=nonstopmode",
        "-halt-on-error",
        "-file-line-error",
    ]
    done = run(["latexmk", *flags, tex], work, start + LIMIT)
    log_file = work / tex.replace(".tex", ".log")
    log = log_file.read_text("utf-8", errors="replace") if log_file.exists() else ""
    if done.returncode:
        reason = re.search(
            r"^\S+\.(?:tex|sty|cls|toc|aux):\d+: .*|^! .*", log, re.MULTILINE
        )
        raise cli.CommandError(
            f"{here.name} PDF: {reason[0] if reason else done.stdout[-400:]}"
        )
    if found := faults(log):
        raise cli.CommandError(
            f"{here.name} PDF: {len(found)} faults: " + " | ".join(found[:8])
        )
    out.mkdir(parents=True, exist_ok=True)
    partial = out / f"{here.pdf}.partial"
    shutil.copyfile(work / here.pdf, partial)
    partial.replace(out / here.pdf)
    return time.monotonic() - start


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m tools.pdf", description=__doc__)
    parser.add_argument("languages", nargs="+", metavar="LANGUAGE")
    parser.add_argument("--source", type=Path, default=ROOT)
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "pdf")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.languages if name not in LANGUAGES]:
        raise cli.CommandError(
            f"no language {unknown[0]}; there are {', '.join(LANGUAGES)}"
        )
    for program in ("latexmk", "xelatex", "rsvg-convert"):
        if shutil.which(program) is None:
            raise cli.CommandError(
                f"{program} is not installed; `make book` names the packages"
            )
    os.environ.setdefault("SOURCE_DATE_EPOCH", "")
    if not os.environ["SOURCE_DATE_EPOCH"]:
        del os.environ["SOURCE_DATE_EPOCH"]
    print(
        f"pdf    edition of {edition_date()}: building {', '.join(options.languages)}",
        flush=True,
    )
    failed = []
    with ThreadPoolExecutor() as pool:
        jobs = {
            name: pool.submit(
                build, name, options.source.resolve(), options.out.resolve()
            )
            for name in options.languages
        }
        for name, job in jobs.items():
            try:
                print(
                    f"pdf    {LANGUAGES[name].name}: {job.result():.0f} s", flush=True
                )
            except cli.CommandError as error:
                failed.append(str(error))
    if failed:
        raise cli.CommandError(" ; ".join(failed))


if __name__ == "__main__":
    cli.run(main)
