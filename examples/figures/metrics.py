"""Figures of the chapter metrics."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from examples import record
from examples.figures import style
from examples.figures.style import COLORS, INK, Say
from examples.metrics import numbers, queueing

WORDS = {
    "zh_CN": {
        "waits": "排队",
        "prefill": "预填充",
        "decode steps": "解码步",
        "time since the request was due (ms)": "距请求到期时刻的时间（ms）",
        "alone": "单独",
        "first of two": "两个中的第一个",
        "second of two": "两个中的第二个",
        "when the request was due (s)": "请求到期的时刻（s）",
        "TTFT (ms)": "TTFT（ms）",
        "open loop": "开环",
        "closed loop, from when sent": "闭环，从发出起算",
        "utilization of the server (%)": "服务器利用率（%）",
        "mean TTFT (ms)": "平均 TTFT（ms）",
        "formula": "公式",
        "predicted for these arrivals": "按这些到达时刻预测",
        "measured": "实测",
        "requests in time (%)": "按时完成的请求（%）",
        "predicted": "预测",
        "goal": "目标",
        "token/s of the card": "整卡的 token/s",
        "token/s of one user": "单个用户的 token/s",
        "batch": "批大小",
    }
}


def timeline(say: Say) -> Figure:
    """The running request alone, and two that are sent at once."""
    lines = [one["moments_ms"] for one in record.load("metrics--request")["lines"]]
    names = ["alone", "first of two", "second of two"]
    begins = [0.0, 0.0, lines[1][-1]]  # the second begins when the first has ended
    with style.canvas(height=2.3) as (figure, axes):
        for row, (moments, begin) in enumerate(zip(lines, begins, strict=True)):
            first, end = moments[1], moments[-1]
            for start, stop, color in (
                (0, begin, COLORS["idle"]),
                (begin, first, COLORS["prefill"]),
                (first, end, COLORS["decode"]),
            ):
                axes.barh(
                    row, stop - start, left=start, height=0.5, color=color, alpha=0.75
                )
            axes.plot(
                moments[1:], [row] * len(moments[1:]), "|", color=INK, markersize=9
            )
        words = (
            ("waits", begins[2] / 2, 2, "idle"),
            ("prefill", lines[0][1] / 2, 0, "prefill"),
        )
        for word, x, row, color in words:
            axes.text(
                x,
                row + 0.31,
                say(word),
                ha="center",
                va="top",
                color=COLORS[color],
                fontsize=9,
            )
        middle = (lines[0][1] + lines[0][-1]) / 2
        axes.text(
            middle,
            0.31,
            say("decode steps"),
            ha="center",
            va="top",
            color=COLORS["decode"],
            fontsize=9,
        )
        axes.set_yticks(range(3), [say(name) for name in names])
        axes.set_ylim(2.75, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(say("time since the request was due (ms)"))
    return figure


def omission(say: Say) -> Figure:
    """Every request of two loops against a server that stalls once."""
    wanted = (
        ("open", "open loop", COLORS["decode"], "o"),
        ("sent", "closed loop, from when sent", COLORS["prefill"], "x"),
    )
    with style.canvas(height=2.9) as (figure, axes):
        for clock, name, color, mark in wanted:
            one = numbers.point("omission", clock=clock)
            axes.plot(
                one["due_s"],
                one["samples"],
                mark,
                color=color,
                markersize=4,
                label=say(name),
            )
        axes.legend(frameon=False, loc="upper right")
        axes.set_xlabel(say("when the request was due (s)"))
        axes.set_ylabel(say("TTFT (ms)"))
        axes.set_ylim(0)
    return figure


def knee(say: Say) -> Figure:
    """Mean TTFT over the load: formula, the same arrivals, and the book's server."""
    points = record.load("metrics--knee")["points"]
    service, first = numbers.typical()
    loads = np.linspace(0.02, 0.93, 200)
    line = [queueing.mean_wait(load, 1.0) * service + first for load in loads]
    x = [p["load"] * 100 for p in points]
    with style.canvas(height=3.1) as (figure, axes):
        axes.plot(
            loads * 100, line, color=COLORS["prefill"], lw=1.2, label=say("formula")
        )
        axes.plot(
            x, [p["predicted_for_these_arrivals_ms"] for p in points], "o",
            color=COLORS["prefill"], markerfacecolor="none", label=say("predicted for these arrivals"),
        )  # fmt: skip
        axes.plot(
            x, [np.mean(p["samples"]) for p in points], "o",
            color=COLORS["decode"], label=say("measured"),
        )  # fmt: skip
        axes.legend(frameon=False, loc="upper left")
        axes.set_xlabel(say("utilization of the server (%)"))
        axes.set_ylabel(say("mean TTFT (ms)"))
        axes.set_xlim(0, 100)
        axes.set_ylim(0)
    return figure


def goodput(say: Say) -> Figure:
    """The share of requests in time over the load, and the goal."""
    points = record.load("metrics--knee")["points"]
    service, first = numbers.typical()
    loads = np.linspace(0.05, 0.97, 47)
    line = [
        numbers.predicted_share(float(load), service, first) * 100 for load in loads
    ]
    with style.canvas(height=2.8) as (figure, axes):
        axes.plot(
            loads * 100, line, color=COLORS["prefill"], lw=1.2, label=say("predicted")
        )
        axes.plot(
            [p["load"] * 100 for p in points], [numbers.met(p) * 100 for p in points], "o",
            color=COLORS["decode"], label=say("measured"),
        )  # fmt: skip
        axes.axhline(numbers.GOAL * 100, color=COLORS["idle"], ls=(0, (4, 3)), lw=1)
        axes.text(
            1,
            numbers.GOAL * 100 - 2,
            say("goal"),
            color=COLORS["idle"],
            va="top",
            fontsize=9,
        )
        axes.legend(frameon=False, loc="lower left")
        axes.set_xlabel(say("utilization of the server (%)"))
        axes.set_ylabel(say("requests in time (%)"))
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 103)
    return figure


def tradeoff(say: Say) -> Figure:
    """What a user gets against what the card gives, as the batch grows."""
    batches = [p["batch"] for p in record.load("kv-cache--h100-batch")["points"]]
    pairs = [numbers.h100(batch) for batch in batches]
    with style.canvas(height=2.9) as (figure, axes):
        axes.plot(
            [u for u, _ in pairs],
            [c for _, c in pairs],
            "o-",
            color=COLORS["decode"],
            lw=1,
        )
        for batch, (user, card) in zip(batches, pairs, strict=True):
            word = f"{say('batch')} {batch}" if batch in (1, 256) else str(batch)
            axes.annotate(
                word, (user, card), (6, 2), "data", "offset points", fontsize=9
            )
        axes.set_xlabel(say("token/s of one user"))
        axes.set_ylabel(say("token/s of the card"))
        axes.set_yscale("log")
        axes.set_xlim(0, max(u for u, _ in pairs) * 1.15)
        style.plain_ticks(axes.yaxis)
    return figure
