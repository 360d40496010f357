"""One style sheet, with the rules that the pages use.

The theme and the extensions bring half a megabyte of CSS in seven files; the pages use a fifth of it. After
the pages are written, the sheets are joined in the order in which the pages would load them, rules are dropped whose
selectors name a class, an id, a tag or an attribute that stands on no page and in no script, and the
originals are not shipped.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import tinycss2
from languages import own_pages

BUNDLE = "_static/style.css"
# In the order in which the theme loads them; a sheet that a build does not have is left out.
SHEETS = (
    "_static/basic.css",
    "_static/styles/pydata-sphinx-theme.css",
    "_static/pygments.css",
    "_static/styles/sphinx-book-theme.css",
    "_static/copybutton.css",
    "_static/sphinx-design.min.css",
    "_static/math.css",
    "_static/book.css",
    "_static/extras.css",
)
GONE = (*SHEETS, "_static/styles/theme.css")
# What scripts of the browser or of the theme put on a page while it is read.
ALWAYS = frozenset(
    "html body dialog open hover focus active show showing hide hiding collapsing fade "
    "modal-open data-theme data-mode".split()
)
NAME = re.compile(r"[A-Za-z_][\w-]*")
TAG = re.compile(
    r"<([a-z][a-z0-9-]*)((?:\s+[^\s=>]+(?:=(?:\"[^\"]*\"|'[^']*'|[^\s>]*))?)*)\s*/?>"
)
ATTRIBUTE = re.compile(r"([^\s=]+)(?:=(\"[^\"]*\"|'[^']*'|[^\s>]*))?")
THEME = re.compile(r"\[data-theme=[\"']?(light|dark)[\"']?\]")
# Where no script has said which theme it is, the reader's system says it; paper is light.
WITHOUT_SCRIPTS = {
    "light": "print,(prefers-color-scheme:light)",
    "dark": "screen and (prefers-color-scheme:dark)",
}
VAR = re.compile(r"var\(\s*(--[\w-]+)")
LINK = re.compile(rf'({re.escape(BUNDLE)})(?:\?v=[0-9a-f]*)?"')


def words_of_page(html: str) -> set[str]:
    """Tags, attributes, classes and ids of a page."""
    found: set[str] = set()
    for tag, attributes in TAG.findall(html):
        found.add(tag)
        for name, value in ATTRIBUTE.findall(attributes):
            found.add(name)
            if name in ("class", "id"):
                found.update(value.strip("\"'").split())
    return found


def names(tokens: Iterable) -> Iterator[str]:
    """Classes, ids, tags and attributes that a compound selector needs, pseudo-classes apart."""
    before = ""
    for token in tokens:
        if token.type == "hash" or (token.type == "ident" and before != ":"):
            yield token.value
        elif token.type == "[] block":
            inner = [one for one in token.content if one.type == "ident"]
            if inner:
                yield inner[0].value
        elif token.type == "function" and token.lower_name in ("is", "where"):
            options = list(split(token.arguments))
            if len(options) == 1:
                yield from names(options[0])
        before = token.value if token.type == "literal" else ""


def split(tokens: Iterable) -> Iterator[list]:
    """The selectors of a list, at its commas."""
    part: list = []
    for token in tokens:
        if token.type == "literal" and token.value == ",":
            yield part
            part = []
        else:
            part.append(token)
    yield part


def without_scripts(selectors: list[str], body: str) -> Iterator[str]:
    """Rules of a theme once more, for pages on which no theme is set."""
    for theme, medium in WITHOUT_SCRIPTS.items():
        mine = [
            THEME.sub(":not([data-theme])", one)
            for one in selectors
            if (named := THEME.search(one)) and named[1] == theme
        ]
        if mine:
            yield f"@media {medium}{{{','.join(mine)}{{{body}}}}}"


def kept(rules: Iterable, used: set[str]) -> Iterator[str]:
    """The rules that some page may need, as text; a list of selectors keeps those that are needed."""
    for rule in rules:
        if rule.type == "qualified-rule":
            chosen = [
                tinycss2.serialize(one).strip()
                for one in split(rule.prelude)
                if all(name in used for name in names(one))
            ]
            if chosen and (body := tinycss2.serialize(rule.content).strip()):
                yield f"{','.join(chosen)}{{{body}}}"
                yield from without_scripts(chosen, body)
        elif rule.type == "at-rule" and rule.lower_at_keyword in (
            "media",
            "supports",
            "layer",
            "container",
        ):
            inner = "".join(kept(contents(rule), used))
            if inner:
                condition = tinycss2.serialize(rule.prelude).strip()
                yield f"@{rule.at_keyword} {condition}{{{inner}}}"
        elif rule.type == "at-rule" and rule.lower_at_keyword not in (
            "charset",
            "import",
            "fontawesome",
            "-moz-document",
        ):
            yield rule.serialize()


def contents(rule) -> list:
    return tinycss2.parse_rule_list(
        rule.content or [], skip_comments=True, skip_whitespace=True
    )


def rebased(css: str, sheet: str) -> str:
    """A sheet's `url(...)` as seen from the bundle."""

    def move(match: re.Match) -> str:
        address = match[1].strip("\"'")
        if re.match(r"[a-z]+:|/|#", address):
            return match[0]
        path = posixpath.join(posixpath.dirname(sheet), address)
        return f"url({posixpath.relpath(path, posixpath.dirname(BUNDLE))})"

    return re.sub(r"url\(([^)]*)\)", move, css)


def without_unused_parts(css: str, elsewhere: str) -> str:
    """Drop variables, animations and fonts that nothing in the sheet, the pages or the scripts names."""
    while True:
        wanted = set(VAR.findall(css)) | set(re.findall(r"--[\w-]+", elsewhere))
        shorter = re.sub(
            r"(--[\w-]+)\s*:(?:[^;{}\"']|\"[^\"]*\"|'[^']*'|\{[^{}]*\})*(?:;|(?=\}))",
            lambda m, wanted=wanted: m[0] if m[1] in wanted else "",
            css,
        )
        if shorter == css:
            break
        css = shorter
    for name in set(re.findall(r"@keyframes ([\w-]+)", css)):
        if not re.search(rf"animation[^;}}]*\b{re.escape(name)}\b", css):
            css = re.sub(
                rf"@keyframes {re.escape(name)}\s*\{{(?:[^{{}}]*\{{[^{{}}]*\}})*[^{{}}]*\}}",
                "",
                css,
            )
    return re.sub(r"[^{}@;]+\{\s*\}", "", css)


def fonts_there(css: str, static: Path) -> str:
    """Without `@font-face` rules whose file is not shipped."""

    def keep(match: re.Match) -> str:
        files = re.findall(r"url\(([^)#?]+)", match[0])
        local = [
            one.strip("\"'") for one in files if not one.startswith(("data:", "http"))
        ]
        return match[0] if all((static / one).is_file() for one in local) else ""

    return re.sub(r"@font-face\s*\{[^{}]*\}", keep, css)


def bundle(out: Path, pages: list[Path]) -> str:
    """The one sheet of an edition."""
    html = [page.read_text("utf-8") for page in pages]
    scripts = "".join(
        p.read_text("utf-8") for p in sorted((out / "_static").rglob("*.js"))
    )
    used = set(ALWAYS) | set(NAME.findall(scripts))
    for page in html:
        used |= words_of_page(page)
    parts = []
    for sheet in SHEETS:
        if (out / sheet).is_file():
            css = (out / sheet).read_text("utf-8")
            rules = tinycss2.parse_stylesheet(
                css, skip_comments=True, skip_whitespace=True
            )
            parts.append(rebased("".join(kept(rules, used)), sheet))
    inline = scripts + "".join(
        re.findall(r"style=\"[^\"]*\"|<style>.*?</style>", "".join(html), re.DOTALL)
    )
    css = without_unused_parts("".join(parts), inline)
    return '@charset "UTF-8";' + fonts_there(css, out / "_static")


def on_finished(app, exception) -> None:
    """Write the sheet and its fingerprint into every page, so that a browser never keeps an old one."""
    if exception or app.builder.name != "html":
        return
    out, pages = Path(app.outdir), own_pages(app)
    css = bundle(out, pages)
    (out / BUNDLE).write_text(css, "utf-8")
    link = rf'\1?v={hashlib.sha256(css.encode()).hexdigest()[:8]}"'
    for page in pages:
        old = page.read_text("utf-8")
        new = LINK.sub(link, old)
        if new != old:
            page.write_text(new, "utf-8")
    for name in GONE:
        (out / name).unlink(missing_ok=True)


def setup(app):
    # After site_assets has written the icons and taken away what does not ship.
    app.connect("build-finished", on_finished, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
