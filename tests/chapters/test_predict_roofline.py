"""Times from work and ceilings, against cases worked by hand and limits that they must reach."""

from __future__ import annotations

import pytest

from examples import record
from examples.cli import CommandError
from examples.predict import flops, memory, roofline, shapes
from examples.predict.roofline import Ceilings, Segment, Work

# Two layers, width 4, two query heads sharing one key-value head of 2 numbers, d_ff 3, five tokens.
TINY = shapes.Shape("tiny", 2, 4, 2, 1, 2, 3, vocab=5, tied=False, context=16)
ROUND = Ceilings(read_bytes_per_s=1000, flop_per_s=4000, kernel_s=0.5)
LLAMA = shapes.named("Llama-3.1-8B")
# A card of round numbers, near an H100.
CARD = Ceilings(read_bytes_per_s=3e12, flop_per_s=750e12, kernel_s=1e-6)


def test_the_longer_of_two_times_and_the_ridge_between_them():
    assert ROUND.ridge == 4
    assert Work(flop=4000, bytes=500).seconds(ROUND) == 1
    assert Work(flop=1000, bytes=2000).seconds(ROUND) == 2
    at_the_ridge = Work(flop=800, bytes=200)
    assert at_the_ridge.intensity == ROUND.ridge
    assert at_the_ridge.seconds(ROUND) == 800 / 4000 == 200 / 1000
    assert Work(801, 200).compute_bound(ROUND)
    assert not Work(799, 200).compute_bound(ROUND)


def test_work_adds_up():
    both = Work(3, 5) + Work(4, 1)
    assert (both.flop, both.bytes, both.intensity) == (7, 6, 7 / 6)


def test_a_tiny_decode_step_by_hand():
    """One token with two before it: 336 + 40 FLOP of products, 96 of attention (test_predict.py)."""
    products, attention = roofline.parts(TINY, [Segment(1, 2)])
    # 2 layers of 48 + 36 weights and 2 norms of 4, the last norm and the head of 5 * 4, two bytes each
    assert products == Work(336 + 40, 2 * (2 * (48 + 36 + 8) + 4 + 20))
    # three tokens of 2 layers x (key and value) x 2 numbers x 2 bytes
    assert attention == Work(96, 3 * 16)
    # 416 bytes and 48 bytes take longer than their operations; seven kernels
    assert roofline.step_s(TINY, [Segment(1, 2)], ROUND, kernels=7) == pytest.approx(
        0.416 + 0.048 + 3.5
    )


def test_a_batch_reads_the_weights_once_and_each_cache():
    one, four = (roofline.parts(TINY, [Segment(1, 2)] * batch) for batch in (1, 4))
    assert four[0].bytes == one[0].bytes and four[0].flop == 4 * one[0].flop
    assert four[1] == Work(4 * one[1].flop, 4 * one[1].bytes)
    assert roofline.decode_s(TINY, ROUND, 4, 3) == roofline.step_s(
        TINY, [Segment(1, 2)] * 4, ROUND
    )


def test_a_prompt_leaves_out_what_the_mask_hides():
    """Six tokens: the whole square less half of it; the first of two chunks sees none of the second."""
    whole = roofline.attention(TINY, Segment(6)).flop
    assert whole == flops.attention_flop(TINY, 6, 6) / 2
    chunks = (
        roofline.attention(TINY, Segment(3)),
        roofline.attention(TINY, Segment(3, 3)),
    )
    assert sum(chunk.flop for chunk in chunks) == whole
    # What was stored is read again: 3 tokens by the first chunk, 6 by the second.
    assert [chunk.bytes for chunk in chunks] == [3 * 16, 6 * 16]


def test_only_a_sequence_s_last_token_gets_logits():
    products = roofline.products(TINY, new=10, rows=2)
    assert products.flop == 10 * 336 + 2 * 40


def test_chunks_and_decoding_share_one_reading_of_the_weights():
    mixed = roofline.parts(TINY, [Segment(1, 2), Segment(1, 4), Segment(3, 3)])
    assert len(mixed) == 3, "products, attention of those that decode, of the chunk"
    assert mixed[0].bytes == roofline.products(TINY, 1, 1).bytes
    assert mixed[0].flop == (1 + 1 + 3) * 336 + 3 * 40
    assert mixed[1].bytes == (3 + 5) * 16


def test_llama_s_decode_step_is_its_bytes():
    """7.5 billion weights of two bytes and 1,024 tokens of 131,072 bytes, at 3 TB/s: 5.05 ms."""
    seconds = roofline.decode_s(LLAMA, CARD, 1, 1024)
    read = memory.weight_bytes_read(LLAMA) + 1024 * 131_072
    assert seconds == read / 3e12 == pytest.approx(5.05e-3, rel=1e-3)


def test_llama_s_long_prompt_is_its_operations():
    """8,192 tokens: 14.0 TFLOP for each 1,000 tokens of products, 17.6 of attention, at 750 TFLOP/s."""
    seconds = roofline.prefill_s(LLAMA, CARD, 8192)
    products = (
        2 * 6_979_321_856 * 8192
    )  # the layers' matrices, a multiply-add counted as two
    attention = (
        2 * 32 * 32 * 128 * 8192**2
    )  # half of 4 x layers x heads x head_dim x square
    assert seconds * 750e12 == pytest.approx(products + attention, rel=1e-4)
    assert roofline.prefill_s(
        LLAMA, CARD, 8192, kernels=100
    ) - seconds == pytest.approx(1e-4)


def test_arithmetic_begins_where_the_products_say():
    """A token brings 2 FLOP for each weight of two bytes: the ridge itself, in tokens."""
    assert roofline.compute_bound_batch(CARD) == CARD.ridge == 250
    assert roofline.compute_bound_batch(CARD, number_bytes=1) == 125
    for rows, bound in ((240, False), (280, True)):
        assert roofline.products(LLAMA, rows, rows).compute_bound(CARD) is bound


def test_no_batch_gives_more_than_the_largest_throughput_and_large_ones_reach_it():
    most = roofline.largest_throughput(LLAMA, CARD, 2048)
    rates = [b / roofline.decode_s(LLAMA, CARD, b, 2048) for b in (1, 64, 240)]
    assert rates == sorted(rates) and rates[-1] < most
    # Beyond the ridge the weights no longer cost anything: every token pays for itself.
    assert 1e4 / roofline.decode_s(LLAMA, CARD, 10_000, 2048) == pytest.approx(most)


def test_ceilings_come_from_a_data_file():
    found = Ceilings.of(record.load("batching--h100-step"))
    assert 3e12 < found.read_bytes_per_s < 3.35e12 and found.flop_per_s < 989.5e12
    with pytest.raises(CommandError, match="no ceilings"):
        Ceilings.of({"points": []})


def test_an_empty_step_is_refused():
    with pytest.raises(CommandError, match="needs a sequence"):
        roofline.step_s(TINY, [], ROUND)
