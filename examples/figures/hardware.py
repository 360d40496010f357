"""Figures of the chapter hardware."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from examples import record
from examples.figures import style
from examples.figures.style import COLORS, Say
from examples.hardware import card, climb, datasheet
from examples.predict.roofline import Ceilings

WORDS = {
    "zh_CN": {
        "FLOP per byte": "每字节 FLOP",
        "datasheet": "数据手册",
        "measured ceilings": "实测上限",
        "products": "矩阵乘法",
        "attention of a decode step": "解码步的注意力",
        "time of a step (ms)": "一步的时间（ms）",
        "{} ms, {} kernels": "{} ms，{} 个 kernel",
        "floor of a copy": "复制速率的下界",
        "tokens in the prompt": "提示词的 token 数",
        "time (ms)": "时间（ms）",
        "memory added (MiB)": "新增显存（MiB）",
        "scores in memory": "分数存进显存",
        "fused": "融合",
        "eager": "即时执行",
        "static cache": "静态缓存",
        "CUDA graph": "CUDA Graph 重放",
        "fused Triton kernels": "融合的 Triton kernel",
    }
}
NAMES = {
    "transformers": "transformers",
    "eager": "eager",
    "static": "static cache",
    "graph": "CUDA graph",
    "compile": "torch.compile",
    "fused": "fused Triton kernels",
}


def roofline(say: Say) -> Figure:
    """Products of growing rows and attention of decode under the roof of an H100; log-log."""
    ceilings = Ceilings.of(record.load(card.ROOFLINE))
    sheet = datasheet.named("H100 SXM")
    x = np.geomspace(0.6, 3000, 200)
    with style.canvas(height=3.3) as (figure, axes):
        roof = np.minimum(x * sheet.bytes_per_s, sheet.flop_per_s)
        axes.plot(x, roof, color=COLORS["idle"], ls=(0, (4, 3)), lw=1)
        roof = np.minimum(x * ceilings.read_bytes_per_s, ceilings.flop_per_s)
        axes.plot(x, roof, color=COLORS["weights"], lw=1.4)
        for what, color, marker in (
            ("product", COLORS["prefill"], "o"),
            ("attention", COLORS["kv"], "D"),
        ):
            points = [
                p for p in record.load(card.ROOFLINE)["points"] if p["what"] == what
            ]
            axes.plot(
                [p["intensity"] for p in points],
                [p["flop"] / record.median(p) for p in points],
                marker,
                color=color,
            )
        axes.text(450, 1.25e15, say("datasheet"), fontsize=9, color=COLORS["idle"])
        axes.text(
            4.5,
            3.6e13,
            say("measured ceilings"),
            fontsize=9,
            color=COLORS["weights"],
            ha="right",
        )
        axes.text(40, 6.5e13, say("products"), fontsize=9, color=COLORS["prefill"])
        axes.text(
            1.6,
            2.6e12,
            say("attention of a decode step"),
            fontsize=9,
            color=COLORS["kv"],
        )
        axes.set(xscale="log", yscale="log", ylim=(2e12, 2.4e15))
        axes.set_xticks([1, 10, 100, 1000])
        style.plain_ticks(axes.xaxis)
        style.plain_ticks(axes.yaxis, style.power)
        axes.set_xlabel(say("FLOP per byte"))
        axes.set_ylabel("FLOP/s")
    return figure


def ladder(say: Say) -> Figure:
    """One decode step on an H100, rung by rung, and the floor of its bytes."""
    floor = record.load(climb.STEM)["floor_ms"]
    with style.canvas(height=2.8) as (figure, axes):
        for row, name in enumerate(climb.RUNGS):
            one = climb.rung(name)
            ms = record.median(one)
            axes.barh(row, ms, height=0.66, color=COLORS["decode"], alpha=0.8)
            axes.plot(
                [min(one["samples"]), max(one["samples"])],
                [row, row],
                color=COLORS["idle"],
                lw=1.2,
            )
            right = max(ms, max(one["samples"])) + 0.6
            words = say("{} ms, {} kernels").format(f"{ms:.1f}", f"{one['kernels']:,}")
            axes.text(right, row, words, va="center", fontsize=9)
        axes.axvline(floor, color=COLORS["weights"], lw=1.4)
        axes.text(
            floor + 0.5,
            len(climb.RUNGS) - 0.42,
            say("floor of a copy"),
            fontsize=9,
            va="center",
            color=COLORS["weights"],
        )
        axes.set_yticks(
            range(len(climb.RUNGS)),
            [
                NAMES[name] if name in ("transformers", "compile") else say(NAMES[name])
                for name in climb.RUNGS
            ],
        )
        axes.invert_yaxis()
        axes.set_ylim(len(climb.RUNGS) - 0.1, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 54)
        axes.set_xlabel(say("time of a step (ms)"))
    return figure


def attention(say: Say) -> Figure:
    """Attention over a prompt with the scores in memory and fused: time, and memory; log-log."""
    points = record.load(card.ATTENTION)["points"]
    kinds = (("naive", COLORS["weights"]), ("fused", COLORS["kv"]))
    with style.canvas(height=2.8, ncols=2) as (figure, (left, right)):
        for kind, color in kinds:
            mine = [p for p in points if p["kind"] == kind]
            tokens = [p["tokens"] for p in mine]
            left.plot(tokens, [p["predicted_ms"] for p in mine], color=color, lw=1.2)
            left.plot(tokens, [record.median(p) for p in mine], "o", color=color)
            right.plot(
                tokens,
                [p["predicted_peak_bytes"] / 2**20 for p in mine],
                color=color,
                lw=1.2,
            )
            right.plot(
                tokens, [p["peak_bytes"] / 2**20 for p in mine], "o", color=color
            )
        left.text(600, 8, say("scores in memory"), fontsize=9, color=COLORS["weights"])
        left.text(4500, 0.09, say("fused"), fontsize=9, color=COLORS["kv"])
        left.set_ylabel(say("time (ms)"))
        right.set_ylabel(say("memory added (MiB)"))
        left.set_yticks([0.01, 0.1, 1, 10])
        right.set_yticks([10, 100, 1000, 10_000])
        for axes in (left, right):
            axes.set(xscale="log", yscale="log")
            axes.set_xticks([512, 2048, 8192])
            style.plain_ticks(axes.xaxis, style.thousands)
            style.plain_ticks(axes.yaxis, lambda x: f"{x:,g}")
            axes.set_xlabel(say("tokens in the prompt"))
    return figure
