"""The chapter's numbers as texts, gathered from the recorded data and the functions of this example."""

from __future__ import annotations

from examples import record, request
from examples.batching import card, leave, measure, products, waste
from examples.predict import flops, memory, roofline, shapes
from examples.predict.roofline import Ceilings
from examples.values import count, decimal, decimal_bytes, quantity

LLAMA = shapes.named(card.MODEL)


def percent(share: float) -> str:
    """A share as a whole number of percent."""
    return quantity(share * 100, "%")


def ms(number: float) -> str:
    """Milliseconds with two significant digits or more."""
    return quantity(number, "ms", 0 if number >= 100 else 1)


def rate(number: float) -> str:
    return quantity(number, "token/s", 1 if number < 100 else 0)


def of_device() -> dict[str, str]:
    """The card's rates and what follows from them alone."""
    rates = card.ceilings()
    flop = flops.matmul_flop_per_token(LLAMA) + flops.head_flop(LLAMA)
    table = {}
    for context in card.CONTEXTS:
        most = card.largest_throughput(context)
        best = max(card.points(context), key=card.throughput)
        table |= {
            f"equal-{context}": count(products.equal_batch(LLAMA, context)),
            f"ninety-{context}": count(
                products.batch_for(LLAMA, rates, context, share=0.9)
            ),
            f"fits-{context}": count(card.fits(context)),
            f"most-{context}": rate(most),
            f"floor-{context}": quantity(1e6 / most, "µs"),
            f"best-{context}": rate(card.throughput(best)),
            f"best-batch-{context}": count(best["batch"]),
        }
    tokens = max(p["tokens"] for p in record.load("kv-cache--h200-memory")["points"])
    cache = 8192 * memory.kv_bytes_per_token(LLAMA)
    return table | {
        "weights-read": decimal_bytes(memory.weight_bytes_read(LLAMA), "GB", 1),
        "weights-ms": ms(
            memory.weight_bytes_read(LLAMA) / rates.read_bytes_per_s * 1e3
        ),
        "rate-flop": quantity(rates.flop_per_s / 1e12, "TFLOP/s"),
        "rate-read": quantity(rates.read_bytes_per_s / 1e12, "TB/s", 2),
        "arithmetic-batch": count(roofline.compute_bound_batch(rates)),
        "arithmetic-256": ms(256 * flop / rates.flop_per_s * 1e3),
        "memory-tokens": count(tokens),
        "cache-cap-8192": rate(round(rates.read_bytes_per_s / cache, -1)),
        "cache-share-8192-64": percent(1 - card.shared_share(8192, 64)),
        "cache-gb-8192-64": decimal_bytes(64 * cache, "GB", 1),
    }


def growth(context: int, small: int, large: int) -> tuple[float, float]:
    """By what factors the throughput and the step grow from one batch to another."""
    one, other = card.at(context, small), card.at(context, large)
    return (
        card.throughput(other) / card.throughput(one),
        record.median(other) / record.median(one),
    )


def of_h200() -> dict[str, str]:
    """The recorded steps."""
    table, gaps = {}, []
    for context in card.CONTEXTS:
        for p in card.points(context):
            name = f"{context}-{p['batch']}"
            table[f"h200-ms-{name}"] = ms(record.median(p))
            table[f"h200-rate-{name}"] = rate(card.throughput(p))
            table[f"h200-user-{name}"] = rate(1e3 / record.median(p))
            table[f"products-{name}"] = ms(p["kernels_ms"]["products"])
            table[f"attention-{name}"] = ms(p["kernels_ms"]["attention"])
            table[f"other-{name}"] = ms(p["kernels_ms"]["other"])
            gaps.append(record.median(p) - p["predicted_ms"])
    for small, large in ((1, 64), (64, 128), (128, 256)):
        one, other = (
            card.at(512, b)["kernels_ms"]["products"] for b in (small, large)
        )
        table[f"products-grow-{large}"] = percent(other / one - 1)
    token = memory.kv_bytes_per_token(LLAMA)
    for context in (512, 8192):
        attention_ms = card.at(context, 64)["kernels_ms"]["attention"]
        read = 64 * context * token / attention_ms / 1e9
        table[f"attention-rate-{context}-64"] = quantity(read, "TB/s", 1)
    last = growth(512, 128, 256)
    long, short = growth(8192, 16, 64), growth(512, 16, 64)
    return table | {
        "gap-least": ms(min(gaps)),
        "gap-most": ms(max(gaps)),
        "h200-more-512-32": percent(growth(512, 1, 32)[1] - 1),
        "h200-gain-8192-64": percent(growth(8192, 32, 64)[0] - 1),
        "h200-gain-8192-16-64": decimal(long[0]),
        "h200-slower-8192-16-64": decimal(long[1]),
        "h200-gain-512-16-64": decimal(short[0]),
        "h200-more-512-16-64": percent(short[1] - 1),
        "h200-gain-512-256": percent(last[0] - 1),
        "h200-wait-512-256": percent(last[1] - 1),
        "h200-total-gain-8192": count(growth(8192, 1, 64)[0]),
        "h200-total-gain-512-64": count(growth(512, 1, 64)[0]),
    }


def of_users() -> dict[str, str]:
    """What a batch costs its card and its users."""

    def seconds(context: int, batch: int) -> float:  # of the card, for a million tokens
        return 1e6 / card.throughput(card.at(context, batch))

    one, many = (card.answer_s(batch, 512, 128) for batch in (1, 32))
    gaps = [
        127 * (record.median(p) - p["predicted_ms"]) / 1e3
        for p in (card.at(512, batch) for batch in (1, 32))
    ]
    return {
        "card-hours-512-1": quantity(seconds(512, 1) / 3600, "h", 1),
        "card-s-512-32": quantity(seconds(512, 32), "s"),
        "card-s-512-256": quantity(seconds(512, 256), "s"),
        "card-s-8192-64": quantity(seconds(8192, 64), "s"),
        "card-ratio": decimal(seconds(8192, 64) / seconds(512, 256)),
        "wait-rate": count(4),
        "wait-16": quantity(card.waiting_s(16, 4), "s", 1),
        "bench-1": quantity(sum(one), "s", 2),
        "bench-32": quantity(sum(many), "s", 2),
        "bench-prefill-32": quantity(many[0], "s", 2),
        "bench-decode-32": quantity(many[1], "s", 2),
        "bench-slower": decimal(sum(many) / sum(one)),
        "bench-gap-least": quantity(min(gaps), "s", 2),
        "bench-gap-most": quantity(max(gaps), "s", 2),
    }


def of_cpu() -> dict[str, str]:
    """A decode step and the running request on one CPU core."""
    data = record.load("batching--cpu-step")
    steps = {p["batch"]: p for p in data["points"]}
    table = {}
    for batch, point in steps.items():
        table[f"cpu-ms-{batch}"] = quantity(record.median(point), "ms")
        table[f"cpu-rate-{batch}"] = quantity(
            batch / record.median(point) * 1e3, "token/s"
        )
        table[f"cpu-products-{batch}"] = quantity(point["products_only_ms"], "ms")
        table[f"cpu-predicted-{batch}"] = quantity(point["predicted_ms"], "ms")
    one, half, most = (record.median(steps[b]) for b in (1, 16, 32))
    predicted = steps[32]["predicted_ms"] - steps[16]["predicted_ms"]
    found = {
        (p["batch"], p["phase"]): record.median(p)
        for p in record.load("batching--request")["points"]
    }
    read = memory.weight_bytes_read(shapes.named(measure.MODEL), 4)
    for phase in ("prefill", "decode"):
        alone, beside = found[1, phase], found[8, phase]
        table[f"request-{phase}-1"] = quantity(alone, "ms")
        table[f"request-{phase}-8"] = quantity(beside, "ms")
        table[f"request-{phase}-gain"] = decimal(8 * alone / beside)
    return table | {
        "cpu-context": count(measure.CONTEXT),
        "cpu-rows": count(roofline.compute_bound_batch(Ceilings.of(data), 4)),
        "cpu-slope": ms((most - half) / 16),
        "cpu-slope-predicted": ms(predicted / 16),
        "cpu-gain-32": count(32 * one / most),
        "cpu-slower-32": decimal(most / one),
        "request-prompt": count(request.PROMPT_TOKENS),
        "request-read-1": decimal_bytes(8 * read, "GB", 1),
        "request-read-8": decimal_bytes(read, "GB", 1),
    }


def of_waste() -> dict[str, str]:
    """Static batches of real questions, and of lengths from a distribution."""
    points = {p["batch"]: p for p in record.load("batching--waste")["points"]}
    answers, prompts = points[1]["answer_lengths"], points[1]["prompt_lengths"]
    table = {}
    for batch, point in points.items():
        _, steps = waste.in_batches(prompts, answers, batch)
        at_work = sum(n - 1 for n in answers) / (batch * steps)
        table |= {
            f"waste-{batch}": percent(point["wasted_share"]),
            f"padding-{batch}": count(point["padding"]),
            f"computed-{batch}": count(point["computed"]),
            f"at-work-{batch}": percent(at_work),
            f"seconds-{batch}": quantity(point["processor_s"], "s"),
        }
    return table | {
        "questions": count(len(answers)),
        "answers-cap": count(max(answers)),
        "capped": count(answers.count(max(answers))),
        "seconds-gain": decimal(points[1]["processor_s"] / points[32]["processor_s"]),
        "use-8": percent(1 / waste.harmonic(8)),
        "use-32": percent(1 / waste.harmonic(32)),
        "use-256": percent(1 / waste.harmonic(256)),
        "simulated-32": percent(waste.simulated_use(32, mean=200)),
    }


def of_exercises() -> dict[str, str]:
    """The solutions' numbers."""
    rates, llama_70b = card.ceilings(), shapes.named("Llama-3.1-70B")
    double = Ceilings(rates.read_bytes_per_s, 2 * rates.flop_per_s)
    points = record.load("batching--waste")["points"]
    prompts, answers = points[0]["prompt_lengths"], points[0]["answer_lengths"]
    orders = {}
    for name, key in (("prompt", prompts), ("answer", answers)):
        found, steps = waste.in_batches(*waste.sorted_by(prompts, answers, key), 8)
        orders |= {
            f"exercise-sorted-{name}": percent(found.share),
            f"exercise-sorted-{name}-padding": count(found.padding),
            f"exercise-sorted-{name}-finished": count(found.finished),
            f"exercise-sorted-{name}-steps": count(steps),
        }
    none, mean = 0.9**16, 0.9 * 50 + 0.1 * 1000
    longest = none * 50 + (1 - none) * 1000
    eight = answers[:8]
    plain = waste.count_waste(prompts[:8], eight)
    left = leave.rows_computed(eight)
    step_8b = [
        1e3 * roofline.decode_s(LLAMA, rates, batch, 2048) for batch in (110, 128)
    ]
    budget = max(
        b
        for b in range(1, 512)
        if b > 0 and 1e3 * roofline.decode_s(LLAMA, rates, b, 2048) <= 10
    )
    at_budget = products.batch_within(card.steps(2048), 10)
    return orders | {
        "exercise-fp8": count(roofline.compute_bound_batch(double, 1)),
        "exercise-fp8-weights": count(roofline.compute_bound_batch(rates, 1)),
        "exercise-70b-equal": count(products.equal_batch(llama_70b, 8192)),
        "exercise-70b-read": decimal_bytes(
            memory.weight_bytes_read(llama_70b), "GB", 1
        ),
        "exercise-70b-weights-ratio": decimal(
            memory.weight_bytes_read(llama_70b) / memory.weight_bytes_read(LLAMA)
        ),
        "exercise-70b-cache-ratio": decimal(
            memory.kv_bytes_per_token(llama_70b) / memory.kv_bytes_per_token(LLAMA)
        ),
        "exercise-budget-predicted": count(budget),
        "exercise-budget-measured": count(at_budget),
        "exercise-budget-step": ms(step_8b[1]),
        "exercise-two-mean": count(mean),
        "exercise-two-longest": count(longest),
        "exercise-two-none": percent(none),
        "exercise-two-use": percent(mean / longest),
        "exercise-two-harmonic": percent(1 / waste.harmonic(16)),
        "exercise-leave-rows": count(left),
        "exercise-leave-all": count(8 * (max(eight) - 1)),
        "exercise-leave-padding": count(plain.padding),
        "exercise-leave-last": count(leave.rows_at(eight, max(eight) - 2)),
        "exercise-leave-mean": decimal(left / (max(eight) - 1)),
    }
