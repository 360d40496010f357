"""What the chapter hardware claims."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples import cli, record, values
from examples.hardware import __main__ as command
from examples.hardware import card, climb, datasheet, online
from examples.predict.roofline import Ceilings, Work

ROOT = Path(__file__).parents[2]


def number(key: str) -> float:
    """The number of a value of this chapter, without its unit."""
    text = values.lookup(f"hardware--{key}").split(values.NBSP)[0]
    return float(text.replace(",", ""))


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


# What was reached.


def test_memory_keeps_its_promise_and_arithmetic_does_not():
    assert number("read-share") > 90 and number("copy-share") > 85
    assert number("product-512-share") < 15 and number("product-16384-share") < 75


def test_no_plain_work_beats_the_datasheet():
    sheet = datasheet.named("H200 SXM")
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


def test_a_launch_from_python_costs_several_of_a_graph():
    assert number("launch-fold") >= 5
    assert number("launch-alone") > number("launch-stream") > number("launch-graph")


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


def test_rungs_rise_and_what_was_left_aside_does_not_help():
    times = [record.median(climb.rung(name)) for name in climb.RUNGS]
    assert times == sorted(times, reverse=True)
    best, compiled = times[-1], times[-2]
    assert record.median(climb.rung("fused-overlap")) > best
    assert record.median(climb.rung("compile-tuned")) > compiled


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
    for name in ("graph", "compile", "fused"):
        samples = climb.rung(name)["samples"]
        assert max(samples) < 1.01 * min(samples)
    assert max(climb.rung("eager")["samples"]) > 1.2 * min(
        climb.rung("eager")["samples"]
    )


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
    [([], "H200 SXM"), (["ladder"], "fused-overlap"), (["online"], "under 1e-13")],
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
