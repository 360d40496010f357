"""The search index of an edition, made by pagefind from a copy of the built pages.

The copy is changed for the index only. pagefind knows a section by the id of its heading, where Sphinx
gives the id to the section around it; a glossary's term is made a heading too, so that a result leads to
the term. Signs that repeat (the # of a permalink), lists of links and the words inside drawings and
formulas stay out of it.

pagefind splits a Chinese text with one dictionary and, in the browser, a Chinese query with another: a
term that they split differently is never found. The copy is therefore split beforehand as the browser splits.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from examples import cli
from tools import LANGUAGES
from tools.node_modules import NODE

SEGMENT = Path(__file__).with_name("segment.mjs")

PAGES = ("*.html", "chapters/**/*.html")  # not the editions in folders beside them
PERMALINK = re.compile(r'<a class="headerlink".*?</a>', re.DOTALL)
SECTION = re.compile(
    r'<section(?P<before>[^>]*?) id="(?P<id>[^"]+)"(?P<after>[^>]*)>'
    r'(?P<labels>(?:\s*<span id="[^"]*"></span>)*)\s*<h(?P<level>[1-6])>'
)
TERM = re.compile(r'<dt id="(?P<id>term-[^"]+)">(?P<name>.*?)</dt>', re.DOTALL)
HAN_TEXT = re.compile(r"(?<=>)[^<>]*[\u4e00-\u9fff][^<>]*(?=<)")
PAGE_BREAK = "<!-- next page -->"  # one process for all pages
NOISE = re.compile(r'<div class="(?=toctree-wrapper|book-figure)')


def for_index(html: str) -> str:
    """A page as the index is to see it."""
    html = PERMALINK.sub("", html)
    html = SECTION.sub(
        r'<section\g<before>\g<after>>\g<labels><h\g<level> id="\g<id>">', html
    )
    html = TERM.sub(r'<h6 id="\g<id>">\g<name></h6>', html)
    return NOISE.sub('<div data-pagefind-ignore class="', html)


def split_words(html: str, code: str) -> str:
    """Zero-width spaces between the words of every Chinese text in a page."""
    texts = HAN_TEXT.findall(html)
    done = subprocess.run(
        [str(NODE), str(SEGMENT), code],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    split = iter(json.loads(done.stdout))
    return HAN_TEXT.sub(lambda _: next(split), html)


def copy_pages(root: Path, target: Path, code: str) -> None:
    """Write the pages of one edition, changed for the index, into a folder."""
    pages = sorted({page for glob in PAGES for page in root.glob(glob)})
    htmls = [for_index(page.read_text(encoding="utf-8")) for page in pages]
    if code.startswith("zh"):
        htmls = split_words(PAGE_BREAK.join(htmls), code).split(PAGE_BREAK)
    for page, html in zip(pages, htmls, strict=True):
        copy = target / page.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
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
        copy_pages(root, Path(folder), LANGUAGES[language].code)
        command = [sys.executable, "-m", "pagefind", "--site", folder]
        command += ["--output-path", str(bundle)]
        command += ["--force-language", LANGUAGES[language].code.lower()]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise cli.CommandError(f"pagefind: {said[-400:]}")
    remove_unused(bundle)
