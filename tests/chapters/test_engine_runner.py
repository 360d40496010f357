"""Many sequences in one step: the same answers, within rounding, as each alone; and what padding wastes."""

from __future__ import annotations

import numpy as np
import pytest

from examples.cli import CommandError
from examples.engine import batch, inspection
from examples.engine.generate import greedy
from examples.engine.runner import NumpyRunner

TEXTS = ("The capital of France is", "Once upon a time", "1, 2, 3, 4,", "缓存")
CLOSE = 2e-3  # logits range over 40; rounding in another order moves them by about 1e-4


@pytest.fixture
def runner(loaded):
    return NumpyRunner(loaded[0])


@pytest.fixture(scope="module")
def prompts(loaded):
    return [loaded[1].encode(text) for text in TEXTS]


def test_a_step_of_many_sequences_is_their_steps_alone(loaded, runner, prompts):
    alone = np.stack([loaded[0].forward(ids) for ids in prompts])
    numbers = [runner.open(32) for _ in prompts]
    together = runner.step(list(zip(numbers, prompts, strict=True)))
    assert together.shape == alone.shape
    assert np.abs(together - alone).max() < CLOSE
    assert (together.argmax(-1) == alone.argmax(-1)).all()


def test_chunks_and_decode_tokens_mix_in_one_step(loaded, runner, prompts):
    first, second = runner.open(32), runner.open(32)
    runner.step([(first, prompts[0])])
    mixed = runner.step([(second, prompts[1][:2]), (first, [42])])
    last = runner.step([(second, prompts[1][2:])])
    assert np.abs(mixed[1] - loaded[0].forward([*prompts[0], 42])).max() < CLOSE
    assert np.abs(last[0] - loaded[0].forward(prompts[1])).max() < CLOSE


def test_sequences_continue_together_as_they_would_alone(loaded, runner, prompts):
    numbers = [runner.open(len(ids) + 12) for ids in prompts]
    work, written = list(zip(numbers, prompts, strict=True)), [[] for _ in prompts]
    for _ in range(12):
        chosen = runner.step(work).argmax(-1).tolist()
        for answer, token in zip(written, chosen, strict=True):
            answer.append(token)
        work = [(n, [token]) for n, token in zip(numbers, chosen, strict=True)]
    assert written == [list(greedy(loaded[0], ids, 12)) for ids in prompts]


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ([], "one or more sequences"),
        ([(1, [5]), (1, [6])], "each once"),
        ([(1, [5]), (9, [6])], "there is no sequence 9"),
        ([(1, [5]), (2, [])], "at least one token"),
        ([(1, [5]), (2, [49152])], "between 0 and 49151"),
        ([(1, [5]), (2, [6] * 20)], "holds 16 tokens, 20 were wanted"),
    ],
)
def test_a_wrong_step_leaves_all_sequences_as_they_were(loaded, work, told):
    runner = NumpyRunner(loaded[0])
    one, two = runner.open(16), runner.open(16)
    before = runner.step([(one, [7, 8])])
    with pytest.raises(CommandError, match=told):
        runner.step(work)
    after = runner.step([(one, [9]), (two, [7, 8, 9])])
    assert np.abs(after[0] - after[1]).max() < CLOSE
    assert np.abs(before[0] - loaded[0].forward([7, 8])).max() < CLOSE


def test_opening_and_closing(runner):
    with pytest.raises(CommandError, match="1 to 8192 tokens, 0 were"):
        runner.open(0)
    number = runner.open(4)
    runner.close(number)
    for act in (lambda: runner.close(number), lambda: runner.step([(number, [1])])):
        with pytest.raises(CommandError, match="is closed"):
            act()
    assert runner.open(4) != number


# A padded rectangle ------------------------------------------------------------------------------


def test_a_padded_batch_writes_what_each_prompt_would_alone(loaded, prompts):
    model, tokenizer = loaded
    answers, waste = batch.greedy(model, prompts, 12, tokenizer.end_id)
    assert answers == [
        list(greedy(model, ids, 12, tokenizer.end_id)) for ids in prompts
    ]
    width, total = max(map(len, prompts)), sum(map(len, prompts))
    assert waste.padding == len(prompts) * width - total
    assert waste.computed == len(prompts) * (width + 11)
    assert waste.share == pytest.approx(waste.padding / waste.computed)


def test_a_batch_computes_on_for_those_that_are_done(loaded):
    model, tokenizer = loaded
    short = tokenizer.encode(
        "<|im_start|>user\nSay yes.<|im_end|>\n<|im_start|>assistant\n"
    )
    long = tokenizer.encode("Once upon a time")
    alone = list(greedy(model, short, 40, tokenizer.end_id))
    answers, waste = batch.greedy(model, [short, long], 40, tokenizer.end_id)
    assert answers[0] == alone and len(answers[0]) < len(answers[1]) == 40
    assert waste.finished == 40 - len(alone)


def test_a_padded_row_has_the_keys_of_its_prompt_alone(loaded, prompts):
    """Keys are turned by their positions: equal keys are equal positions."""
    model = loaded[0]
    ids, before = batch.padded(prompts, pad=0)
    together = batch.PaddedBatch(model, before, ids.shape[1])
    together.forward(ids)
    for row, prompt in enumerate(prompts):
        cache = model.new_cache(len(prompt))
        model.forward(prompt, cache)
        keys = together.keys[:, row, :, before[row] :]
        assert np.abs(keys - cache.keys).max() < CLOSE


def test_padding_is_never_looked_at(loaded, prompts):
    ids, before = batch.padded(prompts, pad=0)
    other, _ = batch.padded(prompts, pad=777)
    found = [
        batch.PaddedBatch(loaded[0], before, ids.shape[1]).forward(rows)
        for rows in (ids, other)
    ]
    assert (found[0] == found[1]).all()


@pytest.mark.parametrize("prompts", [[], [[1], []]])
def test_a_batch_of_nothing_is_refused(prompts):
    with pytest.raises(CommandError, match="each with at least one token"):
        batch.padded(prompts, 0)


# What the inspection shows is what the model does ------------------------------------------------


def test_the_observed_pass_is_the_plain_one(loaded, prompts):
    model = loaded[0]
    seen = inspection.observe(model, prompts[0])
    c, n = model.config, len(prompts[0])
    assert seen.attention.shape == (c.layers, c.heads, n, n)
    assert seen.stream.shape == (c.layers + 1, n, c.width)
    assert seen.neurons.shape == (c.layers, n, model.layers[0].gate.shape[1])
    assert (
        np.abs(seen.logits - model.forward(prompts[0], every_position=True)).max()
        < 1e-3
    )
    assert (seen.stream[0] == model.embedding[prompts[0]]).all()
    assert np.allclose(seen.attention.sum(-1), 1, atol=1e-5)
    assert (np.triu(seen.attention, 1) == 0).all(), "no token looks ahead"
    assert (inspection.logit_lens(model, seen.stream[-1]) == seen.logits).all()
