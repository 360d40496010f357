"""One thread computes; what it shall compute waits in a bounded queue, first in, first out.

The server's event loop must never wait for a matrix product, so the model runs beside it. A generation
is handed in as a function that begins it; its pieces come back one by one, through `follow`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

LOG = logging.getLogger("uvicorn.error")
END = object()  # delivered after the last piece

# What begins a generation; it is given a function that says whether anybody still waits for it.
Start = Callable[[Callable[[], bool]], Generator[Any, None, None]]


class QueueFull(Exception):
    """There is no room to wait; the caller may try again later."""


class Stopped(Exception):
    """The worker ends, and with it what it was computing."""


class GivenUp(Exception):
    """The one who asked has gone."""


class Job:
    """One generation. `start` begins it and `deliver` takes its pieces, both in the worker's thread.

    After the pieces comes END, or the exception that broke the generation off.
    """

    def __init__(self, start: Start, deliver: Callable[[Any], object]):
        self.start, self.deliver = start, deliver
        self.cancelled = False


class Worker:
    """The thread, with one job in hand and at most `room` waiting."""

    def __init__(self, room: int):
        self.room = room
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._open = True
        self._change = threading.Condition()
        # A daemon: a long prefill cannot be interrupted, and must not hold up the end of the program.
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether jobs are being worked on."""
        return self._open and self._thread.is_alive()

    def load(self) -> dict[str, int]:
        """How many jobs run (0 or 1), and how many wait."""
        with self._change:
            return {
                "running": int(self._running is not None),
                "waiting": len(self._waiting),
            }

    def submit(self, job: Job) -> None:
        """Put a job at the end of the queue; raises QueueFull or Stopped."""
        with self._change:
            if not self._open:
                raise Stopped
            if len(self._waiting) + (self._running is not None) > self.room:
                raise QueueFull
            self._waiting.append(job)
            self._change.notify()

    def cancel(self, job: Job, why: Exception) -> None:
        """Break a job off: its place is free at once if it waits, after the token in hand if it runs."""
        with self._change:
            if not job.cancelled:
                job.cancelled = True
                job.deliver(why)
            if job in self._waiting:
                self._waiting.remove(job)

    def close(self) -> None:
        """Take no more jobs and end those there are, each with Stopped."""
        with self._change:
            self._open = False
            for job in [*self._waiting, *filter(None, [self._running])]:
                self.cancel(job, Stopped())
            self._change.notify()

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, so many seconds at most."""
        self._thread.join(timeout)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            outcome = self._outcome(job)
            with self._change:
                self._running = None
            job.deliver(outcome)

    def _next(self) -> Job | None:
        """The job that waited longest, once there is one; None when the worker is closed."""
        with self._change:
            self._change.wait_for(lambda: self._waiting or not self._open)
            if self._waiting:
                self._running = self._waiting.popleft()
            return self._running

    @staticmethod
    def _outcome(job: Job) -> object:
        """Deliver the pieces of a job; return what is to be delivered after them.

        Whatever goes wrong in a job is that job's alone: the thread goes on to the next.
        """
        try:
            pieces = job.start(lambda: not job.cancelled)
            try:
                for piece in pieces:
                    job.deliver(piece)
                    if job.cancelled:
                        break
            finally:
                pieces.close()
        except Exception as error:
            if not job.cancelled:
                LOG.exception("a generation failed")
            return error
        return END


async def follow(
    worker: Worker, start: Start, gone: Callable[[], Awaitable[object]]
) -> AsyncIterator[Any]:
    """The pieces of a generation as they come.

    It is given up when the iterator is closed, and when `gone` returns: the client has left.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[Any] = asyncio.Queue()

    def deliver(item: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
            loop.call_soon_threadsafe(arrived.put_nowait, item)

    job = Job(start, deliver)
    worker.submit(job)
    watch = asyncio.ensure_future(gone())
    watch.add_done_callback(lambda _: worker.cancel(job, GivenUp()))
    try:
        while (item := await arrived.get()) is not END:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        watch.cancel()
        worker.cancel(job, GivenUp())
