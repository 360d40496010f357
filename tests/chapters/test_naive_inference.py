"""What the chapter naive-inference claims."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples import cli, record, request, values
from examples.engine import chat
from examples.engine.generate import greedy, greedy_without_cache
from examples.naive_inference import __main__ as command
from examples.naive_inference import again, bill, measure, stores, talk
from examples.naive_inference.talk import Turn
from examples.predict import flops, shapes

ROOT = Path(__file__).parents[2]
SMOL, LLAMA = shapes.named("SmolLM2-135M"), shapes.named("Llama-3.1-8B")


@pytest.fixture(scope="module")
def asked(loaded):
    """The running request's prompt."""
    return chat.ids(loaded[1], request.MESSAGES)


def number(key: str) -> float:
    """The number of a value of this chapter, without its unit."""
    return values.number(values.lookup(f"naive-inference--{key}"))


# What is computed again.


def test_another_last_token_changes_no_bit_of_the_others(loaded, asked):
    found = again.compare(loaded[0], asked, [*asked[:-1], 100])
    assert found.keys() == set(again.KINDS)
    assert all(part.equal == 1 and part.apart == 0 for part in found.values())


def test_another_last_token_does_change_the_last(loaded, asked):
    """The counterpart: were the test above blind, this one would fail."""
    one, other = (
        again.intermediates(loaded[0], ids)[0] for ids in (asked, [*asked[:-1], 100])
    )
    for kind in again.KINDS:
        assert (one[kind][:, -1] != other[kind][:, -1]).any(), kind


@pytest.mark.parametrize("tokens", [1, 7, 34, 37])
def test_a_token_more_changes_the_others_by_rounding_only(loaded, asked, tokens):
    found = again.compare(loaded[0], asked[:tokens], asked[: tokens + 1])
    assert all(part.apart < command.WITHIN for part in found.values())
    assert found["queries"].numbers == 576 and found["keys"].numbers == 192


def test_the_intermediates_are_those_of_the_engine(loaded, asked):
    model = loaded[0]
    found, logits = again.intermediates(model, asked)
    cache = model.new_cache(len(asked))
    assert np.allclose(model.forward(asked, cache), logits, atol=1e-3)
    keys = cache.keys[:, :, : len(asked)].swapaxes(1, 2).reshape(30, len(asked), -1)
    assert np.allclose(keys, found["keys"], atol=1e-3)
    rows = found["attention weights"].sum(axis=-1)
    assert np.allclose(rows, 1, atol=1e-5)


def test_a_word_changes_everything_behind_it_and_nothing_before(loaded, asked):
    edited = measure.edited(loaded[1], asked)
    place = next(
        i for i, pair in enumerate(zip(asked, edited, strict=True)) if len({*pair}) > 1
    )
    shares = again.changed(loaded[0], asked, edited)
    assert (shares[:, :place] == 0).all()
    assert (shares[1:, place:] > 0).all()
    assert np.count_nonzero(shares[0]) == 1
    assert place + 1 == number("edit-position")
    assert len(asked) - place - 1 == number("edit-after")


def test_a_word_of_two_tokens_cannot_be_replaced(loaded, monkeypatch):
    monkeypatch.setattr(measure, "EDITED", (" helpful", " unhelpfulness"))
    with pytest.raises(ValueError, match="single tokens"):
        measure.edited(loaded[1], [1])


def test_recorded_agreement_is_what_the_page_says():
    points = record.load("naive-inference--again")["points"]
    assert [p["tokens"] for p in points] == list(range(1, measure.LENGTHS + 1))
    assert all((p["equal"] == 1) == (p["apart"] == 0) for p in points)
    assert all(p["apart"] < command.WITHIN for p in points)
    steps = [p for p in points if 37 <= p["tokens"] < 44]
    unequal = [p["tokens"] for p in steps if p["equal"] < 1]
    assert unequal == [number("again-request-from")] == [number("again-request-to") - 1]


# The bill.


@pytest.mark.parametrize(("prompt", "answer"), [(1, 1), (37, 8), (5, 13), (100, 3)])
def test_the_closed_forms_are_the_sums(prompt, answer):
    lengths = range(prompt, prompt + answer)
    assert bill.positions(prompt, answer) == sum(lengths)
    assert bill.scores(prompt, answer) == sum(n * n for n in lengths)
    steps = sum(flops.step_flop(SMOL, n, cached=False) for n in lengths)
    assert sum(bill.answer_flop(SMOL, prompt, answer).values()) == steps


def test_the_running_request_costs_324_positions():
    n = bill.positions(request.PROMPT_TOKENS, request.ANSWER_TOKENS)
    assert n == request.positions_without_cache() == 324


def test_at_the_crossing_both_terms_are_equal():
    """In a pass at T*, in a whole answer from nothing at one and a half times that."""
    for shape, tokens in ((SMOL, 3072), (LLAMA, 26_624)):
        assert bill.crossover(shape) == tokens
        parts = bill.answer_flop(shape, 0, round(1.5 * tokens))
        assert parts["attention"] == pytest.approx(parts["products"], rel=1e-3)
    assert 2 * number("layer-weights") / (4 * number("width")) == 26_624


def test_the_two_regimes():
    """A short answer doubles with its length, a long one quadruples."""
    assert bill.positions(10_000, 20) / bill.positions(10_000, 10) < 2.01
    assert bill.positions(10, 20_000) / bill.positions(10, 10_000) > 3.99


def test_a_conversation_by_hand():
    found = talk.conversation([Turn(10, 2), Turn(15, 3)])
    assert found == (10 + 11 + 15 + 16 + 17, 11 + 17, 17, 25)


def test_the_conversation_is_what_the_model_writes(loaded):
    model, tokenizer = loaded
    messages = []
    for question, answer in talk.TURNS[:3]:
        messages.append({"role": "user", "content": question})
        prompt = chat.ids(tokenizer, messages)
        written = list(greedy(model, prompt, 20, stop=tokenizer.end_id))
        assert tokenizer.decode(written[:-1]) == answer
        messages.append({"role": "assistant", "content": answer})


def test_each_prompt_begins_with_the_one_before(loaded):
    tokenizer, before = loaded[1], []
    messages = []
    for question, answer in talk.TURNS:
        messages.append({"role": "user", "content": question})
        prompt = chat.ids(tokenizer, messages)
        assert prompt[: len(before)] == before
        before = prompt
        messages.append({"role": "assistant", "content": answer})


def test_the_published_traces_repeat_as_much_as_predicted():
    assert abs(number("trace-repeated") - number("trace-hits")) < 1


# What could be kept.


def test_keys_and_values_leave_a_cached_step_and_nothing_leaves_a_naive_one():
    rows = {s.kept: s for s in stores.stores(LLAMA, 8192)}
    assert rows["nothing"].flop == flops.step_flop(LLAMA, 8192, cached=False)
    assert rows["keys and values"].flop == flops.step_flop(LLAMA, 8192, cached=True)
    assert rows["queries, keys, values"].flop == rows["keys and values"].flop
    assert rows["keys and values"].numbers * 2 == 128 * 1024
    in_order = [s.flop for s in rows.values()]
    assert rows["inputs of the layers"].flop * 20 < min(in_order[:6])
    assert rows["attention weights"].numbers == 32 * 32 * 8192


def test_what_is_kept_of_a_model_is_compared_within_its_window():
    assert number("stored-llama-2-7b") == shapes.named("Llama-2-7B").context == 4096
    left = 2 * 2 * 32 * 4096**2 * 4095 / 1e12  # keys and values of the past, again
    assert number("inputs-tflop-llama-2-7b") == pytest.approx(left, abs=0.03)


def test_inputs_weigh_half_of_keys_and_values_only_where_heads_share_none():
    for name, ratio in (("Llama-2-7B", 0.5), ("Llama-3.1-8B", 2)):
        rows = {s.kept: s for s in stores.stores(shapes.named(name), 4096)}
        inputs, both = rows["inputs of the layers"], rows["keys and values"]
        assert inputs.numbers / both.numbers == ratio


def test_exercise_5_inputs_are_enough(loaded, asked):
    model, c = loaded[0], loaded[0].config
    inputs = [np.empty((0, c.width), dtype=np.float32) for _ in range(c.layers)]
    step, written = list(asked), []
    for _ in range(6):
        logits = stores.forward_from_inputs(model, inputs, step)
        written.append(int(logits.argmax()))
        step = written[-1:]
    assert written == list(greedy_without_cache(model, asked, 6))
    assert len(inputs[0]) == len(asked) + 5


# Measurements.


def test_interpolation_is_exact_on_a_power_law_and_refuses_to_extrapolate():
    points = [(10.0, 100.0), (40.0, 1600.0), (80.0, 6400.0)]
    assert measure.interpolated(points, 20) == pytest.approx(400)
    assert measure.interpolated(points, 80) == pytest.approx(6400)
    with pytest.raises(ValueError, match="outside"):
        measure.interpolated(points, 81)


def test_a_crossing_is_found_on_a_power_law():
    points = [(10.0, 0.1), (20.0, 0.2), (40.0, 0.4)]
    assert measure.crossing(points) == pytest.approx(100)


def test_the_naive_step_grows_and_the_answer_is_its_steps(loaded, asked):
    times = measure.answer_times(loaded[0], asked * 5, 3)
    short = measure.answer_times(loaded[0], asked[:8], 3)
    assert sum(times) > 3 * sum(short)


def test_recorded_answers_follow_their_predictions():
    points = record.load("naive-inference--answer")["points"]
    for prompt, answer in (measure.SHORT, measure.LONG):
        mine = [p for p in points if p["prompt"] == prompt]
        assert [p["written"] for p in mine] == measure.shown(prompt, answer)
        ratio = measure.median_so_far(mine[-1]) / mine[-1]["predicted_s_so_far"]
        assert 1 < ratio < 2
        steps = measure.answer_ms("kv-cache--growth", prompt, answer) / 1e3
        assert measure.median_so_far(mine[-1]) == pytest.approx(steps, rel=0.25)
    first, *_, last = [p for p in points if p["prompt"] == measure.LONG[0]]
    assert record.median(last) < 1.2 * record.median(first)


def test_attention_crosses_the_products_long_before_its_operations_do():
    assert 512 < number("cross-measured") < 1200 < number("cross-smollm2-135m")
    assert number("h100-cross") < number("cross-mask-llama-3.1-8b")
    shares = [number(f"share-attention-{n}") for n in measure.CONTEXTS]
    assert max(shares) < 50 and shares.index(max(shares)) == 3


def test_the_answer_on_an_h100_is_as_far_from_paper_as_its_steps():
    over = [number(f"h100-step-over-{end}") for end in ("least", "most")]
    assert 15 < over[0] <= number("h100-over") <= over[1] < 30
    assert 75 < number("h100-share") < 85


def test_faster_memory_does_not_help_a_naive_answer():
    """An H200 reads 1.44 times as fast as the H100; its steps add up to the same within 3 %."""
    hours = number("h100-31744"), number("h200-31744")
    assert hours[1] == pytest.approx(hours[0], rel=0.03)
    read = [
        record.load(f"kv-cache--{card}-step")["ceilings"]["read_bytes_per_s"]
        for card in ("h100", "h200")
    ]
    assert read[1] > 1.4 * read[0]


def test_a_hundred_rows_cost_an_h100_little_more_than_one():
    assert number("h100-rows-128") < 1.12 * number("h100-rows-1")
    assert number("h100-rows-256") < number("h100-rows-1") * 2
    assert number("core-rows") < 20


def test_a_recording_is_whole_and_predicts_before_it_measures(
    tmp_path, monkeypatch, capsys
):
    """The recorder at toy size: the same fields, a prediction beside each timed point."""
    write = record.write
    monkeypatch.setattr(record, "write", lambda stem, data: write(stem, data, tmp_path))
    monkeypatch.setattr(measure, "SHORT", (4, 3))
    monkeypatch.setattr(measure, "LONG", (9, 2))
    monkeypatch.setattr(measure, "CONTEXTS", (8,))
    monkeypatch.setattr(measure, "LENGTHS", 2)
    monkeypatch.setattr(measure, "EVERY", 2)
    command.main(["record"])
    assert capsys.readouterr().out.count("written") == 4
    for name in ("changes", "again", "attention", "answer"):
        stem = f"naive-inference--{name}"
        made = json.loads((tmp_path / f"{stem}.json").read_text("utf-8"))
        kept = record.load(stem)
        assert made.keys() == kept.keys()
        assert made["points"][0].keys() == kept["points"][0].keys()
    answers = made["points"]
    assert [(p["prompt"], p["written"]) for p in answers] == [
        (9, 1),
        (9, 2),
        (4, 1),
        (4, 2),
    ]
    assert all(p["predicted_ms"] > 0 and len(p["samples"]) == 5 for p in answers)
    assert all(len(p["s_so_far"]) == 5 for p in answers)


# The exercises' answers, worked by hand here.


def test_exercise_1():
    assert number("exercise-positions") == 500 * 1000 + 500 * 499 / 2
    assert number("exercise-cached") == 1000 + 500 - 1
    a, b = 2 * 32 * 218_103_808, 4 * 32 * 4096
    scores = sum((1000 + i) ** 2 for i in range(500))
    flop = a * 624_750 + b * scores + 500 * 2 * 128_256 * 4096
    assert number("exercise-flop") == pytest.approx(flop / 1e15, abs=0.05)


def test_exercise_2():
    weights = 2 * 8192 * (64 + 8) * 128 + 3 * 8192 * 28_672
    assert number("exercise-cross-70b") == 2 * weights / (4 * 8192) == 52_224
    assert number("exercise-cross-405b") > 52_224


def test_exercise_3():
    sent = {k: sum(1000 * i - 200 for i in range(1, k + 1)) for k in (10, 40)}
    assert number("exercise-chat-sent-10") == sent[10] == 53_000
    assert number("exercise-chat-sent-40") == sent[40] == 812_000
    nothing = sum(200 * (1000 * i - 200) + 200 * 199 // 2 for i in range(1, 41))
    assert number("exercise-chat-nowhere-40") == nothing
    assert number("exercise-chat-across-40") == 39_999


def test_exercise_4():
    """From the two times as the page prints them."""
    slopes = number("exercise-8k") / 8192, number("h100-16k") / 16384
    delta = (slopes[1] - slopes[0]) / 8192
    gamma = slopes[0] - delta * 8192
    assert number("exercise-32k") == pytest.approx(
        gamma * 32768 + delta * 32768**2, rel=1e-3
    )
    assert number("exercise-even") == pytest.approx(gamma / delta, rel=3e-3)
    assert number("exercise-32k") == pytest.approx(
        number("exercise-32k-measured"), rel=0.02
    )
    linear, square = number("exercise-linear") * 1e-3, number("exercise-square") * 1e-6
    assert linear * 8192 + square * 8192**2 == pytest.approx(
        number("h100-8k"), rel=0.01
    )


def test_exercise_6():
    assert number("rank-question-first") == 40_030 and number("rank-all") == 43_000


# The command.


def test_the_running_request_is_written_and_almost_all_of_it_computed_again(capsys):
    command.main([])
    printed = capsys.readouterr().out
    assert "324 positions computed, 280 of them" in printed
    assert printed.count(f"under {command.WITHIN:g}") == 7
    assert re.search(r"6 +42 +41 .* ' Paris'", printed)


def test_a_pass_that_disagrees_is_not_hidden(capsys, monkeypatch):
    monkeypatch.setattr(command, "WITHIN", 0)
    command.main([])
    assert "under" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["bill"], r"37 +8 +324 "),
        (["bill", "llama-3.1-8b"], "Llama-3.1-8B: a naive answer"),
        (["chat"], r"all +641 +76 +9,222 +711 +192"),
        (["stores"], r"keys and values +128\.0 +19\.3"),
        (
            ["stores", "Llama-2-7B", "--context", "4096"],
            r"inputs of the layers +256\.0",
        ),
    ],
)
def test_the_tables(arguments, shown, capsys):
    command.main(arguments)
    assert re.search(shown, capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bill", "Llama-3.1-9B"], "did you mean Llama-3.1-8B"),
        (["bill", "DeepSeek-V3"], "dense models"),
        (["stores", "--context", "1"], "2 or more tokens"),
        (["chats"], "invalid choice"),
        (["--no-such-option"], "error:"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.run(command.main, arguments)
    said = capsys.readouterr()
    assert stopped.value.code == 2 and message in said.err
    assert said.err.count("\n") == 1 and said.out == ""


def test_values_are_numbers_with_units():
    for key, text in values.of_chapter("naive-inference").items():
        digits, _, unit = text.partition(values.NBSP)
        assert re.fullmatch(r"[\d,]+(\.\d+)?", digits), key
        assert unit in (
            "", "%", "ns", "µs", "ms", "s", "min", "h", "KiB", "MiB", "GiB", "MB",
            "kFLOP", "GFLOP", "TFLOP", "PFLOP", "GFLOP/s",
        ), key  # fmt: skip


def test_the_traces_on_the_page_are_those_that_are_billed():
    page = (ROOT / "chapters/bottlenecks/naive-inference.md").read_text("utf-8")
    first, last = talk.TRACE_FIRST, talk.TRACE_LAST
    assert f"from {first:,} to {last:,} tokens" in page


def test_the_package_runs():
    command = [sys.executable, "-m", "examples.naive_inference", "stores", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "unknown model" in done.stderr
