"""The GPU measurement of the chapter batching, at toy size on a CPU, and the data it recorded."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from examples import record
from examples.predict import memory, roofline, shapes
from examples.predict.roofline import Ceilings

STEM = "batching--h100-step"
LLAMA = shapes.named("Llama-3.1-8B")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip(
        "torch", reason="PyTorch, an extra of the book, is not installed"
    )


def test_a_toy_run_writes_the_file(torch, tmp_path):
    from examples.gpu import batching

    command = [sys.executable, "-m", "examples.gpu.batching", "--toy"]
    subprocess.run(
        [*command, "--out", str(tmp_path)], check=True, capture_output=True, timeout=120
    )
    (path,) = tmp_path.iterdir()
    data, plan = json.loads(path.read_text("utf-8")), batching.toy()
    assert path.stem == "batching--cpu-step"
    assert len(data["points"]) == len(plan.batches) * len(plan.contexts)
    assert all(len(point["samples"]) >= 5 for point in data["points"])


def test_what_does_not_fit_is_left_out(torch):
    from examples.gpu import batching

    plan = batching.full()
    room = memory.weight_bytes(LLAMA) + 100 * 512 * memory.kv_bytes_per_token(LLAMA)
    assert batching.fits(plan, 100, 512, room / batching.FULL * 1.001)
    assert not batching.fits(plan, 101, 512, room / batching.FULL * 1.001)


def test_the_quick_run_measures_some_of_the_full_run_s_points(torch):
    from examples.gpu import batching

    quick, full = batching.quick(), batching.full()
    assert set(quick.batches) < set(full.batches)
    assert set(quick.contexts) < set(full.contexts)
    assert quick.shape == full.shape


@pytest.mark.parametrize("options", [["--toy", "--quick"], ["--out"], ["8B"]])
def test_bad_options_get_one_line(torch, options):
    command = [sys.executable, "-m", "examples.gpu.batching", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


# What follows reads the recorded data and needs no PyTorch.


def points() -> list[dict]:
    return record.load(STEM)["points"]


def test_no_recorded_step_beats_its_prediction():
    for point in points():
        assert record.median(point) > point["predicted_with_starts_ms"], point


def test_recorded_predictions_are_those_of_the_formula():
    ceilings = Ceilings.of(record.load(STEM))
    for point in points():
        kernels = sum(point["kernels"].values())
        for key, count in (("predicted_ms", 0), ("predicted_with_starts_ms", kernels)):
            found = 1e3 * roofline.decode_s(
                LLAMA, ceilings, point["batch"], point["context"], count
            )
            assert point[key] == pytest.approx(found, rel=1e-3), point


def test_recorded_kernels_account_for_the_step():
    """A few profiled calls run at a higher clock than many timed ones, which reach the power limit."""
    for point in points():
        share = sum(point["kernels_ms"].values()) / record.median(point)
        assert 0.85 < share < 1.05, point


def test_recorded_steps_come_after_checks_that_passed():
    errors = record.load(STEM)["relative_errors"]
    assert any(name.startswith("bf16: with a cache") for name in errors)
    for name, error in errors.items():
        assert error < (2.5e-2 if name.startswith("bf16") else 1e-3), name


def test_a_larger_batch_takes_longer_and_gives_more():
    for context in {p["context"] for p in points()}:
        steps = [p for p in points() if p["context"] == context]
        times = [record.median(p) for p in steps]
        rates = [p["batch"] / record.median(p) for p in steps]
        assert times == sorted(times) and rates == sorted(rates)


def test_the_error_shrinks_as_the_caches_grow():
    """What is read in bulk is predicted well; where weights stay the larger part the error stays, too."""
    off = {}
    for context in (512, 2048, 8192):
        steps = [p for p in points() if p["context"] == context]
        off[context] = [record.median(p) / p["predicted_with_starts_ms"] for p in steps]
    for context, last in ((2048, 1.15), (8192, 1.11)):
        found = off[context]
        assert found[2:] == sorted(found[2:], reverse=True)
        assert found[-1] < last < 1.22 < found[0]
    assert all(1.24 < error < 1.29 for error in off[512])
