"""Below a page's text: edit it, report an error in it, share it, talk about it.

What needs a repository or a place for comments is there only when a publisher has set one (settings.py). Nothing
of another site is loaded before a reader asks.
"""

from __future__ import annotations

from urllib.parse import urlencode

from languages import LANGUAGES
from settings import setting

COMMENTS = ("repo", "repo-id", "category", "category-id")
GISCUS = "https://giscus.app"
# Addresses that take a link, with {url} and {title} filled in when it is followed.
SHARE = {
    "X": "https://x.com/intent/post?url={url}&text={title}",
    "LinkedIn": "https://www.linkedin.com/sharing/share-offsite/?url={url}",
    "Weibo": "https://service.weibo.com/share/share.php?url={url}&title={title}",
    "Mail": "mailto:?subject={title}&body={url}",
}
EDITIONS = {"en": "English, web", "zh_CN": "中文网页版"}  # as the erratum form has them


def source(pagename: str, language: str) -> str:
    """The file that a reader of this edition would edit: the page, or its catalog."""
    if language == "en":
        return f"{pagename}.md"
    return f"locale/{language}/LC_MESSAGES/{pagename}.po"


def repository_links(pagename: str, title: str, language: str) -> dict[str, str]:
    """Where to edit a page, and where to report an error in it; empty without a repository."""
    if not (base := setting("repository")):
        return {}
    branch = setting("branch") or "main"
    report = {
        "template": "erratum.yml",
        "title": f"{title}: ",
        "page": f"{pagename}.html",
        "edition": EDITIONS.get(language, ""),
    }
    return {
        "edit": f"{base}/edit/{branch}/{source(pagename, language)}",
        "report": f"{base}/issues/new?{urlencode(report)}",
    }


def comments(pagename: str, language: str) -> dict[str, str]:
    """What giscus is told of a page; empty unless all of it is set."""
    known = {name: setting(f"comments-{name}") for name in COMMENTS}
    if not all(known.values()):
        return {}
    return known | {
        "host": setting("comments-host") or GISCUS,
        "mapping": "specific",
        "term": pagename,  # one discussion for both languages
        "strict": "1",
        "reactions-enabled": "1",
        "input-position": "top",
        "lang": LANGUAGES[language].code,
    }


def on_page(app, pagename, templatename, context, doctree) -> None:
    context["book_page"] = {}
    if doctree is None:
        return
    language = app.config.language
    title = app.env.titles[pagename].astext()
    context["book_page"] = {
        "share": SHARE,
        "comments": comments(pagename, language),
        **repository_links(pagename, title, language),
    }


def setup(app):
    app.connect("html-page-context", on_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
