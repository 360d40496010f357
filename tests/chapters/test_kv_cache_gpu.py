"""The GPU measurement of the chapter kv-cache, at toy size on a CPU, and the data it recorded."""

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
import sys

import pytest

from examples import kv_cache as chapter
from examples import record, values
from examples.measurements import cards
from examples.predict import flops, memory, shapes

STEMS = ("kv-cache--h100-step", "kv-cache--h100-batch", "kv-cache--h100-memory")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip(
        "torch", reason="PyTorch, an extra of the book, is not installed"
    )


@pytest.fixture
def model(torch):
    from examples.gpu import kv_cache
    from examples.gpu.llama import Llama

    return Llama(kv_cache.toy().shape, "cpu", torch.float32, seed=1)


def test_weights_are_those_of_the_shape(torch, model):
    tensors = [model.embedding, model.output_norm, model.head]
    tensors += [w for layer in model.layers for w in vars(layer).values()]
    assert sum(w.numel() for w in tensors) == model.shape.parameters
    assert sum(w.nbytes for w in tensors) == memory.weight_bytes(model.shape, 4)


def test_cache_weighs_what_the_formula_says(torch, model):
    cache = model.new_cache(batch=3, capacity=10)
    assert cache.nbytes == 30 * memory.kv_bytes_per_token(model.shape, 4)


@pytest.mark.parametrize("count", [2, 7, 64])
def test_step_with_a_cache_is_the_step_without(torch, model, count):
    from examples.gpu import checks

    ids = model.random_ids(3, count)
    step = checks.cached_step(model, ids, "cpu")
    assert checks.relative_error(step(), model.forward(ids)) < 1e-5


def test_numpy_engine_agrees(torch, model):
    from examples.gpu import checks

    found, wanted = checks.numpy_twin(model.shape, "cpu")
    assert checks.relative_error(found, wanted) < 1e-5


def test_wrong_position_is_seen_by_the_checks(torch, model, monkeypatch):
    from examples.cli import CommandError
    from examples.gpu import checks, llama

    true = llama.Llama.rotation
    monkeypatch.setattr(
        llama.Llama,
        "rotation",
        lambda self, past, new: true(self, max(0, past - 1), new),
    )
    with pytest.raises(CommandError, match="relative error"):
        checks.errors_with_cache(model, model.shape, (33,))


def test_reading_beyond_the_stored_tokens_is_seen(torch, model):
    from examples.cli import CommandError
    from examples.gpu import checks

    nan = torch.full((1, 4), torch.nan)
    assert not checks.relative_error(nan, torch.ones(1, 4)) <= 1
    with pytest.raises(CommandError, match="the cache holds 4 tokens, not 5"):
        model.forward(model.random_ids(1, 1), model.new_cache(1, 4), past=4)
    with pytest.raises(CommandError, match="a past needs a cache"):
        model.forward(model.random_ids(1, 2), past=2)


@pytest.mark.parametrize("chunks", [(1, 49), (20, 30), (7, 7, 7, 29), (48, 1, 1)])
def test_a_prompt_by_chunks_is_the_whole_prompt(torch, model, chunks):
    ids, cache, past = model.random_ids(2, 50), None, 0
    cache = model.new_cache(2, 50).fill_(torch.nan)
    for part in ids.split(chunks, dim=1):
        found = model.forward(part, cache, past)
        past += part.shape[1]
    from examples.gpu import checks

    assert checks.relative_error(found, model.forward(ids)) < 1e-5


def test_groups_of_one_step_do_not_see_each_other(torch, model):
    from examples.gpu import checks
    from examples.gpu.llama import Group

    decoding, prompt = model.random_ids(3, 11), model.random_ids(1, 40)
    caches = [
        model.new_cache(3, 11).fill_(torch.nan),
        model.new_cache(1, 40).fill_(torch.nan),
    ]
    model.forward(decoding[:, :10], caches[0])
    model.forward(prompt[:, :15], caches[1])
    groups = [
        Group(decoding[:, 10:], caches[0], 10),
        Group(prompt[:, 15:], caches[1], 15),
    ]
    found = model.step(groups)
    wanted = torch.cat([model.forward(decoding), model.forward(prompt)])
    assert checks.relative_error(found, wanted) < 1e-5


def test_prediction_reads_weights_once_and_each_cache_once(torch):
    from examples.gpu import kv_cache

    plan, shape = kv_cache.full(), shapes.named("Llama-3.1-8B")
    ceiling = {"read_bytes_per_s": 1e12, "flop_per_s": 1e30}
    read = memory.weight_bytes_read(shape) + 64 * 1024 * memory.kv_bytes_per_token(
        shape
    )
    assert kv_cache.predicted_ms(plan, ceiling, 64, 1024, cached=True) == pytest.approx(
        read / 1e9
    )
    ceiling = {"read_bytes_per_s": 1e30, "flop_per_s": 1e12}
    whole = flops.step_flop(shape, 4096, cached=False)
    masked = whole - flops.attention_flop(shape, 4096, 4096) / 2
    found = kv_cache.predicted_ms(plan, ceiling, 1, 4096, cached=False)
    assert found == pytest.approx(masked / 1e9)


def test_kernels_are_sorted_into_parts(torch, monkeypatch):
    from examples.gpu import runs, timing

    run = [
        ("cudnn_generated_fort_native_sdpa_sm90_flash_fprop", 1.0),
        ("flash_fwd_kernel<cutlass::bfloat16_t>", 0.5),
        ("nvjet_sm90_tst_128x8", 2.0),
        ("cublasLt::splitKreduce_kernel", 0.25),
        ("vectorized_layer_norm_kernel", 4.0),
    ]
    monkeypatch.setattr(timing, "kernels", lambda work: run)
    found = runs.where_spent(lambda: None)
    assert found["kernels_ms"] == {"attention": 1.5, "products": 2.25, "other": 4.0}
    assert found["kernels"] == {"attention": 2, "products": 2, "other": 1}
    assert found["attention_kernel"] == run[0][0]


def test_toy_run_writes_the_three_files(torch, tmp_path):
    command = [
        sys.executable,
        "-m",
        "examples.gpu.kv_cache",
        "--toy",
        "--out",
        str(tmp_path),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    stems = {stem.replace("h100", "cpu") for stem in STEMS}
    assert {path.stem for path in tmp_path.iterdir()} == stems
    for stem in stems:
        data = json.loads((tmp_path / f"{stem}.json").read_text("utf-8"))
        assert all(point["samples"] for point in data["points"])
        assert data["versions"]["torch"] and data["prediction"]


@pytest.mark.parametrize("options", [["--toy", "--quick"], ["--out"], ["8B"]])
def test_bad_options_get_one_line(torch, options):
    command = [sys.executable, "-m", "examples.gpu.kv_cache", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_gpu_is_asked_for_in_one_line(torch):
    if torch.cuda.is_available():
        pytest.skip("a GPU is there, and the full measurement would start")
    command = [sys.executable, "-m", "examples.gpu.kv_cache"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert (
        done.stderr
        == "error: no CUDA device is visible to PyTorch; --toy runs on a CPU\n"
    )


def test_other_builds_than_llama_are_refused(torch, model):
    from examples.cli import CommandError
    from examples.gpu.llama import Llama

    with pytest.raises(CommandError, match="not of Llama's build"):
        Llama(dataclasses.replace(model.shape, tied=True), "cpu", torch.float32)


# What follows reads the recorded data and needs no PyTorch.


def points(stem: str, **wanted) -> list[dict]:
    found = record.load(stem)["points"]
    return [
        p for p in found if all(p.get(key) == value for key, value in wanted.items())
    ]


def median(point: dict) -> float:
    return statistics.median(point["samples"])


def test_recorded_allocation_is_the_arithmetic():
    shape = shapes.named("Llama-3.1-8B")
    for point in points("kv-cache--h100-memory"):
        assert point["predicted_bytes"] == memory.weight_bytes(shape) + point[
            "tokens"
        ] * memory.kv_bytes_per_token(shape)
        assert median(point) == pytest.approx(point["predicted_bytes"], rel=1e-3)


def test_recorded_largest_cache_is_within_two_percent_of_the_prediction():
    last = points("kv-cache--h100-memory")[-1]
    assert 0.98 < last["tokens"] / last["predicted_tokens"] <= 1


def test_recorded_steps_come_after_checks_that_passed():
    errors = record.load("kv-cache--h100-step")["relative_errors"]
    assert any(name.startswith("bf16: with a cache") for name in errors)
    for name, error in errors.items():
        assert error < (2.5e-2 if name.startswith("bf16") else 1e-3), name


def test_recorded_cache_saves_more_the_longer_the_context():
    stem = "kv-cache--h100-step"
    saved = [
        median(without)
        / median(points(stem, context=without["context"], cached=True)[0])
        for without in points(stem, cached=False)
        if points(stem, context=without["context"], cached=True)
    ]
    assert saved == sorted(saved)
    assert 3.5 < saved[0] < 4.5 and 140 < saved[-1] < 170


def test_recorded_steps_are_further_from_paper_with_a_cache_than_without():
    """At 32k, where the page sets the two beside each other."""
    stem, over = "kv-cache--h100-step", {}
    for cached in (False, True):
        (point,) = points(stem, context=32768, cached=cached)
        over[cached] = median(point) / point["predicted_ms"] - 1
    assert 0.15 < over[False] < over[True] - 0.1 < 0.3


def test_recorded_longer_context_costs_what_reading_its_cache_costs():
    """From 1,024 to 131,072 tokens a step grows by the added bytes at the read ceiling, within 5 %."""
    stem = "kv-cache--h100-step"
    short, long = (points(stem, context=c, cached=True)[0] for c in (1024, 131072))
    added = (131072 - 1024) * memory.kv_bytes_per_token(shapes.named("Llama-3.1-8B"))
    rate = added / (median(long) - median(short)) * 1e3
    assert rate == pytest.approx(
        record.load(stem)["ceilings"]["read_bytes_per_s"], rel=0.05
    )


def test_recorded_kernels_account_for_the_step():
    """Attention, products and the rest sum to 85 to 105 % of a step: no part of it goes unseen.

    A few profiled calls run at a higher clock than many timed ones, which reach the power limit.
    """
    for stem in STEMS[:2]:
        for point in points(stem):
            assert 0.85 < sum(point["kernels_ms"].values()) / median(point) < 1.05, (
                point
            )


def test_more_than_half_of_what_a_batch_adds_beyond_paper_is_in_the_products():
    """From 1 to 128 sequences at a context of 1,024, as the page says."""
    one, many = (points("kv-cache--h100-batch", batch=batch)[0] for batch in (1, 128))
    grown = median(many) - median(one) - many["predicted_ms"] + one["predicted_ms"]
    products = many["kernels_ms"]["products"] - one["kernels_ms"]["products"]
    assert 0.5 < products / grown < 0.75


def test_the_last_doubling_gains_more_than_reading_or_the_whole_prediction():
    def number(key: str) -> float:
        return float(values.lookup(f"kv-cache--h100-{key}").split(values.NBSP)[0])

    measured = number("throughput-gain")
    assert measured > number("gain-floor") > number("gain-predicted")
    assert number("batch-128-over") > number("batch-256-over") > 0
    above = [
        median(points("kv-cache--h100-batch", batch=batch)[0])
        - number(f"batch-{batch}-predicted")
        for batch in (128, 256)
    ]
    assert above[0] < above[1] < 1.5 * above[0], "what is left out grows more slowly"


def test_the_marks_of_the_batch_figure_lie_almost_on_a_straight_line():
    found = [(p["batch"], median(p)) for p in points("kv-cache--h100-batch")]
    (x0, y0), *between, (x1, y1) = sorted(found)
    for x, y in between:
        assert y == pytest.approx(y0 + (x - x0) * (y1 - y0) / (x1 - x0), rel=0.05)


def test_the_remainder_of_one_card_predicts_what_the_other_holds():
    """W and c are counted, R is measured on the H100: an H200 held the same whole blocks."""
    shape = shapes.named("Llama-3.1-8B")
    weights, token = memory.weight_bytes(shape), memory.kv_bytes_per_token(shape)
    known, new = (points(f"kv-cache--{card}-memory")[-1] for card in ("h100", "h200"))
    assert known["total_bytes"] > 80e9 and new["total_bytes"] > 141e9
    rest = known["total_bytes"] - weights - known["tokens"] * token
    rest -= known["free_bytes"]
    blocks = (new["total_bytes"] - weights - rest) / token // 4096
    assert blocks * 4096 == new["tokens"]
    held = values.lookup("kv-cache--h200-tokens")
    assert values.lookup("kv-cache--h200-tokens-carried") == held
    assert chapter.BLOCK * token > known["free_bytes"], "less than a block was free"
    assert known["free_bytes"] < 0.2 * rest and known["context_bytes"] > 0.8 * rest


def test_the_second_card_s_steps_are_those_that_its_bandwidth_predicts():
    """Cached steps shrink with the bandwidths, late by one and the same; naive ones stay."""
    found = {
        (c.point["cached"], c.point["context"]): c
        for c in cards.carried("kv-cache--h200-step")
    }
    ceilings = [
        record.load(f"kv-cache--{card}-step")["ceilings"] for card in ("h100", "h200")
    ]
    read, rate = (
        ceilings[1][key] / ceilings[0][key]
        for key in ("read_bytes_per_s", "flop_per_s")
    )
    assert read > 1.4 and rate == pytest.approx(1, abs=0.01)
    for context in (1024, 32768, 131072):
        cached = found[True, context]
        assert cached.predicted == pytest.approx(cached.known / read, rel=0.01)
    errors = [found[True, context].error for context in (1024, 32768, 131072)]
    assert 0.12 > errors[0] > errors[1] > errors[2] > 0
    late = [c.measured - c.predicted for c in found.values() if c.point["cached"]]
    assert len(late) == 6
    assert 0.45 < min(late) <= max(late) < 0.6
    naive = found[False, 32768]
    assert naive.predicted == pytest.approx(naive.known, rel=0.01)
    assert abs(naive.error) < 0.03
    small = [
        points(f"kv-cache--{card}-step", context=32768, cached=True)[0]["kernels_ms"]
        for card in ("h100", "h200")
    ]
    assert small[1]["other"] == pytest.approx(small[0]["other"], rel=0.05)
    by_them = small[1]["other"] - small[0]["other"] / read
    long = found[True, 32768]
    assert by_them > 0.5 * (long.measured - long.predicted)


def test_no_recorded_step_beats_its_prediction():
    """The ceilings are ceilings: a step below its prediction would mean that bytes were miscounted."""
    for stem in STEMS[:2]:
        for point in points(stem):
            assert median(point) > point["predicted_ms"], point


def test_the_quick_run_measures_some_of_the_full_run_s_points(torch):
    from examples.gpu import kv_cache

    quick, full = kv_cache.quick(), kv_cache.full()
    for sizes in ("cached", "uncached", "batches"):
        assert set(getattr(quick, sizes)) < set(getattr(full, sizes))
    assert quick.shape == full.shape
