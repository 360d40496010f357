"""Figures of the chapter batching."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from examples import record
from examples.batching import card, paper, questions, static
from examples.figures import style
from examples.figures.style import COLORS, Say
from examples.predict import roofline, shapes

WORDS = {
    "zh_CN": {
        "sequences in the batch": "批中的序列数",
        "time of a step (ms)": "一步的时间（ms）",
        "tokens per second, all sequences": "每秒 token 数，所有序列合计",
        "context {}": "上下文 {}",
        "tokens since the batch began": "批开始以来的 token 数",
        "padding": "填充",
        "prompt": "提示词",
        "answer": "回答",
        "ended, still computed": "已结束，仍在计算",
        "request": "请求",
        "rows of the static batch": "静态批的行数",
        "rows at work (%)": "在工作的行（%）",
        "exponential lengths": "长度服从指数分布",
        "32 real questions": "32 个真实问题",
    }
}
MARKS = {512: "o", 2048: "s", 8192: "D"}  # by context


def _lines(axes, say: Say, value, predicted, left: int = 0) -> None:
    """Predicted lines and measured marks against the batch; one label to the left."""
    shape, rates = shapes.named(paper.MODEL), paper.ceilings()
    for context in paper.CONTEXTS:
        points = card.points(context)
        most = points[-1]["batch"]
        batches = np.unique(np.geomspace(1, most, 60).round().astype(int))
        color = COLORS["decode"]
        steps = [roofline.decode_s(shape, rates, int(b), context) for b in batches]
        axes.plot(
            batches,
            [predicted(int(b), s) for b, s in zip(batches, steps, strict=True)],
            color=color,
            lw=1.2,
        )
        axes.plot(
            [p["batch"] for p in points],
            [value(p) for p in points],
            MARKS[context],
            color=color,
        )
        last = points[-1]
        axes.annotate(
            say("context {}").format(f"{context:,}"),
            (last["batch"], value(last)),
            (-8, 5) if context == left else (8, -4),
            "data",
            "offset points",
            ha="right" if context == left else "left",
            fontsize=9,
            color=color,
        )
    axes.set(xscale="log", yscale="log")
    axes.set_xticks([1, 4, 16, 64, 256])
    style.plain_ticks(axes.xaxis)
    axes.set_xlabel(say("sequences in the batch"))


def step(say: Say) -> Figure:
    """Time of a decode step by batch and context on an H100; log-log."""
    with style.canvas(height=3.2) as (figure, axes):
        _lines(axes, say, record.median, lambda _, s: 1e3 * s, left=8192)
        axes.set_yticks([5, 7, 10, 15, 20])
        style.plain_ticks(axes.yaxis)
        axes.set(xlim=(0.9, 1300), ylim=(4.3, 23))
        axes.set_ylabel(say("time of a step (ms)"))
    return figure


def throughput(say: Say) -> Figure:
    """Tokens per second of all sequences by batch and context, and what no batch exceeds; log-log."""
    shape, rates = shapes.named(paper.MODEL), paper.ceilings()
    with style.canvas(height=3.3) as (figure, axes):
        _lines(axes, say, card.tokens_per_s, lambda b, s: b / s)
        for context in paper.CONTEXTS:
            most = roofline.largest_throughput(shape, rates, context)
            axes.plot(
                [90, 1500], [most, most], color=COLORS["idle"], ls=(0, (4, 3)), lw=1
            )
        axes.set_xlim(0.9, 1500)
        axes.set_yticks([200, 1000, 5000, 20_000])
        style.plain_ticks(axes.yaxis, lambda x: f"{x:,.0f}")
        axes.set_ylabel(say("tokens per second, all sequences"))
    return figure


def rectangle(say: Say) -> Figure:
    """A static batch of eight requests: what of the rectangle is of use."""
    batch = static.example()
    wide, long = max(batch.prompts), max(batch.answers)
    looks = {  # what gives no token is gray: lines where nothing stands, full where something did
        "padding": {"fc": "none", "hatch": "/////", "ec": COLORS["idle"]},
        "prompt": {"fc": COLORS["prefill"]},
        "answer": {"fc": COLORS["decode"]},
        "ended, still computed": {"fc": COLORS["idle"], "alpha": 0.7},
    }
    with style.canvas(height=2.9) as (figure, axes):
        for row, (prompt, answer) in enumerate(
            zip(batch.prompts, batch.answers, strict=True)
        ):
            spans = ((0, wide - prompt), (wide - prompt, prompt), (wide, answer), (wide + answer, long - answer))  # fmt: skip
            for (left, width), look in zip(spans, looks.values(), strict=True):
                axes.barh(row, width, left=left, height=0.72, lw=0, **look)
        axes.axvline(wide, color=COLORS["idle"], lw=1)
        figure.legend(
            [axes.barh(0, 0, lw=0, **look) for look in looks.values()],
            [say(name) for name in looks],
            loc="outside upper center",
            ncols=4,
            frameon=False,
            fontsize=9,
            labelcolor=style.INK,
        )
        axes.set_yticks(range(len(batch.prompts)), range(1, len(batch.prompts) + 1))
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlim(0, wide + long)
        axes.set_ylabel(say("request"))
        axes.set_xlabel(say("tokens since the batch began"))
    return figure


def at_work(say: Say) -> Figure:
    """Rows at work in static batches by size: exponential lengths, and recorded answers; log x."""
    lengths = questions.recorded_lengths()
    sizes = np.arange(1, questions.BATCHES[-1] + 1)
    with style.canvas(height=2.6) as (figure, axes):
        use = [100 * static.useful_share(int(size)) for size in sizes]
        axes.plot(sizes, use, color=COLORS["idle"], lw=1.2)
        found = [100 * questions.at_work(*lengths, size) for size in questions.BATCHES]
        axes.plot(questions.BATCHES, found, "o", color=COLORS["decode"])
        axes.text(
            4,
            40,
            say("exponential lengths"),
            color=COLORS["idle"],
            ha="right",
            va="top",
        )
        axes.text(8, 66, say("32 real questions"), color=COLORS["decode"])
        axes.set_xscale("log", base=2)
        axes.set_xticks(questions.BATCHES)
        style.plain_ticks(axes.xaxis)
        axes.set_ylim(0, 105)
        axes.set_xlabel(say("rows of the static batch"))
        axes.set_ylabel(say("rows at work (%)"))
    return figure
