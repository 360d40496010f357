"""`404.html`: what a host shows for an address where nothing is.

It is shown at any depth, so its links are taken from the site's root (`<base>`). Many hosts know one such page
for the whole site: it speaks all languages, its own first.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from languages import LANGUAGES
from settings import setting


def words(language: str) -> list[dict[str, str]]:
    """The page's text in every language, that one's own first."""
    order = sorted(LANGUAGES, key=lambda code: code != language)
    own = LANGUAGES[language].folder
    up = "../" if own else ""
    return [
        {
            "code": (here := LANGUAGES[code]).code,
            "title": here.say("Page not found"),
            "text": here.say(
                "There is no page at this address. It may have moved; a search in the book finds it."
            ),
            "link": here.say("To the cover"),
            "href": "index.html"
            if code == language
            else up + "/".join(filter(None, (here.folder, "index.html"))),
        }
        for code in order
    ]


def on_collect(app):
    if app.builder.name != "html":
        return
    language = app.config.language
    folder = LANGUAGES[language].folder
    root = f"{urlsplit(setting('baseurl')).path}/" + (f"{folder}/" if folder else "")
    context = {
        "title": LANGUAGES[language].say("Page not found"),
        "book_root": root,
        "book_not_found": words(language),
    }
    yield "404", context, "404.html"


def setup(app):
    app.connect("html-collect-pages", on_collect)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
