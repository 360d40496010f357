"""Writing text one token at a time: the plain loops, and the one that serves a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from examples.cli import CommandError
from examples.engine.model import Model
from examples.engine.runner import Runner
from examples.engine.sampling import Sampler, Sampling
from examples.engine.text import StopStrings, Utf8Stream
from examples.engine.tokenizer import Tokenizer

CHUNK = 512  # tokens of a prompt in one step: scores of all pairs of 8,000 would take gigabytes


def greedy_without_cache(
    model: Model, prompt: Sequence[int], new: int
) -> Iterator[int]:
    """Yield `new` tokens, each the most likely; every step computes the whole text again."""
    ids = list(prompt)
    for _ in range(new):
        logits = model.forward(ids)
        ids.append(int(logits.argmax()))
        yield ids[-1]


def greedy(
    model: Model, prompt: Sequence[int], new: int, stop: int | None = None
) -> Iterator[int]:
    """Yield up to `new` tokens, each the most likely; a step computes one token only.

    Ends early after yielding the token `stop`.
    """
    cache = model.new_cache(len(prompt) + new)
    step = list(prompt)  # prefill: the whole prompt in one pass
    for _ in range(new):
        logits = model.forward(step, cache)
        token = int(logits.argmax())
        yield token
        if token == stop:
            return
        step = [token]  # decode: one token, the rest is in the cache


class Piece(NamedTuple):
    """One step of an answer: the token, the text that it lets be shown, and why the answer ends."""

    text: str
    token: int
    finish: str | None = None  # "stop", "length", or None while it goes on


class Writer:
    """Turns the tokens of one answer into pieces: characters, stop strings, the end."""

    def __init__(
        self, tokenizer: Tokenizer, max_tokens: int, stops: Sequence[str] = ()
    ):
        self.tokenizer, self.left = tokenizer, max_tokens
        self.characters, self.stops = Utf8Stream(), StopStrings(stops)

    def write(self, token: int) -> Piece:
        """The piece of the next token; after one with a finish, nothing may be written."""
        self.left -= 1
        ended = token == self.tokenizer.end_id
        data = b"" if ended else self.tokenizer.decode_bytes([token])
        text, stopped = self.stops.feed(self.characters.feed(data))
        if stopped or not (ended or self.left == 0):
            return Piece(text, token, "stop" if stopped else None)
        last, stopped = self.stops.feed(self.characters.flush())
        held = "" if stopped else self.stops.flush()
        finish = "stop" if ended or stopped else "length"
        return Piece(text + last + held, token, finish)


def stream(
    runner: Runner,
    tokenizer: Tokenizer,
    prompt: Sequence[int],
    sampling: Sampling,
    max_tokens: int,
    stops: Sequence[str] = (),
) -> Iterator[Piece]:
    """Answer a prompt, a piece for each token; closing the iterator gives the memory back.

    CommandError when there is no prompt, or prompt and answer may not fit the context window.
    """
    if not len(prompt):
        raise CommandError("a prompt has at least one token")
    if max_tokens < 1:
        raise CommandError(f"max_tokens is 1 or more, not {max_tokens}")
    sampler, writer = Sampler(sampling, prompt), Writer(tokenizer, max_tokens, stops)
    sequence = runner.open(len(prompt) + max_tokens)
    try:
        for start in range(0, len(prompt), CHUNK):
            (logits,) = runner.step([(sequence, prompt[start : start + CHUNK])])
        while True:
            piece = writer.write(sampler.choose(logits))
            yield piece
            if piece.finish:
                return
            (logits,) = runner.step([(sequence, [piece.token])])
    finally:
        runner.close(sequence)
