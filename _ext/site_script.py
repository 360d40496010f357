"""One script for all that a page does, loaded after the page has been read.

The theme and the extensions bring six scripts, four of them in the way of the first paint, and Bootstrap for a
single menu, which the browser's own popover does (`_templates/theme-switcher.html`). What is left is joined,
each script in a scope of its own, and the parts are not shipped.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from languages import own_pages

BUNDLE = "_static/site.js"
# The page's own name and the options of Sphinx's search, which the scripts ask for, are of no use here.
BEGINNING = "const DOCUMENTATION_OPTIONS = {};\n"
SCRIPTS = (
    "_static/clipboard.min.js",
    "_static/copybutton.js",
    "_static/scripts/pydata-sphinx-theme.js",
    "_static/book.js",
    "_static/search.js",
    "_static/tips.js",
    "_static/zoom.js",
    "_static/print.js",
    "_static/page_links.js",
    "_static/shortcuts.js",
)
# Read by nothing once the parts are joined.
GONE = (
    *SCRIPTS,
    "_static/copybutton_funcs.js",
    "_static/documentation_options.js",
    "_static/scripts/bootstrap.js",
    "_static/scripts/bootstrap.js.LICENSE.txt",
)
# Comments of the book's own scripts, which begin a line.
COMMENT = re.compile(
    r"^[ \t]*(?://.*|/\*\*(?:[^*]|\*(?!/))*\*/[ \t]*)?\n", re.MULTILINE
)
OWN = ("book", "search", "tips", "zoom", "print", "page_links", "shortcuts")
TABS = "_static/design-tabs.js"  # of pages with tabs only
LINK = re.compile(rf'({re.escape(BUNDLE)})(?:\?v=[0-9a-f]*)?"')


def joined(out: Path) -> str:
    """The parts one after the other, none seeing another's names."""
    parts = []
    for name in SCRIPTS:
        text = (out / name).read_text("utf-8")
        text = re.sub(r"\n?//# sourceMappingURL=\S+", "", text).strip()
        if Path(name).stem in OWN:
            text = COMMENT.sub("", text + "\n").strip()
        # The clipboard library leaves its name on `this`.
        parts.append(f"(function () {{\n{text}\n}}).call(window);\n")
    return BEGINNING + "".join(parts)


def on_page(app, pagename, templatename, context, doctree) -> None:
    """Leave the head's scripts to the bundle, but for what few pages need."""
    tabs = "sd-tab-set" in context.get("body", "")
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if tabs and str(script.filename).split("?")[0] == TABS
    ]


def on_finished(app, exception) -> None:
    """Write the bundle, and its fingerprint into every page."""
    if exception or app.builder.name != "html":
        return
    out = Path(app.outdir)
    script = joined(out)
    (out / BUNDLE).write_text(script, "utf-8")
    link = rf'\1?v={hashlib.sha256(script.encode()).hexdigest()[:8]}"'
    for page in own_pages(app):
        old = page.read_text("utf-8")
        new = LINK.sub(link, old)
        if new != old:
            page.write_text(new, "utf-8")
    tabs = any(TABS in page.read_text("utf-8") for page in own_pages(app))
    for name in GONE if tabs else (*GONE, TABS):
        (out / name).unlink(missing_ok=True)


def setup(app):
    app.connect("html-page-context", on_page, priority=950)  # after all who add one
    # After site_assets, which looks for icons in scripts; before style_sheet, which looks for classes.
    app.connect("build-finished", on_finished, priority=940)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
