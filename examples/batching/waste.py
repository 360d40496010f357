"""What a static batch computes for nobody: padding, and rows that wait for the longest answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from examples.engine.batch import Waste

# Short and long requests, in the order in which they are taken to arrive.
QUESTIONS = [
    "What is the capital of France?",
    "Write a short story about a robot who learns to paint.",
    "What is 2 + 2?",
    "Explain how rain forms.",
    "Say hello.",
    "List five fruits.",
    "Translate 'good morning' into Spanish.",
    "Why is the sky blue?",
    "Describe the water cycle in detail, step by step, for a school book.",
    "Who wrote Hamlet?",
    "Give me a recipe for pancakes.",
    "Name a color.",
    "What is the largest ocean?",
    "Write a letter to a friend who has moved to another city.",
    "Is a whale a fish?",
    "What does HTTP stand for?",
    "Write a haiku about autumn.",
    "How do I boil an egg?",
    "What is the opposite of cold?",
    "Summarize the plot of Romeo and Juliet.",
    "Which planet is closest to the sun?",
    "Write three tips for sleeping better.",
    "Spell the word necessary.",
    "What is photosynthesis?",
    "How many days are in a week?",
    "Tell me a joke.",
    "Write a product description for a wooden chair.",
    "What is the boiling point of water?",
    "Compare cats and dogs as pets.",
    "Who painted the Mona Lisa?",
    "Write a Python function that adds two numbers.",
    "Thank you!",
]


def count_waste(prompts: Sequence[int], answers: Sequence[int]) -> Waste:
    """Tokens of one static batch, from its prompts' and answers' lengths in tokens.

    An answer's first token comes from the pass over the prompts, its last is never fed back.
    """
    rows, width, steps = len(prompts), max(prompts), max(answers) - 1
    return Waste(
        computed=rows * (width + steps),
        padding=rows * width - sum(prompts),
        finished=rows * steps - sum(answer - 1 for answer in answers),
    )


def in_batches(
    prompts: Sequence[int], answers: Sequence[int], batch: int
) -> tuple[Waste, int]:
    """The waste of requests that are served `batch` at a time, and the decode steps that it takes."""
    total, steps = Waste(), 0
    for first in range(0, len(prompts), batch):
        part = slice(first, first + batch)
        one = count_waste(prompts[part], answers[part])
        total.computed += one.computed
        total.padding += one.padding
        total.finished += one.finished
        steps += max(answers[part]) - 1
    return total, steps


def harmonic(batch: int) -> float:
    """1 + 1/2 + ... + 1/B: the longest of B exponential lengths, in mean lengths, on average."""
    return sum(1 / i for i in range(1, batch + 1))


def simulated_use(batch: int, mean: float, draws: int = 4000, seed: int = 0) -> float:
    """Share of rows at work in static batches of geometric answer lengths of that mean, in tokens."""
    rng = np.random.default_rng(seed)
    lengths = rng.geometric(1 / mean, size=(draws, batch))
    return float(lengths.sum() / (batch * lengths.max(axis=1)).sum())


def sorted_by(prompts: Sequence[int], answers: Sequence[int], key: Sequence[int]):
    """Requests in the order of a key, as (prompts, answers): the batches then hold like lengths (exercise 5)."""
    order = sorted(range(len(prompts)), key=lambda i: key[i])
    return [prompts[i] for i in order], [answers[i] for i in order]
