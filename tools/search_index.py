"""The search index of an edition, made by pagefind from a copy of the built pages.

The copy is changed for the index only. pagefind knows a section by the id of its heading, where Sphinx
gives the id to the section around it; a glossary's term is made a heading too, so that a result leads to
the term. Signs that repeat (the # of a permalink), lists of links and the words inside drawings and
formulas stay out of it.

No dictionary splits a Chinese text and a query for a part of it alike in every context, and a term that
the two split differently is never found. Every character is therefore a word of its own in the index, as in the
query (_static/web/search.js), which asks for them side by side.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import han  # of _ext/

from examples import cli
from tools import LANGUAGES

# Not the other editions, and not the page for what is not there.
PAGES = ("index.html", "chapters/**/*.html")
PERMALINK = re.compile(r'<a class="headerlink".*?</a>', re.DOTALL)
SECTION = re.compile(
    r'<section(?P<before>[^>]*?) id="(?P<id>[^"]+)"(?P<after>[^>]*)>'
    r'(?P<labels>(?:\s*<span id="[^"]*"></span>)*)\s*<h(?P<level>[1-6])>'
)
TERM = re.compile(r'<dt id="(?P<id>term-[^"]+)">(?P<name>.*?)</dt>', re.DOTALL)
BETWEEN_HAN = re.compile(rf"(?<={han.LETTER})(?={han.LETTER})")
TEXT = re.compile(r"(?<=>)[^<>]+(?=<)")
ZERO_WIDTH_SPACE = "\u200b"
NOISE = re.compile(
    r'<(div|span) class="(?=toctree-wrapper|part-chapters|book-figure|term-places)'
)
FORMULA = re.compile(r"<math\b.*?</math>", re.DOTALL)
# What does not read from left to right: `10` above `12` is no 1012. Of such a formula a sign stays.
STACKED = re.compile(
    r"<(?:msup|msubsup|mfrac|msqrt|mroot|munder|mover|munderover|mtable)\b"
)


def for_index(html: str) -> str:
    """A page as the index is to see it."""
    html = PERMALINK.sub("", html).replace("<wbr>", "")
    html = FORMULA.sub(lambda it: "…" if STACKED.search(it[0]) else it[0], html)
    html = SECTION.sub(
        r'<section\g<before>\g<after>>\g<labels><h\g<level> id="\g<id>">', html
    )
    html = TERM.sub(r'<h6 id="\g<id>">\g<name></h6>', html)
    return NOISE.sub(r'<\1 data-pagefind-ignore class="', html)


def split_characters(html: str) -> str:
    """Zero-width spaces between the characters of every Chinese text in a page."""
    return TEXT.sub(lambda text: BETWEEN_HAN.sub(ZERO_WIDTH_SPACE, text[0]), html)


def copy_pages(root: Path, target: Path) -> None:
    """Write the pages of one edition, changed for the index, into a folder."""
    for page in sorted({page for glob in PAGES for page in root.glob(glob)}):
        copy = target / page.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        html = split_characters(for_index(page.read_text(encoding="utf-8")))
        copy.write_text(html, encoding="utf-8")


def remove_unused(bundle: Path) -> None:
    """Drop pagefind's own interfaces: the theme's dialog is ours (_static/web/search.js)."""
    for glob in ("*-ui.*", "pagefind-highlight.js"):
        for file in bundle.glob(glob):
            file.unlink()


def make(language: str, out: Path) -> None:
    """Index one edition into its `pagefind/` folder; other editions stay out of it."""
    root = out / LANGUAGES[language].folder
    bundle = root / "pagefind"
    shutil.rmtree(bundle, ignore_errors=True)  # names carry hashes: old ones would stay
    with tempfile.TemporaryDirectory() as folder:
        copy_pages(root, Path(folder))
        command = [sys.executable, "-m", "pagefind", "--site", folder]
        command += ["--output-path", str(bundle)]
        command += ["--force-language", LANGUAGES[language].code.lower()]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise cli.CommandError(f"pagefind: {said[-400:]}")
    remove_unused(bundle)
