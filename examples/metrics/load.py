"""The load generator: an open loop that keeps to its plan, and a closed one whose users wait for answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from examples.cli import CommandError
from examples.metrics import client as clients
from examples.metrics.client import Clock, Record

Send = Callable[[float], Awaitable[Record]]  # takes the time at which it was due


@dataclass
class Run:
    """All requests of a run, and how many the server held whenever it was asked."""

    records: list[Record]
    inside: list[int] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """From the start to the end of the last answer."""
        return max((r.end or r.sent for r in self.records), default=0.0)


def finished(work: Coroutine) -> Any:
    """What a coroutine returns, run to its end in a thread of its own.

    A tool that traces the caller's thread, such as coverage, would lose it in the caller's.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def until(moment: float, clock: Clock) -> None:
    """Wait for a moment; one that has passed is not waited for."""
    await asyncio.sleep(max(0.0, moment - clock()))


async def open_loop(send: Send, clock: Clock, plan: Sequence[float]) -> list[Record]:
    """Send each request when it is due, whatever became of those before it."""

    async def one(due: float) -> Record:
        await until(due, clock)
        return await send(due)

    return list(await asyncio.gather(*map(one, plan)))


async def closed_loop(
    send: Send, clock: Clock, users: int, requests: int, rate: float | None = None
) -> list[Record]:
    """`users` who each send their next request when the last is answered.

    With a rate they mean to send so many a second between them, and are late when an answer is.
    """

    async def user(first: int) -> list[Record]:
        records = []
        for number in range(first, requests, users):
            due = clock() if rate is None else number / rate
            await until(due, clock)
            records.append(await send(due))
        return records

    everyone = await asyncio.gather(*map(user, range(users)))
    return sorted((r for mine in everyone for r in mine), key=lambda r: r.due)


async def watch(client, inside: list[int], seconds: float) -> None:
    """Ask the book's server again and again how many requests it holds, running and waiting."""
    while True:
        health = (await client.get("../health")).json()
        inside.append(health["running"] + health["waiting"])
        await asyncio.sleep(seconds)


async def drive(
    url: str,
    messages: list[dict],
    limit: int | None,
    loop: Callable[[Send, Clock], Awaitable[list[Record]]],
    watched: float | None = None,
    warm: int = 1,
) -> Run:
    """Warm the server up, then run a loop against it; `watched` is a pause between two looks, in s."""
    httpx = clients.library()
    async with clients.connections(url.rstrip("/") + "/") as client:
        try:
            listing = await client.get("models")
            model = listing.raise_for_status().json()["data"][0]["id"]
        except (httpx.HTTPError, ValueError, LookupError):
            raise CommandError(f"no OpenAI-compatible server at {url}") from None
        body = clients.chat_body(model, messages, limit)
        for _ in range(warm):
            await clients.ask(client, body, 0.0, time.perf_counter)
        run = Run([])
        start = time.perf_counter()

        def clock() -> float:
            return time.perf_counter() - start

        watcher = (
            asyncio.create_task(watch(client, run.inside, watched)) if watched else None
        )
        run.records = await loop(
            lambda due: clients.ask(client, body, due, clock), clock
        )
        if watcher:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
    return run
