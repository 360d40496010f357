"""The book's server with a model that takes a known time, so that only queue, HTTP and clock are on trial.

Every answer is that of the running request; its
first step takes PREFILL seconds and every further one STEP, whatever else the processor has to do.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from itertools import count

import numpy as np
import uvicorn

from examples import request
from examples.engine import server, weights
from examples.engine.gguf import GGUF
from examples.engine.tokenizer import Tokenizer
from examples.metrics.started import listen_without_delay

PREFILL, STEP = 0.1, 0.02
SERVICE = PREFILL + (request.ANSWER_TOKENS - 1) * STEP


class Paced:
    """A runner of one sequence at a time that sleeps in the place of computing."""

    context, vocabulary = 256, 49152

    def __init__(self, answer: Sequence[int]):
        self.answer, self.numbers = answer, count()
        self.written = 0

    def open(self, capacity: int) -> int:
        self.written = 0
        return next(self.numbers)

    def step(self, work: Sequence[tuple[int, Sequence[int]]]) -> np.ndarray:
        """Logits [1, V] whose largest is the answer's next token, after the time of a step."""
        time.sleep(STEP if self.written else PREFILL)
        logits = np.zeros((len(work), self.vocabulary), dtype=np.float32)
        logits[:, self.answer[self.written]] = 1
        self.written += 1
        return logits

    def close(self, sequence: int) -> None:
        """Nothing was kept."""


def main(argv: Sequence[str] | None = None) -> None:
    """Serve on a free port of this machine."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    tokenizer = Tokenizer(GGUF(weights.find()))
    answer = [*tokenizer.encode(request.ANSWER), tokenizer.end_id]
    app = server.create_app(Paced(answer), tokenizer, room=1000)
    config = uvicorn.Config(
        app, log_level="warning", timeout_graceful_shutdown=server.PATIENCE
    )
    with listen_without_delay("127.0.0.1", 0) as listener:
        print(f"paced at {server.url(listener.getsockname())}", flush=True)
        server.Server(config).run(sockets=[listener])
