"""A page that moved is still found at its old address: a small page there leads on, in every edition.

`redirects.toml` in the book's folder holds the table, old page to new page, without `.md`.
"""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path

from languages import LANGUAGES, address, relative

PAGE = """<!DOCTYPE html>
<html lang="{code}">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta http-equiv="refresh" content="0; url={href}">
<meta name="robots" content="noindex">
<link rel="canonical" href="{href}">
<script>location.replace("{href}" + location.search + location.hash)</script>
</head>
<body><p><a href="{href}">{title}</a></p></body>
</html>
"""


def table(source: Path) -> dict[str, str]:
    """Old page to new page; {} when nothing has moved."""
    path = Path(source, "redirects.toml")
    return tomllib.loads(path.read_text("utf-8"))["moved"] if path.is_file() else {}


def write(app, exception) -> None:
    """Write a page at each old address; it keeps the section that a link named."""
    if exception or app.builder.name != "html":
        return
    language = app.config.language
    for old, new in table(app.srcdir).items():
        page = Path(app.outdir, f"{old}.html")
        page.parent.mkdir(parents=True, exist_ok=True)
        text = PAGE.format(
            code=LANGUAGES[language].code,
            title=escape(app.env.titles[new].astext()),
            href=escape(relative(old, language, address(new, language))),
        )
        page.write_text(text, "utf-8")


def setup(app):
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
