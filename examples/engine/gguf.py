"""Reading a GGUF file: a header of key-value pairs, a table of tensors, then the tensors' bytes.

The layout is that of the GGUF specification, version 3 (ggml-org/ggml, docs/gguf.md). All numbers are
little-endian.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from examples.cli import CommandError

SCALARS = dict(zip(range(8), "BbHhIif?", strict=True)) | {10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9

# ggml type -> (name, numbers in a block, bytes of a block)
TYPES = {0: ("F32", 1, 4), 1: ("F16", 1, 2), 3: ("Q4_1", 32, 20), 8: ("Q8_0", 32, 34)}


@dataclass(frozen=True)
class TensorInfo:
    """One row of the tensor table. `shape` is NumPy's: the last axis varies fastest."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int  # bytes from the start of the data section

    @property
    def nbytes(self) -> int:
        _, numbers, size = TYPES[self.type]
        return math.prod(self.shape) // numbers * size


class Reader:
    """A cursor over the bytes of a file; reading past the end is a clear error."""

    def __init__(self, data: memoryview, name: str):
        self.data, self.name, self.at = data, name, 0

    def take(self, size: int) -> memoryview:
        if size > len(self.data) - self.at:
            raise CommandError(
                f"{self.name} is truncated: {size} bytes wanted at offset {self.at}, "
                f"{len(self.data) - self.at} left"
            )
        piece = self.data[self.at : self.at + size]
        self.at += size
        return piece

    def number(self, code: str):
        return struct.unpack("<" + code, self.take(struct.calcsize(code)))[0]

    def string(self) -> str:
        start = self.at
        try:
            return bytes(self.take(self.number("Q"))).decode("utf-8")
        except UnicodeDecodeError:
            raise CommandError(
                f"{self.name} is corrupt: no text at offset {start}"
            ) from None

    def value(self, kind: int):
        if kind in SCALARS:
            return self.number(SCALARS[kind])
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            item, count = self.number("I"), self.number("Q")
            if item in SCALARS:
                code = SCALARS[item]
                raw = self.take(count * struct.calcsize("<" + code))
                return list(struct.unpack(f"<{count}{code}", raw))
            return [self.value(item) for _ in range(count)]
        raise CommandError(
            f"{self.name} is corrupt: value type {kind} at offset {self.at}"
        )


class GGUF:
    """A parsed file: `metadata`, the table `tensors`, and the tensors' values on demand."""

    def __init__(self, path: Path):
        self.name = path.name
        try:
            raw = (
                path.read_bytes()
                if path.stat().st_size < 4096
                else np.memmap(path, mode="r")
            )
        except OSError as error:
            raise CommandError(f"cannot read {path}: {error.strerror}") from None
        reader = Reader(memoryview(raw), self.name)
        if bytes(reader.take(4)) != b"GGUF":
            raise CommandError(
                f"{self.name} is no GGUF file: it does not begin with GGUF"
            )
        if (version := reader.number("I")) not in (2, 3):
            raise CommandError(
                f"{self.name} has GGUF version {version}; 2 and 3 are known"
            )
        tensor_count, pair_count = reader.number("Q"), reader.number("Q")
        self.metadata = {}
        for _ in range(pair_count):
            key = reader.string()
            self.metadata[key] = reader.value(reader.number("I"))
        self.tensors = {}
        for _ in range(tensor_count):
            info = self._tensor_info(reader)
            self.tensors[info.name] = info
        self.data = reader.data
        self.data_start = reader.at + -reader.at % self._alignment()

    def _alignment(self) -> int:
        """Tensors begin at multiples of so many bytes; 32 where the file does not say."""
        alignment = self.metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1:
            raise CommandError(f"{self.name} is corrupt: alignment {alignment!r}")
        return alignment

    def _tensor_info(self, reader: Reader) -> TensorInfo:
        name = reader.string()
        if (axes := reader.number("I")) > 4:
            raise CommandError(f"{self.name} is corrupt: tensor {name} has {axes} axes")
        shape = tuple(reader.number("Q") for _ in range(axes))[
            ::-1
        ]  # stored fastest axis first
        kind, offset = reader.number("I"), reader.number("Q")
        if kind not in TYPES:
            known = ", ".join(name for name, *_ in TYPES.values())
            raise CommandError(
                f"{self.name}: tensor {name} has type {kind}; known are {known}"
            )
        type_name, block, _ = TYPES[kind]
        if math.prod(shape) % block:
            raise CommandError(
                f"{self.name} is corrupt: tensor {name} of {math.prod(shape)} numbers "
                f"is no whole count of {type_name} blocks of {block}"
            )
        return TensorInfo(name, shape, kind, offset)

    def value(self, key: str, kind: type) -> Any:
        """The metadata of that key; a missing one, or one of another kind, is an error."""
        found = self.metadata.get(key)
        if not isinstance(found, kind):
            raise CommandError(f"{self.name} holds no {kind.__name__} named {key}")
        return found

    def tensor(self, name: str) -> np.ndarray:
        """The values of a tensor as float32, in its NumPy shape."""
        if name not in self.tensors:
            raise CommandError(f"{self.name} holds no tensor {name}")
        info = self.tensors[name]
        start = self.data_start + info.offset
        if start + info.nbytes > len(self.data):
            raise CommandError(
                f"{self.name} is truncated: tensor {name} ends at byte {start + info.nbytes}, "
                f"the file at {len(self.data)}"
            )
        raw = np.frombuffer(self.data[start : start + info.nbytes], dtype=np.uint8)
        return DEQUANTIZE[info.type](raw).reshape(info.shape)


def from_f32(raw: np.ndarray) -> np.ndarray:
    """Bytes of float32 as they are."""
    return raw.view(np.float32)


def from_f16(raw: np.ndarray) -> np.ndarray:
    """Bytes of float16, widened."""
    return raw.view(np.float16).astype(np.float32)


def from_q4_1(raw: np.ndarray) -> np.ndarray:
    """Blocks of 32 numbers in 20 bytes: scale, minimum (float16), then 16 bytes of 4-bit codes.

    A number is code * scale + minimum; the low halves of the bytes are numbers 0-15 of the block, the
    high halves 16-31.
    """
    blocks = raw.reshape(-1, 20)
    scale, minimum = (
        blocks[:, :4].copy().view(np.float16).astype(np.float32).T[:, :, None]
    )
    packed = blocks[:, 4:]
    numbers = np.empty((len(blocks), 32), dtype=np.float32)
    numbers[:, :16] = packed & 0x0F
    numbers[:, 16:] = packed >> 4
    numbers *= scale
    numbers += minimum
    return numbers


def from_q8_0(raw: np.ndarray) -> np.ndarray:
    """Blocks of 32 numbers in 34 bytes: a float16 scale, then 32 signed 8-bit codes."""
    blocks = raw.reshape(-1, 34)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    numbers = blocks[:, 2:].view(np.int8).astype(np.float32)
    numbers *= scale
    return numbers


DEQUANTIZE = {0: from_f32, 1: from_f16, 3: from_q4_1, 8: from_q8_0}
