"""The running request is what the chapters say it is."""

from __future__ import annotations

from examples import request
from examples.engine import chat
from examples.engine.generate import stream
from examples.engine.runner import NumpyRunner
from examples.engine.sampling import Sampling


def test_the_request_and_its_answer_are_of_the_lengths_that_are_charged(loaded):
    model, tokenizer = loaded
    ids = chat.ids(tokenizer, request.MESSAGES)
    greedy = Sampling(temperature=0)
    pieces = list(stream(NumpyRunner(model), tokenizer, ids, greedy, 40))
    assert "".join(piece.text for piece in pieces) == request.ANSWER
    assert len(ids) == request.PROMPT_TOKENS
    assert len(pieces) == request.ANSWER_TOKENS and pieces[-1].finish == "stop"


def test_positions_without_a_cache_by_hand():
    assert request.positions_without_cache() == 37 + 38 + 39 + 40 + 41 + 42 + 43 + 44
    assert request.KEPT_TOKENS == 44
