"""The list of recorded runs and the atlas: predictions beside measurements, and why they part."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys

import pytest

from examples import cli, measurements, record
from examples.measurements import __main__ as command
from examples.measurements import atlas, cards

RUNS = atlas.runs(record.FOLDER)
FAR = [
    (stem, data, point)
    for stem, (data, _) in RUNS.items()
    for point in data["points"]
    for entry in atlas.entries(stem, data | {"points": [point]})
    if entry.far
]


def test_every_gpu_run_that_predicts_a_size_or_a_time_is_in_the_atlas():
    on_gpu = {
        stem
        for stem, data in measurements.recorded().items()
        if data["device"].startswith("NVIDIA") and data["unit"] in atlas.PREDICTED
    }
    assert set(RUNS) == on_gpu and len(on_gpu) >= 9
    for data, found in RUNS.values():
        assert len(found) == len(data["points"])


def test_every_point_beyond_a_quarter_is_explained_once():
    assert len(FAR) > 50
    for stem, data, point in FAR:
        if not atlas.segments(stem, data, point):
            assert len(atlas.reasons(stem, point)) == 1, (stem, atlas.label(point))
    assert "not explained" not in atlas.report(record.FOLDER)


def test_every_reason_speaks_of_a_point_that_needs_it():
    for where, holds, text in atlas.REASONS:
        needing = [
            point
            for stem, _, point in FAR
            if stem.endswith(f"-{where}") and holds(point)
        ]
        assert needing, text


def test_the_parts_of_a_step_make_the_whole():
    """The parts recomputed here add up to the prediction that the run noted before it measured."""
    seen = 0
    for stem, (data, _) in RUNS.items():
        for point in data["points"]:
            if not atlas.segments(stem, data, point):
                continue
            rows = atlas.by_parts(stem, data, point)
            keys = [key for key in atlas.PREDICTED["ms"] if key in point]
            assert sum(due for _, _, due in rows) == pytest.approx(
                point[keys[0]], rel=2e-3
            ), (stem, atlas.label(point))
            assert sum(took for _, took, _ in rows) == pytest.approx(
                statistics.median(point["samples"])
            )
            seen += 1
    assert seen > 100


def test_what_beats_its_prediction_is_a_kernel_by_little_or_a_step_s_energy():
    for stem, (_, found) in RUNS.items():
        for entry in found:
            if entry.error < -1e-3:
                kernel = stem.endswith("-roofline") and entry.error > -0.02
                joules = stem.endswith("-energy") and entry.label.startswith("decode")
                assert kernel or joules, (stem, entry.label)


def test_one_gpu_run_is_not_of_random_weights_and_no_atlas_holds_it():
    outside = {
        stem: data
        for stem, data in measurements.recorded().items()
        if data["device"].startswith("NVIDIA") and stem not in RUNS
    }
    assert set(outside) == {"generation--h200-batch"}
    assert outside["generation--h200-batch"]["unit"].startswith("token")
    assert all("random weights" in data["model"] for data, _ in RUNS.values())


def test_errors_are_those_of_the_files():
    _, found = RUNS["kv-cache--h100-memory"]
    assert max(abs(entry.error) for entry in found) < 1e-3, "bytes are exact"
    one = atlas.Entry("one", 2.0, 3.0, "")
    assert one.error == 0.5 and one.far
    assert not atlas.Entry("one", 2.0, 2.4, "").far
    assert "median, +50% at worst (one), 1 beyond 25%" in atlas.in_words([one])


def test_labels_are_words():
    assert (
        atlas.label({"batch": 16, "context": 2048, "cached": True, "samples": []})
        == "batch 16, context 2,048, with a cache"
    )
    assert atlas.label({"rung": "fused", "tokens": 32}) == "fused"


@pytest.fixture
def folder(tmp_path):
    for stem in ("batching--h100-step", "hardware--h100-energy", "kv-cache--growth"):
        if record.path(stem).exists():
            shutil.copy(record.path(stem), tmp_path)
    return tmp_path


def test_another_card_s_folder_is_compared_alike(folder, capsys):
    path = folder / "hardware--h100-energy.json"
    data = json.loads(path.read_text("utf-8")) | {"device": "Some other card"}
    for point in data["points"]:
        point["samples"] = [2 * point["predicted_j"]] * 5
    path.write_text(json.dumps(data), encoding="utf-8")
    command.main(["atlas", "--data", str(folder)])
    shown = capsys.readouterr().out
    assert "Some other card\n  4 points, error +100% in the median" in shown
    assert "again: python -m examples.gpu.hardware" in shown
    assert len(atlas.runs(folder)) == 2
    assert shown.splitlines()[-1].startswith("all: 27 points")


def test_the_summary_leaves_the_points_out(folder, capsys):
    command.main(["atlas", "--data", str(folder), "--summary"])
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 2 + len(atlas.runs(folder)) + 3, "device, heads, runs, all"
    data, found = atlas.runs(folder)["batching--h100-step"]
    (row,) = [line for line in shown if "batching--h100-step" in line]
    middle, worst, far = atlas.errors(found)
    assert row.split()[:-1] == [str(len(found)), f"{middle:+.0%}", f"{worst.error:+.0%}", str(far)]  # fmt: skip
    assert shown[0] == data["device"] and max(map(len, shown)) <= 88


def test_a_point_that_nobody_explained_says_so(folder):
    path = folder / "hardware--h100-energy.json"
    data = json.loads(path.read_text("utf-8"))
    data["points"][0]["samples"] = [2 * data["points"][0]["predicted_j"]] * 5
    record.write("hardware--h100-novelty", data, folder)
    path.unlink()
    assert "not explained yet" in atlas.report(folder)


def test_a_folder_without_runs_and_one_that_is_not_there(tmp_path):
    with pytest.raises(cli.CommandError, match="no run on a GPU"):
        command.main(["atlas", "--data", str(tmp_path)])
    with pytest.raises(cli.CommandError, match="no such folder"):
        command.main(["atlas", "--data", str(tmp_path / "nowhere")])


@pytest.mark.parametrize("arguments", [["atlas", "--data"], ["map"], ["--all"]])
def test_bad_options_get_one_line(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "examples.measurements", *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_the_list_names_command_and_device(capsys):
    command.main([])
    shown = capsys.readouterr().out
    found = measurements.recorded()
    data = found["kv-cache--h100-step"]
    samples = sum(len(point["samples"]) for point in data["points"])
    (row,) = [line for line in shown.splitlines() if "kv-cache--h100-step" in line]
    assert row.split()[1:] == [data["date"], str(len(data["points"])), str(samples), "gpu.kv_cache"]  # fmt: skip
    above = shown[: shown.index(row)]
    last = max(above.rindex(one["device"]) for one in found.values() if one["device"] in above)  # fmt: skip
    assert above[last:].startswith(measurements.setting(data))
    assert all(shown.count(f"  {stem} ") == 1 for stem in found)
    assert all(one["command"].startswith("python -m examples.") for one in found.values())  # fmt: skip


# From one card to another.


def test_a_time_is_carried_by_the_quotient_of_the_predictions(folder, monkeypatch):
    monkeypatch.setattr(record, "FOLDER", folder)
    base = json.loads((folder / "batching--h100-step.json").read_text("utf-8"))
    known = {"batch": 1, "context": 512, "predicted_with_starts_ms": 4.0}
    unseen = {"batch": 2, "context": 512, "predicted_with_starts_ms": 2.0}
    files = {
        "h100": [known | {"samples": [6.0] * 5}],
        "h200": [
            known | {"predicted_with_starts_ms": 3.0, "samples": [5.0] * 5},
            unseen | {"samples": [1.0] * 5},
        ],
    }
    for card, points in files.items():
        record.write(f"batching--{card}-step", base | {"points": points}, folder)
    (found,) = cards.carried("batching--h200-step")
    assert (found.known, found.predicted, found.measured) == (6.0, 4.5, 5.0)
    assert found.error == pytest.approx(1 / 9)


def test_one_card_says_most_of_the_other():
    points = [c for stem in cards.PAIRS for c in cards.carried(stem)]
    assert len(points) > 150
    within = sum(abs(c.error) <= 0.1 for c in points)
    assert within > 0.75 * len(points)
    decode = cards.carried("batching--h200-step")
    assert all(-0.05 < c.error < 0.1 for c in decode), "bytes decide a decode step"
    assert all(c.predicted < 0.9 * c.known for c in decode)
    prefill = cards.one("prefill-and-decode--h200-prefill", tokens=8192)
    assert prefill.predicted == pytest.approx(prefill.known, rel=0.05)


def test_cards_are_compared_by_the_command(capsys):
    command.main(["cards"])
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == len(cards.PAIRS) + 3 and shown[-1].endswith("  all")


def test_a_timed_run_of_no_known_kind_is_not_counted_under_another_s_name():
    assert atlas.kind("kv-cache--h100-step", {"cached": True}) == "decode steps"
    with pytest.raises(cli.CommandError, match="does not know"):
        atlas.kind("models--h100-load", {})
