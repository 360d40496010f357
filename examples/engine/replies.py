"""What the server answers: OpenAI's responses, whole and in chunks, and what it says of a failure."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from examples.cli import CommandError
from examples.engine.generate import Piece
from examples.engine.protocol import APIError
from examples.engine.worker import GivenUp, QueueFull, Stopped


def usage(prompt: int, completion: int) -> dict[str, int]:
    """Token counts of one answer."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def event(data: dict[str, Any] | str) -> str:
    """One server-sent event (WHATWG HTML, 9.2): a line of data, ended by an empty line."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"data: {text}\n\n"


class CompletionReply:
    """The answer to a text: `text` in the response and in every chunk."""

    prefix, whole_object, chunk_object = "cmpl", "text_completion", "text_completion"

    def __init__(self, model: str, include_usage: bool = False):
        self.model, self.include_usage = model, include_usage
        self.id = f"{self.prefix}-{uuid.uuid4().hex}"
        self.created = int(time.time())

    def whole(self, text: str, finish: str, counts: dict[str, int]) -> dict[str, Any]:
        """The response of a request that does not stream."""
        choices = [self._choice(finish, **self._message(text))]
        return self._reply(self.whole_object, choices) | {"usage": counts}

    def opening(self) -> list[dict[str, Any]]:
        """The chunks before the first text."""
        return []

    def chunk(self, text: str) -> dict[str, Any]:
        """A chunk with the next text."""
        return self._chunk([self._choice(None, **self._delta(text))])

    def closing(self, finish: str, counts: dict[str, int]) -> list[dict[str, Any]]:
        """The chunks after the last text: why it ended and, if asked for, the token counts."""
        chunks = [self._chunk([self._choice(finish, **self._delta(""))])]
        if self.include_usage:
            chunks.append(self._chunk([]) | {"usage": counts})
        return chunks

    def _message(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def _delta(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def _choice(self, finish: str | None, **content: Any) -> dict[str, Any]:
        return {"index": 0, **content, "logprobs": None, "finish_reason": finish}

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        chunk = self._reply(self.chunk_object, choices)
        return chunk | {"usage": None} if self.include_usage else chunk

    def _reply(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


class ChatReply(CompletionReply):
    """The answer to a conversation: a message, or what each chunk adds to it."""

    prefix, whole_object = "chatcmpl", "chat.completion"
    chunk_object = "chat.completion.chunk"

    def opening(self) -> list[dict[str, Any]]:
        """OpenAI's first chunk names the role and holds no text yet."""
        first = {"role": "assistant", "content": ""}
        return [self._chunk([self._choice(None, delta=first)])]

    def _message(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text, "refusal": None}}

    def _delta(self, text: str) -> dict[str, Any]:
        return {"delta": {"content": text} if text else {}}


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
    counts = usage(prompt, len(everything))
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
            tokens, finish = tokens + 1, piece.finish
            if piece.text:
                yield event(reply.chunk(piece.text))
    except Exception as error:
        yield event(as_api_error(error).body)
        return
    for chunk in reply.closing(finish, usage(prompt, tokens)):
        yield event(chunk)
    yield event("[DONE]")


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
