"""What ships with the pages: icons cut to those in use, and nothing that no page needs.

The theme draws a dozen icons with a script of 1.5 MB; its web font, cut to those icons, takes two
kilobytes and leaves the theme's classes alone. Sphinx's own search is not built: pagefind does that
(tools/search_index.py).
"""

from __future__ import annotations

import logging as logging_module
import re
from pathlib import Path

import pydata_sphinx_theme
from fontTools import subset
from languages import own_pages

STATIC = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static"
ICON_FONT = STATIC / "vendor/fontawesome/webfonts/fa-solid-900.woff2"
ICON_CLASS = re.compile(r"\bfa-[a-z0-9-]+")
ICON_RULE = re.compile(r'([^{}]*)\{--fa:"\\([0-9a-f]+)"\}')
UNUSED = (
    "_static/scripts/fontawesome.js",
    "_static/vendor/fontawesome/webfonts/fa-brands-400.woff2",
    "_static/vendor/fontawesome/webfonts/fa-regular-400.woff2",
    "_static/images",
    "_static/locales",
    "_static/scripts/fontawesome.js.LICENSE.txt",
    "_static/scripts/sphinx-book-theme.js",
    "_static/sphinx_highlight.js",
    "_static/doctools.js",
    "_static/translations.js",
    "_static/searchtools.js",
    "_static/language_data.js",
    "_static/sbt-webpack-macros.html",
    "_static/webpack-macros.html",
    "_static/.gitignore",
    "_static/file.png",
    "_static/plus.png",
    "_static/minus.png",
)


def icon_codes(css: str) -> dict[str, int]:
    """Code points by icon class, read from the theme's style sheet."""
    return {
        name: int(code, 16)
        for selectors, code in ICON_RULE.findall(css)
        for name in ICON_CLASS.findall(selectors)
    }


def icons_in_use(sources: list[Path]) -> set[str]:
    """Icon classes that pages or scripts name."""
    found: set[str] = set()
    for path in sources:
        found |= set(ICON_CLASS.findall(path.read_text(encoding="utf-8")))
    return found


def write_icons(target: Path, codes: set[int]) -> None:
    """The icon font with these glyphs only."""
    options = subset.Options(flavor="woff2", notdef_outline=True)
    font = subset.load_font(str(ICON_FONT), options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=codes)
    cutter.subset(font)
    subset.save_font(font, str(target), options)


def remove(path: Path) -> None:
    """Delete a file or a folder of files, if it is there."""
    if path.is_dir():
        for inner in path.iterdir():
            remove(inner)
        path.rmdir()
    elif path.exists():
        path.unlink()


def on_builder(app) -> None:
    if app.builder.format == "html":
        app.builder.search = False


def on_finished(app, exception) -> None:
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    css = (STATIC / "styles/pydata-sphinx-theme.css").read_text(encoding="utf-8")
    known = icon_codes(css)
    used = icons_in_use([*own_pages(app), *sorted((out / "_static").glob("*.js"))])
    codes = {known[name] for name in used if name in known}
    # In a font the theme's icons are private characters; the target is there from Sphinx's own copy.
    write_icons(out / "_static/vendor/fontawesome/webfonts/fa-solid-900.woff2", codes)
    for name in UNUSED:
        remove(out / name)
    for source_map in (out / "_static").rglob("*.map"):
        source_map.unlink()


def setup(app):
    logging_module.getLogger("fontTools").setLevel(logging_module.WARNING)
    app.connect("builder-inited", on_builder)
    app.connect(
        "build-finished", on_finished, priority=900
    )  # after Sphinx has copied everything
    return {"parallel_read_safe": True, "parallel_write_safe": True}
