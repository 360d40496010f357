"""Roles that assistive technology understands, where docutils writes others."""

from __future__ import annotations

import re

# A corner of a table that names nothing is no header.
EMPTY_HEADER = re.compile(r"<th([^>]*)>(?:\s|<p>\s*</p>)*</th>")
# docutils puts entries of the role doc-biblioentry into a list, whose items must be list items.
ROLES = {' role="doc-biblioentry"': ' role="listitem"'}


def on_page(app, pagename, templatename, context, doctree) -> None:
    body = context.get("body", "")
    for theirs, ours in ROLES.items():
        body = body.replace(theirs, ours)
    context["body"] = EMPTY_HEADER.sub(r"<td\1></td>", body)


def setup(app):
    app.connect("html-page-context", on_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
