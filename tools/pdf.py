"""Build the PDFs: `python -m tools.pdf en zh_CN`, side by side, strict.

Sphinx writes LaTeX, latexmk runs xelatex, and the log must be clean: no missing glyph, no undefined reference,
nothing that sticks out by more than ten points. Nor may markup show. A PDF is put into `_build/pdf` only when
all that holds.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from latex_words import edition_date, edition_second

from examples import cli
from tools import LANGUAGES, ROOT

LIMIT = 900  # seconds for one PDF
WIDEST = 10.0  # points that a line or a page may stick out
OVERFULL = re.compile(
    r"Overfull \\[hv]box \((\d+(?:\.\d+)?)pt too (?:wide|high)\)[^\n]*"
)
FAULTS = (
    re.compile(r"Missing character: There is no [^\n]*"),
    re.compile(
        r"LaTeX Warning: (?:Reference|Citation|Hyper reference) [^\n]*undefined[^\n]*"
    ),
    re.compile(r"Package hyperref Warning: Hyper reference [^\n]*undefined[^\n]*"),
    re.compile(r"LaTeX Warning: Label [^\n]* multiply defined[^\n]*"),
    re.compile(
        r"LaTeX Warning: There were (?:undefined references|multiply-defined labels)[^\n]*"
    ),
    re.compile(r"LaTeX Font Warning: Font shape [^\n]* undefined[^\n]*"),
    re.compile(r"Package fontspec Warning: [^\n]*"),
    re.compile(r"\w+:warning: (?:Object @\S+ already defined|[^\n]*font)[^\n]*"),
)
# Set as they stand: in them braces and stars are the program's own.
CODE = re.compile(
    r"\\begin\{sphinx(?:Verbatim|alltt)[^}]*\}.*?\\end\{sphinx(?:Verbatim|alltt)[^}]*\}"
    r"|\\sphinxcode\{\\sphinxupquote\{(?:[^{}]|\\[{}]|\{\})*\}\}",
    re.DOTALL,
)
LEFT_OVER = {
    r"\{\{": "{{",
    r"\val": r"\val",
    r"\%\{": "%{",
    "**": "**",
    r"\{val\}": "{val}",
    r"\{term\}": "{term}",
    r"\{ref\}": "{ref}",
}
PAGE = re.compile(r"\\label\{\\detokenize\{([^}]+)::doc\}\}")
ERROR = re.compile(r"^\S+\.\w+:\d+: .*|^! .*", re.MULTILINE)


def faults(log: str) -> list[str]:
    """What must not stand in a log, each once. LaTeX breaks its lines at 79: they are joined."""
    joined = re.sub(r"(?<=^.{79})\n", "", log, flags=re.MULTILINE)
    found = [match[0].strip() for fault in FAULTS for match in fault.finditer(joined)]
    found += [m[0].strip() for m in OVERFULL.finditer(joined) if float(m[1]) > WIDEST]
    return list(dict.fromkeys(found))


def left_over(tex: str) -> list[str]:
    """Markup that would show, with the page it stands on; code apart."""
    text = CODE.sub("", tex.partition(r"\begin{document}")[2])
    return [
        f"{mark} shows in {page_of(text[:place])}"
        for written, mark in LEFT_OVER.items()
        if (place := text.find(written)) >= 0
    ]


def page_of(tex: str) -> str:
    """The page whose text `tex` ends in."""
    pages = PAGE.findall(tex)
    return f"{pages[-1]}.md" if pages else "the title pages"


def located(fault: str, tex: str) -> str:
    """A fault of the log with the page it stands on, where it names a line."""
    if line := re.search(r"(?:at lines?|input line) (\d+)", fault):
        return f"{fault} ({page_of(''.join(tex.splitlines(True)[: int(line[1])]))})"
    return fault


def run(command: list[str], folder: Path, end: float) -> subprocess.CompletedProcess:
    """A command with its output kept; killed with all it started at the time `end`."""
    environment = os.environ | {
        "max_print_line": "10000",  # else the log is cut at 79 columns
        "SOURCE_DATE_EPOCH": str(edition_second()),  # the same source, the same file
        "FORCE_SOURCE_DATE": "1",
    }
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=max(0.1, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise cli.CommandError(f"{command[0]}: no end after {LIMIT} s") from None
    finally:  # latexmk would leave xelatex running, also after Ctrl+C
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def write_latex(language: str, source: Path, work: Path, end: float) -> None:
    """Sphinx's LaTeX of one edition, strict, into `work`."""
    command = [sys.executable, "-m", "sphinx", "-b", "latex", "-q", "-n", "-W"]
    command += ["--keep-going", "-c", str(ROOT), "-D", f"language={language}"]
    command += ["-d", str(work.parent.parent / "doctrees" / f"latex-{language}")]
    done = run([*command, str(source), str(work)], ROOT, end)
    if done.returncode:
        name = LANGUAGES[language].name
        raise cli.CommandError(f"{name} LaTeX: {done.stderr.strip()[-1500:]}")


def typeset(language: str, work: Path, end: float) -> Path:
    """The PDF of the LaTeX in `work`, without a fault in its log."""
    here = LANGUAGES[language]
    tex = work / here.pdf.replace(".pdf", ".tex")
    text = tex.read_text("utf-8")
    if shown := left_over(text):
        raise cli.CommandError(f"{here.name} LaTeX: " + " | ".join(shown))
    flags = ["-xelatex", "-interaction=nonstopmode", "-halt-on-error"]
    done = run(["latexmk", *flags, "-file-line-error", tex.name], work, end)
    console = f"{done.stdout}\n{done.stderr}"
    log_file = tex.with_suffix(".log")
    log = log_file.read_text("utf-8", errors="replace") if log_file.exists() else ""
    # The log is the last pass's own; the making of the PDF itself is told on the console only.
    making = [line for line in console.splitlines() if "dvipdfmx:warning" in line]
    found = [located(fault, text) for fault in faults("\n".join([log, *making]))]
    if done.returncode:
        reason = ERROR.search(log) or ERROR.search(console)
        lines = [line for line in console.splitlines() if line.strip()]
        found = [reason[0] if reason else " ".join(lines[-3:])]
    if found:
        for suffix in ("aux", "toc", "out", "fdb_latexmk"):  # or the next run trips too
            tex.with_suffix(f".{suffix}").unlink(missing_ok=True)
        count = f"{len(found)} faults: " if len(found) > 1 else ""
        raise cli.CommandError(f"{here.name} PDF: {count}" + " | ".join(found[:8]))
    return work / here.pdf


def build(language: str, source: Path = ROOT, out: Path | None = None) -> float:
    """Build one PDF into `out`; the seconds it took. A fault is a CommandError."""
    out = out or ROOT / "_build" / "pdf"
    start = time.monotonic()
    work = out.parent / "latex" / language
    write_latex(language, source, work, start + LIMIT)
    print(f"pdf    {LANGUAGES[language].name}: typesetting", flush=True)
    whole = typeset(language, work, start + LIMIT)
    out.mkdir(parents=True, exist_ok=True)
    partial = out / f"{whole.name}.partial"
    shutil.copyfile(whole, partial)
    partial.replace(out / whole.name)
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
    names = ", ".join(LANGUAGES[name].name for name in options.languages)
    print(f"pdf    edition of {edition_date()}: writing LaTeX, {names}", flush=True)
    places = options.source.resolve(), options.out.resolve()
    failed = []
    with ThreadPoolExecutor() as pool:
        jobs = {name: pool.submit(build, name, *places) for name in options.languages}
        for name, job in jobs.items():
            try:
                seconds = job.result()
                print(f"pdf    {LANGUAGES[name].name}: {seconds:.0f} s", flush=True)
            except cli.CommandError as error:
                failed.append(str(error))
    if failed:
        raise cli.CommandError(" ; ".join(failed))


if __name__ == "__main__":
    cli.run(main)
