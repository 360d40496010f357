"""Sizes and operations from shapes, against cases worked by hand and published totals."""

from __future__ import annotations

import dataclasses

import pytest

from examples.cli import CommandError
from examples.predict import flops, memory, shapes

PUBLISHED = {
    "SmolLM2-135M": 134_515_008,
    "Qwen3-0.6B": 596_049_920,
    "Llama-2-7B": 6_738_415_616,
    "Qwen2.5-7B": 7_615_616_512,
    "Mistral-7B-v0.3": 7_248_023_552,
    "Llama-3.1-8B": 8_030_261_248,
    "Qwen3-32B": 32_762_123_264,
    "Llama-3.1-70B": 70_553_706_496,
    "Llama-3.1-405B": 405_853_388_800,
    "DeepSeek-V3": 671_026_419_200,
}

# Two layers, width 4, two query heads sharing one key-value head of 2 numbers, d_ff 3, five tokens.
TINY = shapes.Shape("tiny", 2, 4, 2, 1, 2, 3, vocab=5, tied=False, context=16)


@pytest.mark.parametrize("name", shapes.catalog())
def test_parameters_are_right_to_the_digit(name):
    assert shapes.named(name).parameters == PUBLISHED[name]


def test_tiny_shape_by_hand():
    # query and output 4*4 each, key and value 4*2 each; three matrices 4*3; two norms of 4
    attention, ffn, norms = 16 + 16 + 8 + 8, 36, 8
    assert TINY.attention_parameters == attention and TINY.ffn_parameters(0) == ffn
    assert TINY.parameters == 2 * (attention + ffn + norms) + 4 + 2 * 5 * 4
    assert TINY.read_per_step == TINY.parameters - 20
    assert memory.kv_bytes_per_token(TINY) == 2 * 2 * 1 * 2 * 2
    assert memory.kv_bytes_if_every_head_had_its_own(
        TINY
    ) == 2 * memory.kv_bytes_per_token(TINY)


def test_a_bias_and_a_norm_are_parameters_and_no_products():
    # biases: 2 + 1 + 1 heads of 2 numbers; norms: one of 2 for queries, one of 2 for keys
    for extra, numbers in (({"qkv_bias": True}, 8), ({"qk_norm": True}, 4)):
        other = dataclasses.replace(TINY, **extra)
        assert other.attention_parameters == TINY.attention_parameters + numbers
        assert other.parameters == TINY.parameters + 2 * numbers
        assert flops.matmul_flop_per_token(other) == flops.matmul_flop_per_token(TINY)


def test_operations_of_experts_are_refused_and_not_guessed():
    with pytest.raises(CommandError, match="DeepSeek-V3 has experts"):
        flops.step_flop(shapes.named("DeepSeek-V3"), 1024, cached=True)


def test_tiny_flop_by_hand():
    assert flops.matmul_flop_per_token(TINY) == 2 * 2 * (48 + 36)
    assert flops.head_flop(TINY) == 2 * 20
    # one new token, three in all: scores and sums, 2 layers x 2 heads x 2 numbers x 3 x 2 FLOP, twice
    assert flops.attention_flop(TINY, 1, 3) == 2 * (2 * 2 * 2 * 3 * 2)
    assert flops.step_flop(TINY, 3, cached=True) == 336 + 40 + 96
    assert flops.step_flop(TINY, 3, cached=False) == 3 * 336 + 40 + 3 * 96


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("Llama-3.1-8B", 131_072),
        ("Llama-3.1-70B", 327_680),
        ("Llama-3.1-405B", 516_096),
        ("Llama-2-7B", 524_288),
        ("Qwen2.5-7B", 57_344),
        ("DeepSeek-V3", (512 + 64) * 61 * 2),
    ],
)
def test_bytes_per_token(name, token):
    assert memory.kv_bytes_per_token(shapes.named(name)) == token
    assert memory.kv_bytes_per_token(shapes.named(name), 1) * 2 == token


def test_tokens_that_fit():
    llama = shapes.named("Llama-3.1-8B")
    fit = memory.tokens_that_fit(llama, 80e9)
    assert memory.weight_bytes(llama) + fit * 131_072 <= 80e9
    assert memory.weight_bytes(llama) + (fit + 1) * 131_072 > 80e9
    assert memory.tokens_that_fit(shapes.named("Llama-3.1-70B"), 80e9) == 0


def test_unknown_model_names_the_nearest():
    with pytest.raises(CommandError, match=r"did you mean Llama-3\.1-8B\?"):
        shapes.named("lama-3.1-8b")
    assert shapes.named("llama-3.1-8b") is shapes.named("Llama-3.1-8B")
