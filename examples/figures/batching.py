"""Figures of the chapter batching."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator

from examples import record
from examples.batching import card
from examples.batching import waste as static
from examples.figures import style
from examples.figures.style import COLORS, INK, Say
from examples.predict import roofline, shapes

WORDS = {
    "zh_CN": {
        "weights,\nread once": "权重，\n只读一次",
        "vector of the newest token": "最新 token 的向量",
        "KV cache of user {}": "用户 {} 的 KV 缓存",
        "batch size": "批大小",
        "time of one step (ms)": "一步的时间（ms）",
        "tokens per second": "每秒 token 数",
        "predicted": "预测",
        "measured": "实测",
        "products alone": "仅矩阵乘法",
        "products": "矩阵乘法",
        "attention": "注意力",
        "other": "其他",
        "kernel time (ms)": "kernel 时间（ms）",
        "context {}": "上下文 {}",
        "decode step": "解码步",
        "row of the batch": "批中的行",
        "writes": "在写",
        "waits": "在等",
        "rows at work (%)": "在工作的行（%）",
        "exponential\nlengths": "长度服从\n指数分布",
        "32 questions": "32 个问题",
    }
}
# One color a context, from the weights' share to the cache's.
BY_CONTEXT = {
    512: COLORS["decode"],
    2048: COLORS["weights"],
    8192: COLORS["kv"],
}


def shared(say: Say) -> Figure:
    """What a decode step reads: weights for all rows, a cache for each row."""
    lengths = (5.0, 2.2, 6.2, 3.6)
    with style.canvas(height=2.3) as (figure, axes):
        axes.add_patch(Rectangle((0, 0), 2.2, 4, facecolor=COLORS["weights"], alpha=0.55))
        axes.text(1.1, 2, say("weights,\nread once"), ha="center", va="center")
        for row, length in enumerate(lengths):
            y = 3.2 - row * 1.05
            axes.plot([2.2, 3.4], [y + 0.35] * 2, color=COLORS["weights"], lw=1.6)
            axes.add_patch(Rectangle((3.4, y), 0.7, 0.7, facecolor=COLORS["decode"]))
            axes.plot([4.1, 4.8], [y + 0.35] * 2, color=COLORS["kv"], lw=1.6)
            axes.add_patch(
                Rectangle((4.8, y), length, 0.7, facecolor=COLORS["kv"], alpha=0.55)
            )
            axes.text(
                4.95,
                y + 0.33,
                say("KV cache of user {}").format(row + 1),
                va="center",
                fontsize=9,
            )
        axes.text(
            3.75, -0.35, say("vector of the newest token"), ha="center", va="top", fontsize=9
        )
        axes.set(xlim=(-0.1, 11.2), ylim=(-0.9, 4.1))
        axes.axis("off")
    return figure


def _batch_axis(axes, say: Say, batches) -> None:
    """A logarithmic axis of batch sizes, with a tick at every one or every other."""
    axes.set_xscale("log", base=2)
    shown = list(batches) if len(batches) < 7 else list(batches)[::2]
    axes.set_xticks(shown, [str(batch) for batch in shown])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(say("batch size"))


def cpu(say: Say) -> Figure:
    """A decode step on one CPU core: its time and its tokens per second, by batch."""
    points = record.load("batching--cpu-step")["points"]
    batches = [p["batch"] for p in points]
    times = [record.median(p) for p in points]
    paper = [p["predicted_ms"] for p in points]
    with style.canvas(height=2.9, ncols=2) as (figure, (left, right)):
        left.plot(batches, paper, color=COLORS["decode"], lw=1.2)
        left.plot(batches, times, "o", color=COLORS["decode"])
        products = [p["products_only_ms"] for p in points]
        left.plot(batches, products, "s", color=COLORS["weights"], markersize=4)
        left.text(1, 165, say("measured"), color=COLORS["decode"], fontsize=9)
        left.text(8, 78, say("products alone"), color=COLORS["weights"], fontsize=9)
        left.text(1.6, 12, say("predicted"), color=COLORS["decode"], fontsize=9)
        left.set_ylim(0, 210)
        left.set_ylabel(say("time of one step (ms)"))
        rates = [[b / t * 1e3 for b, t in zip(batches, ms, strict=True)] for ms in (paper, times)]
        right.plot(batches, rates[0], color=COLORS["decode"], lw=1.2)
        right.plot(batches, rates[1], "o", color=COLORS["decode"])
        right.text(2.6, 270, say("predicted"), color=COLORS["decode"], fontsize=9, ha="right")
        right.text(14, 60, say("measured"), color=COLORS["decode"], fontsize=9)
        right.set_ylim(0)
        right.set_ylabel(say("tokens per second"))
        for axes in (left, right):
            _batch_axis(axes, say, batches)
    return figure


def h200(say: Say) -> Figure:
    """A decode step on an H200 at three contexts: its time and its tokens per second, by batch."""
    shape, rates = shapes.named(card.MODEL), card.ceilings()
    with style.canvas(height=3.4, ncols=2) as (figure, (left, right)):
        for context, color in BY_CONTEXT.items():
            mine = card.points(context)
            batches = np.array([p["batch"] for p in mine])
            fine = np.unique(np.geomspace(1, batches[-1], 60).round().astype(int))
            paper = [
                1e3 * roofline.decode_s(shape, rates, int(b), context) for b in fine
            ]
            times = [record.median(p) for p in mine]
            left.plot(fine, paper, color=color, lw=1.2)
            left.plot(batches, times, "o", color=color)
            right.plot(fine, fine / np.array(paper) * 1e3, color=color, lw=1.2)
            right.plot(batches, batches / np.array(times) * 1e3, "o", color=color)
            most = card.largest_throughput(context)
            right.plot([96, 400], [most] * 2, color=color, lw=1, ls=(0, (4, 2)))
            left.annotate(
                f"{context:,}",
                (batches[-1], times[-1]),
                (-4, 6),
                "data",
                "offset points",
                color=color,
                ha="right",
                fontsize=9,
            )
        for axes, label in ((left, "time of one step (ms)"), (right, "tokens per second")):
            axes.set_yscale("log")
            _batch_axis(axes, say, [2**k for k in range(9)])
            axes.set_ylabel(say(label))
        left.set_ylim(2.8, 32)
        left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        style.plain_ticks(left.yaxis)
        right.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
        style.plain_ticks(right.yaxis, lambda number: f"{number:,.0f}")
        keys = [
            right.plot([], [], "o", color=INK)[0],
            right.plot([], [], color=INK, lw=1.2)[0],
        ]
        left.legend(
            keys, [say("measured"), say("predicted")], frameon=False, loc="upper left"
        )
    return figure


def parts(say: Say) -> Figure:
    """Where the kernels of a step spend their time, by batch, at a short and at a long context."""
    kinds = (
        ("products", COLORS["weights"]),
        ("attention", COLORS["kv"]),
        ("other", COLORS["idle"]),
    )
    with style.canvas(height=3.0, ncols=2, sharey=True) as (figure, panels):
        for axes, context in zip(panels, (512, 8192), strict=True):
            mine = card.points(context)
            places, bottom = np.arange(len(mine)), np.zeros(len(mine))
            for kind, color in kinds:
                spent = np.array([p["kernels_ms"][kind] for p in mine])
                axes.bar(places, spent, 0.7, bottom, color=color, label=say(kind))
                bottom += spent
            labels = [str(p["batch"]) if i % 2 == 0 else "" for i, p in enumerate(mine)]
            axes.set_xticks(places, labels)
            axes.set_title(say("context {}").format(f"{context:,}"), fontsize=10)
            axes.set_xlabel(say("batch size"))
        panels[0].set_ylabel(say("kernel time (ms)"))
        panels[0].legend(frameon=False, loc="upper left")
    return figure


def _rows(axes, say: Say, answers) -> None:
    """Rows of a static batch: the steps in which each writes its answer, and those in which it waits."""
    steps = max(answers) - 1
    for row, answer in enumerate(answers):
        y, own = len(answers) - row - 1, answer - 1
        axes.add_patch(Rectangle((0, y + 0.15), own, 0.7, facecolor=COLORS["decode"]))
        axes.add_patch(
            Rectangle(
                (own, y + 0.15),
                steps - own,
                0.7,
                facecolor="none",
                edgecolor=COLORS["idle"],
                lw=0.8,
            )
        )
    axes.set(xlim=(0, steps + 1), ylim=(0, len(answers)))
    axes.set_yticks(np.arange(8) + 0.5, [str(8 - row) for row in range(8)])
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([0, 32, 64, 96, steps])
    axes.set_xlabel(say("decode step"))
    axes.set_ylabel(say("row of the batch"))
    keys = [
        Rectangle((0, 0), 1, 1, facecolor=COLORS["decode"]),
        Rectangle((0, 0), 1, 1, facecolor="none", edgecolor=COLORS["idle"], lw=0.8),
    ]
    axes.legend(
        keys,
        [say("writes"), say("waits")],
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=2,
    )


def waste(say: Say) -> Figure:
    """One static batch of real answers, and the share of rows at work by batch."""
    points = record.load("batching--waste")["points"]
    prompts, answers = points[0]["prompt_lengths"], points[0]["answer_lengths"]
    with style.canvas(height=3.0, ncols=2) as (figure, (left, right)):
        _rows(left, say, answers[:8])
        batches = [p["batch"] for p in points]
        at_work = [
            sum(n - 1 for n in answers) / (b * static.in_batches(prompts, answers, b)[1])
            for b in batches
        ]
        line = range(1, 33)
        use = [100 / static.harmonic(b) for b in line]
        right.plot(line, use, color=COLORS["idle"], lw=1.2)
        right.plot(batches, [share * 100 for share in at_work], "o", color=COLORS["decode"])
        right.text(
            3.4, 20, say("exponential\nlengths"), color=COLORS["idle"], fontsize=9
        )
        right.text(8, 66, say("32 questions"), color=COLORS["decode"], fontsize=9)
        right.set_ylim(0, 105)
        right.set_ylabel(say("rows at work (%)"))
        _batch_axis(right, say, batches)
    return figure
