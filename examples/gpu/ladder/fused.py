"""The top rung: a decode step of 163 kernels, for Llama-3.1-8B's 32 layers, on the kernels of `kernels`.

Every kernel's rows and tiles are chosen by a short sweep over the layers' own weights, so that none of
them is still in a cache when it is read.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
import triton

from examples.cli import CommandError
from examples.gpu import timing
from examples.gpu.ladder import kernels
from examples.gpu.ladder.rungs import Static
from examples.gpu.llama import EPSILON, Layer, Llama

CHUNK = 64  # cached tokens that one program attends to


@dataclass(frozen=True)
class Tiling:
    """How a product is cut: rows of a program, columns of a tile, warps of 32 threads."""

    rows: int
    block: int
    warps: int

    def fits(self, rows: int, width: int) -> bool:
        return rows % self.rows == 0 and width % self.block == 0


TILINGS = tuple(
    Tiling(*sizes)
    for sizes in (
        (4, 4096, 8),
        (2, 4096, 8),
        (4, 2048, 8),
        (8, 2048, 8),
        (4, 1024, 4),
        (2, 2048, 8),
    )
)
PRODUCTS = ("query_key_value", "output", "gate_up", "down", "head")


def first_tiling(rows: int, width: int) -> Tiling:
    """The first tiling that fits; for a toy shape, one that is as small."""
    fitting = [tiling for tiling in TILINGS if tiling.fits(rows, width)]
    small = Tiling(2, width & -width, 4)  # the largest power of 2 in the width
    found = (fitting or [small])[0]
    if not found.fits(rows, width):
        raise CommandError(f"no tiling for {rows} rows of {width}")
    return found


class Fused(Static):
    """Decode steps of one sequence, all state on the device: token, position, cache, buffers."""

    def __init__(self, model: Llama, capacity: int, overlap: bool = False):
        super().__init__(model, capacity)
        s, device = model.shape, model.embedding.device
        self.overlap = overlap
        self.launch = {"OVERLAP": overlap} | ({"launch_pdl": True} if overlap else {})
        self.splits = triton.cdiv(capacity, CHUNK)

        def room(*size: int, dtype: torch.dtype = model.embedding.dtype):
            return torch.empty(size, device=device, dtype=dtype)

        f32 = torch.float32
        self.x, self.hidden = room(s.width), room(s.d_ff)
        self.query = room(s.heads * s.head_dim)
        self.mixed = torch.empty_like(self.query)
        self.highest = room(s.heads, self.splits, dtype=f32)
        self.weights = torch.empty_like(self.highest)
        self.sums = room(s.heads, self.splits, s.head_dim, dtype=f32)
        self.arrivals = torch.zeros(s.kv_heads, device=device, dtype=torch.int32)
        self.logits = room(s.vocab, dtype=f32)
        self.best = room(s.vocab, dtype=f32)
        self.best_id = room(s.vocab, dtype=torch.int32)
        layer = model.layers[0]
        self.matrices = {
            "query_key_value": layer.query_key_value,
            "output": layer.output,
            "gate_up": layer.gate_up.flatten(0, 1),
            "down": layer.down,
            "head": model.head,
        }
        self.tilings = {n: first_tiling(*w.shape) for n, w in self.matrices.items()}

    def options(self, name: str) -> tuple[tuple[int], dict]:
        """Grid and compile-time constants of a product."""
        tiling, w = self.tilings[name], self.matrices[name]
        constants = {
            "WIDTH": w.shape[1],
            "ROWS": tiling.rows,
            "BLOCK": tiling.block,
            "num_warps": tiling.warps,
        }
        return (w.shape[0] // tiling.rows,), constants | self.launch

    def query_key_value(self, layer: Layer, keys: torch.Tensor, values: torch.Tensor):
        s, (grid, options) = self.model.shape, self.options("query_key_value")
        kernels.query_key_value[grid](
            layer.query_key_value,
            self.x,
            layer.attention_norm,
            self.turns,
            self.position,
            self.query,
            keys,
            values,
            HEADS=s.heads,
            KV_HEADS=s.kv_heads,
            SIZE=s.head_dim,
            CAPACITY=self.capacity,
            EPSILON=EPSILON,
            **options,
        )

    def attention(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        s = self.model.shape
        group = s.heads // s.kv_heads
        kernels.attend[(s.kv_heads, self.splits)](
            self.query,
            keys,
            values,
            self.position,
            self.mixed,
            self.highest,
            self.weights,
            self.sums,
            self.arrivals,
            GROUP=group,
            PADDED=max(16, triton.next_power_of_2(group)),
            SIZE=s.head_dim,
            CAPACITY=self.capacity,
            CHUNK=CHUNK,
            SPLITS=self.splits,
            SPLITS_PADDED=triton.next_power_of_2(self.splits),
            SCALE=s.head_dim**-0.5,
            num_warps=4,
            **self.launch,
        )

    def output(self, layer: Layer) -> None:
        grid, options = self.options("output")
        kernels.add_product[grid](layer.output, self.mixed, self.x, **options)

    def gate_up(self, layer: Layer) -> None:
        grid, options = self.options("gate_up")
        kernels.gate_up[grid](
            layer.gate_up,
            self.x,
            layer.ffn_norm,
            self.hidden,
            HIDDEN=self.model.shape.d_ff,
            EPSILON=EPSILON,
            **options,
        )

    def down(self, layer: Layer) -> None:
        grid, options = self.options("down")
        kernels.add_product[grid](layer.down, self.hidden, self.x, **options)

    def head(self) -> None:
        grid, options = self.options("head")
        kernels.best_of_rows[grid](
            self.model.head,
            self.x,
            self.model.output_norm,
            self.logits,
            self.best,
            self.best_id,
            EPSILON=EPSILON,
            **options,
        )

    def step(self) -> torch.Tensor:
        """One token: reads `newest` and `position`, leaves the next ones there; returns logits [1, V]."""
        s = self.model.shape
        kernels.embed[(1,)](
            self.newest,
            self.model.embedding,
            self.x,
            WIDTH=s.width,
            BLOCK=triton.next_power_of_2(s.width),
            num_warps=8,
            **self.launch,
        )
        for layer, keys, values in zip(
            self.model.layers, self.keys, self.values, strict=True
        ):
            self.query_key_value(layer, keys, values)
            self.attention(keys, values)
            self.output(layer)
            self.gate_up(layer)
            self.down(layer)
        self.head()
        (count,) = self.options("head")[0]
        kernels.choose[(1,)](
            self.best,
            self.best_id,
            self.newest,
            self.position,
            COUNT=count,
            PADDED=triton.next_power_of_2(count),
            num_warps=16,
            **self.launch,
        )
        return self.logits[None]

    def launches(self, name: str) -> Callable[[], object]:
        """One kernel of every layer, which is what its tiling is timed by."""
        layers = zip(self.model.layers, self.keys, self.values, strict=True)
        if name == "query_key_value":
            calls = [(layer, keys, values) for layer, keys, values in layers]
        elif name == "head":
            calls = [()]
        else:
            calls = [(layer,) for layer in self.model.layers]
        return lambda: [getattr(self, name)(*arguments) for arguments in calls]

    def tune(self, tilings: tuple[Tiling, ...] = TILINGS, samples: int = 5) -> list:
        """Time every tiling that fits for every product, keep the fastest; returns what was seen."""
        seen = []
        for name, matrix in self.matrices.items():
            count = 1 if name == "head" else len(self.model.layers)
            found = {}
            for tiling in tilings:
                if not tiling.fits(*matrix.shape):
                    continue
                self.tilings[name] = tiling
                work = timing.captured(self.launches(name), self.device)
                times = timing.samples_ms(work, self.device, samples)
                found[tiling] = statistics.median(times) / count
                rate = matrix.nbytes / found[tiling] * 1e3
                seen.append(
                    {"kernel": name, **vars(tiling)}
                    | {
                        "us": float(f"{found[tiling] * 1e3:.4g}"),
                        "bytes_per_s": float(f"{rate:.4g}"),
                    }
                )
            if found:
                self.tilings[name] = min(found, key=found.get)
        return seen
