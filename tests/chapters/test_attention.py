"""What the chapter attention claims."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples import attention, record, transformer, values
from examples.engine.generate import greedy
from examples.engine.inspection import observe
from examples.engine.layers import attention as engine_attention
from examples.predict import shapes

ROOT = Path(__file__).parents[2]
SMOL, LLAMA = shapes.named("SmolLM2-135M"), shapes.named("Llama-3.1-8B")


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "examples.attention", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def quoted(name: str) -> str:
    return values.lookup(f"attention--{name}")


# One head.


def test_the_head_by_hand_gives_the_numbers_of_the_text():
    """bank: q (4, 2); keys (0, -1), (0, -2), (1, 0), (0, 0); d_h = 2."""
    scores = np.array([-2, -4, 4, 0]) / math.sqrt(2)
    weights = np.exp(scores) / np.exp(scores).sum()
    seen, after = attention.worked()
    assert np.allclose(seen.scores[3], scores) and np.allclose(seen.weights[3], weights)
    taken = weights[2] * np.array([2, 0]) + weights[3] * np.array([1, 1])
    assert np.allclose(seen.taken[3], taken)
    assert np.allclose(after[3], [0, 1 + taken[0], 1 + taken[1], 2])
    assert quoted("weight-river") == f"{weights[2]:.3f}" == "0.929"
    assert quoted("after-water") == f"{1 + taken[0]:.2f}" == "2.91"


def test_the_head_by_hand_is_the_engine_s():
    x = np.random.default_rng(1).standard_normal((12, 4))
    mine = attention.look(x, attention.QUERY, attention.KEY, attention.VALUE)
    q, k, v = (x @ w for w in (attention.QUERY, attention.KEY, attention.VALUE))
    assert np.allclose(mine.taken, engine_attention(q[None], k[None], v[None]))


def test_another_context_turns_the_same_word_the_other_way():
    """The matrices are the same; water and money change places with the context."""
    _, water = attention.worked()
    _, money = attention.worked(("on", "the", "savings", "bank"))
    assert np.allclose(water[3, [1, 2]], money[3, [2, 1]])
    assert water[3, 1] > 2 * water[3, 2]


def test_scores_of_random_vectors_spread_with_the_root_of_their_length():
    rng = np.random.default_rng(3)
    q, k = rng.standard_normal((2, 20_000, 64))
    assert np.einsum("nd,nd->n", q, k).std() == pytest.approx(8, rel=0.02)
    raw = [attention.sharpest(d, scaled=False) for d in (4, 64)]
    scaled = [attention.sharpest(d, scaled=True) for d in (4, 64)]
    assert raw[1] > 2.5 * raw[0]
    assert scaled[1] == pytest.approx(scaled[0], rel=0.05)


# Mask and order.


def test_a_later_token_changes_nothing_before_it_to_the_last_bit(loaded):
    model, tokenizer = loaded
    ids, _ = attention.exchange(tokenizer)
    other = [*ids[:-1], ids[3]]
    one, two = observe(model, ids), observe(model, other)
    assert (one.stream[:, :-1] == two.stream[:, :-1]).all()
    assert (one.attention[:, :, :-1] == two.attention[:, :, :-1]).all()
    assert (one.stream[:, -1] != two.stream[:, -1]).any()


def test_attention_alone_knows_no_order():
    """Exercise 2: among the words that it sees, bank does not notice which came first."""
    _, one = attention.worked()
    _, two = attention.worked(("the", "on", "river", "bank"))
    assert np.allclose(one[2:], two[2:]) and np.allclose(one[:2], two[1::-1])


# What the heads look at: the recorded scores, and the model again.


def test_scores_find_the_habit_they_are_named_for():
    """Made-up maps: a head of each kind scores 1 on its own kind and next to nothing elsewhere."""
    n = 40
    maps = np.zeros((1, 3, n, n))
    row = np.arange(1, n)
    maps[0, 0, row, row - 1] = 1
    maps[0, 1, :, 0] = 1
    late = np.arange(n // 2, n)
    maps[0, 2, late, late - n // 2 + 1] = 1
    for i, kind in enumerate(attention.KINDS):
        scores = attention.score(maps, kind)[0]
        assert scores[i] == 1 and scores.sum() - 1 < 0.06
        uniform = np.tril(np.ones((n, n))) / np.arange(1, n + 1)[:, None]
        flat = attention.score(uniform[None, None], kind)[0, 0]
        assert flat == pytest.approx(attention.uniform_score(kind, n))


def test_recorded_scores_are_the_model_s(loaded):
    """Every head's, to a hundredth; and the best of each kind is best by far or among many."""
    now = attention.all_scores(*loaded, seeds=range(5))
    data = record.load("attention--heads")
    for kind in attention.KINDS:
        then = np.array([p[kind] for p in data["points"]])
        assert np.abs(then - now[kind]).max() < 0.01
        assert list(attention.highest(then, 1)[0]) == data["best"][kind]


def test_one_head_looks_at_the_first_token_in_every_kind_of_text(loaded):
    """18.8 on the request, on random tokens and on English prose."""
    model, tokenizer = loaded
    texts = [attention.exchange(tokenizer)[0]]
    texts += [attention.repeated(tokenizer, seed) for seed in attention.SEEDS]
    texts += [tokenizer.encode(row["en"]) for row in transformer.passages()]
    assert quoted("first-head") == "18.8" and len(texts) == 14
    for ids in texts:
        weights = observe(model, ids).attention[18, 8, 1:, 0]
        assert weights.mean() > 0.99 and weights.min() > 0.8


def test_sinks_are_the_rule_and_the_others_specialists():
    points = record.load("attention--heads")["points"]
    first, previous, induction = (
        np.array([p[kind] for p in points])
        for kind in ("first", "previous", "induction")
    )
    assert np.median(first) > 0.5 > 5 * np.median(previous)
    assert (previous > 0.5).sum() < 10 and (induction > 0.5).sum() < 10
    assert (induction[:17] < 0.05).all()
    assert (np.median(first[10:12], axis=1) < 0.05).all()


def test_induction_wakes_where_the_answer_repeats_the_question():
    data = record.load("attention--heads")
    head = np.array(data["maps"]["induction"])
    question = data["tokens"].index(" France")
    answer = len(data["tokens"]) - 1 - data["tokens"][::-1].index(" of")
    assert head[answer, question] > 0.7
    assert (head[: data["tokens"].index("The"), 0] > 0.9).all()


# Silencing.


def test_a_silenced_head_leaves_the_others_alone(loaded):
    """Nothing before its layer changes; the model itself does not change; all silenced: no mixing."""
    model, tokenizer = loaded
    ids, _ = attention.exchange(tokenizer)
    before = observe(model, ids)
    silenced = observe(attention.silence(model, [(18, 6)]), ids)
    assert (before.stream[:19] == silenced.stream[:19]).all()
    assert (before.stream[19] != silenced.stream[19]).any()
    assert (before.attention[18] == silenced.attention[18]).all()
    assert (observe(model, ids).logits == before.logits).all()
    every = [*np.ndindex(model.config.layers, model.config.heads)]
    mute = attention.silence(model, every)
    alone, together = mute.forward([ids[9]]), mute.forward(ids[:10])
    assert np.allclose(alone, together, atol=1e-3)


def test_five_induction_heads_do_most_of_the_copying(loaded):
    model, tokenizer = loaded
    points = {p["silenced"]: p for p in record.load("attention--silenced")["points"]}
    text = attention.repeated(tokenizer, 0)
    for name in ("none", "induction-5", "previous-1"):
        broken = attention.silence(model, points[name]["heads"])
        assert attention.halves(broken, text)[1] == pytest.approx(
            points[name]["samples"][0], abs=0.05
        )
    second = {name: record.median(point) for name, point in points.items()}
    assert second["induction-5"] > 3 * second["none"]
    assert second["random-10"] < 1.5 * second["none"]
    assert second["previous-1"] > second["induction-1"] > second["random-10"]
    assert second["first-10"] > 2 * second["none"]  # the prediction that fails


def test_two_sinks_that_copy_are_the_cause_of_the_last_row(loaded):
    """Of the ten heads most at the first token, two are induction heads; those two alone do the damage."""
    model, tokenizer = loaded
    points = {p["silenced"]: p for p in record.load("attention--silenced")["points"]}
    heads = {
        name: {tuple(head) for head in point["heads"]} for name, point in points.items()
    }
    copying, rest = heads["first-10-copying"], heads["first-10-rest"]
    assert copying == heads["first-10"] & heads["induction-10"] == {(18, 6), (18, 7)}
    assert rest == heads["first-10"] - copying and len(rest) == 8
    cost = {name: record.median(point) for name, point in points.items()}
    assert cost["first-10-copying"] > 2 * cost["none"]
    assert cost["first-10-rest"] < 1.1 * cost["none"]
    text = attention.repeated(tokenizer, 0)
    for name in ("first-10-copying", "first-10-rest"):
        now = attention.halves(attention.silence(model, points[name]["heads"]), text)
        assert now[1] == pytest.approx(points[name]["samples"][0], abs=0.05)


def test_paris_needs_one_head(loaded):
    """Silenced anew: the head that counts, and one that does not."""
    model, tokenizer = loaded
    data = record.load("attention--paris")
    ids, _ = attention.exchange(tokenizer)
    ids = ids[: ids.index(*tokenizer.encode(" Paris")) + 1]
    for head in (tuple(data["needed"]), (23, 3)):
        now = attention.next_probability(attention.silence(model, [head]), ids)
        assert now == pytest.approx(
            data["points"][head[0]]["without"][head[1]], abs=0.01
        )
    without = np.array([p["without"] for p in data["points"]])
    assert np.sort(without, axis=None)[:2] == pytest.approx([0.63, 0.89], abs=0.01)
    looks = [look["weight"] for look in data["looks"] if look["token"] == " France"]
    assert sum(looks) > 0.8


def test_the_first_token_is_the_one_that_must_not_be_forgotten(loaded):
    model, tokenizer = loaded
    points = {p["forgotten"]: p for p in record.load("attention--forgotten")["points"]}
    cost = {name: record.median(point) for name, point in points.items()}
    assert cost["first"] > cost["none"] + 0.8
    assert all(abs(cost[n] - cost["none"]) < 0.1 for n in ("second", "middle", "2-33"))
    text = attention.shuffled_text(tokenizer, 0)
    for name, gone in (("none", []), ("first", [0])):
        now = attention.surprise_after_forgetting(model, text, gone)
        assert now == pytest.approx(points[name]["samples"][0], abs=0.01)


def test_a_scale_slightly_wrong_loses_the_answer(loaded):
    model, tokenizer = loaded
    ids = attention.chat.ids(tokenizer, attention.request.MESSAGES)
    wrong = attention.rescale(model, attention.wrong_scale())
    for broken, found in ((model, True), (wrong, False)):
        text = tokenizer.decode(greedy(broken, ids, 8, tokenizer.end_id))
        assert (text == attention.request.ANSWER + "<|im_end|>") is found
    assert attention.wrong_scale() == pytest.approx(1.0607, abs=1e-4)


# Senses.


def test_two_senses_part_from_zero(loaded):
    for word in attention.SENSES:
        points = [
            p for p in record.load("attention--senses")["points"] if p["word"] == word
        ]
        assert points[0]["across"] == points[0]["within"] == 0
        ratio = [p["across"] / p["within"] for p in points[6:]]
        assert min(ratio) > 1.8 and max(ratio) < 4.2
    far = attention.apart(*loaded, "bank")
    then = [
        p for p in record.load("attention--senses")["points"] if p["word"] == "bank"
    ]
    assert np.allclose(far.across, [p["across"] for p in then], atol=1e-3)


def test_after_six_layers_every_bank_and_every_spring_finds_its_sense(loaded):
    assert quoted("bank-sorted") == quoted("spring-sorted") == "6"
    for word in attention.SENSES:
        nearest = attention.apart(*loaded, word).nearest
        assert nearest[6] == 1 > nearest[5]


def test_cosine_distance():
    right = attention.distances(np.array([[2.0, 0], [0, 3], [5, 0]]))
    assert np.allclose(right, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])


# Counts and costs.


def test_counts_of_the_text():
    n = 37
    assert (
        attention.weights_computed(SMOL, n) == 30 * 9 * sum(range(1, n + 1)) == 189_810
    )
    length = attention.more_weights_than_parameters(SMOL)
    assert attention.weights_computed(SMOL, length) > 134_515_008
    assert attention.weights_computed(SMOL, length - 1) <= 134_515_008
    assert attention.equal_cost(SMOL) == 2 * (884_736 + 3 * 576 * 1536) / (4 * 9 * 64)
    assert quoted("equal-llama") == "26,624"
    assert attention.map_bytes(LLAMA, 131_072) == 32 * 2**34 * 2 == 2**40
    assert quoted("map-llama-128k") == "1\N{NO-BREAK SPACE}TiB"


def test_how_the_operations_of_a_longer_prompt_grow():
    """From 8,192 to 32,768 tokens, with the equal-cost lengths 26,624 and twice that."""
    for name, equal in (("bench-ratio", 26_624), ("bench-ratio-masked", 53_248)):
        flop = [n * (1 + n / equal) for n in attention.BENCH]
        assert quoted(name) == f"{flop[1] / flop[0]:.1f}"
    page = (ROOT / "chapters/principles/attention.md").read_text("utf-8")
    assert [int(n) for n in re.findall(r"--input-len (\d+)", page)] == [
        *attention.BENCH
    ]


def test_weights_take_the_time_predicted_and_attention_far_more():
    points = record.load("attention--cost")["points"]
    ratio = {(p["part"], p["n"]): record.median(p) / p["predicted_ms"] for p in points}
    time = {(p["part"], p["n"]): record.median(p) for p in points}
    for n in (256, 512, 1024):
        assert 0.95 < ratio["products", n] < 1.2
        assert ratio["attention", n] > 2.5
        assert time["sums", n] < 0.6 * time["attention", n]
    assert time["attention", 512] < time["products", 512]
    assert time["attention", 1024] > time["products", 1024]


def test_a_new_record_has_the_same_fields(loaded, monkeypatch, capsys):
    """Every record is written anew, the slow ones on few heads and texts; nothing is kept."""
    monkeypatch.setattr(attention.record, "write", lambda stem, data: keep(stem, data))
    written = {}

    def keep(stem: str, data: dict) -> Path:
        written[stem] = data
        return ROOT / "examples" / "data" / f"{stem}.json"

    monkeypatch.setattr(attention.engine, "load", lambda: loaded)
    monkeypatch.setattr(attention, "LENGTHS", (64,))
    monkeypatch.setattr(attention, "SEEDS", range(1))
    monkeypatch.setattr(attention, "SENSES", {"bank": attention.SENSES["bank"]})
    monkeypatch.setattr(attention.np, "ndindex", lambda *_: iter([(23, 4), (0, 0)]))
    attention.main(["record"])
    assert capsys.readouterr().out.count("written") == len(attention.RECORDS)
    for stem, data in written.items():
        old = record.load(stem)
        assert old.keys() == data.keys()
        assert old["points"][0].keys() == data["points"][0].keys()


# The commands.


def test_the_worked_head_is_printed(capsys):
    attention.main([])
    printed = capsys.readouterr().out
    assert re.search(r"on the river +bank +0\.00 +2\.91 +1\.05 +2\.00", printed)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["heads"], "18.6"),
        (["senses", "spring"], "embedding        0.000         0.000"),
        (["broken"], "Paris"),
    ],
)
def test_what_the_commands_print(arguments, found, loaded, monkeypatch, capsys):
    monkeypatch.setattr(attention.engine, "load", lambda: loaded)
    attention.main(arguments)
    assert found in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["senses", "bat"], "there are bank, spring"),
        (["record", "attention--nothing"], "there are attention--heads"),
        (["head"], "invalid choice"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_values_are_numbers_with_units():
    for key, text in values.of_chapter("attention").items():
        number, _, unit = text.partition(values.NBSP)
        assert re.fullmatch(r"\N{MINUS SIGN}?[\d,]+(\.\d+)?", number), key
        assert unit in ("", "%", "ms", "GiB", "TiB", "GFLOP/s"), key


# The exercises' answers, worked by hand here.


def test_exercise_1_the_row_of_river():
    scores = np.array([-1, -2, 2]) / math.sqrt(2)
    weights = np.exp(scores) / np.exp(scores).sum()
    assert quoted("exercise-score-river") == f"{scores[2]:.2f}"
    assert quoted("exercise-weight-river") == f"{weights[2]:.2f}" == "0.85"
    assert quoted("exercise-taken") == f"{2 * weights[2]:.2f}" == "1.70"


def test_exercise_3_bytes_of_a_map():
    assert 32 * 8192**2 * 2 == 4 * 2**30
    assert quoted("exercise-map-8k") == "4\N{NO-BREAK SPACE}GiB"
    assert quoted("exercise-map-pass") == "128\N{NO-BREAK SPACE}GiB"


def test_exercise_4_doubling_the_prompt():
    a = 8192 / 26_624
    assert quoted("exercise-growth") == f"{(2 + 4 * a) / (1 + a):.2f}"
    assert quoted("exercise-share-8k") == f"{100 * a / (1 + a):.0f}\N{NO-BREAK SPACE}%"
    layer = 2 * 8192 * (64 + 8) * 128 + 3 * 8192 * 28_672
    assert quoted("exercise-equal-70b") == f"{layer / (2 * 64 * 128):,.0f}"


def test_exercise_5_without_a_mask_every_row_changes():
    x = np.array([attention.VECTORS[token] for token in attention.TOKENS], dtype=float)
    matrices = attention.QUERY, attention.KEY, attention.VALUE
    for head, kept in ((attention.look, True), (attention.look_both_ways, False)):
        short, long = head(x[:3], *matrices).taken, head(x, *matrices).taken[:3]
        assert (np.abs(short - long).max(axis=1) < 1e-12).all() == kept
        assert kept or (np.abs(short - long).max(axis=1) > 0.01).all()
