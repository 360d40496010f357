"""Figures of the chapter kv-cache."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator

from examples import record
from examples.figures import style
from examples.figures.style import COLORS, INK, Say
from examples.predict import memory, shapes

WORDS = {
    "zh_CN": {
        "without a cache": "无缓存",
        "with a cache": "有缓存",
        "computed in this pass": "本次计算",
        "read from the cache": "从缓存读取",
        "position in the sequence": "序列中的位置",
        "forward pass": "前向传播",
        "context (tokens)": "上下文长度（token）",
        "time of one step (ms)": "一步的时间（ms）",
        "predicted": "预测",
        "measured": "实测",
        "tokens held": "缓存的 token 总数",
        "KV cache (GB)": "KV 缓存（GB）",
        "80 GB card": "80 GB 的卡",
        "141 GB card": "141 GB 的卡",
        "batch size": "批大小",
        "read the weights": "读取权重",
        "read the caches": "读取 KV 缓存",
    }
}


def _cell(axes, column: int, row: int, computed: bool) -> None:
    """One token position in one step: filled when computed, outlined when read back."""
    color = COLORS["decode"] if computed else COLORS["kv"]
    face = color if computed else "none"
    axes.add_patch(
        Rectangle(
            (column + 0.08, row + 0.08),
            0.84,
            0.84,
            facecolor=face,
            edgecolor=color,
            lw=1.3,
        )
    )


def steps(say: Say) -> Figure:
    """What each decode step computes: every earlier position again, or the newest one only."""
    prompt, new = 4, 4
    with style.canvas(height=2.5, ncols=2, sharey=True) as (figure, panels):
        for axes, cached in zip(panels, (False, True), strict=True):
            for step in range(new):
                newest = prompt + step - 1
                for position in range(newest + 1):
                    first = step == 0  # the prompt is read in the first step either way
                    _cell(
                        axes, position, step, not cached or first or position == newest
                    )
            axes.set_title(
                say("with a cache" if cached else "without a cache"), fontsize=10
            )
            axes.set_xlim(0, prompt + new - 1)
            axes.set_ylim(new, 0)
            axes.set_aspect("equal")
            axes.set_xticks(
                [i + 0.5 for i in range(prompt + new - 1)], range(1, prompt + new)
            )
            axes.set_yticks([i + 0.5 for i in range(new)], range(1, new + 1))
            axes.tick_params(length=0)
            axes.spines[["left", "bottom"]].set_visible(False)
            axes.set_xlabel(say("position in the sequence"))
        panels[0].set_ylabel(say("forward pass"))
        keys = [
            Rectangle(
                (0, 0), 1, 1, facecolor=COLORS["decode"], edgecolor=COLORS["decode"]
            ),
            Rectangle((0, 0), 1, 1, facecolor="none", edgecolor=COLORS["kv"], lw=1.3),
        ]
        labels = [say("computed in this pass"), say("read from the cache")]
        figure.legend(
            keys,
            labels,
            loc="outside lower center",
            ncols=2,
            frameon=False,
            labelcolor=INK,
        )
    return figure


def _steps_over_context(say: Say, stem: str) -> Figure:
    """Marks for measured steps, lines for predicted ones, with and without a cache; log-log."""
    points = record.load(stem)["points"]
    with style.canvas(height=3.3) as (figure, axes):
        for cached, color in ((False, COLORS["prefill"]), (True, COLORS["decode"])):
            mine = sorted(
                (p for p in points if p["cached"] == cached), key=lambda p: p["context"]
            )
            x = [p["context"] for p in mine]
            axes.plot(x, [p["predicted_ms"] for p in mine], color=color, lw=1.2)
            axes.plot(x, [record.median(p) for p in mine], "o", color=color)
            last = record.median(mine[-1])
            label = say("with a cache" if cached else "without a cache")
            axes.annotate(
                label,
                (x[-1], last),
                (-8, 9),
                "data",
                "offset points",
                color=color,
                ha="right",
            )
        axes.set(xscale="log", yscale="log")
        axes.set_xticks(sorted({p["context"] for p in points}))
        style.plain_ticks(axes.xaxis, style.thousands)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        style.plain_ticks(axes.yaxis)
        axes.set_xlabel(say("context (tokens)"))
        axes.set_ylabel(say("time of one step (ms)"))
        keys = [
            axes.plot([], [], "o", color=INK)[0],
            axes.plot([], [], color=INK, lw=1.2)[0],
        ]
        axes.legend(
            keys, [say("measured"), say("predicted")], frameon=False, loc="upper left"
        )
    return figure


def growth(say: Say) -> Figure:
    """The next token on one CPU core as the context grows."""
    return _steps_over_context(say, "kv-cache--growth")


def h100_step(say: Say) -> Figure:
    """The next token on an H100 as the context grows."""
    return _steps_over_context(say, "kv-cache--h100-step")


def h100_batch(say: Say) -> Figure:
    """A decode step over the batch size: reading weights, reading caches, and what was measured."""
    data = record.load("kv-cache--h100-batch")
    points = sorted(data["points"], key=lambda p: p["batch"])
    shape, bandwidth = (
        shapes.named("Llama-3.1-8B"),
        data["ceilings"]["read_bytes_per_s"],
    )
    context, read = points[0]["context"], memory.weight_bytes_read(shape)
    batch = np.arange(1, points[-1]["batch"] + 1)
    weights = np.full(len(batch), read / bandwidth * 1e3)
    caches = batch * context * memory.kv_bytes_per_token(shape) / bandwidth * 1e3
    # Two bytes and two operations for each weight and sequence.
    arithmetic = batch * read / data["ceilings"]["flop_per_s"] * 1e3
    predicted = np.maximum(weights, arithmetic) + caches
    with style.canvas() as (figure, axes):
        axes.fill_between(batch, 0, weights, color=COLORS["weights"], alpha=0.55, lw=0)
        axes.fill_between(
            batch, weights, weights + caches, color=COLORS["kv"], alpha=0.55, lw=0
        )
        axes.plot(batch, predicted, color=COLORS["decode"], lw=1.2)
        sizes = [p["batch"] for p in points]
        times = [record.median(p) for p in points]
        axes.plot(sizes, times, "o", color=COLORS["decode"])
        axes.annotate(
            say("predicted"),
            (batch[-1], predicted[-1]),
            (-12, 0),
            "data",
            "offset points",
            color=COLORS["decode"],
            ha="right",
        )
        middle = batch[-1] * 0.62
        axes.text(
            middle, weights[0] / 2, say("read the weights"), ha="center", va="center"
        )
        height = weights[0] + np.interp(middle, batch, caches) / 2
        axes.text(middle, height, say("read the caches"), ha="center", va="center")
        last = record.median(points[-1])
        axes.annotate(
            say("measured"),
            (batch[-1], last),
            (-8, 3),
            "data",
            "offset points",
            color=COLORS["decode"],
            ha="right",
        )
        axes.set_xlim(-4, batch[-1] * 1.03)
        axes.set_ylim(0)
        axes.set_xticks(sizes, [str(size) if size != 8 else "" for size in sizes])
        axes.set_xlabel(say("batch size"))
        axes.set_ylabel(say("time of one step (ms)"))
    return figure


def budget(say: Say) -> Figure:
    """Bytes of cache over the tokens held, for five models, against two cards; log-log."""
    labels = {
        "Llama-2-7B": "Llama-2-7B\nLlama-3.1-405B",  # 1.6 % apart: one line on this scale
        "Llama-3.1-405B": "",
        "Llama-3.1-70B": "Llama-3.1-70B",
        "Llama-3.1-8B": "Llama-3.1-8B",
        "DeepSeek-V3": "DeepSeek-V3",
    }
    tokens = np.array([2.0**12, 2.0**22])
    with style.canvas(height=3.6) as (figure, axes):
        for name, label in labels.items():
            gigabytes = memory.kv_bytes_per_token(shapes.named(name)) * tokens / 1e9
            axes.plot(tokens, gigabytes, color=COLORS["kv"], lw=1.2)
            axes.annotate(
                label,
                (tokens[-1], gigabytes[-1]),
                (5, 8 if "\n" in label else -2),
                "data",
                "offset points",
                color=COLORS["kv"],
                va="center",
                fontsize=9,
            )
        for size, above in ((80, False), (141, True)):
            axes.axhline(size, color=COLORS["idle"], ls=(0, (4, 3)), lw=1)
            axes.annotate(
                say(f"{size} GB card"),
                (tokens[0], size),
                (2, 3 if above else -3),
                "data",
                "offset points",
                color=COLORS["idle"],
                va="bottom" if above else "top",
                fontsize=9,
            )
        axes.set(xscale="log", yscale="log")
        axes.set_xlim(tokens[0], tokens[-1])
        axes.set_xticks([2.0**k for k in range(12, 23, 2)])
        style.plain_ticks(axes.xaxis, style.thousands)
        style.plain_ticks(axes.yaxis)
        axes.set_xlabel(say("tokens held"))
        axes.set_ylabel(say("KV cache (GB)"))
    return figure
