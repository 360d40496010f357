"""What the chapter batching claims."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples import cli, record, request, values
from examples.batching import __main__ as command
from examples.batching import card, core, leave, paper, questions, static
from examples.engine import chat
from examples.predict import memory, roofline, shapes
from examples.predict.roofline import Ceilings

ROOT = Path(__file__).parents[2]
LLAMA = shapes.named(paper.MODEL)
CARD = Ceilings(read_bytes_per_s=2e12, flop_per_s=300e12)


def number(key: str) -> float:
    """The number of a value of this chapter, without its unit."""
    return values.number(values.lookup(f"batching--{key}"))


# On paper.


@pytest.mark.parametrize(("batch", "context"), [(1, 512), (64, 2048), (300, 8192)])
def test_a_step_is_the_formula_of_the_page(batch, context):
    """t(B) = max(W / M, B 2N / R) + B T c / M."""
    part = paper.shares(LLAMA, CARD, batch, context)
    step = max(part["weights"], part["arithmetic"]) + part["caches"]
    assert step == pytest.approx(roofline.decode_s(LLAMA, CARD, batch, context))
    read = memory.weight_bytes_read(LLAMA)
    assert part["weights"] == read / 2e12
    assert part["arithmetic"] == pytest.approx(batch * read / 300e12, rel=1e-3)
    cache = batch * context * memory.kv_bytes_per_token(LLAMA)
    assert part["caches"] == cache / 2e12


@pytest.mark.parametrize("context", paper.CONTEXTS)
def test_caches_and_weights_weigh_the_same_at_the_even_batch(context):
    even = paper.even_batch(LLAMA, context)
    below, above = (
        paper.shares(LLAMA, CARD, batch, context)
        for batch in (int(even), int(even) + 1)
    )
    assert below["caches"] <= below["weights"] and above["caches"] >= above["weights"]


def test_the_largest_batch_fits_and_one_more_does_not():
    fits = paper.largest_batch(LLAMA, 72e9, 8192)
    each, weights = 8192 * memory.kv_bytes_per_token(LLAMA), memory.weight_bytes(LLAMA)
    assert weights + fits * each <= 72e9 < weights + (fits + 1) * each
    assert paper.largest_batch(LLAMA, 1e9, 8192) == 0


def test_which_end_comes_first_depends_on_the_context():
    """At 512 caches and arithmetic nearly together, at 2,048 and 8,192 caches, then memory, and no arithmetic."""
    corner = number("compute-batch")
    assert corner == pytest.approx(number("even-512"), rel=0.05)
    assert number("fits-80-512") > 3 * corner
    for context in (2048, 8192):
        assert number(f"even-{context}") < number(f"fits-80-{context}") < corner
    ratio = number("most-512") / number("most-8192")
    assert number("most-ratio") == pytest.approx(ratio, abs=0.05) and ratio < 16


def test_a_star_marks_what_does_not_fit():
    for line in paper.table(LLAMA, CARD)[3:]:
        context, batch = (field.replace(",", "") for field in line.split()[:2])
        size = int(batch.rstrip("*")) * int(context) * 131072 + 2 * LLAMA.parameters
        assert batch.endswith("*") == (size > 0.9 * 80e9)


def test_exercises_on_paper_by_hand():
    """Exercises 1 to 3, from the published shapes and not from the book's functions."""
    read = 2 * (8_030_261_248 - 128_256 * 4096)  # all parameters but the embedding
    each = 4096 * 131_072
    assert number("exercise-corner") == 300e12 / 2e12
    assert number("exercise-even") == round(read / each)
    assert number("budget-20") == 20
    assert number("exercise-budget") == (0.020 * 2e12 - read) // each
    assert number("exercise-budget") < number("exercise-corner")
    token = 2 * 80 * 8 * 128 * 2
    assert number("exercise-large-token") == token / 1024
    large = 2 * (70_553_706_496 - 128_256 * 8192)
    assert number("exercise-large-even") == round(large / (2048 * token))
    assert number("exercise-small-even") == round(read / (2048 * 131_072))


# As measured.


def test_128_sequences_cost_half_as_much_again_as_one():
    """Per step; 128 times the tokens in 1.5 times the time are 84 times as many a second."""
    assert 1.4 < number("slower-128-512") < 1.6 and number("fold-card-128-512") > 80
    for batch, context in ((128, 512), (64, 2048)):
        key = f"{batch}-{context}"
        gain = record.median(card.at(1, context)) / record.median(
            card.at(batch, context)
        )
        assert number(f"fold-card-{key}") == round(batch * gain)
        assert number(f"slower-{key}") == round(1 / gain, 1)


def test_products_rise_between_128_and_256_rows():
    """By what the formula has, since arithmetic begins between the two; and by 256 to 512 it sets the time."""
    spent = {b: card.at(b, 512)["kernels_ms"]["products"] for b in (1, 64, 128, 256)}
    assert spent[64] < 1.05 * spent[1] and spent[128] < 1.1 * spent[1]
    assert 128 < number("compute-batch") < 256
    rise = spent[256] / spent[128]
    formula = [
        max(part["weights"], part["arithmetic"])
        for part in (paper.shares(LLAMA, paper.ceilings(), b, 512) for b in (128, 256))
    ]
    assert rise == pytest.approx(formula[1] / formula[0], abs=0.04)
    assert number("products-rise") == round(100 * (rise - 1))
    prompts = record.load("prefill-and-decode--h100-prefill")["points"]
    more = {p["tokens"]: p["kernels_ms"]["products"] for p in prompts}
    assert more[512] > 1.4 * more[256]


def test_caches_are_read_nearly_at_the_bandwidth_and_weights_are_not():
    assert number("attention-share") >= 95 > 88 > number("products-share")
    for batch in (1, 16, 64, 128):
        assert 1.0 < number(f"rest-{batch}-2048") < 1.4  # "about a millisecond"


def test_products_miss_as_large_a_share_of_a_step_with_256_users_as_with_one():
    """At a context of 512: what tuning them would be worth. The small kernels' share shrinks."""
    missed, rest = [], []
    for batch in (1, 256):
        point = card.at(batch, 512)
        ms = record.median(point)
        least = 1e3 * roofline.products(LLAMA, batch, batch).seconds(paper.ceilings())
        missed.append((point["kernels_ms"]["products"] - least) / ms)
        rest.append(card.rest_ms(point) / ms)
    assert missed[0] == pytest.approx(missed[1], abs=0.01) and missed[0] > 0.1
    assert rest[1] < rest[0]


def test_predictions_in_the_table_have_the_starts_of_the_kernels_at_that_context():
    launch = record.load(paper.STEM)["ceilings"]["kernel_s"]
    for batch in (1, 128):
        point = card.at(batch, 2048)
        assert number(f"kernels-{batch}-2048") == sum(point["kernels"].values())
        found = point["predicted_ms"] + 1e3 * launch * number(f"kernels-{batch}-2048")
        assert found == pytest.approx(point["predicted_with_starts_ms"], rel=1e-3)


def test_the_corner_is_another_in_another_run():
    from examples.hardware import card as hardware_card

    other = Ceilings.of(record.load(hardware_card.CEILINGS))
    assert 1.01 < paper.ceilings().ridge / other.ridge < 1.05
    rates = [Ceilings.of(record.load(s)).flop_per_s for s in (paper.STEM, card.SECOND)]
    assert 0.9 < rates[1] / rates[0] < 1  # "a little slower in that run"


def test_past_the_even_batch_a_larger_one_still_gains_and_gains_little():
    """At 2,048 from 64 to 128 sequences: twice the batch, a third more tokens."""
    assert number("even-2048") < 64
    gain = card.tokens_per_s(card.at(128, 2048)) / card.tokens_per_s(card.at(64, 2048))
    assert 1.2 < gain < 1.5


def test_no_recorded_batch_exceeds_the_largest_throughput():
    for context in paper.CONTEXTS:
        most = roofline.largest_throughput(LLAMA, paper.ceilings(), context)
        assert all(card.tokens_per_s(p) < most for p in card.points(context))


def test_two_milliseconds_pay_and_ten_more_hardly_do():
    """A quarter more time for two to three times the tokens; then twice the time for little over twice."""
    for context in paper.CONTEXTS:
        tight, loose, last = (
            number(f"budget-{ms}-{context}-card") for ms in card.BUDGETS
        )
        assert number(f"budget-10-{context}-fold") == round(loose / tight, 1)
        assert number(f"budget-20-{context}-fold") == round(last / loose, 1)
        assert 2.0 < last / loose < 2.4
        assert (3.0 < loose / tight < 3.3) is (context != 512)
    assert 1.7 < number("budget-10-512-fold") < 1.9
    assert number("budget-8-512") == 32  # "many sequences kept the first budget"


def test_the_best_batch_within_a_budget():
    assert card.best_within(512, 10.5)["batch"] == 128
    assert card.best_within(512, 10)["batch"] == 64
    with pytest.raises(cli.CommandError, match="no batch at context 512 keeps 5 ms"):
        card.best_within(512, 5)


def test_a_report_without_its_context_says_little():
    assert number("context-fold-32") == round(
        card.tokens_per_s(card.at(32, 512)) / card.tokens_per_s(card.at(32, 8192)), 1
    )
    assert number("context-fold-32") > 2


# A second card.


def test_decode_carries_to_another_card_by_the_bandwidth():
    """Short by what does not scale, within a tenth; beyond the corner bandwidth alone would promise too much."""
    first, second = (Ceilings.of(record.load(s)) for s in (paper.STEM, card.SECOND))
    assert 1.4 < second.read_bytes_per_s / first.read_bytes_per_s < 1.5
    assert second.flop_per_s < first.flop_per_s
    off = [number(f"h200-off-{batch}-{context}") for batch, context in card.CARRIED]
    assert 10 > off[0] > off[1] > off[2] > 0 > off[3] > -10
    assert number("h200-rest-1-512") == number("rest-1-512")
    measured = record.median(card.at(256, 512, card.SECOND))
    assert measured > 1.2 * card.by_bandwidth_ms(256, 512)
    assert number("h200-by-bandwidth-256-512") == round(
        card.by_bandwidth_ms(256, 512), 1
    )
    gain = number("products-256-512") / number("h200-products-256-512")
    assert 1 < gain < 1.2  # less than the bandwidth's


def test_a_larger_memory_moves_the_third_end_and_a_faster_one_the_second():
    assert number("h200-compute-batch") < number("compute-batch") * 0.7
    for context in (2048, 8192):
        fits = (0.9 * 141e9 - memory.weight_bytes(LLAMA)) // (context * 131_072)
        assert number(f"fits-h200-{context}") == fits
        assert fits > 1.9 * number(f"fits-80-{context}")
    assert number("fits-80-8192") < 64 and number("fits-80-2048") < 256
    for batch, context in ((64, 8192), (256, 2048)):
        largest = card.tokens_per_s(card.points(context)[-1])
        assert number(f"h200-card-{batch}-{context}") > 1.5 * largest
        assert all(p["batch"] < batch for p in card.points(context))


# On a CPU core.


def test_copies_in_a_batch_write_what_one_writes(loaded):
    """The rows of `step_seconds` are the running request: timed work is the right work."""
    model, tokenizer = loaded
    prompt = chat.ids(tokenizer, request.MESSAGES)
    from examples.engine.batch import greedy

    alone, _ = greedy(model, [prompt], request.ANSWER_TOKENS, tokenizer.end_id)
    three, waste = greedy(model, [prompt] * 3, request.ANSWER_TOKENS, tokenizer.end_id)
    assert three == alone * 3 and waste.share == 0


def test_recorded_copies_gain_and_two_do_not():
    folds = [number(f"core-{batch}-fold") for batch in core.BATCHES]
    assert folds[1] < 1 < folds[2] < folds[3] < folds[4] < folds[5]
    assert number("core-8-slower") < 4


def test_steps_of_a_batch_are_timed(loaded):
    model, tokenizer = loaded
    prompt = chat.ids(tokenizer, request.MESSAGES)[:9]
    times = core.step_seconds(model, prompt, 2, 3)
    assert len(times) == 3 and all(seconds > 0 for seconds in times)


def test_recording_writes_the_file(loaded, monkeypatch, tmp_path):
    monkeypatch.setattr(core, "BATCHES", (1, 2))
    monkeypatch.setattr(core.engine, "load", lambda: loaded)
    written = {}
    monkeypatch.setattr(
        core.record,
        "write",
        lambda stem, data: written.update({stem: data}) or tmp_path / stem,
    )
    core.record_all(None)
    points = written[core.STEM]["points"]
    assert [p["batch"] for p in points] == [1, 2]
    assert all(len(p["samples"]) == core.SAMPLES for p in points)
    json.dumps(written)


def test_the_core_s_prediction_has_its_corner():
    corner = number("core-corner")
    assert core.predicted_ms(1) == core.predicted_ms(int(corner) - 1)
    assert core.predicted_ms(4 * int(corner)) > 3 * core.predicted_ms(1)
    first = record.load(core.STEM)["points"][0]
    assert first["predicted_ms"] == pytest.approx(core.predicted_ms(1), rel=1e-2)


# A static batch.


def test_a_rectangle_by_hand():
    """Prompts of 2 and 4, answers of 3 and 1: 2 x (4 + 2) computed, 6 + 2 of use."""
    batch = static.Rectangle((2, 4), (3, 1))
    assert (batch.computed, batch.used, batch.steps) == (12, 8, 2)
    assert batch.wasted == pytest.approx(1 / 3)


def test_the_rectangle_counts_as_the_engine_does(loaded):
    """The same numbers from `Waste` of a real padded batch."""
    from examples.engine.batch import greedy

    model, tokenizer = loaded
    prompts = [tokenizer.encode(text) for text in ("Hi", "One two three four five six")]
    answers, waste = greedy(model, prompts, 6, tokenizer.end_id)
    batch = static.Rectangle(
        tuple(len(p) for p in prompts), tuple(len(a) for a in answers)
    )
    assert batch.computed == waste.computed
    assert batch.wasted == pytest.approx(waste.share)


@pytest.mark.parametrize("size", [1, 2, 8, 32])
def test_the_harmonic_number_is_the_mean_of_the_longest(size):
    rng = np.random.default_rng(1)
    drawn = rng.exponential(1.0, (200_000 // size, size)).max(axis=1)
    error = 5 * drawn.std() / len(drawn) ** 0.5
    assert abs(drawn.mean() - static.harmonic(size)) < error


def test_simulated_shares_are_those_of_the_formula():
    for size in (4, 32):
        assert static.simulated_share(size) == pytest.approx(
            static.useful_share(size), abs=0.01
        )
    assert static.simulated_share(8, seed=1) != static.simulated_share(8, seed=2)


def test_no_batch_has_no_rows():
    with pytest.raises(cli.CommandError, match="1 or more rows, not 0"):
        static.harmonic(0)


def test_the_drawn_batch_is_what_the_page_says():
    batch = static.example()
    assert number("static-ended") > 3 * number("static-padding")
    assert len(static.picture(batch)) == static.SHOWN
    assert len({len(row) for row in static.picture(batch)}) <= 3  # rounding of marks
    assert 50 < number("static-wasted") < 60


def test_a_queue_in_batches():
    """Exercise 5."""
    assert static.in_turn([5, 1, 1, 1, 7], 2) == 4 + 0 + 6
    assert static.by_length([5, 1, 1, 1, 7], 2) == 0 + 4 + 6
    alone = static.Rectangle((1, 1), (5, 1))  # the same steps as the chapter counts
    assert static.in_turn(alone.answers, 2) == alone.steps
    least, turn, best = (
        number(f"exercise-{k}") for k in ("least", "in-turn", "sorted")
    )
    assert least < best < 1.2 * least < turn / 3


# Real questions.


def test_recorded_questions_wasted_what_their_lengths_predict():
    lengths = questions.recorded_lengths()
    for point in record.load(questions.STEM)["points"]:
        found = list(questions.rectangles(*lengths, point["batch"]))
        computed = sum(one.computed for one in found)
        wasted = computed - sum(one.used for one in found)
        assert point["same_answers"]
        assert point["computed"] == computed
        assert point["padding"] + point["finished"] == wasted
        assert point["wasted_share"] == point["predicted_share"]


def test_a_limit_on_answers_bounds_the_waste():
    """Every batch of eight holds a capped answer: rows at work are the mean over the limit."""
    prompts, answers = questions.recorded_lengths()
    assert max(answers) == questions.CAP
    eights = [answers[i : i + 8] for i in range(0, len(answers), 8)]
    assert all(questions.CAP in eight for eight in eights)
    bound = (sum(answers) / len(answers) - 1) / (questions.CAP - 1)
    for size in (8, 16, 32):
        assert questions.at_work(prompts, answers, size) == pytest.approx(bound)
        assert bound > 1.5 * static.useful_share(size)
    assert number("questions-8-ended") > 10 * number("questions-8-padding")


def test_pairs_took_longer_than_questions_in_turn():
    assert number("questions-2-s") > 1.5 * number("questions-1-s")
    assert number("questions-32-s") < number("questions-1-s") / 3


def test_questions_are_served_and_recorded(loaded, monkeypatch, tmp_path):
    asked = [questions.QUESTIONS[0], questions.QUESTIONS[4], questions.QUESTIONS[22]]
    monkeypatch.setattr(questions, "QUESTIONS", asked)
    monkeypatch.setattr(questions, "BATCHES", (1, 2))
    monkeypatch.setattr(questions, "CAP", 9)
    monkeypatch.setattr(questions.engine, "load", lambda: loaded)
    monkeypatch.setattr(core, "record_all", lambda _: None)
    written = {}
    monkeypatch.setattr(
        questions.record,
        "write",
        lambda stem, data: written.update({stem: data}) or tmp_path / stem,
    )
    command.main(["record"])
    one, two = written[questions.STEM]["points"]
    assert one["answer_lengths"] == [
        8,
        9,
        7,
    ]  # as in the full record, but for the limit
    assert one["wasted_share"] == 0 < two["wasted_share"] == two["predicted_share"]
    assert one["same_answers"] and two["same_answers"]
    json.dumps(written)


def test_the_recorded_questions_are_those_of_the_list(loaded):
    texts = (
        [{"role": "user", "content": question}] for question in questions.QUESTIONS
    )
    found = [len(chat.ids(loaded[1], messages)) for messages in texts]
    assert found == questions.recorded_lengths()[0]


def test_a_row_that_leaves_changes_no_answer(loaded):
    """Exercise 6."""
    from examples.engine.batch import greedy

    model, tokenizer = loaded
    prompts = [
        chat.ids(tokenizer, [{"role": "user", "content": questions.QUESTIONS[i]}])
        for i in (0, 1, 22)
    ]
    wanted, _ = greedy(model, prompts, 12, tokenizer.end_id)
    found, rows = leave.greedy(model, prompts, 12, tokenizer.end_id)
    lengths = [len(answer) for answer in found]
    assert found == wanted and lengths == [8, 12, 7]
    assert rows == leave.rows_computed(lengths) == 7 + 11 + 6
    steps = range(max(lengths) - 1)
    assert rows == sum(leave.rows_at(lengths, step) for step in steps)
    short, rows = leave.greedy(model, prompts[2:], 12, tokenizer.end_id)
    assert short == found[2:] and rows == 6  # all have left, and the loop ends


def test_rows_of_the_first_eight_questions():
    eight = questions.recorded_lengths()[1][:8]
    assert eight == [8, 128, 12, 128, 30, 24, 9, 128]
    assert number("exercise-leave-rows") == sum(eight) - 8 == 459
    assert number("exercise-leave-all") == 8 * 127
    assert number("exercise-leave-last") == 3


# The command.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "2,048    256*     4.78"),
        (["static"], "55% wasted"),
        (["questions"], "1,710      35%"),
    ],
)
def test_the_command_prints(arguments, words, capsys):
    command.main(arguments)
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["rectangle"], ["static", "--rows", "4"], ["-x"]]
)
def test_bad_options_get_one_line(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "examples.batching", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
