"""`sitemap.xml` of an edition, each page with its twins, and the site's `robots.txt`.

Both speak of whole addresses and are written only for a book that has one (`baseurl`).
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from languages import LANGUAGES, address
from settings import setting

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
    'xmlns:xhtml="http://www.w3.org/1999/xhtml">\n'
)


def entry(docname: str, language: str, base: str) -> str:
    """One page; every language lists all twins, itself among them."""

    def url(code: str) -> str:
        return escape(f"{base}/{address(docname, code)}")

    twins = "".join(
        f'<xhtml:link rel="alternate" hreflang="{one.code}" href="{url(code)}"/>'
        for code, one in LANGUAGES.items()
    )
    return f"<url><loc>{url(language)}</loc>{twins}</url>\n"


def on_finished(app, exception) -> None:
    base = setting("baseurl")
    if exception or app.builder.name != "html" or not base:
        return
    out, language = Path(app.outdir), app.config.language
    pages = sorted(app.env.found_docs)
    entries = "".join(entry(one, language, base) for one in pages)
    (out / "sitemap.xml").write_text(f"{HEAD}{entries}</urlset>\n", "utf-8")
    if not LANGUAGES[language].folder:  # the edition at the site's root
        maps = [address("sitemap", code).replace(".html", ".xml") for code in LANGUAGES]
        lines = ["User-agent: *", "Allow: /", *(f"Sitemap: {base}/{m}" for m in maps)]
        (out / "robots.txt").write_text("\n".join(lines) + "\n", "utf-8")


def setup(app):
    app.connect("build-finished", on_finished)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
