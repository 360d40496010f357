"""The GPU measurement of the chapter hardware, at toy size on a CPU."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time

import pytest

from examples.cli import CommandError
from examples.predict import memory, shapes
from tools.gates import data

STEMS = ("ceilings", "roofline", "attention", "ladder")
COMMAND = [sys.executable, "-m", "examples.gpu.hardware"]
CEILING = {
    "copy_bytes_per_s": 4e12,
    "read_bytes_per_s": 5e12,
    "flop_per_s": 1e15,
    "kernel_s": 1e-6,
    "launch_s": 5e-6,
}


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip(
        "torch", reason="PyTorch, an extra of the book, is not installed"
    )


@pytest.fixture
def plan(torch):
    from examples.gpu.ladder.plan import toy

    return toy()


@pytest.fixture
def model(torch, plan):
    from examples.gpu.llama import Llama

    return Llama(plan.shape, "cpu", torch.float32, seed=1)


@pytest.fixture
def ids(model, plan):
    return model.random_ids(1, plan.prompt)


@pytest.fixture
def path(plan, model, ids):
    from examples.gpu.ladder import climb

    return climb.eager_path(plan, model, ids)


def triton():
    return pytest.importorskip("triton", reason="Triton is not installed")


# The rungs.


def whole(torch, model, ids, steps: int):
    """Greedy tokens and logits where every step computes all tokens again, without any cache."""
    tokens, logits = [], []
    for _ in range(steps):
        logits.append(model.forward(ids))
        tokens.append(logits[-1].argmax(1))
        ids = torch.cat((ids, tokens[-1][None]), 1)
    return torch.cat(tokens), torch.cat(logits)


@pytest.mark.parametrize("name", ["eager", "static", "graph", "compile"])
def test_rung_decodes_what_the_model_does_without_a_cache(
    torch, plan, model, ids, name
):
    from examples.gpu.checks import relative_error
    from examples.gpu.ladder import climb

    tokens, logits = whole(torch, model, ids, plan.steps)
    rung = climb.makers(plan, model)[name]()
    rung.start(ids)
    for _ in range(
        2
    ):  # the second time from `restart`, after the cache has been written
        found = climb.walk(rung, plan.steps)
        assert found[0].tolist() == tokens.tolist()
        assert relative_error(found[1], logits) < 1e-5


def test_transformers_decodes_the_same(torch, plan, model, ids, path):
    pytest.importorskip("transformers", reason="transformers is not installed")
    from examples.gpu.ladder import climb

    rung = climb.makers(plan, model)["transformers"]()
    rung.start(ids)
    found = climb.checked(plan, rung, path)
    assert found["tokens_equal"] == plan.steps and found["relative_error"] < 1e-5
    assert len(climb.times_ms(plan, rung)) == plan.climbs


def test_rows_of_a_head_go_to_the_library_s_order(torch):
    from examples.gpu.ladder.rungs import halves

    rows = torch.arange(16.0)[:, None]  # two heads of eight numbers
    found = halves(rows, 8).flatten().tolist()
    assert found == [0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15]


def test_a_wrong_position_is_seen(torch, plan, model, ids, path):
    from examples.gpu.ladder import climb, rungs

    rung = rungs.Static(model, plan.capacity)
    rung.turns = rung.turns.roll(1, 0)
    rung.start(ids)
    with pytest.raises(CommandError, match="relative error"):
        climb.checked(plan, rung, path)


def test_a_prompt_that_does_not_fit_is_refused(torch, plan, model):
    from examples.gpu.ladder.rungs import Static

    with pytest.raises(CommandError, match="9 tokens, but room for 8"):
        Static(model, 8).start(model.random_ids(1, 9))


class Replayed:
    """A rung that returns logits made beforehand."""

    def __init__(self, torch, logits):
        self.logits, self.newest = logits, torch.zeros(1, dtype=torch.int64)

    def restart(self) -> None:
        self.at = 0

    def step(self):
        found = self.logits[self.at : self.at + 1]
        self.newest.copy_(found.argmax(1))
        self.at += 1
        return found


@pytest.mark.parametrize(("lead", "near"), [(0.004, True), (2.0, False)])
def test_another_choice_must_be_one_that_rounding_explains(torch, plan, lead, near):
    from examples.gpu.ladder import climb

    generator = torch.Generator().manual_seed(0)
    exact = torch.rand(plan.steps, 1000, generator=generator)
    exact[:, 7], exact[:, 5] = 1.5 + lead, 1.5
    rounded = exact.clone()
    rounded[2, [7, 5]] = exact[2, [5, 7]]  # the other one wins at step 2
    path = climb.Path(exact.argmax(1), exact, eager_error=0.2, eager_noise=1e-3)
    rung = Replayed(torch, rounded)
    if not near:
        with pytest.raises(CommandError, match="step 2: another token, 2 apart"):
            climb.checked(plan, rung, path)
        return
    found = climb.checked(plan, rung, path)
    assert found["tokens_equal"] == 2
    assert found["flips"] == [{"step": 2, "gap": pytest.approx(lead, rel=0.01)}]


def test_logits_that_are_none_fail(torch, plan, path):
    from examples.gpu.ladder import climb

    rung = Replayed(torch, path.exact * torch.nan)
    with pytest.raises(CommandError, match="relative error nan"):
        climb.checked(plan, rung, path)


def test_eager_steps_far_from_float32_are_no_reference(
    torch, plan, model, ids, monkeypatch
):
    from examples.gpu.ladder import climb

    monkeypatch.setattr(climb, "BOUND", {torch.float32: 0.0})
    monkeypatch.setattr(climb, "worst", lambda *_: 0.5)
    with pytest.raises(
        CommandError, match=r"eager steps: relative error 0\.5, above 0"
    ):
        climb.eager_path(plan, model, ids)


def test_what_a_rung_lacks_is_named(torch, plan, model, monkeypatch):
    from examples.gpu.ladder import climb, rungs

    monkeypatch.setattr(climb.importlib.util, "find_spec", lambda name: None)
    for name, package in (("transformers", "transformers"), ("fused", "triton")):
        assert climb.missing(plan, name) == f"{package} is not installed"
        on_gpu = dataclasses.replace(plan, device="cuda")
        assert climb.missing(on_gpu, name) is None, (
            "there, failing says what is missing"
        )
    assert climb.missing(plan, "eager") is None
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(CommandError, match="transformers is not installed"):
        rungs.Transformers(model, plan.capacity)


def test_a_weight_of_another_shape_is_not_shared(torch, plan, model):
    from examples.gpu.ladder import rungs

    library = torch.nn.Module()
    library.model = torch.nn.Module()
    library.model.embed_tokens = torch.nn.Embedding(3, plan.shape.width)
    with pytest.raises(CommandError, match=r"takes no weight of \(128, 64\)"):
        rungs.share(model, library)


def test_a_rung_that_fails_leaves_the_others(torch, plan, model, monkeypatch):
    from examples.gpu.ladder import climb, rungs

    monkeypatch.setattr(rungs, "Static", None)
    plan = dataclasses.replace(plan, rungs=("static", "eager"))
    found, failed = climb.measure(plan, CEILING, model, time.perf_counter())
    assert [point["rung"] for point in found["points"]] == ["eager"]
    assert len(failed) == 1 and failed[0].startswith("static: TypeError")


def test_what_takes_too_long_is_given_up(torch):
    from examples.gpu.ladder import climb

    with (
        pytest.raises(CommandError, match=r"not done within 0\.05 s"),
        climb.limit(0.05),
    ):
        time.sleep(5)
    with climb.limit(0.05):
        pass
    time.sleep(0.1)  # the alarm is off


def test_the_last_rung_is_left_out_when_time_is_short(torch, plan, model, capsys):
    from examples.gpu.ladder import climb

    plan = dataclasses.replace(plan, rungs=("eager", "compile-tuned"), run_s=200)
    found, failed = climb.measure(plan, CEILING, model, time.perf_counter() - 190)
    assert [point["rung"] for point in found["points"]] == ["eager"] and not failed
    out = capsys.readouterr().out
    assert "compile-tuned: skipped" in out and "s are left of 200" in out


def test_floor_is_all_weights_but_the_table_and_the_cache(torch):
    from examples.gpu.ladder import climb
    from examples.gpu.ladder.plan import full

    shape = shapes.named("Llama-3.1-8B")
    wanted = 2 * (shape.parameters - shape.vocab * shape.width)
    wanted += 1040 * memory.kv_bytes_per_token(shape)
    assert climb.floor_bytes(full()) == wanted


def test_prediction_of_a_step(torch):
    from examples.gpu.ladder import climb
    from examples.gpu.ladder.plan import full

    read = climb.floor_bytes(full()) / 5e9
    found = lambda name, n: climb.predicted_ms(full(), CEILING, name, n)  # noqa: E731
    assert found("graph", 500) == pytest.approx(read + 0.5)
    assert found("eager", 1000) == pytest.approx(5)
    assert found("eager", 10) == pytest.approx(read)


# The kernels of the top rung.


def test_fused_rung_decodes_the_same_in_triton_s_interpreter(torch, tmp_path):
    triton()
    command = [*COMMAND, "--toy", "--part", "ladder", "--out", str(tmp_path)]
    done = subprocess.run(
        command,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "hardware--cpu-ladder.json").read_text("utf-8")
    points = {point["rung"]: point for point in json.loads(text)["points"]}
    assert points["fused"]["relative_error"] < 1e-5
    assert points["fused"]["tokens_equal"] == points["fused"]["tokens"]


TUNED = """
import dataclasses, json
import torch
from examples.gpu.ladder import climb, fused, plan
from examples.gpu.llama import Llama
from examples.predict.shapes import Shape

fused.TILINGS = fused.Tiling(2, 32, 4), fused.Tiling(4, 16, 4), fused.Tiling(8, 2**20, 4)
small = dataclasses.replace(plan.toy(), tilings=3, prompt=8, steps=2)
shape = Shape("tiny", 1, 32, 2, 1, 16, 32, vocab=16, tied=False, context=64)
small = dataclasses.replace(small, shape=shape)
model = Llama(small.shape, "cpu", torch.float32, seed=1)
ids = model.random_ids(1, small.prompt)
tilings, first, second = {}, *(climb.makers(small, model)["fused"]() for _ in range(2))
seen = climb.tune(small, first, tilings)
assert climb.tune(small, second, tilings) == [], "the second rung takes what the first found"
assert second.rung.tilings == first.rung.tilings == tilings
assert climb.tune(small, climb.makers(small, model)["eager"](), tilings) == []
first.start(ids)
path = climb.eager_path(small, model, ids)
found = climb.checked(small, first, path)["tokens_equal"]
print(json.dumps([seen, {name: vars(one) for name, one in tilings.items()}, found]))
"""


def test_fused_rung_takes_the_fastest_tiling_that_fits(torch):
    triton()
    done = subprocess.run(
        [sys.executable, "-c", TUNED],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    seen, tilings, equal = json.loads(done.stdout.splitlines()[-1])
    assert equal == 2, "any tiling decodes the same tokens"
    assert {p["kernel"] for p in seen} == set(tilings)
    assert all(p["block"] <= 32 for p in seen), (
        "a tiling that does not fit is not tried"
    )
    for name, tiling in tilings.items():
        tried = [p for p in seen if p["kernel"] == name]
        best = min(tried, key=lambda p: p["us"])
        assert {key: best[key] for key in tiling} == tiling
    both = [p for p in seen if p["kernel"] == "query_key_value"]
    assert [(p["rows"], p["block"]) for p in both] == [(2, 32), (4, 16)]


SIZES = {"SIZE": 128, "CAPACITY": 1088}
NORM = {"WIDTH": 4096, "EPSILON": 1e-5}
CONSTANTS = {
    "embed": {"WIDTH": 4096, "BLOCK": 4096},
    "query_key_value": NORM | SIZES | {"HEADS": 32, "KV_HEADS": 8},
    "attend": SIZES
    | {"GROUP": 4, "PADDED": 16, "CHUNK": 64, "SPLITS": 17}
    | {"SPLITS_PADDED": 32, "SCALE": 128**-0.5},
    "add_product": {"WIDTH": 14336},
    "gate_up": NORM | {"HIDDEN": 14336},
    "best_of_rows": NORM,
    "choose": {"COUNT": 32064, "PADDED": 32768},
}
TYPES = {"newest": "*i64", "position": "*i64", "best_id": "*i32", "arrivals": "*i32"}
FLOATS = ("turns", "highest", "weights", "sums", "logits", "best")


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("name", CONSTANTS)
def test_kernels_compile_for_the_card(torch, name, overlap):
    """Triton's compiler needs no GPU. What overlaps loads weights, and nothing else, before it waits."""
    triton()
    if os.environ.get("TRITON_INTERPRET") == "1":
        pytest.skip("Triton interprets here, and compiles nothing")
    from triton import compile as compiled
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from examples.gpu.ladder import kernels

    kernel = getattr(kernels, name)
    constants = CONSTANTS[name] | {"ROWS": 4, "BLOCK": 2048, "OVERLAP": overlap}
    if name == "embed":
        constants |= CONSTANTS[name]
    names = kernel.arg_names
    kinds = {n: "*fp32" if n in FLOATS else TYPES.get(n, "*bf16") for n in names}
    source = ASTSource(
        kernel,
        {n: "constexpr" if n.isupper() else kind for n, kind in kinds.items()},
        constexprs={(i,): constants[n] for i, n in enumerate(names) if n.isupper()},
        attrs={
            (i,): [["tt.divisibility", 16]]
            for i, n in enumerate(names)
            if not n.isupper()
        },
    )
    options = {"num_warps": 8 if "ROWS" in names else 4, "launch_pdl": overlap}
    ptx = compiled(source, target=GPUTarget("cuda", 90, 32), options=options).asm["ptx"]
    assert ("griddepcontrol.wait" in ptx) == overlap
    if overlap and "ROWS" in names:
        before = ptx[: ptx.index("griddepcontrol.wait")]
        assert before.count("ld.global") == 4, "the first tile comes before the wait"


def test_every_product_of_the_shape_has_a_tiling(torch):
    triton()
    from examples.gpu.ladder.fused import TILINGS, first_tiling

    s = shapes.named("Llama-3.1-8B")
    for rows, width in (
        ((s.heads + 2 * s.kv_heads) * s.head_dim, s.width),
        (s.width, s.heads * s.head_dim),
        (2 * s.d_ff, s.width),
        (s.width, s.d_ff),
        (s.vocab, s.width),
    ):
        assert first_tiling(rows, width) in TILINGS
    with pytest.raises(CommandError, match="not even"):
        first_tiling(3, 64)


# The card's own parts.


def test_naive_and_fused_attention_agree(torch):
    from examples.gpu.checks import relative_error
    from examples.gpu.ladder import card

    q, k, v = torch.randn(3, 2, 4, 33, 16)
    for causal in (False, True):
        found = card.naive(q, k, v, causal)
        assert relative_error(found, card.fused(q, k, v, causal)) < 1e-5
    shared = k[:, :1], v[:, :1]
    found = card.whole_by_parts(q, *shared)
    assert relative_error(found, card.fused(q, *shared, causal=False)) < 1e-5


def test_wrong_results_are_not_timed(torch, plan, monkeypatch):
    from examples.gpu.ladder import card

    torch.manual_seed(0)
    true = card.linear
    off = lambda x, w: true(x, w) * (1 + torch.rand(()) / 10)  # noqa: E731
    monkeypatch.setattr(card, "linear", off)
    monkeypatch.setattr(card, "each_s", lambda *_: pytest.fail("timed"))
    with pytest.raises(CommandError, match="1 rows: relative error"):
        card.roofline(plan, CEILING)
    with pytest.raises(CommandError, match=r"above 0\.001"):
        card.check("a product", torch.ones(4) * 1.01, torch.ones(4), 1e-3)


def test_inputs_in_turn_exceed_the_cache(torch, plan):
    from examples.gpu.ladder import card

    make = lambda: (torch.zeros(100, 100),)  # noqa: E731
    inputs = card.fresh(plan, make)
    assert sum(x.nbytes for (x,) in inputs) >= plan.fresh_bytes
    large = dataclasses.replace(plan, fresh_bytes=1)
    assert len(card.fresh(large, make)) == 2


def test_prediction_of_attention_counts_the_scores(torch):
    from examples.gpu.ladder import card
    from examples.gpu.ladder.plan import full

    n, heads, plan = 16384, 32, full()
    scores = 2 * heads * n * n
    vectors = 4 * 2 * heads * n * 128
    flop = 4 * heads * n * n * 128
    naive, held = card.attention_s(plan, CEILING, "naive", n, heads)
    assert naive == pytest.approx(flop / 1e15 + (6 * scores + vectors) / 4e12)
    assert held == 2 * scores
    fused, held = card.attention_s(plan, CEILING, "fused", n, heads)
    assert fused == pytest.approx(flop / 2e15)
    assert held == vectors / 4


# Energy.


class Counter:
    """Stands in for NVML: 100 J a second, on the clock of this machine."""

    nvmlInit_v2 = staticmethod(lambda: 0)
    nvmlDeviceGetHandleByIndex_v2 = staticmethod(lambda index, handle: 0)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle, found) -> int:
        found._obj.value = int(time.perf_counter() * 1e5)  # mJ
        return 0

    def nvmlDeviceGetEnforcedPowerLimit(self, handle, found) -> int:
        found._obj.value = 700_000
        return 0


def test_joules_per_token_follow_the_counter(torch, plan, model):
    from examples.gpu.ladder import energy

    found = energy.measure(plan, CEILING, model, energy.Meter(Counter()))
    assert found["limit_w"] == 700
    assert statistics.median(found["idle_w"]) == pytest.approx(100, rel=0.2)
    assert [p["tokens"] for p in found["points"]] == [1, 2, plan.prefill]
    for point in found["points"]:
        joules = statistics.median(point["samples"]) * point["tokens"]
        seconds = statistics.median(point["step_ms"]) / 1e3
        assert joules == pytest.approx(100 * seconds, rel=0.2)
        assert point["predicted_j"] > 0


def test_the_energy_part_records_the_counter_s_joules(torch, plan, monkeypatch):
    from examples.gpu import hardware

    monkeypatch.setattr(hardware.energy.ctypes, "CDLL", lambda name: Counter())
    found, failed = hardware.Bench(plan).record("energy")
    assert not failed and found["unit"] == "J" and found["limit_w"] == 700
    assert list(data.of_schema(found)) == []


def test_short_work_is_repeated_until_the_counter_has_moved(torch, plan, monkeypatch):
    from examples.gpu.ladder import energy

    finished = []
    monkeypatch.setattr(energy, "finish", finished.append)
    found = energy.runs(plan, energy.Meter(Counter()), lambda: time.sleep(1e-4))
    calls = found[0]["calls"]
    assert calls >= 32 and calls * 1e-4 < 10 * plan.energy_s
    per_run = len(finished) / len(found)
    assert per_run == 2 + calls // 16, "the queue of launches is emptied in between"


def test_a_counter_that_fails_says_so(torch, monkeypatch):
    from examples.gpu.ladder import energy

    class Broken(Counter):
        nvmlInit_v2 = staticmethod(lambda: 9)

    with pytest.raises(CommandError, match="NVML: Init_v2 fails with code 9"):
        energy.Meter(Broken())

    def none(name: str):
        raise OSError(f"{name}: no such file")

    monkeypatch.setattr(energy.ctypes, "CDLL", none)
    with pytest.raises(CommandError, match="no energy counter"):
        energy.Meter()


def test_a_counter_that_stands_still_is_not_waited_for(torch):
    from examples.gpu.ladder import energy

    class Still(Counter):
        def nvmlDeviceGetTotalEnergyConsumption(self, handle, found) -> int:
            found._obj.value = 5000
            return 0

    start = time.perf_counter()
    assert energy.Meter(Still()).tick() == 5
    assert time.perf_counter() - start < 2


# The command.


def test_toy_run_writes_its_files(torch, tmp_path):
    subprocess.run(
        [*COMMAND, "--toy", "--out", str(tmp_path)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    assert {p.stem for p in tmp_path.iterdir()} == {f"hardware--cpu-{s}" for s in STEMS}
    for path in tmp_path.iterdir():
        found = json.loads(path.read_text("utf-8"))
        assert list(data.of_schema(found)) == []
        for point in found["points"]:
            assert any(key.startswith("predicted") for key in point)
            assert all(sample > 0 for sample in point["samples"])


def test_files_are_named_for_the_card(torch):
    from examples.gpu import runs, timing
    from examples.hardware import datasheet

    names = {
        "NVIDIA H100 80GB HBM3": "h100",
        "NVIDIA H200": "h200",
        "NVIDIA A100-SXM4-80GB": "a100",
        "NVIDIA GeForce RTX 4090": "rtx4090",
        "AMD Instinct MI300X": "mi300x",
        "Quadro": "gpu",
    }
    assert {name: timing.tag(name) for name in names} == names
    assert runs.stem("batching", "cpu", "step") == "batching--cpu-step"
    assert datasheet.of_tag("h200").name == "H200 SXM"
    assert datasheet.of_tag("cpu").name == "H100 SXM"
    with pytest.raises(CommandError, match="no datasheet of a card 'rtx4090'"):
        datasheet.of_tag("rtx4090")


def test_a_part_that_fails_leaves_the_others(
    torch, plan, monkeypatch, tmp_path, capsys
):
    from examples.gpu import hardware

    def broken(*_):
        raise RuntimeError("out of\norder")

    monkeypatch.setattr(hardware.card, "roofline", broken)
    monkeypatch.setattr(
        hardware.climb, "measure", lambda *_: ({"points": []}, ["x: y"])
    )
    with pytest.raises(SystemExit) as stop:
        hardware.main(["--toy", "--out", str(tmp_path)])
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "roofline: RuntimeError: out of order; ladder: x: y" in error
    written = {path.stem.split("-")[-1] for path in tmp_path.iterdir()}
    assert written == {"ceilings", "attention"}


def test_the_quick_run_measures_some_of_the_full_run_s_points(torch):
    from examples.gpu.ladder.plan import full, quick

    for field in ("sides", "rows", "kv_heads", "lengths", "rungs", "energy_batches"):
        assert set(getattr(quick(), field)) < set(getattr(full(), field))
    assert quick().shape == full().shape
    assert full().capacity >= full().prompt + full().steps + 8


@pytest.mark.parametrize(
    "options", [["--toy", "--quick"], ["--out"], ["8B"], ["--part", "weather"]]
)
def test_bad_options_get_one_line(torch, options):
    done = subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_gpu_is_asked_for_in_one_line(torch):
    if torch.cuda.is_available():
        pytest.skip("a GPU is there, and the full measurement would start")
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert (
        done.stderr
        == "error: no CUDA device is visible to PyTorch; --toy runs on a CPU\n"
    )
