"""An OpenAI-compatible server: completions and chat, whole or streamed, one request after another.

Start it with `python -m examples.engine.server --port 8000`, then ask it as you would ask any other:

    from openai import OpenAI
    client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="unused")
    print(client.completions.create(model="SmolLM2-135M-Instruct", prompt="The sea is", temperature=0))

    curl http://127.0.0.1:8000/v1/chat/completions --json \
      '{"model": "SmolLM2-135M-Instruct", "messages": [{"role": "user", "content": "Hello"}], "stream": true}'

There is no authentication: any API key passes, so it listens on this machine alone unless told otherwise.
The model runs in one worker thread; what comes meanwhile waits its turn, and is refused with status 503
when the queue is full.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from functools import partial

import fastapi
import uvicorn
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from examples.cli import CommandError, Parser, run
from examples.engine.model import load
from examples.engine.protocol import APIError
from examples.engine.replies import as_api_error
from examples.engine.runner import NumpyRunner, Runner
from examples.engine.service import BODY_TIMEOUT, MODEL, Service
from examples.engine.tokenizer import Tokenizer
from examples.engine.worker import Worker

PATIENCE = BODY_TIMEOUT + 3  # seconds that a shutdown waits for requests to end


def create_app(runner: Runner, tokenizer: Tokenizer, room: int = 32) -> fastapi.FastAPI:
    """The application, with `room` requests that may wait; `app.state.service` answers."""
    service = Service(runner, tokenizer, room)
    app = fastapi.FastAPI(
        openapi_url=None,  # its pages of documentation load scripts from elsewhere
        redirect_slashes=False,
        lifespan=partial(lifespan, service.worker),
        exception_handlers=dict.fromkeys(
            (APIError, CommandError, HTTPException, Exception), error_reply
        ),
    )
    app.state.service = service
    app.post("/v1/completions")(service.completions)
    app.post("/v1/chat/completions")(service.chat_completions)
    app.get("/v1/models")(service.models)
    app.get("/v1/models/{name:path}")(service.model)
    app.get("/health")(service.health)
    return app


@contextlib.asynccontextmanager
async def lifespan(worker: Worker, _: fastapi.FastAPI) -> AsyncIterator[None]:
    """When the last connection is closed, the worker ends too."""
    yield
    worker.close()
    worker.join(PATIENCE)


async def error_reply(http: fastapi.Request, error: Exception) -> JSONResponse:
    """Any error in OpenAI's shape, that of a wrong path or method too."""
    if isinstance(error, HTTPException):
        message = f"{error.detail}: {http.method} {http.url.path}"
        error = APIError(error.status_code, message, headers=error.headers)
    elif not isinstance(error, APIError):
        error = as_api_error(error)
    return JSONResponse(error.body, error.status, error.headers)


class Server(uvicorn.Server):
    """uvicorn lets answers run to their end before it stops; this one ends them."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.app.state.service.worker.close()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; taken before the model is loaded, so that a used port shows at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or error
        raise CommandError(f"cannot listen on {host}, port {port}: {reason}") from None


def url(address: Sequence) -> str:
    """What a client takes as `base_url`; an IPv6 address stands in brackets."""
    host, port = address[:2]
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


def port(text: str) -> int:
    """A TCP port; 0 lets the system choose."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to 65535")
    return int(text)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, then end what runs and exit with code 0."""
    parser = Parser(description="An OpenAI-compatible server for the book's model.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=port, default=8000, help="0: any free port")
    parser.add_argument("--queue", type=int, default=32, help="requests that may wait")
    args = parser.parse_args(argv)
    if args.queue < 0:
        parser.error("--queue: 0 or more requests may wait")
    with listen(args.host, args.port) as listener:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit(0))
        model, tokenizer = load()
        app = create_app(NumpyRunner(model), tokenizer, args.queue)
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=PATIENCE
        )
        address = url(listener.getsockname())
        print(f"{MODEL} at {address} (Ctrl-C ends it)", flush=True)
        Server(config).run(sockets=[listener])


if __name__ == "__main__":
    run(main)
