"""`{checked} 2026-11-23` under a page's title: the day on which its facts were last held against their sources.

Versions, defaults and the state of projects age; a reader two years on must know how old they are. A page that only
gathers others (the cover, a part's page, the solutions, the references) says `{checked}` without a day: its facts
are theirs, and as old as the oldest of them.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from languages import LANGUAGES

LINE = re.compile(r"^```\{checked\}(?: +(\S+))? *$", re.MULTILINE)
WHOLE_BOOK = {"solutions", "references"}  # back matter that gathers from every chapter


def day(text: str) -> datetime.date:
    """The date; ValueError for what is none, or has not come yet."""
    found = datetime.date.fromisoformat(text)
    if found > datetime.datetime.now(datetime.UTC).date():
        raise ValueError(f"{text} has not come yet")
    return found


def gathers(page: Path) -> bool:
    """Whether a page only gathers others: an index, the solutions, the references."""
    return page.stem == "index" or page.stem in WHOLE_BOOK


def gathered(page: Path, root: Path) -> list[Path]:
    """The pages that such a page gathers: those below an index, or all of the book."""
    below = root / "chapters"
    if page.stem == "index" and page.parent != root:
        below = page.parent
    return [one for one in sorted(below.rglob("*.md")) if not gathers(one)]


def oldest(pages: list[Path]) -> datetime.date:
    """The earliest day that one of the pages names; ValueError where none does."""
    found = [
        day(date)
        for one in pages
        for date in LINE.findall(one.read_text("utf-8"))
        if date
    ]
    if not found:
        raise ValueError("write a date; no page that this one gathers has one")
    return min(found)


class Checked(Directive):
    optional_arguments = 1

    def run(self):
        env = self.state.document.settings.env
        say = LANGUAGES[env.config.language].say
        try:
            if self.arguments:
                date = day(self.arguments[0])
                words = say("Facts checked on {date}").format(date=date)
            else:
                pages = gathered(Path(env.doc2path(env.docname)), Path(env.srcdir))
                for one in pages:
                    env.note_dependency(str(one))
                words = say("Facts checked on {date} or later").format(
                    date=oldest(pages)
                )
        except ValueError as error:
            raise self.error(f"checked: {error} (a date is 2026-11-23)") from None
        # No source: a line for no translator, since the words are the interface's.
        line = nodes.paragraph("", words, classes=["checked"], translatable=False)
        return [line]


def setup(app):
    app.add_directive("checked", Checked)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
