"""What the chapter hardware claims."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples import cli, record, request, values
from examples.hardware import __main__ as command
from examples.hardware import asked, card, climb, datasheet, online, second
from examples.measurements import cards
from examples.predict import roofline, shapes
from examples.predict.roofline import Ceilings, Segment, Work

ROOT = Path(__file__).parents[2]


def number(key: str) -> float:
    """The number of a value of this chapter, without its unit."""
    return values.number(values.lookup(f"hardware--{key}"))


# Datasheets.


def test_a_row_by_hand():
    one = datasheet.Accelerator("x", 1e12, 2e12, 3e14, 500)
    assert one.ridge == 150
    assert datasheet.floor_ms(one, context=0) == pytest.approx(7.505, rel=1e-3)


def test_two_cards_of_one_chip_differ_in_memory_alone():
    h100, h200 = datasheet.named("H100 SXM"), datasheet.named("H200 SXM")
    assert h100.flop_per_s == h200.flop_per_s and h100.watts == h200.watts
    assert h100.bytes_per_s < h200.bytes_per_s


def test_every_row_names_its_source_and_no_rate_is_sparse():
    rows = record.load(datasheet.STEM)["accelerators"]
    assert all(row["source"] and row["as_of"] for row in rows)
    # A sparse rate would put a ridge beyond those of all dense cards but the TPU v6e.
    ridges = [a.ridge for n, a in datasheet.accelerators().items() if n != "TPU v6e"]
    assert max(ridges) < 350


def test_an_unknown_accelerator_is_one_clear_line():
    with pytest.raises(cli.CommandError, match="no accelerator 'H300'; there are H100"):
        datasheet.named("H300")


def test_the_m3_ultra_has_a_quarter_of_an_h100_s_bandwidth_and_the_mi300x_more_of_both():
    m3, h100 = datasheet.named("M3 Ultra"), datasheet.named("H100 SXM")
    assert m3.bytes_per_s / h100.bytes_per_s == pytest.approx(1 / 4, rel=0.03)
    amd, h200 = datasheet.named("MI300X"), datasheet.named("H200 SXM")
    for other in (h100, h200):
        assert amd.bytes_per_s > other.bytes_per_s
        assert amd.memory_bytes > other.memory_bytes


def test_with_the_sparse_rate_the_ridge_is_off_by_more_than_two():
    assert 2 < number("wrong-h100") / number("ridge") < 3


def test_exercise_1_by_hand():
    assert number("sheet-tflops") == round(3958 / 4)
    assert number("exercise-fp8") == 3958 / 2
    assert number("h200-ridge") == round(989.5 / 4.8)
    assert number("exercise-fp8-ridge") == round(1979 / 4.8)


# What was reached.


def test_memory_keeps_its_promise_and_arithmetic_does_not():
    assert number("read-share") > 90 and number("copy-share") > 85
    assert number("product-512-share") < 15
    assert number("product-16384-share") == pytest.approx(200 / 3, rel=0.05)
    # The same product again, at the beginning of the run.
    assert 1.03 < number("ceiling") / number("product-16384") < 1.1


def test_no_plain_work_beats_the_datasheet():
    sheet = datasheet.named("H100 SXM")
    for point in record.load(card.CEILINGS)["points"]:
        if "flop" in point:
            s = record.median(point)
            assert point["flop"] / s < sheet.flop_per_s
            assert point["bytes"] / s < sheet.bytes_per_s


def test_marks_lie_under_the_measured_roof():
    ceilings = Ceilings.of(record.load(card.ROOFLINE))
    for point in record.load(card.ROOFLINE)["points"]:
        work = Work(point["flop"], point["bytes"])
        assert record.median(point) > 0.97 * work.seconds(ceilings), point["what"]


def test_products_part_from_the_roof_at_the_corner():
    """About 1 % off where arithmetic decides, 13 % above at one row, most of all at 256 rows."""
    points = [p for p in record.load(card.ROOFLINE)["points"] if p["what"] == "product"]
    over = {p["rows"]: record.median(p) / p["predicted_s"] - 1 for p in points}
    assert max(over, key=over.get) == 256 and over[256] > 0.3
    assert abs(over[4096]) < 0.015 and 0.1 < over[1] < 0.15
    near = min(points, key=lambda p: abs(p["intensity"] - number("ridge")))
    assert near["rows"] == 256
    few = [p["intensity"] / p["rows"] for p in points if p["rows"] <= 64]
    assert min(few) > 0.97
    by_rows = {p["rows"]: record.median(p) for p in points}
    assert by_rows[64] < 1.06 * by_rows[1]


def test_attention_of_decode_lies_on_the_slope_and_the_last_a_little_below():
    over = [
        record.median(p) / p["predicted_s"]
        for p in record.load(card.ROOFLINE)["points"]
        if p["what"] == "attention"
    ]
    assert max(over[:-1]) < 1.05 and 1.1 < over[-1] < 1.3


def test_a_launch_from_python_costs_several_of_a_graph():
    assert number("launch-fold") >= 5
    assert number("launch-alone") > number("launch-stream") > number("launch-graph")


def test_launching_a_plain_step_takes_longer_than_moving_its_bytes():
    assert number("host-ms") > 1.3 * number("floor-ms")
    # An operation with its checks costs the host more than twice a bare launch.
    per_kernel = record.median(climb.rung("eager")) / climb.rung("eager")["kernels"]
    assert 2 < per_kernel * 1e3 / number("ladder-launch") < 3


def test_the_other_plain_step_has_half_the_kernels_and_is_the_one_whose_joules_are_counted():
    assert number("other-kernels") == 32 + 193 + 333
    assert number("other-kernels") == pytest.approx(
        number("graph-kernels") / 2, rel=0.02
    )
    step = record.median(card.point(card.STEP, cached=True, context=1024))
    joules = card.point(card.ENERGY, phase="decode", batch=1)
    assert float(np.median(joules["step_ms"])) == pytest.approx(step, rel=0.01)
    ceilings = Ceilings.of(record.load(card.ENERGY))
    paper = roofline.decode_s(shapes.named(datasheet.MODEL), ceilings, 1, 1024)
    assert card.joules(paper, 700, 1) == pytest.approx(joules["predicted_j"], rel=1e-3)


def test_products_below_the_bandwidth_are_the_smaller_part_of_the_graph_s_time_beyond():
    spent = card.point(card.STEP, cached=True, context=1024)["kernels_ms"]["products"]
    ceilings, shape = Ceilings.of(record.load(card.STEP)), shapes.named(datasheet.MODEL)
    late = spent - 1e3 * roofline.products(shape, 1, 1).seconds(ceilings)
    assert 0.5 < late < 0.4 * second.beyond_ms("graph", climb.STEM)


def test_the_table_of_scores_is_moved_six_times_and_two_lie_in_memory():
    one = card.point(card.ATTENTION, kind="naive", tokens=8192)
    table = 2 * 32 * 8192**2
    ceilings = record.load(card.ATTENTION)["ceilings"]
    products = 2 * 2 * 32 * 128 * 8192**2 / ceilings["flop_per_s"]
    moved = 6 * table / ceilings["copy_bytes_per_s"]
    assert 1e3 * (moved + products) == pytest.approx(one["predicted_ms"], rel=0.02)
    assert one["peak_bytes"] == pytest.approx(2 * table, rel=0.03)


# The running request.


def test_a_pass_is_the_roofline_s_with_starts_added_or_launches_if_they_take_longer():
    shape, one = shapes.named(asked.SMALL), asked.STEP
    data = record.load(climb.STEM)["ceilings"]
    bytes_read = 2 * shape.read_per_step  # and 38 tokens of cache
    cache = 38 * 2 * 2 * shape.layers * shape.kv_heads * shape.head_dim
    reading = (bytes_read + cache) / data["read_bytes_per_s"]
    kernels = asked.kernels(shape)
    assert kernels == round(1131 * 30 / 32)
    starts = reading + kernels * data["kernel_s"]
    assert asked.pass_s(shape, one, host=False) == pytest.approx(starts)
    launches = kernels * data["launch_s"]
    assert asked.pass_s(shape, one, host=True) == launches > reading
    long = Segment(100_000)
    work = roofline.step_s(shape, [long], Ceilings.of(record.load(climb.STEM)))
    assert asked.pass_s(shape, long, host=True) == work > launches


def test_the_running_request_waits_for_bytes_and_its_prefill_is_a_step():
    for name in asked.KEYS:
        shape = shapes.named(name)
        for one in (asked.PROMPT, asked.STEP):
            assert asked.intensity(shape, one) < number("ridge") / 6
        times = [asked.pass_s(shape, o, False) for o in (asked.PROMPT, asked.STEP)]
        assert times[0] == pytest.approx(times[1], rel=0.001)
        whole = asked.request_s(shape, False)
        assert whole == pytest.approx(request.ANSWER_TOKENS * times[1], rel=0.001)


def test_for_the_small_model_launches_are_all_and_a_graph_is_worth_most():
    small, large = (shapes.named(name) for name in asked.KEYS)
    assert large.parameters / small.parameters == pytest.approx(60, rel=0.02)
    launched = [asked.request_s(shape, True) for shape in (small, large)]
    assert 0.9 < launched[0] / launched[1] < 1
    gains = [
        asked.request_s(s, True) / asked.request_s(s, False) for s in (small, large)
    ]
    assert gains[0] > 4 and 1 < gains[1] < 1.15
    assert number("request-smol-fold") > 70


def test_fused_attention_adds_memory_in_proportion_and_separate_kernels_by_the_square():
    for kind, power in (("naive", 2), ("fused", 1)):
        short, long = (
            card.point(card.ATTENTION, kind=kind, tokens=t)["peak_bytes"]
            for t in (2048, 16384)
        )
        assert long / short == pytest.approx(8**power, rel=0.05)
    assert number("fused-8192-fold") > 10


def test_energy_falls_with_the_batch_and_power_rises():
    joules = [number(f"joule-decode-{b}") for b in (1, 16, 64)]
    watts = [number(f"watt-decode-{b}") for b in (1, 16, 64)]
    assert joules == sorted(joules, reverse=True) and watts == sorted(watts)
    assert number("watt-prefill-1") > 0.95 * number("limit")


def test_two_errors_stand_behind_a_decode_token_s_joules_and_one_behind_a_prompt_s():
    longer = number("energy-decode-1-ms") / number("energy-decode-1-predicted")
    weaker = number("watt-decode-1") / number("limit")
    assert longer > 1.4 and weaker < 0.65
    off = number("joule-decode-1") / number("joule-decode-1-predicted")
    assert off == pytest.approx(longer * weaker, rel=0.02)
    assert 1 - off == pytest.approx(number("joule-decode-1-off") / 100, abs=0.01)
    assert (1 - off) < min(longer - 1, 1 - weaker) / 2
    prefill = number("energy-prefill-1-ms") / number("energy-prefill-1-predicted")
    assert prefill - 1 == pytest.approx(number("joule-prefill-1-off") / 100, abs=0.03)


def test_exercise_4_by_hand():
    assert card.kwh_per_million(3.6) == 1
    assert number("exercise-cost-1") == round(number("joule-kwh") * 0.15, 2)
    assert number("exercise-cost-64") == round(number("kwh-64") * 0.15, 3)
    steps = [
        card.point(card.ENERGY, phase="decode", batch=b)["step_ms"] for b in (1, 64)
    ]
    hours = [float(np.median(s)) * 1e3 / 3600 for s in steps]  # a million steps
    assert number("exercise-hours-1") == round(hours[0], 1)
    assert number("exercise-hours-64") == round(hours[1] / 64 * 60, 1)


def test_recorded_predictions_of_energy_are_the_time_at_the_power_limit():
    from examples.predict import roofline, shapes

    data, shape = record.load(card.ENERGY), shapes.named(datasheet.MODEL)
    ceilings = Ceilings.of(data)
    for point in data["points"]:
        if point["phase"] == "prefill":
            step = roofline.prefill_s(shape, ceilings, point["tokens"])
            found = card.joules(step, data["limit_w"], point["tokens"])
            assert point["predicted_j"] == pytest.approx(found, rel=0.01)
    assert card.joules(2.0, 10.0, 4) == 5.0


# The ladder.


@pytest.mark.parametrize("stem", [climb.STEM, second.LADDER])
def test_each_rung_is_faster_than_the_one_before_on_either_card(stem):
    times = [record.median(climb.rung(name, stem)) for name in climb.RUNGS]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("attempt", "rung", "gain", "loss"),
    [("fused-overlap", "fused", 0.02, 0.06), ("compile-tuned", "compile", 0.08, 0.09)],
)
def test_what_was_left_aside_helps_on_one_card_and_not_on_the_other(
    attempt, rung, gain, loss
):
    """By more than any two samples differ."""
    h100, plain = (climb.rung(name)["samples"] for name in (attempt, rung))
    assert max(h100) < (1 - gain) * min(plain)
    h200, plain = (
        climb.rung(name, second.LADDER)["samples"] for name in (attempt, rung)
    )
    assert min(h200) > (1 + loss) * max(plain)


def test_a_static_cache_alone_buys_next_to_nothing():
    eager, static = (record.median(climb.rung(name)) for name in ("eager", "static"))
    assert 0.97 < static / eager < 1


def test_the_top_rung_keeps_nine_tenths_of_the_floor_below_400_lines():
    assert climb.share("fused") >= 0.9
    folder = ROOT / "examples" / "gpu" / "ladder"
    code = [
        line
        for name in ("kernels.py", "fused.py")
        for line in (folder / name).read_text("utf-8").splitlines()
        if line.strip()
    ]
    assert len(code) < 400


def test_the_floor_is_the_bytes_at_the_rate_of_a_copy():
    data = record.load(climb.STEM)
    floor = 1e3 * data["floor_bytes"] / data["ceilings"]["copy_bytes_per_s"]
    assert data["floor_ms"] == pytest.approx(floor, rel=1e-3)


def test_tokens_part_only_where_two_are_nearly_equal():
    for name in climb.RUNGS:
        one = climb.rung(name)
        assert one["tokens_equal"] == one["tokens"] or one["flips"]
        assert all(abs(flip["gap"]) < 0.1 for flip in one["flips"])


def test_without_the_host_the_samples_no_longer_differ():
    for name in ("graph", "compile", "fused", *climb.ASIDE):
        samples = climb.rung(name)["samples"]
        assert max(samples) < 1.002 * min(samples), name
    for name in ("transformers", "eager", "static"):
        samples = climb.rung(name)["samples"]
        assert max(samples) > 1.1 * min(samples), name


def test_the_floor_of_reading_lies_below_that_of_a_copy_and_no_rung_below_it():
    least = min(
        record.median(climb.rung(name)) for name in (*climb.RUNGS, *climb.ASIDE)
    )
    assert number("floor-read-ms") < number("floor-ms") < least


def test_exercises_2_and_3_by_hand():
    ms = record.median(climb.rung("fused"))
    assert number("fused-of-sheet") == round(100 * 15.146 / ms / 3.35)
    for name in (*climb.RUNGS, *climb.ASIDE):
        assert number(f"{name}-of-sheet") < number("copy-share")
    assert climb.bytes_while_launching(1120, 7e-6, 3.1e12) == pytest.approx(
        24.3e9, rel=1e-3
    )
    assert number("exercise-host") == 24 and number("exercise-host-ms") == 7.8


# The same on another card.


def test_the_other_card_has_the_same_arithmetic_and_faster_memory():
    assert float(values.lookup("measurements--cards-rate-ratio")) == 1
    assert 1.4 < float(values.lookup("measurements--cards-read-ratio")) < 1.5


def test_what_is_carried_over_is_the_time_times_the_quotient_of_the_predictions():
    h100, h200 = (climb.rung("graph", stem) for stem in (climb.STEM, second.LADDER))
    (one,) = [c for c in cards.carried(second.LADDER) if c.point["rung"] == "graph"]
    by_hand = record.median(h100) * h200["predicted_ms"] / h100["predicted_ms"]
    assert one.predicted == pytest.approx(by_hand)


def test_the_fused_step_carries_best_and_the_eager_one_is_slower_on_the_faster_card():
    by_rung = {c.point["rung"]: c for c in cards.carried(second.LADDER)}
    off = {name: by_rung[name].error for name in ("eager", "graph", "compile", "fused")}
    assert min(off.values()) == off["fused"] < 0.1
    assert all(0.1 < off[name] < 0.2 for name in ("eager", "graph", "compile"))
    assert by_rung["eager"].measured > 1.3 * by_rung["eager"].known
    for name in ("graph", "compile", "fused"):
        assert by_rung[name].measured < by_rung[name].known
    # Two choices do not carry at all.
    assert (
        by_rung["compile-tuned"].error > 0.4 and by_rung["fused-overlap"].error > 0.15
    )


def test_time_beyond_the_prediction_does_not_shrink_with_faster_memory():
    beyond = {
        name: [second.beyond_ms(name, stem) for stem in (climb.STEM, second.LADDER)]
        for name in ("graph", "compile", "fused")
    }
    assert all(h200 > h100 for h100, h200 in beyond.values())
    assert max(beyond["fused"]) < 0.5 and min(*beyond["graph"], *beyond["compile"]) > 2


def test_a_launch_costs_more_on_the_other_host_in_every_run():
    assert number("h200-launch-most") > 1.4 * number("h200-launch-least")
    assert number("h200-launch-least") > number("ladder-launch")


def test_what_only_reads_or_only_computes_carries_within_four_per_cent():
    for name in ("kv-32", "rows-4096"):
        found = number(f"h200-{name}-us") / number(f"h200-{name}-predicted")
        assert found == pytest.approx(1, abs=0.04)


def test_energy_follows_the_time_of_the_step_at_the_same_power():
    assert number("h200-watt-decode-1") == pytest.approx(
        number("watt-decode-1"), rel=0.02
    )
    assert number("h200-joule-decode-1") < 0.8 * number("joule-decode-1")
    ratio = number("h200-joule-prefill-1") / number("joule-prefill-1")
    assert 0.93 < ratio < 1
    off = number("h200-joule-decode-1") / number("h200-joule-decode-1-predicted")
    assert off == pytest.approx(1, abs=0.04)


def test_the_rest_of_a_step_is_a_smaller_part_of_it_with_more_users():
    """What neither products nor attention take, in the steps of the chapter batching."""
    shares = []
    for batch in (1, 256):
        rest, ms = (
            float(values.lookup(f"batching--{key}-{batch}-512").split(values.NBSP)[0])
            for key in ("rest", "ms")
        )
        shares.append(rest / ms)
    assert shares[0] > 1.3 * shares[1]


# Attention in blocks.


@pytest.mark.parametrize("block", [1, 7, 128, 999, 1000, 5000])
def test_attention_in_blocks_is_attention(block):
    q, k, v = online.example()
    assert np.allclose(
        online.in_blocks(q, k, v, block), online.whole(q, k, v), atol=1e-12
    )


def test_blocks_survive_scores_that_would_overflow():
    q, k, v = online.example()
    found = online.in_blocks(400 * q, k, v, 16)
    assert np.isfinite(found).all()
    assert np.allclose(found, online.whole(400 * q, k, v))


def test_forgetting_to_scale_down_is_seen(monkeypatch):
    """The counterpart: without the correction the result is another."""
    q, k, v = online.example()
    monkeypatch.setattr(online.np, "exp", lambda x: np.where(x <= 0, 1.0, 1.0))
    wrong = online.in_blocks(q, k, v, 128)
    monkeypatch.undo()
    assert not np.allclose(wrong, online.whole(q, k, v), atol=1e-3)


def test_a_block_has_a_key():
    with pytest.raises(cli.CommandError, match="1 or more keys, not 0"):
        online.in_blocks(*online.example(), block=0)


def test_halves_computed_apart_merge_into_the_whole():
    """Exercise 5, with a second half that holds the larger scores and one that holds none."""
    q, k, v = online.example()
    for cut in (500, 1, 999):
        parts = [online.summed(q, k[:cut], v[:cut]), online.summed(q, k[cut:], v[cut:])]
        assert np.allclose(online.merged(parts), online.whole(q, k, v), atol=1e-12)


# The command.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "H200 SXM"),
        (["request"], "SmolLM2-135M"),
        (["ladder"], "fused-overlap"),
        (["online"], "under 1e-13"),
    ],
)
def test_the_command_prints(arguments, words, capsys):
    command.main(arguments)
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["ladders"], ["online", "--block", "2"]])
def test_bad_options_get_one_line(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "examples.hardware", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
