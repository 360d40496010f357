"""The server's endpoints: from an HTTP request to a place in the queue, and from tokens to a response."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import fastapi
import numpy as np
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Message

from examples.engine import chat
from examples.engine.generate import Piece, stream
from examples.engine.protocol import (
    APIError,
    ChatRequest,
    CompletionRequest,
    Request,
    parse,
)
from examples.engine.replies import (
    ChatReply,
    CompletionReply,
    as_api_error,
    chained,
    events,
    whole,
)
from examples.engine.runner import Runner
from examples.engine.tokenizer import Tokenizer
from examples.engine.worker import GivenUp, Worker, follow

MODEL = "SmolLM2-135M-Instruct"
DEFAULT_TOKENS = 16  # of a completion that names no limit, as in OpenAI's API
MAX_BODY = 256 * 1024  # bytes; the context's 8,192 tokens are rarely a quarter of it
BODY_TIMEOUT = 5  # seconds from a request's head to the end of its body


class Wanted:
    """A runner that computes no further step, of a long prompt say, once nobody waits for it."""

    def __init__(self, runner: Runner, wanted: Callable[[], bool]):
        self.context, self.vocabulary = runner.context, runner.vocabulary
        self.open, self.close = runner.open, runner.close
        self._step, self._wanted = runner.step, wanted

    def step(self, work: Sequence[tuple[int, Sequence[int]]]) -> np.ndarray:
        if not self._wanted():
            raise GivenUp
        return self._step(work)


class Service:
    """One model, its tokenizer, and the worker with the queue before them."""

    def __init__(self, runner: Runner, tokenizer: Tokenizer, room: int):
        self.runner, self.tokenizer = runner, tokenizer
        self.worker = Worker(room)
        self.card = {
            "id": MODEL,
            "object": "model",
            "created": int(time.time()),
            "owned_by": "HuggingFaceTB",
        }

    async def completions(self, http: fastapi.Request) -> Response:
        """POST /v1/completions. Control tokens written in the prompt count as such."""
        request = parse(await body_of(http), CompletionRequest)
        self.check(request.model)
        prompt = request.prompt
        if isinstance(prompt, str):
            prompt = await asyncio.to_thread(self.tokenizer.encode, prompt)
        limit = self.limit(prompt, request.limit or DEFAULT_TOKENS)
        reply = CompletionReply(MODEL, request.include_usage)
        return await self.answer(http, request, prompt, limit, reply)

    async def chat_completions(self, http: fastapi.Request) -> Response:
        """POST /v1/chat/completions. Control tokens written in a message stay text."""
        request = parse(await body_of(http), ChatRequest)
        self.check(request.model)
        messages = [message.model_dump() for message in request.messages]
        prompt = await asyncio.to_thread(chat.ids, self.tokenizer, messages)
        limit = self.limit(prompt, request.limit)
        reply = ChatReply(MODEL, request.include_usage)
        return await self.answer(http, request, prompt, limit, reply)

    async def models(self) -> Response:
        """GET /v1/models"""
        return JSONResponse({"object": "list", "data": [self.card]})

    async def model(self, name: str) -> Response:
        """GET /v1/models/{name}"""
        self.check(name)
        return JSONResponse(self.card)

    async def health(self) -> Response:
        """GET /health: whether requests are worked on, and how many there are."""
        alive = self.worker.alive
        state = {"status": "ok" if alive else "stopped"} | self.worker.load()
        return JSONResponse(state, 200 if alive else 503)

    def check(self, name: str) -> None:
        """Refuse any model but the one there is."""
        if name != MODEL:
            message = f"the model '{name}' does not exist; this server has '{MODEL}'"
            raise APIError(404, message, "model", "model_not_found")

    def limit(self, prompt: Sequence[int], wanted: int | None) -> int:
        """How many tokens may follow the prompt: as many as wanted, or as the context has left."""
        vocabulary, context = self.runner.vocabulary, self.runner.context
        if not prompt:
            raise APIError(400, "the prompt holds no token", "prompt")
        if min(prompt) < 0 or max(prompt) >= vocabulary:
            message = f"token ids lie between 0 and {vocabulary - 1}"
            raise APIError(400, message, "prompt")
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
        limit: int,
        reply: CompletionReply,
    ) -> Response:
        """Queue the generation, and reply in one piece or as a stream of events.

        The reply begins with the first token, so that a failure before it has its own status.
        """
        sampling, stops = request.sampling(), request.stop or ()

        def start(wanted: Callable[[], bool]) -> Iterator[Piece]:
            runner = Wanted(self.runner, wanted)
            return stream(runner, self.tokenizer, prompt, sampling, limit, stops)

        pieces = follow(self.worker, start, partial(disconnected, http))
        try:
            pieces = chained(await anext(pieces), pieces)
            if not request.stream:
                return JSONResponse(await whole(pieces, len(prompt), reply))
        except Exception as error:
            raise as_api_error(error) from None
        return StreamingResponse(
            events(pieces, len(prompt), reply),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache"},
        )


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


async def disconnected(http: fastapi.Request) -> None:
    """Returns when the client has gone, or has its whole answer."""
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await http.receive()
