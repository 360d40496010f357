"""Figures of the chapter generation."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from examples import record
from examples.figures import style
from examples.figures.style import COLORS, INK, Say

WORDS = {
    "zh_CN": {
        "measured": "实测",
        "predicted from arithmetic": "按计算量预测",
        "time since the request (ms)": "请求到达后的时间（ms）",
        "prefill": "预填充",
        "end": "结束",
        "first token": "第一个 token",
        "second token": "第二个 token",
        "rank of the token": "token 的名次",
        "probability": "概率",
        "predicted": "预测",
        "word for word the greedy answer": "与贪心回答逐字相同",
        "names Paris": "提到 Paris",
        "share of 200 answers (%)": "占 200 个回答的比例（%）",
        "lead of the likeliest token (logit)": "最可能 token 的领先幅度（logit）",
        "share of steps with less (%)": "领先更小的步所占比例（%）",
        "rounding in float32": "float32 的舍入",
        "rounding in bf16": "bf16 的舍入",
        "token of the answer": "回答中的第几个 token",
        "answers still the same": "仍然相同的回答数",
        "batch of 8": "批大小 8",
        "batch of 16, 32, 64": "批大小 16、32、64",
        "context 129": "上下文 129",
    }
}


def steps(say: Say) -> Figure:
    """The running request on one core: prefill and seven decode steps, predicted and measured."""
    points = record.load("generation--steps")["points"]
    rows = {
        say("predicted from arithmetic"): [p["predicted_ms"] for p in points],
        say("measured"): [record.median(p) for p in points],
    }
    with style.canvas(height=2.3) as (figure, axes):
        for y, (label, times) in enumerate(rows.items()):
            starts = np.cumsum([0, *times[:-1]])
            colors = [COLORS["prefill"]] + [COLORS["decode"]] * (len(times) - 1)
            hair = sum(rows[say("measured")]) / 400  # between two steps
            widths = np.array(times) - hair
            axes.barh([y] * len(times), widths, 0.42, starts, color=colors, ec="none")
            axes.text(0, y - 0.38, label, va="center", fontsize=9)
        axes.text(
            times[0] / 2,
            1.38,
            say("prefill"),
            ha="center",
            va="center",
            fontsize=9,
        )
        for start, time, p in zip(starts, times, points, strict=True):
            end = p["token"] == "<|im_end|>"
            word = say("end") if end else f"“{p['token'].strip()}”"
            at = start + time
            axes.annotate(
                word,
                (at, 1.21),
                (4, -4),
                "data",
                "offset points",
                ha="right",
                va="top",
                rotation=60,
                rotation_mode="anchor",
                fontsize=9,
                annotation_clip=False,
            )
        axes.set_ylim(2.2, -0.6)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlim(0)
        axes.set_xlabel(say("time since the request (ms)"))
    return figure


RULES = ("top-k 50", "top-p 0.9", "min-p 0.1")


def choices(say: Say) -> Figure:
    """Two distributions by rank, and where three rules cut them; log-log."""
    data = record.load("generation--choices")
    kept = {(p["rule"], p["token"]): p["kept"] for p in data["points"]}
    with style.canvas(height=3.0, ncols=2, sharey=True) as (figure, panels):
        for axes, name in zip(panels, ("first", "second"), strict=True):
            axes.plot(data["ranks"], data["curves"][name], color=COLORS["decode"])
            # A name stands to the right of its line, above the lines that come there.
            rules = sorted(RULES, key=lambda rule: kept[rule, name])
            for height, rule in zip((0.22, 0.12, 0.02), rules, strict=True):
                x = kept[rule, name]
                axes.axvline(
                    x,
                    ymax=height + 0.09,
                    color=COLORS["idle"],
                    ls=(0, (4, 3)),
                    lw=1,
                )
                axes.annotate(
                    f"{rule}: {x}",
                    (x, height),
                    (3, 0),
                    ("data", "axes fraction"),
                    "offset points",
                    fontsize=9,
                    va="bottom",
                )
            axes.set(xscale="log", yscale="log")
            axes.set_xlim(0.8, 49152)
            axes.set_ylim(1e-11, 2)
            axes.set_xticks([1, 10, 100, 1000, 10000])
            style.plain_ticks(axes.xaxis, lambda x: f"{x:,.0f}")
            axes.set_title(say(f"{name} token"), fontsize=10)
            axes.set_xlabel(say("rank of the token"))
        panels[0].set_ylabel(say("probability"))
        panels[0].set_yticks([1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10])
        style.plain_ticks(panels[0].yaxis, style.power)
    return figure


def answers(say: Say) -> Figure:
    """How often sampling writes the greedy answer, predicted and counted, and how often it names Paris."""
    points = record.load("generation--answers")["points"]
    with style.canvas(height=3.1) as (figure, axes):
        for y, p in enumerate(points):
            axes.plot([p["predicted_share"] * 100] * 2, [y - 0.3, y + 0.3], color=INK)
            axes.plot(np.mean(p["samples"]) * 100, y, "o", color=COLORS["decode"])
            axes.plot(np.mean(p["names_paris"]) * 100, y, "D", color=COLORS["idle"])
        axes.set_yticks(range(len(points)), [p["setting"] for p in points])
        axes.set_ylim(len(points) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 100)
        axes.set_xlabel(say("share of 200 answers (%)"))
        keys = [
            axes.plot([], [], "|", color=INK, ms=10, mew=1.6)[0],
            axes.plot([], [], "o", color=COLORS["decode"])[0],
            axes.plot([], [], "D", color=COLORS["idle"])[0],
        ]
        labels = [
            say("predicted"),
            say("word for word the greedy answer"),
            say("names Paris"),
        ]
        figure.legend(
            keys,
            labels,
            loc="outside lower center",
            ncols=3,
            frameon=False,
            labelcolor=INK,
            fontsize=9,
            handletextpad=0.3,
            columnspacing=1.2,
        )
    return figure


def leads(say: Say) -> Figure:
    """How closely the second token follows the first, and what rounding moves; logarithmic."""
    data = record.load("generation--drift")
    card = record.load("generation--h200-batch")
    moved = {
        "rounding in float32": max(p["moved"] for p in data["points"]),
        "rounding in bf16": np.mean(
            [
                m
                for p in card["points"]
                if p["dtype"] == "bfloat16"
                for m in p["moved_by_step"]
                if m
            ]
        ),
    }
    with style.canvas(height=2.9) as (figure, axes):
        axes.plot(
            data["gap_percentiles"], np.linspace(0, 100, 101), color=COLORS["decode"]
        )
        for name, x in moved.items():
            axes.axvline(x, color=INK, lw=1, ls=(0, (4, 3)))
            axes.annotate(
                say(name),
                (x, 92),
                (5 if x < 1e-3 else -5, 0),
                "data",
                "offset points",
                ha="left" if x < 1e-3 else "right",
                fontsize=9,
            )
        axes.set_xscale("log")
        axes.set_xlim(2e-6, 30)
        axes.set_ylim(0, 100)
        axes.set_xticks([1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10])
        style.plain_ticks(axes.xaxis, style.power)
        axes.set_xlabel(say("lead of the likeliest token (logit)"))
        axes.set_ylabel(say("share of steps with less (%)"))
    return figure


def h200_batch(say: Say) -> Figure:
    """Answers that are still those of the request alone, token by token, in batches on an H200."""
    points = record.load("generation--h200-batch")["points"]
    bf16 = [p for p in points if p["dtype"] == "bfloat16"]
    count = max(max(p["samples"]) for p in bf16)
    x = np.arange(1, count + 1)
    with style.canvas(height=3.0) as (figure, axes):
        for p in bf16:
            # Token t is the same while the answers agree in t tokens or more.
            same = [(np.array(p["samples"]) >= t).sum() for t in x]
            calm = p["batch"] == 8
            axes.step(
                x,
                same,
                where="post",
                color=COLORS["idle" if calm else "decode"],
                lw=1.4 if calm else 1,
            )
        worst = bf16[1]
        flip = np.array(worst["moved_by_step"]) * worst["leads_per_logit"] / 2
        axes.plot(
            x, len(worst["samples"]) * np.cumprod(1 - flip), color=INK, ls=(0, (4, 3))
        )
        start = min(worst["unequal_from"]) + 1
        axes.axvline(start, color=COLORS["idle"], lw=1)
        note = {"textcoords": "offset points", "fontsize": 9}
        axes.annotate(
            say("context 129"),
            (start, 8),
            (-5, 0),
            color=COLORS["idle"],
            ha="right",
            **note,
        )
        axes.annotate(
            say("batch of 8"), (4, 64), (0, -12), color=COLORS["idle"], va="top", **note
        )
        axes.annotate(
            say("batch of 16, 32, 64"),
            (start, 50),
            (-6, 0),
            color=COLORS["decode"],
            ha="right",
            **note,
        )
        axes.annotate(
            say("predicted"), (count, 39), (0, -12), ha="right", va="top", **note
        )
        axes.set_xlim(1, count + 1)
        axes.set_ylim(0, 68)
        axes.set_yticks([0, 16, 32, 48, 64])
        axes.set_xlabel(say("token of the answer"))
        axes.set_ylabel(say("answers still the same"))
    return figure
