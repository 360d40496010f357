"""The book's server, started for a while in a process of its own.

`main` is that of `examples.engine.server` but for one socket option.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator

from examples.cli import CommandError
from examples.engine import server

LISTEN = server.listen


def listen_without_delay(host: str, port: int) -> socket.socket:
    """A listener whose connections send small events at once (TCP_NODELAY).

    asyncio sets the option on sockets that name their protocol; those of socket.create_server name
    none. Without it an event waits until the one before it is acknowledged, up to 40 ms on Linux.
    """
    listener = LISTEN(host, port)
    listener.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )  # inherited by accept
    return listener


@contextlib.contextmanager
def book_server(paced: bool = False) -> Iterator[str]:
    """The URL of a server on a free port, with SmolLM2 or paced; it ends with the context."""
    module = f"examples.metrics.{'paced' if paced else 'started'}"
    options = [] if paced else ["--port", "0", "--queue", "1000"]
    command = [sys.executable, "-c", f"from {module} import main; main()", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            address = re.search(r"http://\S+", line)
            if address is None:
                raise CommandError("the book's server did not start")
            yield address[0]
        finally:
            process.terminate()
            process.wait()


def main(argv: list[str] | None = None) -> None:
    """The engine's server, on such a listener."""
    server.listen = listen_without_delay
    server.main(argv)
