"""The top rung: a decode step of 163 kernels, for Llama-3.1-8B's 32 layers, on the kernels of `kernels`.

Every kernel's rows and tiles are chosen by a short sweep over the layers' own weights, so that none of
them is still in a cache when it is read.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import torch
from triton import cdiv, next_power_of_2

from examples.cli import CommandError
from examples.gpu import timing
from examples.gpu.ladder import kernels
from examples.gpu.ladder.rungs import Static
from examples.gpu.llama import EPSILON, Layer, Llama
from examples.gpu.runs import rounded

CHUNK = 64  # cached tokens that one program attends to


@dataclass(frozen=True)
class Tiling:
    """How a product is cut: rows of a program, columns of a tile, warps of 32 threads."""

    rows: int
    block: int
    warps: int

    def fits(self, rows: int, width: int) -> bool:
        return rows % self.rows == 0 and width % self.block == 0


TILINGS = (
    Tiling(4, 4096, 8),
    Tiling(4, 2048, 8),
    Tiling(2, 4096, 8),
    Tiling(8, 2048, 8),
    Tiling(4, 1024, 4),
    Tiling(2, 2048, 8),
    Tiling(2, 4096, 4),
    Tiling(4, 2048, 4),
    Tiling(2, 2048, 4),
    Tiling(4, 4096, 16),
    Tiling(4, 2048, 16),
)


def first_tiling(rows: int, width: int) -> Tiling:
    """The first tiling that fits; for a toy shape, the largest powers of 2 in rows and width."""
    small = Tiling(min(16, rows & -rows), width & -width, 4)
    if small.rows < 2:
        raise CommandError(f"no tiling for {rows} rows: they are not even in number")
    return next((t for t in TILINGS if t.fits(rows, width)), small)


class Fused(Static):
    """Decode steps of one sequence, all state on the device: token, position, cache, buffers."""

    def __init__(self, model: Llama, capacity: int, overlap: bool = False):
        super().__init__(model, capacity)
        s, like = model.shape, model.embedding
        self.launch = {"OVERLAP": overlap} | ({"launch_pdl": True} if overlap else {})
        self.splits = cdiv(capacity, CHUNK)
        self.x, self.hidden = like.new_empty(s.width), like.new_empty(s.d_ff)
        self.query = like.new_empty(s.heads * s.head_dim)
        self.mixed = torch.empty_like(self.query)
        f32, i32 = {"dtype": torch.float32}, {"dtype": torch.int32}
        self.highest = like.new_empty(s.heads, self.splits, **f32)
        self.weights = torch.empty_like(self.highest)
        self.sums = like.new_empty(s.heads, self.splits, s.head_dim, **f32)
        self.arrivals = like.new_zeros(s.kv_heads, **i32)
        self.logits, self.best = like.new_empty(2, s.vocab, **f32)
        self.best_id = like.new_empty(s.vocab, **i32)
        layer = model.layers[0]
        self.matrices = {
            "query_key_value": layer.query_key_value,
            "output": layer.output,
            "gate_up": layer.gate_up.flatten(0, 1),
            "down": layer.down,
            "head": model.head,
        }
        self.tilings = {n: first_tiling(*w.shape) for n, w in self.matrices.items()}

    def product(self, name: str, kernel, *arguments: torch.Tensor, **constants):
        """Launch a product's kernel with its tiling."""
        tiling, (rows, width) = self.tilings[name], self.matrices[name].shape
        constants |= {"WIDTH": width, "ROWS": tiling.rows, "BLOCK": tiling.block}
        kernel[(rows // tiling.rows,)](
            *arguments, **constants, num_warps=tiling.warps, **self.launch
        )

    def query_key_value(self, layer: Layer, keys: torch.Tensor, values: torch.Tensor):
        s = self.model.shape
        self.product(
            "query_key_value", kernels.query_key_value,
            layer.query_key_value, self.x, layer.attention_norm,
            self.turns, self.position, self.query, keys, values,
            HEADS=s.heads, KV_HEADS=s.kv_heads, SIZE=s.head_dim,
            CAPACITY=self.capacity, EPSILON=EPSILON,
        )  # fmt: skip

    def attention(self, keys: torch.Tensor, values: torch.Tensor):
        s = self.model.shape
        group = s.heads // s.kv_heads
        kernels.attend[(s.kv_heads, self.splits)](
            self.query, keys, values, self.position, self.mixed,
            self.highest, self.weights, self.sums, self.arrivals,
            GROUP=group, PADDED=max(16, next_power_of_2(group)), SIZE=s.head_dim,
            CAPACITY=self.capacity, CHUNK=CHUNK, SPLITS=self.splits,
            SPLITS_PADDED=next_power_of_2(self.splits), SCALE=s.head_dim**-0.5,
            num_warps=4, **self.launch,
        )  # fmt: skip

    def output(self, layer: Layer, *_):
        self.product("output", kernels.add_product, layer.output, self.mixed, self.x)

    def gate_up(self, layer: Layer, *_):
        s = self.model.shape
        self.product(
            "gate_up", kernels.gate_up, layer.gate_up, self.x, layer.ffn_norm,
            self.hidden, HIDDEN=s.d_ff, EPSILON=EPSILON,
        )  # fmt: skip

    def down(self, layer: Layer, *_):
        self.product("down", kernels.add_product, layer.down, self.hidden, self.x)

    def head(self):
        model = self.model
        self.product(
            "head", kernels.best_of_rows, model.head, self.x, model.output_norm,
            self.logits, self.best, self.best_id, EPSILON=EPSILON,
        )  # fmt: skip

    def step(self) -> torch.Tensor:
        """One token: reads `newest` and `position`, leaves the next ones there; returns logits [1, V]."""
        s = self.model.shape
        kernels.embed[(1,)](
            self.newest, self.model.embedding, self.x,
            WIDTH=s.width, BLOCK=next_power_of_2(s.width), num_warps=8, **self.launch,
        )  # fmt: skip
        for layer, keys, values in self.stack():
            self.query_key_value(layer, keys, values)
            self.attention(keys, values)
            self.output(layer)
            self.gate_up(layer)
            self.down(layer)
        self.head()
        count = s.vocab // self.tilings["head"].rows
        kernels.choose[(1,)](
            self.best, self.best_id, self.newest, self.position,
            COUNT=count, PADDED=next_power_of_2(count), num_warps=16, **self.launch,
        )  # fmt: skip
        return self.logits[None]

    def stack(self) -> zip:
        """Each layer with its keys and values."""
        return zip(self.model.layers, self.keys, self.values, strict=True)

    def alone(self, name: str) -> timing.Work:
        """One product of every layer, which is what its tiling is timed by."""
        calls = [()] if name == "head" else list(self.stack())
        return lambda: [getattr(self, name)(*arguments) for arguments in calls]

    def tune(self, tilings: int = len(TILINGS), samples: int = 5) -> list[dict]:
        """Time the first tilings for every product and keep the fastest; returns what was seen."""
        for buffer in (self.x, self.mixed, self.hidden):
            buffer.normal_()  # a product of zeros takes less power, and so less time
        seen = []
        for name, matrix in self.matrices.items():
            count, found = 1 if name == "head" else len(self.model.layers), {}
            for tiling in (t for t in TILINGS[:tilings] if t.fits(*matrix.shape)):
                self.tilings[name] = tiling
                work = timing.captured(self.alone(name), self.device)
                times = timing.samples_ms(work, self.device, samples)
                found[tiling] = statistics.median(times) / count
                us, rate = rounded(
                    (found[tiling] * 1e3, matrix.nbytes / found[tiling] * 1e3)
                )
                point = {"kernel": name, "us": us, "bytes_per_s": rate}
                seen.append(point | vars(tiling))
            if found:
                self.tilings[name] = min(found, key=found.get)
        return seen
