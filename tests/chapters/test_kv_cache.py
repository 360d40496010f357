"""What the chapter kv-cache claims."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples import kv_cache, record, values
from examples.engine.generate import greedy, greedy_without_cache
from examples.predict import flops, memory, shapes

ROOT = Path(__file__).parents[2]
SMOL, LLAMA = shapes.named("SmolLM2-135M"), shapes.named("Llama-3.1-8B")


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "examples.kv_cache", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_newest_output_does_not_depend_on_old_queries():
    rng = np.random.default_rng(7)
    q = rng.standard_normal((9, 20, 64), dtype=np.float32)
    k, v = rng.standard_normal((2, 3, 20, 64), dtype=np.float32)
    with_history, with_noise = kv_cache.attention_ignores_old_queries(q, k, v)
    assert (with_history == with_noise).all()


def test_old_keys_and_values_do_matter():
    """The counterpart: were the test above blind, this one would fail."""
    from examples.engine.layers import attention

    rng = np.random.default_rng(7)
    q = rng.standard_normal((9, 20, 64), dtype=np.float32)
    k, v = rng.standard_normal((2, 3, 20, 64), dtype=np.float32)
    other = k.copy()
    other[:, 3] += 1
    assert (attention(q, k, v)[-1] != attention(q, other, v)[-1]).any()
    assert (
        attention(q, k, v)[2] == attention(q, other, v)[2]
    ).all()  # token 3 came later


def test_cached_tokens_equal_uncached_ones(loaded):
    model, tokenizer = loaded
    ids = tokenizer.encode("The memory of a conversation")
    assert list(greedy(model, ids, 12)) == list(greedy_without_cache(model, ids, 12))


def test_the_real_cache_weighs_what_the_formula_says(loaded):
    cache = loaded[0].new_cache(100)
    assert cache.nbytes == 100 * memory.kv_bytes_per_token(SMOL, 4) == 100 * 46_080


def test_the_naive_step_grows_and_the_cached_one_stays(loaded):
    model, tokenizer = loaded
    ids = kv_cache.text_ids(tokenizer, 192)
    without, cached = kv_cache.step_times(model, ids, samples=2)
    assert min(without) > 3 * min(cached)
    flop = [flops.step_flop(SMOL, 192, cached=c) for c in (False, True)]
    assert flop[0] / flop[1] > 100


def test_recorded_growth_follows_its_prediction():
    """With the cache within 1.6 of it, without within 2; never below by more than noise."""
    points = record.load("kv-cache--growth")["points"]
    assert {p["context"] for p in points} == set(kv_cache.RECORDED)
    for point in points:
        ratio = record.median(point) / point["predicted_ms"]
        assert 0.9 < ratio < (1.6 if point["cached"] else 2.0), point
    cached = [record.median(p) for p in points if p["cached"]]
    assert max(cached) / min(cached) < 1.6


def test_a_recording_is_whole_and_predicts_before_it_measures(
    tmp_path, monkeypatch, capsys
):
    """The recorder at toy size: the same fields, a prediction beside each point."""
    write = record.write
    monkeypatch.setattr(record, "write", lambda stem, data: write(stem, data, tmp_path))
    monkeypatch.setattr(kv_cache, "RECORDED", (8, 16))
    monkeypatch.setattr(kv_cache, "SAMPLES", 5)
    kv_cache.main(["record"])
    assert "kv-cache--growth.json" in capsys.readouterr().out
    made = json.loads((tmp_path / "kv-cache--growth.json").read_text("utf-8"))
    kept = record.load("kv-cache--growth")
    assert made.keys() == kept.keys()
    assert made["points"][0].keys() == kept["points"][0].keys()
    assert [(p["context"], p["cached"]) for p in made["points"]] == [
        (context, cached) for context in (8, 16) for cached in (False, True)
    ]
    assert all(p["predicted_ms"] > 0 and len(p["samples"]) >= 5 for p in made["points"])


def test_a_point_that_is_not_there_or_not_alone_is_an_error():
    with pytest.raises(ValueError, match="0 points"):
        kv_cache.point("kv-cache--growth", context=7)
    with pytest.raises(ValueError, match="6 points"):
        kv_cache.point("kv-cache--growth", cached=True)


def test_the_table_holds_published_counts():
    printed = run("models").stdout
    for number in (
        "8,030,261,248",
        "70,553,706,496",
        "405,853,388,800",
        "671,026,419,200",
    ):
        assert number in printed
    assert re.search(r"Llama-3\.1-8B .* 128\.0 KiB", printed)
    assert printed.count("weights do not fit") == 3


def test_options_change_the_table():
    printed = run("models", "qwen3-32b", "--context", "8192", "--card", "141").stdout
    assert "2.00 GiB" in printed and "Llama" not in printed
    assert f"{memory.tokens_that_fit(shapes.named('Qwen3-32B'), 141e9):,}" in printed


def test_a_card_that_the_weights_just_fill_holds_them_and_no_token():
    weights = memory.weight_bytes(SMOL)
    assert kv_cache.fits(SMOL, weights) == "0"
    assert kv_cache.fits(SMOL, weights - 1) == "weights do not fit"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models", "Llama-3.1-9B"], "did you mean Llama-3.1-8B"),
        (["models", "--context", "0"], "1 or more tokens"),
        (["models", "--context", "many"], "invalid int value"),
        (["models", "--card", "-1"], "above 0"),
        (["models", "--card", "nan"], "above 0"),
        (["models", "--card", "inf"], "above 0"),
        (["growth", "--fast"], "error:"),
        (["modles"], "invalid choice"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_values_are_numbers_with_units():
    table = values.of_chapter("kv-cache")
    for key, text in table.items():
        number, _, unit = text.partition(values.NBSP)
        assert re.fullmatch(r"[\d,]+(\.\d+)?", number), key
        assert unit in ("", "B", "KiB", "MiB", "GiB", "MB", "GB", "ms", "s", "GB/s", "TB/s",
                        "GFLOP/s", "TFLOP/s", "token/s", "%"), key  # fmt: skip


# The exercises' answers, worked by hand here.
def test_exercise_1_pages_beside_qwen3_32b():
    token = 2 * 64 * 8 * 128 * 2
    assert values.lookup("kv-cache--exercise-qwen-token") == f"{token:,}" == "262,144"
    pages = [int((card - 2 * 32_762_123_264) // token // 500) for card in (80e9, 141e9)]
    assert values.lookup("kv-cache--exercise-qwen-pages-80") == str(pages[0]) == "110"
    assert values.lookup("kv-cache--exercise-qwen-pages") == str(pages[1]) == "575"
    assert pages[1] > 5 * pages[0], "the memory is not twice as large, the room is"


def test_exercise_2_every_head_its_own():
    user = 2 * 126 * 128 * 128 * 2 * 131_072
    assert user / 2**30 == 1008
    assert values.lookup("kv-cache--exercise-mha-user") == "1,008\N{NO-BREAK SPACE}GiB"
    assert (
        values.lookup("kv-cache--exercise-mha-cards")
        == str(-(-user // 80_000_000_000))
        == "14"
    )


def test_exercise_3_crossover():
    read = 2 * (8_030_261_248 - 128_256 * 4096)
    batch = read / 131_072 / 8192
    assert values.lookup("kv-cache--exercise-crossover") == f"{batch:.1f}" == "14.0"
    assert values.lookup("kv-cache--exercise-crossover-fp8") == f"{2 * batch:.1f}"


def test_exercise_4_floor():
    read = 2 * (8_030_261_248 - 128_256 * 4096)
    for context, name in ((1024, "1k"), (131_072, "128k")):
        floor = (read + context * 131_072) / 3.35e12 * 1e3
        assert (
            values.lookup(f"kv-cache--exercise-floor-{name}")
            == f"{floor:.2f}\N{NO-BREAK SPACE}ms"
        )
        point = kv_cache.point("kv-cache--h100-step", context=context, cached=True)
        share = f"{100 * floor / record.median(point):.0f}\N{NO-BREAK SPACE}%"
        assert values.lookup(f"kv-cache--exercise-floor-share-{name}") == share
    assert values.lookup("kv-cache--exercise-floor-share-1k") < share, (
        "the longer uses more"
    )


def test_exercise_5_a_window_changes_nothing_until_it_is_full(loaded, monkeypatch):
    model, tokenizer = loaded
    ids = tokenizer.encode("Once upon a time there was a token that")
    full = list(greedy(model, ids, 48))
    c = model.config
    window = kv_cache.WindowCache(c.layers, c.kv_heads, c.head_dim, len(ids) + 48)
    monkeypatch.setattr(model, "new_cache", lambda capacity: window, raising=False)
    windowed = list(greedy(model, ids, 48))
    # The token that follows 32 tokens still saw all of them.
    same = window.window - len(ids) + 1
    assert windowed[:same] == full[:same]
    pairs = zip(windowed, full, strict=True)
    differs = next(i for i, (one, other) in enumerate(pairs) if one != other)
    assert len(ids) + differs + 1 == kv_cache.FIRST_TO_DIFFER >= 34


def test_the_line_of_the_batch_figure_goes_through_the_recorded_predictions():
    """The figure computes it for every batch size; the data holds it for six."""
    data = record.load("kv-cache--h100-batch")
    read, token = memory.weight_bytes_read(LLAMA), memory.kv_bytes_per_token(LLAMA)
    ceiling = data["ceilings"]
    for point in data["points"]:
        batch = point["batch"]
        weights = max(
            read / ceiling["read_bytes_per_s"], batch * read / ceiling["flop_per_s"]
        )
        caches = batch * point["context"] * token / ceiling["read_bytes_per_s"]
        assert (weights + caches) * 1e3 == pytest.approx(
            point["predicted_ms"], rel=0.01
        )


def test_the_command_on_the_page_has_the_card_that_the_text_computes():
    page = (ROOT / "chapters/bottlenecks/kv-cache.md").read_text("utf-8")
    share = values.lookup("kv-cache--vllm-share").split(values.NBSP)[0]
    assert f"--context 8192 --card {share}" in page
    (known,) = (
        p for p in record.load("kv-cache--h100-memory")["points"] if "total_bytes" in p
    )
    assert float(share) == pytest.approx(0.92 * known["total_bytes"] / 1e9, abs=0.05)
    tokens = values.lookup("kv-cache--vllm-tokens").replace(",", "")
    assert int(tokens) == memory.tokens_that_fit(LLAMA, float(share) * 1e9)
