"""A long prompt arrives on an H100 where sixteen others are being answered: whole, and in chunks."""

from __future__ import annotations

from collections.abc import Callable

from examples import record
from examples.cli import CommandError
from examples.predict import roofline, shapes
from examples.predict.roofline import Ceilings, Segment
from examples.predict.shapes import Shape
from examples.prefill_and_decode import paper
from examples.values import count, decimal, quantity

STEM = "prefill-and-decode--h100-arrival"
SECOND = "prefill-and-decode--h200-arrival"  # the same on a second card
BUDGETS = (20, 25, 60)  # ms between two tokens of those who are being answered


def steps(chunk: int, stem: str = STEM) -> list[dict]:
    """The recorded steps from a prompt's first chunk to its last."""
    return [p for p in record.load(stem)["points"] if p["chunk"] == chunk]


def chunks() -> list[int]:
    """The recorded sizes of a chunk, smallest first; the last is the whole prompt."""
    return sorted({p["chunk"] for p in record.load(STEM)["points"]} - {0})


def longest_ms(chunk: int, stem: str = STEM) -> float:
    """The longest step, median of its samples: what the others wait at worst."""
    return max(record.median(p) for p in steps(chunk, stem))


def total_ms(chunk: int, stem: str = STEM) -> float:
    """All steps together: when the prompt's first token comes."""
    return sum(record.median(p) for p in steps(chunk, stem))


def alone_ms(stem: str = STEM) -> float:
    """A decode step of those who are being answered, with nobody arriving."""
    return record.median(steps(0, stem)[0])


def mean_gap_ms(chunk: int) -> float:
    """What the others wait on average until the prompt is read."""
    return total_ms(chunk) / len(steps(chunk))


def apart_ms(chunk: int, stem: str = STEM) -> float:
    """The same tokens one kind after the other: the prompt whole, then as many decode steps less one.

    The step that reads the whole prompt brings everybody a token, too.
    """
    whole = max(chunks())
    return total_ms(whole, stem) + (len(steps(chunk)) - 1) * alone_ms(stem)


def predicted_steps_s(
    shape: Shape,
    ceilings: Ceilings,
    arriving: int,
    chunk: int,
    answered: int,
    context: int,
) -> list[float]:
    """Seconds of each step while a prompt is read by `chunk` beside others."""
    if not 1 <= chunk <= arriving:
        raise CommandError(f"a chunk has 1 to {arriving} tokens, not {chunk}")
    others = [Segment(1, context - 1)] * answered
    return [
        roofline.step_s(
            shape, [*others, Segment(min(chunk, arriving - past), past)], ceilings
        )
        for past in range(0, arriving, chunk)
    ]


def largest_chunk(
    step_s: Callable[[int], float], budget_s: float, sizes: list[int]
) -> int:
    """The largest chunk whose longest step keeps the budget.

    CommandError where none does.
    """
    fitting = [size for size in sizes if step_s(size) <= budget_s]
    if not fitting:
        least = step_s(min(sizes)) * 1e3
        raise CommandError(
            f"no chunk keeps {budget_s * 1e3:g} ms; the smallest takes {least:.1f} ms"
        )
    return max(fitting)


def filled_chunks(
    shape: Shape,
    ceilings: Ceilings,
    arriving: int,
    budget_s: float,
    answered: int,
    context: int,
) -> list[int]:
    """Chunks of a prompt, each as large as a budget for its step allows on paper."""
    others = [Segment(1, context - 1)] * answered

    def seconds(chunk: int, past: int) -> float:
        return roofline.step_s(shape, [*others, Segment(chunk, past)], ceilings)

    sizes, past = [], 0
    while past < arriving:
        low, high = 0, arriving - past  # low keeps the budget, as far as is known
        while low < high:
            middle = (low + high + 1) // 2
            fits = seconds(middle, past) <= budget_s
            low, high = (middle, high) if fits else (low, middle - 1)
        if not low:
            raise CommandError(f"no chunk keeps {budget_s * 1e3:g} ms after {past}")
        sizes.append(low)
        past += low
    return sizes


def of_arrival() -> dict[str, str]:
    """The stall, its price by chunk, and where the time of a chunk went."""
    data = record.load(STEM)
    found = {
        "answered": count(data["answered"]),
        "answered-context": count(data["context"]),
        "arriving": count(data["arriving"]),
        "alone": quantity(alone_ms(), "ms", 1),
        "missed": count(longest_ms(max(chunks())) / alone_ms()),
    }
    for chunk in chunks():
        gap, total, many = longest_ms(chunk), total_ms(chunk), len(steps(chunk))
        digits = 0 if gap >= 100 else 1
        predicted = [p["predicted_with_starts_ms"] for p in steps(chunk)]
        found |= {
            f"chunk-{chunk}": count(chunk),
            f"chunk-{chunk}-steps": count(many),
            f"chunk-{chunk}-longest": quantity(gap, "ms", digits),
            f"chunk-{chunk}-first": quantity(
                record.median(steps(chunk)[0]), "ms", digits
            ),
            f"chunk-{chunk}-total": quantity(total, "ms"),
            f"chunk-{chunk}-predicted-longest": quantity(max(predicted), "ms", digits),
            f"chunk-{chunk}-predicted-total": quantity(sum(predicted), "ms"),
            f"chunk-{chunk}-written": count(many * data["answered"]),
            f"chunk-{chunk}-apart": quantity(apart_ms(chunk), "ms"),
            f"chunk-{chunk}-over": quantity(
                100 * (total / total_ms(max(chunks())) - 1), "%"
            ),
            f"chunk-{chunk}-against-apart": quantity(
                abs(100 * (total / apart_ms(chunk) - 1)), "%"
            ),
        }
    return found | of_last_chunks() | of_choice() | of_second() | of_exercises()


def of_second() -> dict[str, str]:
    """The stall on a card with a faster memory, and what chunks of 256 save there."""
    whole, saved = (
        longest_ms(max(chunks()), SECOND),
        1 - total_ms(256, SECOND) / (apart_ms(256, SECOND)),
    )
    return {
        "h200-alone": quantity(alone_ms(SECOND), "ms", 1),
        "h200-longest": quantity(whole, "ms"),
        "h200-missed": count(whole / alone_ms(SECOND)),
        "h200-256-saved": quantity(100 * saved, "%"),
    }


EXERCISE = (32768, 0.025)  # tokens of a prompt, and seconds for a step


def of_exercises() -> dict[str, str]:
    """Results of the exercises on chunks."""
    data, shape = record.load(STEM), shapes.named(paper.MODEL)
    ceilings, (arriving, budget) = Ceilings.of(data), EXERCISE
    beside = (data["answered"], data["context"])
    filled = filled_chunks(shape, ceilings, arriving, budget, *beside)

    def longest(chunk: int) -> float:
        return max(predicted_steps_s(shape, ceilings, arriving, chunk, *beside))

    equal = largest_chunk(longest, budget, list(range(16, 2048, 16)))
    return {
        "exercise-gap": quantity(mean_gap_ms(512), "ms", 1),
        "exercise-first": count(filled[0]),
        "exercise-last": count(filled[-2]),
        "exercise-steps": count(len(filled)),
        "exercise-equal": count(equal),
        "exercise-equal-steps": count(-(-arriving // equal)),
    }


def of_last_chunks() -> dict[str, str]:
    """Where the last chunk's step went, and what its parts were predicted to take."""
    shape, found = shapes.named(paper.MODEL), {}
    data = record.load(STEM)
    ceilings = Ceilings.of(data)
    for chunk in (256, 2048, max(chunks())):
        point = steps(chunk)[-1]
        others = [Segment(1, data["context"] - 1)] * data["answered"]
        products, writing, reading = roofline.parts(
            shape, [*others, Segment(chunk, point["past"])]
        )
        spent, ms = point["kernels_ms"], record.median(point)
        attending = writing.seconds(ceilings) + reading.seconds(ceilings)
        found |= {
            f"last-{chunk}-products": quantity(spent["products"], "ms", 1),
            f"last-{chunk}-products-predicted": quantity(
                1e3 * products.seconds(ceilings), "ms", 1
            ),
            f"last-{chunk}-attention": quantity(spent["attention"], "ms", 1),
            f"last-{chunk}-attention-predicted": quantity(1e3 * attending, "ms", 1),
            f"last-{chunk}-attention-ratio": decimal(
                spent["attention"] / (1e3 * attending), 1
            ),
            f"last-{chunk}-rest": quantity(
                ms - spent["products"] - spent["attention"], "ms", 1
            ),
        }
    return found


def of_choice() -> dict[str, str]:
    """The chunk that a budget allows: on paper, and by the recorded steps."""
    data, shape = record.load(STEM), shapes.named(paper.MODEL)
    sizes, found = chunks(), {}

    def on_paper(chunk: int) -> float:
        return max(
            predicted_steps_s(
                shape,
                Ceilings.of(data),
                data["arriving"],
                chunk,
                data["answered"],
                data["context"],
            )
        )

    for budget in BUDGETS:
        found |= {
            f"budget-{budget}": quantity(budget, "ms"),
            f"budget-{budget}-paper": count(
                largest_chunk(on_paper, budget / 1e3, sizes)
            ),
            f"budget-{budget}-measured": count(
                largest_chunk(lambda c: longest_ms(c) / 1e3, budget / 1e3, sizes)
            ),
        }
    return found
