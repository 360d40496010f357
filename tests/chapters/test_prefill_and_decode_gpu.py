"""The GPU measurement of the chapter prefill-and-decode, at toy size on a CPU, and the data it recorded."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from examples import record
from examples.predict import roofline, shapes
from examples.predict.roofline import Ceilings, Segment

PREFILL, ARRIVAL = (
    "prefill-and-decode--h100-prefill",
    "prefill-and-decode--h100-arrival",
)
LLAMA = shapes.named("Llama-3.1-8B")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip(
        "torch", reason="PyTorch, an extra of the book, is not installed"
    )


@pytest.fixture(scope="module")
def toy_run(torch, tmp_path_factory):
    """The files that a toy run writes, by stem."""
    folder = tmp_path_factory.mktemp("toy")
    command = [sys.executable, "-m", "examples.gpu.prefill_and_decode", "--toy"]
    subprocess.run(
        [*command, "--out", str(folder)], check=True, capture_output=True, timeout=120
    )
    return {path.stem: json.loads(path.read_text("utf-8")) for path in folder.iterdir()}


def test_a_toy_run_writes_both_files(toy_run):
    assert set(toy_run) == {s.replace("h100", "cpu") for s in (PREFILL, ARRIVAL)}
    for data in toy_run.values():
        assert all(len(point["samples"]) >= 5 for point in data["points"])
        assert data["versions"]["torch"] and data["prediction"]
        assert data["relative_errors"]


def test_a_toy_prompt_arrives_by_all_its_chunks(toy_run):
    from examples.gpu import prefill_and_decode as measured

    plan, points = measured.toy(), toy_run[ARRIVAL.replace("h100", "cpu")]["points"]
    for chunk in plan.chunks:
        pasts = [p["past"] for p in points if p["chunk"] == chunk]
        assert pasts == list(range(0, plan.arriving, chunk))
    assert [p["past"] for p in points if p["chunk"] == 0] == [0]


def test_chunks_that_read_a_wrong_past_are_seen(torch, monkeypatch):
    from examples.cli import CommandError
    from examples.gpu import llama
    from examples.gpu import prefill_and_decode as measured

    model = llama.Llama(measured.toy().shape, "cpu", torch.float32, seed=1)
    assert measured.error_of_chunks(model, 40, 16) < 1e-5
    true = llama.Llama.rotation
    monkeypatch.setattr(
        llama.Llama,
        "rotation",
        lambda self, past, new: true(self, max(0, past - 1), new),
    )
    with pytest.raises(CommandError, match="chunks: relative error"):
        measured.error_of_chunks(model, 40, 16)


def test_the_quick_run_measures_some_of_the_full_run_s_points(torch):
    from examples.gpu import prefill_and_decode as measured

    quick, full = measured.quick(), measured.full()
    assert set(quick.prompts) < set(full.prompts)
    assert set(quick.chunks) < set(full.chunks)
    assert quick.shape == full.shape


@pytest.mark.parametrize("options", [["--toy", "--quick"], ["--out"], ["8B"]])
def test_bad_options_get_one_line(torch, options):
    command = [sys.executable, "-m", "examples.gpu.prefill_and_decode", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


# What follows reads the recorded data and needs no PyTorch.


@pytest.mark.parametrize("stem", [PREFILL, ARRIVAL])
def test_no_recorded_step_beats_its_prediction(stem):
    for point in record.load(stem)["points"]:
        assert record.median(point) > point["predicted_ms"], point


@pytest.mark.parametrize("stem", [PREFILL, ARRIVAL])
def test_recorded_predictions_are_those_of_the_formula(stem):
    data = record.load(stem)
    ceilings = Ceilings.of(data)
    for point in data["points"]:
        if stem == PREFILL:
            segments = [Segment(point["tokens"])]
        else:
            segments = [Segment(1, data["context"] - 1)] * data["answered"]
            segments += [Segment(point["chunk"], point["past"])] * bool(point["chunk"])
        kernels = sum(point["kernels"].values())
        for key, count in (("predicted_ms", 0), ("predicted_with_starts_ms", kernels)):
            found = 1e3 * roofline.step_s(LLAMA, segments, ceilings, count)
            assert point[key] == pytest.approx(found, rel=1e-3), point


@pytest.mark.parametrize("stem", [PREFILL, ARRIVAL])
def test_recorded_kernels_account_for_the_step(stem):
    """A few profiled calls run at a higher clock than many timed ones, which reach the power limit."""
    for point in record.load(stem)["points"]:
        share = sum(point["kernels_ms"].values()) / record.median(point)
        assert 0.8 < share < 1.05, point


def test_recorded_steps_come_after_checks_that_passed():
    for stem in (PREFILL, ARRIVAL):
        errors = record.load(stem)["relative_errors"]
        assert errors and all(error < 2.5e-2 for error in errors.values())


def test_recorded_rate_stays_below_the_ceiling_and_settles():
    data = record.load(PREFILL)
    shares = [p["flop_per_s"] / data["ceilings"]["flop_per_s"] for p in data["points"]]
    assert shares[:8] == sorted(shares[:8]) and shares[0] < 0.35
    assert all(0.77 < share < 0.84 for share in shares[3:])


def test_later_chunks_take_longer():
    points = record.load(ARRIVAL)["points"]
    for chunk in {p["chunk"] for p in points} - {0, 8192}:
        steps = [record.median(p) for p in points if p["chunk"] == chunk]
        assert steps[-1] > 1.25 * steps[0]
