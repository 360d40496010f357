"""Times on a wire, against cases counted by hand and each other."""

from __future__ import annotations

import pytest

from examples.cli import CommandError
from examples.predict import collectives
from examples.predict.collectives import Link

WIRE = Link(latency_s=2.0, bytes_per_s=100.0)
EVERY = (
    collectives.all_gather_s,
    collectives.reduce_scatter_s,
    collectives.ring_all_reduce_s,
    collectives.doubling_all_reduce_s,
    collectives.all_reduce_s,
    collectives.all_to_all_s,
)


def test_a_message_waits_and_then_flows():
    assert WIRE.message_s(300) == 2 + 3
    assert WIRE.message_s(0) == 2


def test_a_ring_of_four_by_hand():
    """800 bytes in quarters of 200: three steps of 2 + 2 seconds each way."""
    assert collectives.all_gather_s(WIRE, 4, 800) == 3 * 4
    assert collectives.reduce_scatter_s(WIRE, 4, 800) == 3 * 4
    assert collectives.ring_all_reduce_s(WIRE, 4, 800) == 6 * 4


def test_doubling_by_hand():
    """The whole 800 bytes, log2 times: 2 + 8 seconds a step."""
    assert collectives.doubling_all_reduce_s(WIRE, 4, 800) == 2 * 10
    assert collectives.doubling_all_reduce_s(WIRE, 8, 800) == 3 * 10
    assert collectives.doubling_all_reduce_s(WIRE, 5, 800) == 3 * 10


def test_two_ranks_say_it_in_one_exchange_or_two():
    assert collectives.doubling_all_reduce_s(WIRE, 2, 800) == 10
    assert collectives.ring_all_reduce_s(WIRE, 2, 800) == 2 * 6


def test_small_messages_double_and_large_ones_go_round():
    small, large = 8.0, 80_000.0
    assert collectives.all_reduce_s(
        WIRE, 8, small
    ) == collectives.doubling_all_reduce_s(WIRE, 8, small)
    assert collectives.all_reduce_s(WIRE, 8, large) == collectives.ring_all_reduce_s(
        WIRE, 8, large
    )


def test_a_ring_sends_less_than_twice_the_size_however_long_it_is():
    silent = Link(0.0, 100.0)
    times = [collectives.ring_all_reduce_s(silent, n, 800) for n in (2, 8, 1000)]
    assert times == sorted(times) and times[-1] < 2 * 800 / 100
    assert times[0] == 800 / 100


def test_all_to_all_sends_each_its_part():
    assert collectives.all_to_all_s(WIRE, 4, 800) == 3 * (2 + 2)


@pytest.mark.parametrize("cost", EVERY, ids=lambda function: function.__name__)
def test_one_device_says_nothing_and_none_is_refused(cost):
    assert cost(WIRE, 1, 800) == 0
    with pytest.raises(CommandError, match="0 devices: at least 1"):
        cost(WIRE, 0, 800)
