"""The batches that were measured on an H100: time, throughput, what a budget allows, the price; then an H200."""

from __future__ import annotations

from examples import record
from examples.batching import paper
from examples.cli import CommandError
from examples.measurements import cards
from examples.predict import roofline, shapes
from examples.predict.roofline import Ceilings
from examples.values import count, decimal, quantity

BUDGETS = (8, 10, 20)  # ms between two tokens of a user
SECOND = "batching--h200-step"  # the same steps on a second card
CARRIED = ((1, 512), (64, 2048), (32, 8192), (256, 512))  # batch and context


def points(context: int, stem: str = paper.STEM) -> list[dict]:
    """The recorded steps at one context, smallest batch first."""
    found = [p for p in record.load(stem)["points"] if p["context"] == context]
    return sorted(found, key=lambda p: p["batch"])


def at(batch: int, context: int, stem: str = paper.STEM) -> dict:
    """The recorded step of a batch."""
    (found,) = [p for p in points(context, stem) if p["batch"] == batch]
    return found


def rest_ms(point: dict) -> float:
    """Time that is neither products nor attention: small kernels, and gaps between all of them."""
    spent = point["kernels_ms"]
    return record.median(point) - spent["products"] - spent["attention"]


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
                f"rest-{key}": quantity(rest_ms(p), "ms", 1),
            }
        last = points(context)[-1]
        most = roofline.largest_throughput(shape, card, context)
        found[f"last-share-{context}"] = quantity(100 * tokens_per_s(last) / most, "%")
        for budget in BUDGETS:
            best = best_within(context, budget)
            tighter = BUDGETS[max(0, BUDGETS.index(budget) - 1)]
            before = tokens_per_s(best_within(context, tighter))
            found |= {
                f"budget-{budget}": quantity(budget, "ms"),
                f"budget-{budget}-{context}": count(best["batch"]),
                f"budget-{budget}-{context}-card": count(tokens_per_s(best)),
                f"budget-{budget}-{context}-fold": decimal(
                    tokens_per_s(best) / before, 1
                ),
            }
    short, long = at(32, 512), at(32, 8192)
    rows = {b: at(b, 512)["kernels_ms"]["products"] for b in (128, 256)}
    paper_rows = {b: roofline.products(shape, b, b).seconds(card) for b in rows}
    bulk = at(128, 2048)["kernels_ms"]["attention"]
    caches = paper.shares(shape, card, 128, 2048)["caches"]
    found |= {
        "context-fold-32": decimal(tokens_per_s(short) / tokens_per_s(long), 1),
        "products-rise": quantity(100 * (rows[256] / rows[128] - 1), "%"),
        "products-rise-predicted": quantity(
            100 * (paper_rows[256] / paper_rows[128] - 1), "%"
        ),
        "attention-share": quantity(1e5 * caches / bulk, "%"),
    }
    read = roofline.products(shape, 1, 1).bytes / at(1, 512)["kernels_ms"]["products"]
    return found | {
        "products-share": quantity(1e5 * read / card.read_bytes_per_s, "%"),
        "kernels": count(sum(at(1, 512)["kernels"].values())),
        **{
            f"kernels-{batch}-2048": count(sum(at(batch, 2048)["kernels"].values()))
            for batch in (1, 128)
        },
    }


def by_bandwidth_ms(batch: int, context: int) -> float:
    """A step on the second card if all of the first card's time shrank with the bandwidth."""
    first, second = (Ceilings.of(record.load(s)) for s in (paper.STEM, SECOND))
    ratio = second.read_bytes_per_s / first.read_bytes_per_s
    return record.median(at(batch, context)) / ratio


def of_second() -> dict[str, str]:
    """What moves on a card with a faster and larger memory, and by how much its steps were mispredicted."""
    first, second = (Ceilings.of(record.load(s)) for s in (paper.STEM, SECOND))
    found = {
        "h200-bandwidth": quantity(second.read_bytes_per_s / 1e12, "TB/s", 2),
        "h200-read-ratio": decimal(second.read_bytes_per_s / first.read_bytes_per_s, 2),
        "h200-rate": quantity(second.flop_per_s / 1e12, "TFLOP/s"),
        "h200-compute-batch": count(roofline.compute_bound_batch(second)),
        "h200-rest-1-512": quantity(rest_ms(at(1, 512, SECOND)), "ms", 1),
        "h200-products-256-512": quantity(
            at(256, 512, SECOND)["kernels_ms"]["products"], "ms", 1
        ),
        "h200-by-bandwidth-256-512": quantity(by_bandwidth_ms(256, 512), "ms", 1),
    }
    for batch, context in ((64, 8192), (256, 2048)):
        point = at(batch, context, SECOND)
        found |= {
            f"h200-ms-{batch}-{context}": quantity(record.median(point), "ms", 1),
            f"h200-card-{batch}-{context}": count(tokens_per_s(point)),
        }
    for batch, context in CARRIED:
        error = cards.one(SECOND, batch=batch, context=context).error
        found[f"h200-off-{batch}-{context}"] = quantity(100 * error, "%")
    return found
