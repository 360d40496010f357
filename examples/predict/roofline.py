"""Time from work and ceilings: the roofline of Williams, Waterman and Patterson (2009), part by part.

A part of a step takes the longer of two times, that of its operations at the device's rate and that of its bytes
at the device's bandwidth. Parts run one after the other, so their times add up; each kernel adds
what starting it costs. The ceilings are measured apart, on work other than the model's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from examples.cli import CommandError
from examples.predict import flops, memory
from examples.predict.shapes import Shape


@dataclass(frozen=True)
class Ceilings:
    """What a device reaches at best, as `examples.gpu.timing.ceilings` measures it."""

    read_bytes_per_s: float
    flop_per_s: float  # of a large matrix product, in the type of the weights
    copy_bytes_per_s: float = 0.0  # bytes read and written
    kernel_s: float = 0.0  # from the start of one kernel to the next, in a CUDA graph

    @classmethod
    def of(cls, record: dict) -> Ceilings:
        """The ceilings that stand in a data file's record."""
        found = record.get("ceilings")
        if not found:
            raise CommandError("this data file holds no ceilings")
        return cls(**{k: v for k, v in found.items() if k in cls.__dataclass_fields__})

    @property
    def ridge(self) -> float:
        """FLOP per byte from which on arithmetic, and no longer bandwidth, sets the time."""
        return self.flop_per_s / self.read_bytes_per_s


@dataclass(frozen=True)
class Work:
    """Operations and the bytes that they need from memory."""

    flop: float
    bytes: float

    def __add__(self, other: Work) -> Work:
        return Work(self.flop + other.flop, self.bytes + other.bytes)

    @property
    def intensity(self) -> float:
        """Arithmetic intensity, FLOP per byte."""
        return self.flop / self.bytes

    def seconds(self, ceilings: Ceilings) -> float:
        """The longer of the two times."""
        return max(
            self.flop / ceilings.flop_per_s, self.bytes / ceilings.read_bytes_per_s
        )

    def compute_bound(self, ceilings: Ceilings) -> bool:
        return self.intensity > ceilings.ridge


@dataclass(frozen=True)
class Segment:
    """What a step does for one sequence: `new` tokens, with `past` tokens in the cache."""

    new: int
    past: int = 0


def attention(shape: Shape, one: Segment, number_bytes: float = 2) -> Work:
    """Scores and weighted sums of one sequence in all layers, keys and values read once.

    A token sees those before it and itself: `new` tokens after `past` make new * past + new^2 / 2 pairs, of
    which a causal kernel leaves out the masked half. A single token sees all.
    """
    total = one.past + one.new
    flop = flops.attention_flop(shape, one.new, total)
    if one.new > 1:
        flop -= flops.attention_flop(shape, one.new, one.new) / 2
    return Work(flop, total * memory.kv_bytes_per_token(shape, number_bytes))


def products(shape: Shape, new: int, rows: int, number_bytes: float = 2) -> Work:
    """Products with the weights for `new` tokens, logits for `rows` of them, all weights read once."""
    flop = flops.matmul_flop_per_token(shape) * new + flops.head_flop(shape) * rows
    return Work(flop, memory.weight_bytes_read(shape, number_bytes))


def parts(
    shape: Shape, sequences: Iterable[Segment], number_bytes: float = 2
) -> list[Work]:
    """The parts of a step: products, then attention of those that decode, and of each prompt or chunk."""
    sequences = list(sequences)
    if not sequences:
        raise CommandError("a step needs a sequence")
    found = [
        products(shape, sum(one.new for one in sequences), len(sequences), number_bytes)
    ]
    decoding = [
        attention(shape, one, number_bytes) for one in sequences if one.new == 1
    ]
    if decoding:
        found.append(sum(decoding, Work(0, 0)))
    found += [attention(shape, one, number_bytes) for one in sequences if one.new > 1]
    return found


def step_s(
    shape: Shape,
    sequences: Iterable[Segment],
    ceilings: Ceilings,
    kernels: int = 0,
    number_bytes: float = 2,
) -> float:
    """Seconds of a step: its parts one after the other, and what starting its kernels costs."""
    work = parts(shape, sequences, number_bytes)
    return sum(one.seconds(ceilings) for one in work) + kernels * ceilings.kernel_s


def decode_s(
    shape: Shape,
    ceilings: Ceilings,
    batch: int,
    context: int,
    kernels: int = 0,
    number_bytes: float = 2,
) -> float:
    """Seconds of a decode step at `context` tokens a sequence, the newest among them."""
    sequences = [Segment(1, context - 1)] * batch
    return step_s(shape, sequences, ceilings, kernels, number_bytes)


def prefill_s(
    shape: Shape,
    ceilings: Ceilings,
    tokens: int,
    past: int = 0,
    kernels: int = 0,
    number_bytes: float = 2,
) -> float:
    """Seconds to read `tokens` tokens of a prompt of which `past` are in the cache already."""
    return step_s(shape, [Segment(tokens, past)], ceilings, kernels, number_bytes)


def compute_bound_batch(ceilings: Ceilings, number_bytes: float = 2) -> float:
    """Tokens in a step from which on its products wait for arithmetic: each reads a weight for 2 FLOP."""
    return ceilings.ridge * number_bytes / 2


def largest_throughput(
    shape: Shape, ceilings: Ceilings, context: int, number_bytes: float = 2
) -> float:
    """Tokens per second that no batch exceeds: each token's own arithmetic and its own cache remain."""
    own = products(shape, 1, 1, number_bytes).flop / ceilings.flop_per_s
    cache = attention(shape, Segment(1, context - 1), number_bytes)
    return 1 / (own + cache.seconds(ceilings))
