"""Figures of the chapter naive-inference."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from examples import record
from examples.figures import style
from examples.figures.style import COLORS, INK, Say
from examples.naive_inference import bill, measure
from examples.naive_inference.bill import LONG, SHORT
from examples.predict import flops, shapes

WORDS = {
    "zh_CN": {
        "a token is appended": "末尾添一个 token",
        "an early word is replaced": "替换靠前的一个词",
        "position in the text": "文本中的位置",
        "layers passed": "已过的层数",
        "same bits as before": "与之前逐位相同",
        "new numbers": "新的数值",
        "tokens written": "已写的 token 数",
        "time of one step (ms)": "一步的时间（ms）",
        "time so far (s)": "累计时间（s）",
        "predicted from FLOP": "按 FLOP 预测",
        "from single steps": "由单步相加",
        "prompt of {} tokens": "提示词 {} 个 token",
        "tokens in the pass": "一次前向传播的 token 数",
        "share of the core's rate (%)": "占该核心速率的比例（%）",
        "products": "矩阵乘法",
        "attention": "注意力",
        "whole step": "整步",
        "FLOP of the whole answer": "整个回答的 FLOP",
        "all": "合计",
        "as many": "两者相等",
    }
}


def _cells(axes, changed: np.ndarray, stride: int) -> None:
    """A cell for each position and every `stride`-th layer: filled where numbers are new."""
    layers = np.arange(0, len(changed), stride)
    for row, layer in enumerate(layers):
        for column, share in enumerate(changed[layer]):
            new = share > 0
            # Even the faintest change is a new number; the shade says how large it is.
            alpha = 0.35 + 0.65 * min(1.0, float(share)) ** 0.5 if new else 1.0
            axes.add_patch(
                Rectangle(
                    (column + 0.08, row + 0.08),
                    0.84,
                    0.84,
                    facecolor=COLORS["decode"] if new else "none",
                    edgecolor=COLORS["decode"] if new else COLORS["idle"],
                    alpha=alpha,
                    lw=0.5,
                )
            )
    axes.set_xlim(0, changed.shape[1])
    axes.set_ylim(0, len(layers))
    axes.set_yticks(np.arange(len(layers)) + 0.5, [str(layer) for layer in layers])
    ticks = [1, 10, 20, 30, changed.shape[1]]
    axes.set_xticks([tick - 0.5 for tick in ticks], [str(tick) for tick in ticks])
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)


def changed(say: Say) -> Figure:
    """What becomes new, by layer and position: after a token is appended, after a word is replaced."""
    points = record.load("naive-inference--changes")["points"]
    edit = np.array([p["changed"] for p in points])
    append = np.zeros((len(edit), edit.shape[1] + 1))
    append[:, -1] = 1
    with style.canvas(height=3.4, nrows=2) as (figure, panels):
        cases = (
            (append, "a token is appended"),
            (edit, "an early word is replaced"),
        )
        for axes, (shares, title) in zip(panels, cases, strict=True):
            _cells(axes, shares, stride=6)
            axes.set_title(say(title), fontsize=10)
            axes.set_ylabel(say("layers passed"))
        panels[1].set_xlabel(say("position in the text"))
        keys = [
            Rectangle((0, 0), 1, 1, facecolor="none", edgecolor=COLORS["idle"], lw=0.5),
            Rectangle((0, 0), 1, 1, facecolor=COLORS["decode"]),
        ]
        figure.legend(
            keys,
            [say("same bits as before"), say("new numbers")],
            loc="outside lower center",
            ncols=2,
            frameon=False,
            labelcolor=INK,
        )
    return figure


def answer(say: Say) -> Figure:
    """A step of a naive answer, and the whole answer so far, on one CPU core."""
    points = record.load("naive-inference--answer")["points"]
    with style.canvas(height=3.1, ncols=2) as (figure, (left, right)):
        prompt, written = SHORT
        mine = [p for p in points if p["prompt"] == prompt]
        steps = np.arange(1, written + 1)
        shape = shapes.named(measure.MODEL)
        paper = measure.predicted_ms(shape, prompt, written, measure.ceilings())
        left.plot(steps, paper, color=COLORS["prefill"], lw=1.2)
        left.plot(
            [p["written"] for p in mine],
            [record.median(p) for p in mine],
            "o",
            color=COLORS["prefill"],
        )
        left.set(xlim=(0, written * 1.03), ylim=(0, None))
        left.set_xlabel(say("tokens written"))
        left.set_ylabel(say("time of one step (ms)"))
        left.text(
            written * 0.34,
            paper[0],
            say("predicted from FLOP"),
            fontsize=9,
            color=COLORS["prefill"],
        )
        for (prompt, written), color in (
            (SHORT, COLORS["prefill"]),
            (LONG, COLORS["decode"]),
        ):
            mine = [p for p in points if p["prompt"] == prompt]
            paper = measure.predicted_ms(shape, prompt, written, measure.ceilings())
            right.plot(
                np.arange(1, written + 1), np.cumsum(paper) / 1e3, color=color, lw=1.2
            )
            right.plot(
                [p["written"] for p in mine],
                [measure.median_so_far(p) for p in mine],
                "o",
                color=color,
            )
            place = (7, 0.4) if prompt < 100 else (1, 40)
            right.text(
                *place,
                say("prompt of {} tokens").format(prompt),
                fontsize=9,
                color=color,
            )
        right.set(xscale="log", yscale="log")
        right.set_xticks([1, 4, 16, 64, 256])
        style.plain_ticks(right.xaxis)
        style.plain_ticks(right.yaxis)
        right.set_xlabel(say("tokens written"))
        right.set_ylabel(say("time so far (s)"))
    return figure


def shares(say: Say) -> Figure:
    """Share of the rate of a large product that a naive step, its products and its attention reach."""
    shape, rate = shapes.named(measure.MODEL), measure.ceilings()["flop_per_s"]
    steps = {
        p["context"]: p
        for p in record.load("kv-cache--growth")["points"]
        if not p["cached"]
    }
    lines: dict[str, list[float]] = {"products": [], "attention": [], "whole step": []}
    attention = record.load("naive-inference--attention")["points"]
    for point in attention:
        context, step = point["context"], steps[point["context"]]
        products = flops.matmul_flop_per_token(shape) * context + flops.head_flop(shape)
        flop = flops.step_flop(shape, context, cached=False)
        for name, work, ms in (
            ("products", products, step["products_only_ms"]),
            ("attention", flop - products, record.median(point)),
            ("whole step", flop, record.median(step)),
        ):
            lines[name].append(work / rate / ms * 1e5)
    contexts = [p["context"] for p in attention]
    colors = COLORS["weights"], COLORS["kv"], COLORS["prefill"]
    with style.canvas(height=2.9) as (figure, axes):
        for (name, values), color in zip(lines.items(), colors, strict=True):
            axes.plot(contexts, values, "o-", color=color, lw=1.2)
            axes.annotate(
                say(name),
                (contexts[-1], values[-1]),
                (7, -6 if name == "products" else 0),
                "data",
                "offset points",
                va="center",
                color=color,
            )
        axes.axhline(100, color=COLORS["idle"], ls=(0, (4, 3)), lw=1)
        axes.set_xscale("log")
        axes.set_xticks(contexts, [style.thousands(c) for c in contexts])
        axes.xaxis.set_minor_locator(style.matplotlib.ticker.NullLocator())
        axes.set_xlim(contexts[0] * 0.9, contexts[-1] * 1.9)
        axes.set_ylim(0, 110)
        axes.set_xlabel(say("tokens in the pass"))
        axes.set_ylabel(say("share of the core's rate (%)"))
    return figure


def terms(say: Say) -> Figure:
    """FLOP of a whole naive answer to an empty prompt by part, for Llama-3.1-8B; log-log."""
    shape = shapes.named("Llama-3.1-8B")
    lengths = np.unique(np.geomspace(128, 131072, 60).round().astype(int))
    parts = [bill.answer_flop(shape, 0, int(n)) for n in lengths]
    lines = {
        "products": ([p["products"] for p in parts], COLORS["weights"]),
        "attention": ([p["attention"] for p in parts], COLORS["kv"]),
        "all": ([sum(p.values()) for p in parts], COLORS["prefill"]),
    }
    cross = 1.5 * bill.crossover(shape)
    with style.canvas(height=3.1) as (figure, axes):
        for name, (values, color) in lines.items():
            axes.plot(lengths, values, color=color, lw=1.2)
            place = {"products": (0.999, -6), "attention": (0.08, -4), "all": (0.5, 10)}
            where, up = place[name]
            index = int(len(lengths) * where)
            axes.annotate(
                say(name),
                (lengths[index], values[index]),
                (6 if name != "all" else -6, up),
                "data",
                "offset points",
                ha="left" if name != "all" else "right",
                va="center",
                color=color,
            )
        level = bill.answer_flop(shape, 0, round(cross))["products"]
        axes.plot([cross], [level], "o", color=INK)
        axes.annotate(
            say("as many"),
            (cross, level),
            (8, -8),
            "data",
            "offset points",
            va="center",
        )
        axes.set(xscale="log", yscale="log", xlim=(90, 131072 * 6))
        axes.set_xticks([128, 1024, 8192, 32768, 131072])
        style.plain_ticks(axes.xaxis, style.thousands)
        style.plain_ticks(axes.yaxis, style.power)
        axes.set_xlabel(say("tokens written"))
        axes.set_ylabel(say("FLOP of the whole answer"))
    return figure
