"""What a run of the chapter's measurement looks at: sizes of everything, by size of the run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from examples.gpu import timing
from examples.predict import shapes
from examples.predict.shapes import Shape

RUNGS = (
    "transformers",
    "eager",
    "static",
    "graph",
    "compile",
    "fused",
    "fused-overlap",
    "compile-tuned",  # last: it takes what is left of the time
)


@dataclass(frozen=True)
class Plan:
    """What one run measures: sizes in tokens, sequences, rows and matrix sides."""

    shape: Shape
    device: str = timing.ON_GPU
    dtype: torch.dtype = torch.bfloat16
    sides: tuple[int, ...] = (512, 1024, 2048, 4096, 8192, 16384)
    rows: tuple[int, ...] = tuple(2**i for i in range(13))
    kv_heads: tuple[int, ...] = (32, 8, 4, 1)
    attention_batch: int = 64
    attention_context: int = 4096
    lengths: tuple[int, ...] = (512, 1024, 2048, 4096, 8192, 16384)
    checked: int = 300  # length at which attention is held against float32
    prompt: int = 1024
    steps: int = 32
    rungs: tuple[str, ...] = RUNGS
    tilings: int = 11  # of the sweep, tried for every kernel of the top rung
    climbs: int = 9  # samples of a rung, of `steps` steps each
    rung_s: float = 90.0  # a rung that takes longer is given up
    run_s: float = (
        235.0  # of the whole run; the last rung is left out if there is too little
    )
    energy_batches: tuple[int, ...] = (1, 16, 64)
    prefill: int = 8192
    energy_s: float = 2.0  # of one sample
    energy_samples: int = 5
    samples: int = 15
    sample_ms: float = 20.0  # calls are repeated until a sample takes as long
    fresh_bytes: int = 256_000_000  # of inputs in turn: more than the L2 cache holds
    copied: int = 2**31  # numbers
    side: int = 16384

    @property
    def capacity(self) -> int:
        """Places of a static cache: the prompt, the steps, and what recording a graph takes."""
        return -(-(self.prompt + self.steps + 8) // 64) * 64


def full() -> Plan:
    return Plan(shapes.named("Llama-3.1-8B"))


def quick() -> Plan:
    return dataclasses.replace(
        full(),
        sides=(512, 4096, 16384),
        rows=(1, 16, 256, 4096),
        kv_heads=(8,),
        lengths=(512, 4096),
        rungs=("eager", "static", "graph", "fused", "fused-overlap"),
        tilings=1,
        climbs=5,
        energy_batches=(1,),
        prefill=2048,
        energy_s=0.4,
        samples=5,
        sample_ms=5.0,
    )


def toy() -> Plan:
    """A shape of the same build that a CPU runs in milliseconds."""
    return Plan(
        shape=Shape("toy", 2, 64, 4, 2, 16, 96, vocab=128, tied=False, context=256),
        device="cpu",
        dtype=torch.float32,
        sides=(16, 64),
        rows=(1, 8),
        kv_heads=(4, 1),
        attention_batch=2,
        attention_context=32,
        lengths=(16, 64),
        checked=33,
        prompt=70,
        steps=4,
        tilings=1,
        climbs=5,
        energy_batches=(1, 2),
        prefill=64,
        energy_s=0.01,
        samples=5,
        sample_ms=0.0,
        fresh_bytes=100_000,
        copied=2**20,
        side=128,
    )
