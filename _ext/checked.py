"""`{checked} 2026-11-23` under a chapter's title: the day on which its facts were last held against their sources.

Versions, defaults and the state of projects age; a reader two years on must know how old they are.
"""

from __future__ import annotations

import datetime

from docutils import nodes
from docutils.parsers.rst import Directive
from languages import LANGUAGES


def day(text: str) -> datetime.date:
    """The date; ValueError for what is none, or has not come yet."""
    found = datetime.date.fromisoformat(text)
    if found > datetime.datetime.now(datetime.UTC).date():
        raise ValueError(f"{text} has not come yet")
    return found


class Checked(Directive):
    required_arguments = 1

    def run(self):
        config = self.state.document.settings.env.config
        try:
            date = day(self.arguments[0])
        except ValueError as error:
            raise self.error(f"checked: {error}; write it as 2026-11-23") from None
        words = LANGUAGES[config.language].say("Facts checked on")
        # No source: a line for no translator, since the words are the interface's.
        line = nodes.paragraph(
            "", f"{words} {date.isoformat()}", classes=["checked"], translatable=False
        )
        return [line]


def setup(app):
    app.add_directive("checked", Checked)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
