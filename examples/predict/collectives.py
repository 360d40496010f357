"""Time of what devices say to each other, from a link's latency and bandwidth.

A message of n bytes takes latency + n / bandwidth (Hockney 1994). The costs of the algorithms are those of
Thakur, Rabenseifner and Gropp (2005), without the additions of a reduction, which take far less than the wire.
Everywhere `ranks` devices take part; one alone says nothing and takes no time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from examples.cli import CommandError


@dataclass(frozen=True)
class Link:
    """What one device sends to another, measured apart from what it is to predict."""

    latency_s: float
    bytes_per_s: float  # in one direction

    def message_s(self, size: float) -> float:
        """One message of `size` bytes."""
        return self.latency_s + size / self.bytes_per_s


def _checked(ranks: int) -> int:
    if ranks < 1:
        raise CommandError(f"{ranks} devices: at least 1")
    return ranks


def all_gather_s(link: Link, ranks: int, size: float) -> float:
    """Every rank gets all `size` bytes, of which each held 1 / ranks: a ring, ranks - 1 steps."""
    return (_checked(ranks) - 1) * link.message_s(size / ranks)


def reduce_scatter_s(link: Link, ranks: int, size: float) -> float:
    """Every rank gets its part of the sum of all ranks' `size` bytes: a ring, ranks - 1 steps."""
    return all_gather_s(link, ranks, size)


def ring_all_reduce_s(link: Link, ranks: int, size: float) -> float:
    """Every rank gets the sum of all ranks' `size` bytes: a reduce-scatter, then an all-gather.

    Each rank sends 2 (ranks - 1) / ranks times the size, nearly twice, however many there are.
    """
    return reduce_scatter_s(link, ranks, size) + all_gather_s(link, ranks, size)


def doubling_all_reduce_s(link: Link, ranks: int, size: float) -> float:
    """The same by recursive doubling: the whole size in each of log2(ranks) steps, best for small messages."""
    steps = math.ceil(math.log2(_checked(ranks)))
    return steps * link.message_s(size)


def all_reduce_s(link: Link, ranks: int, size: float) -> float:
    """The quicker of the two, as a library chooses by the size."""
    return min(
        ring_all_reduce_s(link, ranks, size), doubling_all_reduce_s(link, ranks, size)
    )


def all_to_all_s(link: Link, ranks: int, size: float) -> float:
    """Every rank holds `size` bytes and sends a part of 1 / ranks to each: pairwise, ranks - 1 steps."""
    return all_gather_s(link, ranks, size)
