"""The GPU measurement of the chapter generation, at toy size on a CPU, and the data it recorded."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from examples import generation, record

STEM = "generation--h200-batch"


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip(
        "torch", reason="PyTorch, an extra of the book, is not installed"
    )


@pytest.fixture
def toy(torch):
    from examples.gpu import generation as gpu

    torch.manual_seed(0)
    model = gpu.toy()
    return gpu, model, model.random_ids(6, 4)


def test_the_model_on_the_device_is_the_books(torch, loaded):
    from examples.gpu import generation as gpu

    model, tokenizer = loaded
    on_device = gpu.SmolLM2(model, "cpu", torch.float32)
    prompt = generation.asked(tokenizer)
    found = on_device.forward(torch.tensor([prompt]))[0].numpy()
    assert np.abs(found - model.forward(prompt)).max() < 1e-3
    (tokens,) = gpu.answers(on_device, torch.tensor([prompt]), 1, 8).tokens.tolist()
    assert tokenizer.decode(tokens) == "The capital of France is Paris.<|im_end|>"


def test_prompts_have_one_length(torch, loaded):
    from examples.gpu import generation as gpu

    ids = [
        generation.asked(loaded[1], f"Tell me a story about a {subject}.")
        for subject in gpu.SUBJECTS
    ]
    assert {len(i) for i in ids} == {38} and len(ids) == 64
    assert len(set(map(tuple, ids))) == 64


def test_batches_write_what_requests_alone_write(torch, toy):
    gpu, model, prompts = toy
    alone = gpu.answers(model, prompts, 1, 12)
    beside = gpu.answers(model, prompts, 4, 12)  # a batch of four and one of two
    assert (alone.tokens == beside.tokens).all()
    assert alone.logits.shape == (6, 12, 128)
    assert (alone.logits - beside.logits).abs().max() < 1e-4


def test_what_is_compared(torch, toy):
    """Answers that part at token 5: logits count up to and with that step, not after it."""
    gpu, model, prompts = toy
    alone = gpu.answers(model, prompts, 1, 8)
    logits, tokens = alone.logits.clone(), alone.tokens.clone()
    same = gpu.compared(alone, gpu.Answers(tokens, logits), density=1.0)
    assert same["differ"] == 0 and same["samples"] == [8] * 6
    assert same["predicted_differ"] == 0 and same["unequal_from"] == []
    tokens[2, 5] += 1
    logits[2, 5] += 1  # all logits alike: the lead stays
    logits[2, 6] += 100
    found = gpu.compared(alone, gpu.Answers(tokens, logits), density=1.0)
    assert found["differ"] == 1 and found["samples"] == [8, 8, 5, 8, 8, 8]
    assert found["unequal_from"] == [5]
    assert found["most"] == pytest.approx(1) and found["moved"] < 1e-5


def test_flips_are_predicted_from_leads_and_changes(torch, toy):
    """Every lead moved by 0.1, and 2 leads a logit: one choice in ten flips at each of 8 steps."""
    gpu, model, prompts = toy
    alone = gpu.answers(model, prompts, 1, 8)
    ids, _ = alone.leads()
    logits = alone.logits.clone()
    logits.scatter_add_(2, ids[..., :1], torch.full((6, 8, 1), 0.1))
    found = gpu.compared(alone, gpu.Answers(alone.tokens, logits), density=2.0)
    assert found["moved"] == pytest.approx(0.1, rel=1e-3)
    assert found["predicted_differ"] == pytest.approx(6 * (1 - 0.9**8), abs=0.01)
    assert gpu.near_zero(torch.tensor([0.1, 0.2, 0.6, 3.0])) == 1.0


def test_toy_run_writes_what_it_measured(torch, tmp_path):
    command = [sys.executable, "-m", "examples.gpu.generation", "--toy"]
    subprocess.run([*command, "--out", str(tmp_path)], check=True, capture_output=True)
    kept = record.load(STEM)
    (path,) = tmp_path.glob("*.json")
    import json

    found = json.loads(path.read_text("utf-8"))
    assert found.keys() == kept.keys()
    assert found["points"][0].keys() == kept["points"][0].keys()


def test_toy_run_in_this_process(torch, capsys):
    from examples.gpu import generation as gpu

    gpu.main(["--toy"])
    assert "'batch': 3" in capsys.readouterr().out


def test_without_a_gpu_one_line(torch, capsys):
    from examples.cli import CommandError
    from examples.gpu import generation as gpu

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(CommandError, match="no CUDA device"):
        gpu.main([])


# What was recorded.
def points(dtype: str) -> dict[int, dict]:
    found = record.load(STEM)["points"]
    return {p["batch"]: p for p in found if p["dtype"] == dtype}


def test_a_batch_of_eight_changed_no_bit():
    assert points("bfloat16")[8]["unequal_steps"] == 0
    assert points("bfloat16")[8]["most"] == 0


def test_larger_batches_changed_all_requests_from_one_step_on():
    """The step at which a token first attends to 129 positions: a prompt of 38 and 91 of the answer."""
    for batch in (16, 32, 64):
        point = points("bfloat16")[batch]
        assert point["unequal_from"] == [128 + 1 - 38] * 64
        assert 10 < point["differ"] < point["predicted_differ"] < 2 * point["differ"]
        assert min(point["samples"]) >= 91


def test_float32_moves_logits_and_no_choice():
    for point in points("float32").values():
        assert point["differ"] == 0 and 0 < point["most"] < 2e-4
        assert point["unequal_from"] == [0] * 64
        assert point["predicted_differ"] < 0.1
