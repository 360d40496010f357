"""Roles that assistive technology understands, where docutils writes others."""

from __future__ import annotations

# docutils puts entries of the role doc-biblioentry into a list, whose items must be list items.
ROLES = {' role="doc-biblioentry"': ' role="listitem"'}


def on_page(app, pagename, templatename, context, doctree) -> None:
    for theirs, ours in ROLES.items():
        context["body"] = context.get("body", "").replace(theirs, ours)


def setup(app):
    app.connect("html-page-context", on_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
