"""Build the web editions: `python -m tools.site en zh_CN`, strict, side by side.

English goes to `_build/site`, another language to its folder below it. Each edition is built under a time
limit; warnings fail it and are printed. Then its search index is made. `--publish-pdfs` copies the PDFs
that have been built into the site, where the pages link to them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import redirects  # of _ext/

from examples import cli
from tools import LANGUAGES, ROOT, search_index

LIMIT = 900  # seconds for one edition; a hanging build must not hang CI
STEP = re.compile(r"^(reading|writing)\b.*\[ *(\d+)%\]")
# Pages without a source of their own.
MADE_PAGES = ("404", "genindex", "search")
# What pages are made by. Sphinx makes a page again whose text, catalog, figure or data
# changed, but does not see a change in code, so any change here starts afresh.
MAKERS = (
    "conf.py",
    "package-lock.json",
    "requirements/book.lock",
    "_ext/*.*",
    "_static/web/*",  # pages name these with a checksum
    "_templates/*",
    "examples/**/*.py",
)


def edition(language: str, out: Path) -> Path:
    """Where an edition's pages go: the root for English, a folder for another language."""
    return out / LANGUAGES[language].folder


def workshop(language: str, out: Path) -> Path:
    """Where Sphinx writes an edition: beside the site, not in a folder inside it.

    The editions are built at the same time, and the English one looks through all that
    lies in its folder; it would stumble over files that the other is just deleting.
    """
    folder = LANGUAGES[language].folder
    return out.parent / f"{out.name}-{folder}" if folder else out


def doctrees(language: str, out: Path) -> Path:
    """Where Sphinx remembers an edition's pages from one build to the next."""
    return out.parent / "doctrees" / f"{out.name}-{language}"


def makers() -> str:
    """A fingerprint of everything in MAKERS."""
    found = hashlib.sha256()
    for path in sorted({path for glob in MAKERS for path in ROOT.glob(glob)}):
        found.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return found.hexdigest()


def sphinx(language: str, source: Path, out: Path, fresh: bool) -> list[str]:
    """The strict build's command line."""
    command = [sys.executable, "-m", "sphinx", "-b", "html", "--no-color"]
    command += ["-n", "-W", "--keep-going", *(["-E", "-a"] if fresh else [])]
    command += ["-c", str(ROOT), "-d", str(doctrees(language, out))]
    command += ["-D", f"language={language}"]
    return [*command, str(source), str(workshop(language, out))]


class Run:
    """One edition while it is built: how far it is, what it warns of, how long it took."""

    def __init__(self, language: str, source: Path, out: Path, fresh: bool):
        self.language, self.step, self.seconds = language, "starting", 0.0
        self.warnings: list[str] = []
        # Sphinx tells of a warning once, when it reads the page. The record is there only
        # after a clean build, so a page with a warning fails until it is mended.
        self.record = doctrees(language, out) / "clean-build"
        self.made_by = makers()
        known = self.record.read_text() if self.record.exists() else ""
        self.record.unlink(missing_ok=True)
        self.start = time.monotonic()
        self.process = subprocess.Popen(
            sphinx(language, source, out, fresh or known != self.made_by),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # so that its Node process can be ended with it
        )
        self.readers = [Thread(target=self.follow), Thread(target=self.collect)]
        for reader in self.readers:
            reader.start()

    def follow(self) -> None:
        for line in self.process.stdout:
            if match := STEP.match(line):
                self.step = f"{match[1]} {match[2]} %"

    def collect(self) -> None:
        self.warnings += self.process.stderr

    def ended(self) -> bool:
        """Whether the build is over, by itself or at its limit."""
        spent = time.monotonic() - self.start
        if self.process.poll() is None and spent < LIMIT:
            return False
        if self.process.poll() is None:
            self.stop()
            self.warnings.append(f"no end after {LIMIT} s\n")
        self.seconds = self.seconds or spent
        return True

    def stop(self) -> None:
        """End the build and whatever it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def finish(self) -> bool:
        """Print what the build said; whether it was clean."""
        for reader in self.readers:
            reader.join()
        name = LANGUAGES[self.language].name
        if self.warnings:
            print(
                f"{name}:\n{''.join(self.warnings)}",
                end="",
                file=sys.stderr,
                flush=True,
            )
        if self.process.returncode == 0:
            self.record.write_text(self.made_by)
            print(f"web    {name}: {self.seconds:.0f} s", flush=True)
        return self.process.returncode == 0


def wait(runs: list[Run]) -> None:
    """Wait for the builds; a terminal is told how far they are."""
    terminal = sys.stdout.isatty()
    try:
        # No `all(...)` over a generator: each build is looked at every time.
        while not all([run.ended() for run in runs]):
            if terminal:
                steps = (f"{LANGUAGES[run.language].name}: {run.step}" for run in runs)
                print(f"\r\033[Kweb    {'   '.join(steps)}", end="", flush=True)
            time.sleep(0.05)
    finally:
        for run in runs:
            run.stop()
        if terminal:
            print("\r\033[K", end="", flush=True)


def remove_orphans(language: str, source: Path, out: Path) -> None:
    """Delete pages whose source is gone; Sphinx leaves them behind."""
    pages = workshop(language, out)
    moved = redirects.table(source)
    others = [edition(name, out) for name in LANGUAGES if LANGUAGES[name].folder]
    for page in pages.rglob("*.html"):
        name = page.relative_to(pages).with_suffix("")
        made = name.parts[0].startswith("_") or str(name) in MADE_PAGES
        source_gone = not made and not (source / f"{name}.md").exists()
        source_gone = source_gone and str(name) not in moved
        if source_gone and not any(other in page.parents for other in others):
            page.unlink()


def move_in(language: str, out: Path) -> None:
    """Put an edition that was built beside the site into its folder there."""
    made, target = workshop(language, out), edition(language, out)
    if made != target:
        partial = made.with_name(f"{made.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(made, partial)
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)


def build(
    languages: Sequence[str], source: Path = ROOT, out: Path | None = None, fresh=False
) -> dict[str, float]:
    """Build editions side by side; seconds by language. Warnings are a CommandError."""
    out = out or ROOT / "_build" / "site"
    out.mkdir(parents=True, exist_ok=True)
    names = ", ".join(LANGUAGES[language].name for language in languages)
    if languages:
        print(f"web    building {names}", flush=True)
    runs = [Run(language, source, out, fresh) for language in dict.fromkeys(languages)]
    wait(runs)
    failed = [run.language for run in runs if not run.finish()]
    if failed:
        raise cli.CommandError(
            f"the build of {', '.join(failed)} failed; the warnings stand above"
        )
    for language in languages:
        remove_orphans(language, source, out)
        move_in(language, out)
        search_index.make(language, out)
    return {run.language: run.seconds for run in runs}


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
    if not (options.source / "index.md").is_file():
        raise cli.CommandError(f"there is no book in {options.source} (no index.md)")
    # Their default would end this process and leave the builds running.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
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
