"""The batches that were measured on an H100: time, throughput, what a budget allows, and the price."""

from __future__ import annotations

from examples import record
from examples.batching import paper
from examples.cli import CommandError
from examples.predict import roofline, shapes
from examples.values import count, decimal, quantity

BUDGETS = (8, 10, 14)  # ms between two tokens of a user


def points(context: int) -> list[dict]:
    """The recorded steps at one context, smallest batch first."""
    found = [p for p in record.load(paper.STEM)["points"] if p["context"] == context]
    return sorted(found, key=lambda p: p["batch"])


def at(batch: int, context: int) -> dict:
    """The recorded step of a batch."""
    (found,) = [p for p in points(context) if p["batch"] == batch]
    return found


def tokens_per_s(point: dict) -> float:
    """Tokens of all sequences per second."""
    return point["batch"] / record.median(point) * 1e3


def best_within(context: int, budget_ms: float) -> dict:
    """The largest recorded batch whose step keeps a budget.

    CommandError where none does.
    """
    found = [p for p in points(context) if record.median(p) <= budget_ms]
    if not found:
        raise CommandError(f"no batch at context {context} keeps {budget_ms:g} ms")
    return found[-1]


def seconds_per_million(point: dict) -> float:
    """Seconds of the card for a million tokens written."""
    return 1e6 / tokens_per_s(point)


def of_card() -> dict[str, str]:
    """Times, throughput and price by batch, and where the time over the prediction went."""
    shape, card = shapes.named(paper.MODEL), paper.ceilings()
    found: dict[str, str] = {}
    for context in paper.CONTEXTS:
        one = points(context)[0]
        for p in points(context):
            ms, key = record.median(p), f"{p['batch']}-{context}"
            spent = p["kernels_ms"]
            found |= {
                f"ms-{key}": quantity(ms, "ms", 1),
                f"predicted-{key}": quantity(p["predicted_with_starts_ms"], "ms", 1),
                f"off-{key}": quantity(
                    100 * (ms / p["predicted_with_starts_ms"] - 1), "%"
                ),
                f"user-{key}": count(1e3 / ms),
                f"card-{key}": count(tokens_per_s(p)),
                f"slower-{key}": decimal(ms / record.median(one), 1),
                f"fold-card-{key}": count(tokens_per_s(p) / tokens_per_s(one)),
                f"million-{key}": quantity(seconds_per_million(p), "s"),
                f"products-{key}": quantity(spent["products"], "ms", 1),
                f"attention-{key}": quantity(spent["attention"], "ms", 1),
                f"rest-{key}": quantity(
                    ms - spent["products"] - spent["attention"], "ms", 1
                ),
            }
        last = points(context)[-1]
        most = roofline.largest_throughput(shape, card, context)
        found[f"last-share-{context}"] = quantity(100 * tokens_per_s(last) / most, "%")
        for budget in BUDGETS:
            best = best_within(context, budget)
            found |= {
                f"budget-{budget}": quantity(budget, "ms"),
                f"budget-{budget}-{context}": count(best["batch"]),
                f"budget-{budget}-{context}-card": count(tokens_per_s(best)),
            }
    read = roofline.products(shape, 1, 1).bytes / at(1, 512)["kernels_ms"]["products"]
    return found | {
        "products-share": quantity(1e5 * read / card.read_bytes_per_s, "%"),
        "kernels": count(sum(at(1, 512)["kernels"].values())),
    }
