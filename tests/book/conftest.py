"""The built site behind a local server, and Debian's Chromium to look at it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tools import ROOT, serve

from settings import setting  # isort: skip

SITE = Path(os.environ.get("BOOK_SITE", ROOT / "_build" / "site"))


def of_book(path: Path) -> bool:
    """Whether a file of the site is a page to look at.

    The page for what is not there has no style where the site was built for a folder of its host and is
    served at the root; a page that moved leaves one behind that only leads on.
    """
    if "pagefind" in path.parts:
        return False
    if path.name == "404.html" and urlsplit(setting("baseurl")).path:
        return False
    return '<meta http-equiv="refresh"' not in path.read_text("utf-8")


# Every page of every edition.
PAGES = sorted(
    path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if of_book(path)
)
CHROMIUM = Path(os.environ.get("BOOK_CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def serving(folder: Path):
    """Serve a folder on a free port; the address, and the server to shut down."""
    server = serve.server(0, folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}", server


@pytest.fixture(scope="session")
def site() -> str:
    """The address of the built site."""
    if not (SITE / "index.html").is_file():
        pytest.fail("there is no built site; run `make book`")
    address, server = serving(SITE)
    yield address
    server.shutdown()


@pytest.fixture(scope="session")
def chromium():
    """A browser; its absence is a failure, since a skipped check is no check."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM.exists():
        pytest.fail(
            f"no {CHROMIUM}; `make test` installs it (apt-get install chromium)"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium):
    """Open a page of its own: `tab(width=390, color_scheme="dark")`."""
    contexts = []

    def open_tab(width: int = 1280, height: int = 850, **options):
        viewport = {"width": width, "height": height}
        contexts.append(chromium.new_context(viewport=viewport, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        return page

    yield open_tab
    for context in contexts:
        context.close()


def pytest_terminal_summary(terminalreporter):
    """How many of the mutations that were tried a gate has caught."""
    seen = [
        value
        for report in (
            *terminalreporter.getreports("passed"),
            *terminalreporter.getreports("failed"),
        )
        if report.when == "call"
        for key, value in report.user_properties
        if key == "mutation"
    ]
    if seen:
        caught, tried = seen.count("caught"), seen.count("tried")
        terminalreporter.write_line(f"gates: {caught} of {tried} mutations caught")
