"""The search index of an edition, made by pagefind from the built pages.

pagefind matches `max_num_batched_tokens` as one word only; each page therefore carries the parts of its
code names as well, in an element that only the index reads.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from examples import cli
from tools import LANGUAGES

CODE_NAME = re.compile(r"\b[A-Za-z]+(?:[_/.-][A-Za-z0-9]+)+\b")
HIDDEN = re.compile(r'<p class="book-code-names"[^>]*>.*?</p>', re.DOTALL)
CODE = re.compile(r"<code\b[^>]*>(.*?)</code>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")


def code_name_parts(html: str) -> str:
    """The words that the code names of a page consist of, each once, in order."""
    names = (
        name
        for code in CODE.findall(html)
        for name in CODE_NAME.findall(TAG.sub("", code))
    )
    words = (
        word for name in names for word in re.split(r"[_/.-]", name) if len(word) > 1
    )
    return " ".join(dict.fromkeys(words))


def prepare(page: Path) -> None:
    """Put the parts of code names at the end of the page's article, hidden from readers."""
    html = HIDDEN.sub("", page.read_text(encoding="utf-8"))
    if parts := code_name_parts(html):
        note = f'<p class="book-code-names" hidden aria-hidden="true">{parts}</p>'
        html = html.replace("</article>", note + "</article>", 1)
    if html != page.read_text(encoding="utf-8"):
        page.write_text(html, encoding="utf-8")


def make(language: str, out: Path) -> None:
    """Index one edition into its `pagefind/` folder; other editions stay out of it."""
    root = out / LANGUAGES[language].folder
    glob = "{index.html,chapters/**/*.html}"
    for page in [root / "index.html", *(root / "chapters").rglob("*.html")]:
        prepare(page)
    command = [sys.executable, "-m", "pagefind", "--site", str(root), "--glob", glob]
    command += ["--force-language", LANGUAGES[language].code.lower()]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise cli.CommandError(
            f"pagefind: {(done.stderr or done.stdout).strip()[-400:]}"
        )
