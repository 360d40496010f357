"""A conversation that is sent again at every turn, and its bill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from examples import request
from examples.engine import chat, weights
from examples.engine.gguf import GGUF
from examples.engine.tokenizer import Tokenizer
from examples.naive_inference.bill import positions
from examples.values import count, decimal, quantity

# A conversation with SmolLM2; a test holds the answers to what the model writes greedily.
TURNS = [
    (request.QUESTION, request.ANSWER),
    ("What is the capital of Italy?", "The capital of Italy is Rome."),
    (
        "Which of the two cities is larger?",
        "The capital of France is Paris, while the capital of Italy is Rome.",
    ),
    (
        "Name a famous building in Paris.",
        "The capital of France is Paris, while the capital of Italy is Rome.",
    ),
    (
        "And one in Rome.",
        "The capital of Italy is Rome, while the capital of France is Paris.",
    ),
    ("Thank you!", "You're welcome! I'm glad I could help."),
]
# Agents at work: medians of 610 traces (vLLM project, 6 May 2026).
TRACE_TURNS, TRACE_FIRST, TRACE_LAST, TRACE_HITS = 33, 12_000, 80_000, 94.2


class Turn(NamedTuple):
    """One request of a conversation: tokens that are sent, and tokens that are answered."""

    prompt: int
    answer: int


class Bill(NamedTuple):
    """Positions that a conversation costs, by how far the server's memory reaches."""

    nowhere: int  # every token reads the whole text again
    within_request: int  # every request reads its whole prompt once
    across_requests: int  # every token is read once
    sent: int  # tokens of all prompts, which a stateless API receives


def conversation(turns: Sequence[Turn]) -> Bill:
    """The bill of requests, each of which repeats those before it and adds to them."""
    return Bill(
        nowhere=sum(positions(*turn) for turn in turns),
        within_request=sum(turn.prompt + turn.answer - 1 for turn in turns),
        across_requests=turns[-1].prompt + turns[-1].answer - 1,
        sent=sum(turn.prompt for turn in turns),
    )


def turns() -> list[Turn]:
    """The conversation as requests: tokens of the prompt, and of the answer with its end."""
    tokenizer = Tokenizer(GGUF(weights.checked(weights.find())))
    messages, found = [], []
    for question, answer in TURNS:
        messages.append({"role": "user", "content": question})
        prompt = len(chat.ids(tokenizer, messages))
        found.append(Turn(prompt, len(tokenizer.encode(answer)) + 1))
        messages.append({"role": "assistant", "content": answer})
    return found


def of_chat() -> dict[str, str]:
    """The bill of the conversation, and of an agent's."""
    found = turns()
    own = conversation(found)
    sent = TRACE_TURNS * (TRACE_FIRST + TRACE_LAST) / 2
    table = {
        "chat-turns": count(len(found)),
        "chat-sent": count(own.sent),
        "chat-answered": count(sum(turn.answer for turn in found)),
        "chat-nowhere": count(own.nowhere),
        "chat-request": count(own.within_request),
        "chat-across": count(own.across_requests),
        "chat-request-ratio": decimal(own.within_request / own.across_requests, 1),
        "chat-nowhere-ratio": count(own.nowhere / own.across_requests),
        "chat-last": count(found[-1].prompt),
        "trace-turns": count(TRACE_TURNS),
        "trace-sent": count(sent),
        "trace-distinct": count(TRACE_LAST),
        "trace-repeated": quantity((1 - TRACE_LAST / sent) * 100, "%", 1),
        "trace-hits": quantity(TRACE_HITS, "%", 1),
    }
    equal = [Turn(1000 * k - 200, 200) for k in range(1, 41)]
    ten, forty = conversation(equal[:10]), conversation(equal)
    return table | {
        "exercise-chat-sent-10": count(ten.sent),
        "exercise-chat-sent-40": count(forty.sent),
        "exercise-chat-nowhere-10": count(ten.nowhere),
        "exercise-chat-nowhere-40": count(forty.nowhere),
        "exercise-chat-nowhere-ratio": count(forty.nowhere / ten.nowhere),
        "exercise-chat-ratio": decimal(forty.sent / ten.sent, 1),
        "exercise-chat-across-40": count(forty.across_requests),
    }
