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
import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import fastapi
import uvicorn
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from examples.cli import CommandError, Parser, run
from examples.engine import chat
from examples.engine.generate import Piece, stream
from examples.engine.model import load
from examples.engine.protocol import (
    APIError,
    ChatRequest,
    CompletionRequest,
    Request,
    parse,
)
from examples.engine.replies import ChatReply, CompletionReply, event, usage
from examples.engine.runner import NumpyRunner, Runner
from examples.engine.tokenizer import Tokenizer
from examples.engine.worker import GivenUp, QueueFull, Stopped, Worker, follow

MODEL = "SmolLM2-135M-Instruct"
DEFAULT_TOKENS = 16  # of a completion that names no limit, as in OpenAI's API
MAX_BODY = 256 * 1024  # bytes; the context's 8,192 tokens are rarely a quarter of it
BODY_TIMEOUT = 5  # seconds from a request's head to the end of its body
PATIENCE = (
    8  # seconds that a shutdown waits for requests to end; more than BODY_TIMEOUT
)


class Service:
    """The answers to requests, whatever the transport: model, tokenizer and the worker before them."""

    def __init__(self, runner: Runner, tokenizer: Tokenizer, room: int):
        self.runner, self.tokenizer = runner, tokenizer
        self.worker = Worker(room)
        self.card = {
            "id": MODEL,
            "object": "model",
            "created": int(time.time()),
            "owned_by": "HuggingFaceTB",
        }

    def model(self, name: str) -> dict[str, Any]:
        """The model of that name; there is one."""
        if name != MODEL:
            raise APIError(
                404,
                f"the model '{name}' does not exist; this server has '{MODEL}'",
                "model",
                "model_not_found",
            )
        return self.card

    def limit(self, prompt: Sequence[int], wanted: int | None) -> int:
        """How many tokens may follow the prompt: as many as wanted, or as the context has left."""
        vocabulary, context = self.runner.vocabulary, self.runner.context
        if not prompt:
            raise APIError(400, "the prompt holds no token", "prompt")
        if min(prompt) < 0 or max(prompt) >= vocabulary:
            raise APIError(
                400, f"token ids lie between 0 and {vocabulary - 1}", "prompt"
            )
        new = wanted or max(1, context - len(prompt))
        if len(prompt) + new > context:
            raise APIError(
                400,
                f"the context window is {context} tokens, but {len(prompt) + new} were asked "
                f"for: {len(prompt)} of the prompt and {new} to write",
                code="context_length_exceeded",
            )
        return new

    async def answer(
        self,
        http: fastapi.Request,
        request: Request,
        prompt: Sequence[int],
        wanted: int | None,
        reply: CompletionReply,
    ) -> Response:
        """Generate, and reply in one piece or as a stream of events.

        The reply begins with the first token, so that a failure before it has its own status.
        """
        start = partial(
            stream,
            self.runner,
            self.tokenizer,
            prompt,
            request.sampling(),
            self.limit(prompt, wanted),
            request.stop or (),
        )
        pieces = follow(self.worker, start, partial(disconnected, http))
        try:
            first = await anext(pieces)
            pieces = chained(first, pieces)
            if not request.stream:
                return JSONResponse(await whole(pieces, len(prompt), reply))
        except Exception as error:
            raise as_api_error(error) from None
        return StreamingResponse(
            events(pieces, len(prompt), reply),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache"},
        )


async def disconnected(http: fastapi.Request) -> None:
    """Returns when the client has gone, or has its whole answer."""
    while (await http.receive())["type"] != "http.disconnect":
        pass


def as_api_error(error: Exception) -> APIError:
    """What the client is told when its generation failed; the log has the rest."""
    again = {"Retry-After": "1"}
    match error:
        case QueueFull():
            return APIError(
                503, "the queue is full; try again", code="queue_full", headers=again
            )
        case Stopped():
            return APIError(503, "the server is shutting down", code="shutting_down")
        case GivenUp():
            return APIError(499, "the client closed the connection")
        case CommandError():
            return APIError(400, str(error))
    return APIError(500, "the engine failed on this request", code="engine_error")


async def chained(first: Piece, rest: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
    """The pieces, the first of which was already taken."""
    yield first
    async for piece in rest:
        yield piece


async def whole(
    pieces: AsyncIterator[Piece], prompt: int, reply: CompletionReply
) -> dict[str, Any]:
    """The response that holds the whole text."""
    everything = [piece async for piece in pieces]
    text = "".join(piece.text for piece in everything)
    counts = usage(prompt, sum(piece.token is not None for piece in everything))
    return reply.whole(text, everything[-1].finish, counts)


async def events(
    pieces: AsyncIterator[Piece], prompt: int, reply: CompletionReply
) -> AsyncIterator[str]:
    """Server-sent events: a chunk for each text, then the reason of the end, then [DONE].

    An error after the first token is an event too: the status was sent long ago.
    """
    for chunk in reply.opening():
        yield event(chunk)
    tokens, finish = 0, None
    try:
        async for piece in pieces:
            tokens, finish = tokens + (piece.token is not None), piece.finish
            if piece.text:
                yield event(reply.chunk(piece.text))
    except Exception as error:
        yield event(as_api_error(error).body)
        return
    for chunk in reply.closing(finish, usage(prompt, tokens)):
        yield event(chunk)
    yield event("[DONE]")


async def body_of(http: fastapi.Request) -> bytes:
    """The request's body, unless it is too large or does not come."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for part in http.stream():
                body += part
                if len(body) > MAX_BODY:
                    raise APIError(413, f"the body is larger than {MAX_BODY} bytes")
    except TimeoutError:
        message = f"the body did not arrive within {BODY_TIMEOUT} s"
        raise APIError(408, message, headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise as_api_error(GivenUp()) from None
    return bytes(body)


def create_app(runner: Runner, tokenizer: Tokenizer, room: int = 32) -> fastapi.FastAPI:
    """The application; `app.state.service` is what answers."""
    service = Service(runner, tokenizer, room)
    app = fastapi.FastAPI(
        title="The book's engine",
        openapi_url=None,  # its pages of documentation would load scripts from elsewhere
        redirect_slashes=False,
        lifespan=partial(lifespan, service.worker),
        exception_handlers=dict.fromkeys(
            (APIError, CommandError, HTTPException, Exception), error_reply
        ),
    )
    app.state.service = service

    @app.post("/v1/completions")
    async def completions(http: fastapi.Request) -> Response:
        request = parse(await body_of(http), CompletionRequest)
        reply = CompletionReply(
            service.model(request.model)["id"], request.include_usage
        )
        prompt = request.prompt
        if isinstance(prompt, str):
            prompt = await asyncio.to_thread(tokenizer.encode, prompt)
        wanted = request.limit or DEFAULT_TOKENS
        return await service.answer(http, request, prompt, wanted, reply)

    @app.post("/v1/chat/completions")
    async def chat_completions(http: fastapi.Request) -> Response:
        request = parse(await body_of(http), ChatRequest)
        reply = ChatReply(service.model(request.model)["id"], request.include_usage)
        messages = [message.model_dump() for message in request.messages]
        prompt = await asyncio.to_thread(chat.ids, tokenizer, messages)
        return await service.answer(http, request, prompt, request.limit, reply)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [service.card]}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        return service.model(name)

    @app.get("/health")
    async def health() -> Response:
        alive = service.worker.alive
        state = {"status": "ok" if alive else "stopped"} | service.worker.load()
        return JSONResponse(state, 200 if alive else 503)

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
        address = "{}:{}".format(*listener.getsockname())
        print(f"{MODEL} at http://{address}/v1 (Ctrl-C ends it)", flush=True)
        Server(config).run(sockets=[listener])


if __name__ == "__main__":
    run(main)
