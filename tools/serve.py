"""`make serve`: the built site on this machine's own address; search needs http, not file://."""

from __future__ import annotations

import functools
import http.server
import sys
from collections.abc import Sequence
from pathlib import Path

from examples import cli
from tools import LANGUAGES

SITE = Path(__file__).parent.parent / "_build" / "site"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files as they lie, with the right type for scripts, and no line per request."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".woff2": "font/woff2",
    }

    def log_message(self, *args) -> None:
        pass

    def send_error(self, code: int, message=None, explain=None) -> None:
        """Where nothing is, the book's own page says so, as it does on a host."""
        pages = [
            Path(self.directory, *folder, "404.html") for folder in self.editions()
        ]
        found = next((page for page in pages if page.is_file()), None)
        if code != 404 or not found:
            return super().send_error(code, message, explain)
        body = found.read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def editions(self) -> list[tuple[str, ...]]:
        """The folder of the edition that was asked, then that of the site."""
        first = self.path.lstrip("/").partition("/")[0]
        folders = {one.folder for one in LANGUAGES.values() if one.folder}
        return [(first,), ()] if first in folders else [()]


class Server(http.server.ThreadingHTTPServer):
    """A thread a request, and no word of a browser that went away."""

    def handle_error(self, request, client_address) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def server(port: int, site: Path = SITE) -> Server:
    """A server for the loopback address; port 0 takes a free one."""
    handler = functools.partial(Handler, directory=str(site))
    return Server(("127.0.0.1", port), handler)


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m tools.serve", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args(argv).port
    if not (SITE / "index.html").exists():
        raise cli.CommandError("there is no built site; run `make book` first")
    try:
        book = server(port)
    except OSError as error:
        raise cli.CommandError(
            f"port {port}: {error.strerror}; try make serve PORT=8001"
        ) from None
    print(
        f"http://localhost:{port} (English), http://localhost:{port}/zh/ (Chinese); Ctrl-C ends it"
    )
    try:
        book.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    cli.run(main)
