"""Figures of the chapter prefill-and-decode."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from examples import record
from examples.figures import style
from examples.figures.style import COLORS, Say
from examples.predict import roofline, shapes
from examples.prefill_and_decode import arrival, paper, stall

WORDS = {
    "zh_CN": {
        "tokens in the prompt": "提示词的 token 数",
        "prompt tokens per second": "每秒提示词 token 数",
        "predicted": "预测",
        "measured": "实测",
        "decode, one user": "解码，一个用户",
        "time since the prompt arrived (ms)": "提示词到达后的时间（ms）",
        "nobody arrives": "没有人来",
        "whole": "整段",
        "chunk (tokens)": "分块大小（token）",
        "longest step (ms)": "最长的一步（ms）",
        "all steps (ms)": "全部步骤（ms）",
        "tokens in the step": "一步中的 token 数",
        "tokens per second": "每秒 token 数",
        "without a prompt": "没有提示词时",
        "one kind after the other": "先后分开做",
    }
}
SHOWN = (2048, 512, 256)  # chunks of the timeline


def tokens(say: Say) -> Figure:
    """Prompt tokens per second by the length of a prompt, and a decode step of one user; log-log."""
    shape, ceilings = shapes.named(paper.MODEL), paper.card()
    points = record.load(paper.STEM)["points"]
    lengths = np.unique(np.geomspace(16, 32768, 80).round().astype(int))
    rates = [n / roofline.prefill_s(shape, ceilings, int(n)) for n in lengths]
    decode = record.load("batching--h100-step")["points"]
    one = min(decode, key=lambda p: (p["batch"], p["context"]))
    level = 1e3 / record.median(one)
    with style.canvas(height=3.0) as (figure, axes):
        axes.plot(lengths, rates, color=COLORS["prefill"], lw=1.2)
        axes.plot(
            [p["tokens"] for p in points],
            [p["tokens"] / record.median(p) * 1e3 for p in points],
            "o",
            color=COLORS["prefill"],
        )
        axes.axhline(level, color=COLORS["decode"], lw=1.2)
        axes.text(
            20,
            level * 1.25,
            say("decode, one user"),
            color=COLORS["decode"],
            fontsize=9,
        )
        axes.annotate(
            say("predicted"),
            (lengths[12], rates[12]),
            (-6, 6),
            "data",
            "offset points",
            ha="right",
            color=COLORS["prefill"],
        )
        last = points[2]
        axes.annotate(
            say("measured"),
            (last["tokens"], last["tokens"] / record.median(last) * 1e3),
            (4, -13),
            "data",
            "offset points",
            color=COLORS["prefill"],
        )
        axes.set(xscale="log", yscale="log", ylim=(100, 120_000))
        axes.set_xticks([16, 128, 1024, 8192, 32768])
        style.plain_ticks(axes.xaxis, style.thousands)
        axes.set_yticks([100, 1000, 10_000, 100_000])
        style.plain_ticks(axes.yaxis, lambda x: f"{x:,.0f}")
        axes.set_xlabel(say("tokens in the prompt"))
        axes.set_ylabel(say("prompt tokens per second"))
    return figure


def timeline(say: Say) -> Figure:
    """When those who are being answered get their tokens, and the newcomer its first, by chunk."""
    whole = max(arrival.chunks())
    rows = [("nobody arrives", 0), ("whole", whole), *((f"{c:,}", c) for c in SHOWN)]
    end = 1.04 * arrival.total_ms(min(SHOWN))
    with style.canvas(height=2.9) as (figure, axes):
        for row, (_, chunk) in enumerate(rows):
            times = [record.median(p) for p in arrival.steps(chunk)] if chunk else []
            done = sum(times)
            while done + arrival.alone_ms() < end:
                times.append(arrival.alone_ms())
                done += arrival.alone_ms()
            axes.vlines(
                np.cumsum(times), row - 0.3, row + 0.3, color=COLORS["decode"], lw=0.8
            )
            if chunk:
                axes.plot(
                    [arrival.total_ms(chunk)], [row], "D", color=COLORS["prefill"], ms=6
                )
        names = [name if name[0].isdigit() else say(name) for name, _ in rows]
        axes.set_yticks(range(len(rows)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, end)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(say("time since the prompt arrived (ms)"))
    return figure


def chunks(say: Say) -> Figure:
    """The longest step and the sum of all by the size of a chunk; both panels with log scales."""
    sizes = arrival.chunks()
    steps = {c: arrival.steps(c) for c in sizes}
    predicted = {c: [p["predicted_with_starts_ms"] for p in steps[c]] for c in sizes}
    with style.canvas(height=2.9, ncols=2) as (figure, (left, right)):
        color = COLORS["prefill"]
        left.plot(sizes, [max(predicted[c]) for c in sizes], color=color, lw=1.2)
        left.plot(sizes, [arrival.longest_ms(c) for c in sizes], "o", color=color)
        left.axhline(arrival.alone_ms(), color=COLORS["decode"], lw=1.2)
        left.text(
            sizes[-1],
            arrival.alone_ms() * 0.93,
            say("without a prompt"),
            ha="right",
            va="top",
            fontsize=9,
            color=COLORS["decode"],
        )
        left.text(
            sizes[2],
            max(predicted[sizes[2]]) * 0.6,
            say("predicted"),
            fontsize=9,
            color=color,
        )
        left.text(
            sizes[1] * 0.55,
            arrival.longest_ms(sizes[2]) * 1.3,
            say("measured"),
            fontsize=9,
            color=color,
        )
        left.set(xscale="log", yscale="log", ylim=(4, 320))
        left.set_yticks([5, 10, 20, 50, 100, 200])
        style.plain_ticks(left.yaxis)
        left.set_ylabel(say("longest step (ms)"))
        right.plot(sizes, [sum(predicted[c]) for c in sizes], color=color, lw=1.2)
        right.plot(sizes, [arrival.total_ms(c) for c in sizes], "o", color=color)
        right.plot(
            sizes,
            [arrival.apart_ms(c) for c in sizes],
            color=COLORS["idle"],
            ls=(0, (4, 3)),
            lw=1.2,
        )
        right.text(
            sizes[1] * 1.1,
            arrival.apart_ms(sizes[1]) * 1.06,
            say("one kind after the other"),
            fontsize=9,
            color=COLORS["idle"],
        )
        right.set(xscale="log", ylim=(0, 500))
        right.set_ylabel(say("all steps (ms)"))
        for axes in (left, right):
            axes.set_xticks(sizes[::2] if len(sizes) > 4 else sizes)
            style.plain_ticks(axes.xaxis, style.thousands)
            axes.set_xlabel(say("chunk (tokens)"))
    return figure


def core(say: Say) -> Figure:
    """One CPU core: tokens per second by the tokens in a step, and the longest step by chunk."""
    steps = record.load(stall.STEPS)["points"]
    data = record.load(stall.ARRIVAL)
    points = [p for p in data["points"] if p["chunk"]]
    calm = next(p for p in data["points"] if not p["chunk"])
    with style.canvas(height=2.8, ncols=2) as (figure, (left, right)):
        lengths = [p["tokens"] for p in steps]
        color = COLORS["prefill"]
        left.plot(
            lengths,
            [p["tokens"] / p["predicted_ms"] * 1e3 for p in steps],
            color=color,
            lw=1.2,
        )
        left.plot(
            lengths,
            [p["tokens"] / record.median(p) * 1e3 for p in steps],
            "o",
            color=color,
        )
        left.set(xscale="log", yscale="log")
        left.set_xticks([1, 8, 64, 512])
        left.set_yticks([20, 50, 100, 200, 500])
        left.set_xlabel(say("tokens in the step"))
        left.set_ylabel(say("tokens per second"))
        right.plot(
            [p["chunk"] for p in points],
            [record.median(p) for p in points],
            "o",
            color=color,
        )
        right.axhline(record.median(calm), color=COLORS["decode"], lw=1.2)
        right.text(
            points[-1]["chunk"],
            record.median(calm) * 0.93,
            say("without a prompt"),
            ha="right",
            va="top",
            fontsize=9,
            color=COLORS["decode"],
        )
        right.set(xscale="log", yscale="log")
        right.set_xticks([16, 64, 256, 512])
        right.set_ylim(record.median(calm) * 0.6, None)
        right.set_yticks([50, 100, 200, 500, 1000, 2000])
        right.set_xlabel(say("chunk (tokens)"))
        right.set_ylabel(say("longest step (ms)"))
        for axes in (left, right):
            style.plain_ticks(axes.xaxis)
            style.plain_ticks(axes.yaxis)
    return figure
