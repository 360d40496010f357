"""The kernels of a decode step, five a layer, in Triton.

A product of one vector with a matrix reads every weight once and computes little, so a kernel is good when
enough bytes are on their way at any time. Each program takes a few rows, loads the next tile of
them before it uses the last, and normalizes its input by itself: that costs reads of the second-level
cache instead of a kernel. Weights are [out, in], rows lie whole in memory.

With OVERLAP a kernel starts while its predecessor ends (programmatic dependent launch, NVIDIA's Hopper
and later): what it loads before `gdc_wait` must be what no kernel writes, so only weights.
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait


@triton.jit  # not covered: Triton compiles the source, Python does not run it
def rows_times(
    weight, rows, x, gain,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, NORMED: tl.constexpr,
    EPSILON: tl.constexpr, OVERLAP: tl.constexpr
):  # fmt: skip
    """Some rows [R] of weight [*, WIDTH] times x [WIDTH], in float32.

    With NORMED, x is normalized first: x * gain / sqrt(mean(x^2) + EPSILON). The divisor is known only
    once all of x has been seen, and divides the sums.
    """
    column = tl.arange(0, BLOCK)
    at = weight + rows[:, None] * WIDTH + column[None, :]
    if OVERLAP:
        gdc_launch_dependents()
    tile = tl.load(at, eviction_policy="evict_first")
    if OVERLAP:
        gdc_wait()
    sums = tl.zeros(tile.shape, tl.float32)
    squares = tl.zeros([BLOCK], tl.float32)
    for start in tl.static_range(0, WIDTH, BLOCK):
        following = tile
        if start + BLOCK < WIDTH:
            following = tl.load(at + start + BLOCK, eviction_policy="evict_first")
        part = tl.load(x + start + column).to(tl.float32)
        if NORMED:
            squares += part * part
            part *= tl.load(gain + start + column).to(tl.float32)
        sums += tile.to(tl.float32) * part[None, :]
        tile = following
    total = tl.sum(sums, axis=1)
    if NORMED:
        total *= tl.rsqrt(tl.sum(squares, axis=0) / WIDTH + EPSILON)
    return total


@triton.jit  # not covered: Triton compiles the source, Python does not run it
def embed(
    newest, table, x,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, OVERLAP: tl.constexpr
):  # fmt: skip
    """x [WIDTH] = the newest token's row of the table."""
    if OVERLAP:
        gdc_launch_dependents()
        gdc_wait()
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    row = tl.load(table + tl.load(newest) * WIDTH + column, mask=inside)
    tl.store(x + column, row, mask=inside)


@triton.jit  # not covered: Triton compiles the source, Python does not run it
def query_key_value(
    weight, x, gain, turns, position, query, keys, values,
    WIDTH: tl.constexpr, HEADS: tl.constexpr, KV_HEADS: tl.constexpr,
    SIZE: tl.constexpr, CAPACITY: tl.constexpr, EPSILON: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, OVERLAP: tl.constexpr
):  # fmt: skip
    """Queries, keys and values of the newest token; keys and values go into the cache [K, C, D].

    turns [C, D] holds cosine and sine of every position and pair of RoPE: rows 2i and 2i + 1 are a pair.
    """
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    both = rows_times(weight, rows, x, gain, WIDTH, BLOCK, True, EPSILON, OVERLAP)
    first, second = tl.split(tl.reshape(both, [ROWS // 2, 2]))
    row = tl.program_id(0) * ROWS + 2 * tl.arange(0, ROWS // 2)
    head, within = row // SIZE, row % SIZE
    at = tl.load(position)
    turned = head < HEADS + KV_HEADS  # values are not
    cosine = tl.load(turns + at * SIZE + within, mask=turned, other=1.0)
    sine = tl.load(turns + at * SIZE + within + 1, mask=turned, other=0.0)
    a, b = first * cosine - second * sine, first * sine + second * cosine
    tl.store(query + row, a, mask=head < HEADS)
    tl.store(query + row + 1, b, mask=head < HEADS)
    place = ((head - HEADS) % KV_HEADS * CAPACITY + at) * SIZE + within
    is_key = (head >= HEADS) & turned
    tl.store(keys + place, a, mask=is_key)
    tl.store(keys + place + 1, b, mask=is_key)
    tl.store(values + place, a, mask=head >= HEADS + KV_HEADS)
    tl.store(values + place + 1, b, mask=head >= HEADS + KV_HEADS)


@triton.jit  # not covered: Triton compiles the source, Python does not run it
def attend(
    query, keys, values, position, mixed, highest, weights, sums, arrivals,
    GROUP: tl.constexpr, PADDED: tl.constexpr, SIZE: tl.constexpr,
    CAPACITY: tl.constexpr, CHUNK: tl.constexpr, SPLITS: tl.constexpr,
    SPLITS_PADDED: tl.constexpr, SCALE: tl.constexpr, OVERLAP: tl.constexpr
):  # fmt: skip
    """Attention of the GROUP query heads that share a KV head, over one CHUNK of the cached tokens.

    Split along the tokens, or 8 KV heads would keep 8 of 132 multiprocessors busy. A chunk leaves
    its largest score, the sum of its exponentials and the values weighted by them (online softmax,
    Milakov and Gimelshein 2018); the program that arrives last puts the chunks together. The matrix
    units want 16 rows, so PADDED rows of queries are loaded.
    """
    if OVERLAP:
        gdc_launch_dependents()
        gdc_wait()
    head, split = tl.program_id(0), tl.program_id(1)
    count = tl.load(position) + 1
    if split * CHUNK < count:
        column, member = tl.arange(0, SIZE), tl.arange(0, PADDED)
        token = split * CHUNK + tl.arange(0, CHUNK)
        seen = token < count
        row = head * GROUP + member
        place = (head * CAPACITY + token[:, None]) * SIZE + column[None, :]
        k = tl.load(keys + place, mask=seen[:, None], other=0.0)
        v = tl.load(values + place, mask=seen[:, None], other=0.0)
        inside = member < GROUP
        place = row[:, None] * SIZE + column[None, :]
        q = tl.load(query + place, mask=inside[:, None], other=0.0)
        scores = tl.dot(q, tl.trans(k), input_precision="ieee") * SCALE
        scores = tl.where(seen[None, :], scores, float("-inf"))
        high = tl.max(scores, axis=1)
        share = tl.exp(scores - high[:, None])
        part = tl.dot(share.to(v.dtype), v, input_precision="ieee")
        slot = row * SPLITS + split
        tl.store(highest + slot, high, mask=inside)
        tl.store(weights + slot, tl.sum(share, axis=1), mask=inside)
        place = slot[:, None] * SIZE + column[None, :]
        tl.store(sums + place, part, mask=inside[:, None])
        tl.debug_barrier()  # all of the program's numbers are stored before it counts as arrived
        arrived = tl.atomic_add(arrivals + head, 1, sem="acq_rel")
        chunks = tl.cdiv(count, CHUNK)
        if arrived == chunks - 1:
            tl.store(arrivals + head, 0)  # for the next layer
            s, g = tl.arange(0, SPLITS_PADDED), tl.arange(0, GROUP)
            there = (s < chunks)[None, :] & (g >= 0)[:, None]
            base = (head * GROUP + g)[:, None] * SPLITS + s[None, :]
            m = tl.load(highest + base, there, float("-inf"), cache_modifier=".cg")
            w = tl.load(weights + base, there, 0.0, cache_modifier=".cg")
            cells = base[:, :, None] * SIZE + column[None, None, :]
            o = tl.load(sums + cells, there[:, :, None], 0.0, cache_modifier=".cg")
            factor = tl.exp(m - tl.max(m, axis=1)[:, None])
            whole = tl.sum(o * factor[:, :, None], axis=1)
            whole /= tl.sum(w * factor, axis=1)[:, None]
            own = (head * GROUP + g)[:, None] * SIZE + column[None, :]
            tl.store(mixed + own, whole)


@triton.jit  # not covered: Triton compiles the source, Python does not run it
def add_product(
    weight, y, x,
    WIDTH: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, OVERLAP: tl.constexpr
):  # fmt: skip
    """x [out] += weight [out, WIDTH] @ y [WIDTH]: a projection that adds to the residual stream."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    total = rows_times(weight, rows, y, y, WIDTH, BLOCK, False, 0.0, OVERLAP)
    tl.store(x + rows, tl.load(x + rows).to(tl.float32) + total)


@triton.jit  # not covered: Triton compiles the source, Python does not run it
def gate_up(
    weight, x, gain, hidden,
    WIDTH: tl.constexpr, HIDDEN: tl.constexpr, EPSILON: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, OVERLAP: tl.constexpr
):  # fmt: skip
    """hidden [HIDDEN] = silu(gate) * up; weight [2, HIDDEN, WIDTH] has both."""
    i = tl.arange(0, ROWS)
    rows = tl.program_id(0) * (ROWS // 2) + i // 2 + i % 2 * HIDDEN
    both = rows_times(weight, rows, x, gain, WIDTH, BLOCK, True, EPSILON, OVERLAP)
    gate, up = tl.split(tl.reshape(both, [ROWS // 2, 2]))
    row = tl.program_id(0) * (ROWS // 2) + tl.arange(0, ROWS // 2)
    tl.store(hidden + row, gate * tl.sigmoid(gate) * up)


@triton.jit  # not covered: Triton compiles the source, Python does not run it
def best_of_rows(
    weight, x, gain, logits, best, best_id,
    WIDTH: tl.constexpr, EPSILON: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
    OVERLAP: tl.constexpr
):  # fmt: skip
    """Logits of ROWS tokens, and which of them is the largest; the lowest id wins a tie."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    total = rows_times(weight, rows, x, gain, WIDTH, BLOCK, True, EPSILON, OVERLAP)
    tl.store(logits + rows, total)
    tl.store(best + tl.program_id(0), tl.max(total, axis=0))
    largest = tl.argmax(total, axis=0, tie_break_left=True)
    tl.store(best_id + tl.program_id(0), tl.program_id(0) * ROWS + largest)


@triton.jit  # not covered: Triton compiles the source, Python does not run it
def choose(
    best, best_id, newest, position,
    COUNT: tl.constexpr, PADDED: tl.constexpr, OVERLAP: tl.constexpr
):  # fmt: skip
    """The next token, the best of the best; position moves on, all on the device."""
    if OVERLAP:
        gdc_launch_dependents()
        gdc_wait()
    i = tl.arange(0, PADDED)
    value = tl.load(best + i, mask=i < COUNT, other=float("-inf"))
    winner = tl.argmax(value, axis=0, tie_break_left=True)
    tl.store(newest, tl.load(best_id + winner).to(tl.int64))
    tl.store(position, tl.load(position) + 1)
