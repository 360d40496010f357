"""A static batch: what its rectangle wastes, counted, simulated, and in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from examples.cli import CommandError
from examples.values import count, decimal, quantity

MEAN = 256  # tokens of an answer, on average
SIZES = (1, 4, 8, 16, 32, 64, 128)
SHOWN = 8  # requests of the batch that is drawn
SEED, DRAWS = 7, 4000


@dataclass(frozen=True)
class Rectangle:
    """Requests in a static batch: tokens of each prompt and of each answer."""

    prompts: tuple[int, ...]
    answers: tuple[int, ...]

    @property
    def computed(self) -> int:
        """Tokens that pass through the model: all rows as wide as the widest, all to the end.

        An answer's last token is never fed back, so n tokens take n - 1 steps after the prompt.
        """
        return len(self.prompts) * (max(self.prompts) + max(self.answers) - 1)

    @property
    def used(self) -> int:
        """Tokens that some answer needed."""
        return sum(self.prompts) + sum(self.answers) - len(self.answers)

    @property
    def wasted(self) -> float:
        """The share of the computed tokens that answered nobody."""
        return 1 - self.used / self.computed

    @property
    def steps(self) -> int:
        """Decode steps until the last row has ended."""
        return max(self.answers) - 1


def lengths(rng: np.random.Generator, number: int, mean: float = MEAN) -> np.ndarray:
    """Answers that end at each token with the same chance: geometric with this mean."""
    return rng.geometric(1 / mean, number)


def harmonic(size: int) -> float:
    """H_n = 1 + 1/2 + ... + 1/n: the mean of the largest of n exponentials, in means.

    The n rows end at n times the rate of one, then n - 1 times, and so on.
    """
    if size < 1:
        raise CommandError(f"a batch has 1 or more rows, not {size}")
    return float(sum(Fraction(1, k) for k in range(1, size + 1)))


def useful_share(size: int) -> float:
    """Share of a static batch's row-steps that write a wanted token, for exponential lengths."""
    return 1 / harmonic(size)


def simulated_share(size: int, draws: int = DRAWS, seed: int = SEED) -> float:
    """The same, drawn: all wanted tokens over all row-steps of many batches."""
    answers = lengths(np.random.default_rng(seed), size * draws).reshape(draws, size)
    return float(answers.sum() / (size * answers.max(axis=1).sum()))


def example() -> Rectangle:
    """The batch that the chapter draws: prompts and answers of mixed lengths, from a seed."""
    rng = np.random.default_rng(SEED)
    prompts = rng.integers(20, 200, SHOWN)
    return Rectangle(
        tuple(map(int, prompts)), tuple(map(int, lengths(rng, SHOWN, 120)))
    )


def picture(batch: Rectangle, per_mark: int = 8) -> list[str]:
    """The rectangle in characters, a mark for so many tokens: padding, prompt, answer, ended."""
    wide, long = max(batch.prompts), max(batch.answers)

    def marks(tokens: int) -> int:
        return round(tokens / per_mark)

    rows = []
    for prompt, answer in zip(batch.prompts, batch.answers, strict=True):
        pad = marks(wide) - marks(prompt)
        ended = marks(long) - marks(answer)
        rows.append(
            "-" * pad + "P" * marks(prompt) + "|" + "a" * marks(answer) + "." * ended
        )
    return rows


def in_turn(answers: Sequence[int], size: int) -> int:
    """Decode steps of a queue served in static batches of `size`, in order."""
    return sum(
        max(answers[start : start + size]) - 1 for start in range(0, len(answers), size)
    )


def by_length(answers: Sequence[int], size: int) -> int:
    """The same when the queue is sorted by length first, as only an oracle can."""
    return in_turn(sorted(answers), size)


def of_static() -> dict[str, str]:
    """The drawn batch, and shares by the size of a batch."""
    batch = example()
    padding = len(batch.prompts) * max(batch.prompts) - sum(batch.prompts)
    ended = len(batch.answers) * max(batch.answers) - sum(batch.answers)
    found = {
        "static-rows": count(len(batch.prompts)),
        "static-computed": count(batch.computed),
        "static-used": count(batch.used),
        "static-wasted": quantity(100 * batch.wasted, "%"),
        "static-padding": count(padding),
        "static-ended": count(ended),
        "static-longest": count(max(batch.answers)),
        "static-shortest": count(min(batch.answers)),
        "static-mean": count(sum(batch.answers) / len(batch.answers)),
        "static-answer-mean": count(MEAN),
    }
    for size in SIZES:
        found |= {
            f"static-{size}-harmonic": decimal(harmonic(size), 2),
            f"static-{size}-useful": quantity(100 * useful_share(size), "%"),
            f"static-{size}-simulated": quantity(100 * simulated_share(size), "%"),
        }
    answers = lengths(np.random.default_rng(SEED), 1024).tolist()
    least = sum(n - 1 for n in answers) / 32
    return found | {
        "exercise-in-turn": count(in_turn(answers, 32)),
        "exercise-sorted": count(by_length(answers, 32)),
        "exercise-least": count(least),
        "exercise-in-turn-share": quantity(100 * least / in_turn(answers, 32), "%"),
        "exercise-sorted-share": quantity(100 * least / by_length(answers, 32), "%"),
    }
