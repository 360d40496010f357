"""`make live` and `make preview-zh`: rebuild and reload the browser on every save.

The Chinese preview marks what is not translated yet, so that a translator sees what is left.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from examples import cli

ROOT = Path(__file__).parent.parent
WATCHED = (
    "_ext",
    "_templates",
    "_static",
    "locale",
    "examples/data",
    "examples/outputs",
)
# Written by the builds themselves: watching them would rebuild for ever.
IGNORED = ("_build/*", ".venv/*", "node_modules/*", "*.mo", ".git/*")


def settings(language: str) -> list[str]:
    """What a preview sets: the language, and classes that say what is translated (`book.css` shows them)."""
    if language == "en":
        return []
    return ["-D", f"language={language}", "-D", "translation_progress_classes=1"]


def page_of(name: str) -> str:
    """The page that somebody names, by its own path or its catalog's, without suffix."""
    page = name.removesuffix(".md").removesuffix(".po")
    page = re.sub(r"^locale/\w+/LC_MESSAGES/", "", page)
    if not (ROOT / f"{page}.md").is_file():
        raise cli.CommandError(
            f"there is no page {page}.md (PAGE=chapters/bottlenecks/kv-cache)"
        )
    return page


def command(language: str, port: int) -> list[str]:
    """The sphinx-autobuild command line."""
    words = [
        sys.executable,
        "-m",
        "sphinx_autobuild",
        "-b",
        "html",
        "-n",
        "--port",
        str(port),
    ]
    words += [word for folder in WATCHED for word in ("--watch", str(ROOT / folder))]
    words += [word for glob in IGNORED for word in ("--ignore", str(ROOT / glob))]
    words += settings(language)
    return [*words, str(ROOT), str(ROOT / "_build" / f"live-{language}")]


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m tools.live", description=__doc__)
    parser.add_argument("language")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--page", default="index")
    options = parser.parse_args(argv)
    page = page_of(options.page)
    print(
        f"http://localhost:{options.port}/{page}.html once the first build is done",
        flush=True,
    )
    try:
        done = subprocess.run(command(options.language, options.port))
        raise SystemExit(done.returncode)
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    cli.run(main)
