"""A server whose timing is known beforehand, to prove the load generator and to stall on purpose.

It answers one request at a time, as the book's server does: the first token after `prefill` seconds,
then one every `step` seconds. From `stall_at` seconds after its first request on it does nothing for
`stall` seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import fastapi
import uvicorn
from fastapi.responses import JSONResponse, StreamingResponse

from examples.engine.server import listen, url
from examples.metrics.started import listen_without_delay


@dataclass
class Timing:
    """Seconds, and the tokens of every answer."""

    prefill: float
    step: float = 0.0
    tokens: int = 1
    silent: int = (
        0  # of them, at the end, bring no text, as a token that ends a message does
    )
    stall_at: float = 0.0
    stall: float = 0.0
    room: int = 10_000  # requests that may wait; more are refused
    prompt: bool = (
        True  # small events are sent at once, and not when the last was acknowledged
    )


class Toy:
    """One worker behind a queue."""

    def __init__(self, timing: Timing):
        self.timing, self.turn, self.inside = timing, asyncio.Lock(), 0
        self.begun: float | None = None

    async def pause(self, seconds: float) -> None:
        """Work for so long, not counting what a stall takes out of it."""
        begin, now = self.begun + self.timing.stall_at, time.perf_counter()
        end = begin + self.timing.stall
        if now < end and now + seconds > begin:
            seconds += end - max(now, begin)
        await asyncio.sleep(seconds)

    async def tokens(self) -> AsyncIterator[str]:
        """The answer as server-sent events."""
        try:
            async with self.turn:
                for number in range(self.timing.tokens):
                    await self.pause(
                        self.timing.step if number else self.timing.prefill
                    )
                    if number == 0:
                        yield event({"delta": {"role": "assistant", "content": ""}})
                    if number < self.timing.tokens - self.timing.silent:
                        yield event({"delta": {"content": " x"}})
                yield event({"delta": {}, "finish_reason": "length"})
            yield event(None, used(self.timing.tokens))
            yield "data: [DONE]\n\n"
        finally:
            self.inside -= 1

    async def health(self) -> dict[str, int]:
        """GET /health, as the book's server answers it."""
        running = min(self.inside, 1)
        return {"running": running, "waiting": self.inside - running}

    async def chat(self) -> fastapi.Response:
        """POST /v1/chat/completions, whatever is asked."""
        if self.begun is None:
            self.begun = time.perf_counter()
        if self.inside > self.timing.room:
            return JSONResponse({}, 503)
        self.inside += 1
        return StreamingResponse(self.tokens(), media_type="text/event-stream")


def used(tokens: int) -> dict[str, int]:
    """Token counts for a prompt of one token."""
    return {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}


def event(choice: dict | None, usage: dict | None = None) -> str:
    """One event of the stream, in OpenAI's shape."""
    choices = [] if choice is None else [{"index": 0, "finish_reason": None} | choice]
    data = {
        "id": "toy",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "toy",
    }
    data |= {"choices": choices, "usage": usage}
    return f"data: {json.dumps(data)}\n\n"


@contextlib.contextmanager
def serving(timing: Timing) -> Iterator[str]:
    """The toy in a thread of this process, at the URL that it yields."""
    toy, app = Toy(timing), fastapi.FastAPI()
    app.post("/v1/chat/completions")(toy.chat)
    app.get("/v1/models")(lambda: {"data": [{"id": "toy"}]})
    app.get("/health")(toy.health)
    listening = listen_without_delay if timing.prompt else listen
    with listening("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield url(listener.getsockname())
        finally:
            server.should_exit = True
            thread.join()
