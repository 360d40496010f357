"""Build the web editions: `python -m tools.site en zh_CN`, strict, side by side.

English goes to `_build/site`, another language to its folder below it. Each edition is built under a time
limit; warnings fail it and are printed. Then its search index is made. `--publish-pdfs` copies the PDFs
that have been built into the site, where the pages link to them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from examples import cli
from tools import LANGUAGES, ROOT, search_index

LIMIT = 900  # seconds for one edition; a hanging build must not hang CI


def edition(language: str, out: Path) -> Path:
    """Where an edition's pages go: the root for English, a folder for another language."""
    return out / LANGUAGES[language].folder


def sphinx(language: str, source: Path, out: Path, fresh: bool) -> list[str]:
    """The strict build's command line."""
    pages, doctrees = (
        edition(language, out),
        out.parent / "doctrees" / f"{out.name}-{language}",
    )
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-b",
        "html",
        "-q",
        "-n",
        "-W",
        "--keep-going",
    ]
    command += ["-c", str(ROOT), "-d", str(doctrees), "-D", f"language={language}"]
    return [*command, *(["-E", "-a"] if fresh else []), str(source), str(pages)]


def remove_orphans(language: str, source: Path, out: Path) -> None:
    """Delete pages whose source is gone; Sphinx leaves them behind."""
    pages = edition(language, out)
    others = {edition(name, out) for name in LANGUAGES} - {pages}
    made = {"genindex", "search", "404"}
    for page in pages.rglob("*.html"):
        name = page.relative_to(pages).with_suffix("")
        inside_other = any(
            other.is_relative_to(pages) and other in page.parents for other in others
        )
        if (
            not inside_other
            and str(name) not in made
            and not (source / f"{name}.md").exists()
        ):
            page.unlink()


def build(
    languages: Sequence[str], source: Path = ROOT, out: Path | None = None, fresh=False
):
    """Build editions side by side; seconds by language. A failed one raises with its warnings."""
    out = out or ROOT / "_build" / "site"
    start, running = time.perf_counter(), {}
    for language in languages:
        out.mkdir(parents=True, exist_ok=True)
        print(f"web    {LANGUAGES[language].name}: building", flush=True)
        running[language] = subprocess.Popen(
            sphinx(language, source, out, fresh),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    seconds, failed = {}, []
    for language, process in running.items():
        try:
            printed, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            printed = f"no end after {LIMIT} s"
        seconds[language] = time.perf_counter() - start
        print(printed, end="", file=sys.stderr)
        if process.returncode:
            failed.append(language)
            continue
        remove_orphans(language, source, out)
        print(f"web    {LANGUAGES[language].name}: {seconds[language]:.0f} s")
    if failed:
        raise cli.CommandError(
            f"the build of {', '.join(failed)} failed; the warnings stand above"
        )
    for language in languages:
        search_index.make(language, out)
    return seconds


def publish_pdfs(out: Path) -> None:
    """Copy the built PDFs into the site."""
    for pdf in sorted((ROOT / "_build" / "pdf").glob("*.pdf")):
        (out / "pdf").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(pdf, out / "pdf" / pdf.name)


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m tools.site", description=__doc__)
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE")
    parser.add_argument("--source", type=Path, default=ROOT)
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "site")
    parser.add_argument(
        "--fresh", action="store_true", help="read and write everything again"
    )
    parser.add_argument("--publish-pdfs", action="store_true")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.languages if name not in LANGUAGES]:
        raise cli.CommandError(
            f"no language {unknown[0]}; there are {', '.join(LANGUAGES)}"
        )
    build(
        options.languages,
        options.source.resolve(),
        options.out.resolve(),
        options.fresh,
    )
    if options.publish_pdfs:
        publish_pdfs(options.out.resolve())


if __name__ == "__main__":
    cli.run(main)
