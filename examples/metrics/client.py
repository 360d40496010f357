"""One request to an OpenAI-compatible server, and the time at which each part of its answer arrived."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from examples.cli import CommandError

if TYPE_CHECKING:
    import httpx

Clock = Callable[[], float]  # seconds since the run began


@dataclass
class Record:
    """What was noted of one request; all times in seconds since the run began."""

    due: float  # when the plan wanted it sent
    sent: float = 0.0  # when it was
    opened: float | None = None  # the first event, with or without text
    texts: list[float] = field(default_factory=list)  # events that bring text
    end: float | None = None  # the event that says why the answer ended
    tokens: int = 0  # of the answer, as the server counted them
    prompt_tokens: int = 0
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the answer is whole."""
        return self.error is None and self.end is not None


def chat_body(model: str, messages: list[dict], limit: int | None) -> dict[str, Any]:
    """A greedy, streamed chat request that asks for the token counts."""
    body = {"model": model, "messages": messages, "temperature": 0, "stream": True}
    body["stream_options"] = {"include_usage": True}
    return body if limit is None else body | {"max_tokens": limit}


def note(record: Record, event: dict[str, Any], now: float) -> None:
    """Add one server-sent event to the record."""
    if "error" in event:
        record.error = event["error"]["message"]
        return
    for choice in event["choices"]:
        record.opened = now if record.opened is None else record.opened
        if (choice.get("delta") or {}).get("content"):
            record.texts.append(now)
        if choice.get("finish_reason"):
            record.end = now
    if event.get("usage"):
        record.tokens = event["usage"]["completion_tokens"]
        record.prompt_tokens = event["usage"]["prompt_tokens"]


async def ask(
    client: httpx.AsyncClient, body: dict[str, Any], due: float, clock: Clock
) -> Record:
    """Send one request now and follow its stream; what goes wrong stands in the record."""
    record = Record(due, sent=clock())
    try:
        async with client.stream("POST", "chat/completions", json=body) as reply:
            if reply.status_code != 200:
                record.error = f"status {reply.status_code}"
                return record
            async for line in reply.aiter_lines():
                now = clock()
                if line.startswith("data: {"):
                    note(record, json.loads(line[len("data: ") :]), now)
    except library().HTTPError as error:
        record.error = type(error).__name__
    if record.error is None and record.end is None:
        record.error = "the answer broke off"
    return record


def library():
    """httpx, which comes with the tools for testing; a clear line where it is missing."""
    try:
        import httpx
    except ImportError:
        raise CommandError(
            "the load generator needs httpx: pip install httpx"
        ) from None
    return httpx


def connections(url: str, timeout: float = 600) -> httpx.AsyncClient:
    """A client without a limit on connections: a limit would hold requests back unseen."""
    limits = library().Limits(max_connections=None, max_keepalive_connections=None)
    return library().AsyncClient(base_url=url, limits=limits, timeout=timeout)
