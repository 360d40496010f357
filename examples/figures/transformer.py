"""Figures of the chapter transformer."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from examples import record, request
from examples.figures import style
from examples.figures.style import COLORS, INK, Say
from examples.predict import shapes
from examples.transformer import BASE, MODEL, point, score, wavelengths

WORDS = {
    "zh_CN": {
        "in the chat template": "套上聊天模板",
        "tokenizer": "分词器",
        "token ids": "token 编号",
        "embedding": "嵌入",
        "look up rows": "查表取行",
        "residual stream": "残差流",
        "attention": "注意力",
        "heads": "个头",
        "feed-forward": "前馈",
        "neurons": "个神经元",
        "layers": "层",
        "norm, last row": "归一化，取末行",
        "LM head": "LM head",
        "logits": "logits（分数）",
        "softmax": "取 softmax",
        "probabilities": "概率",
        "parameters": "参数",
        "0 (the same table)": "0（同一张表）",
        "pair of a head": "头中的第几对",
        "tokens for one turn": "转一圈的 token 数",
        "context window": "上下文窗口",
        "distance (tokens)": "距离（token）",
        "score": "分数",
        "query at": "Q 位于",
        "layers done": "已算完的层数",
        "length of the vector": "向量长度",
        "first token": "首个 token",
        "other tokens, median": "其余 token，中位数",
        "probability": "概率",
        "Paris": "Paris 的概率",
        "best token": "最可能的 token",
        "loss (nats per token)": "损失（nat/token）",
        "read after this many layers": "算完多少层后读取",
        "without layer": "去掉第几层",
        "all tokens alike": "所有 token 等概率",
        "the whole model": "完整模型",
        "norms": "归一化",
        "share of the parameters (%)": "占参数的比例（%）",
        "embedding and head": "嵌入与 LM head",
    }
}


def _box(axes, x: float, y: float, size: tuple[float, float], text: str) -> None:
    """A box with words, centered at (x, y): a part that holds parameters."""
    width, height = size
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.1",
            facecolor="none",
            edgecolor=COLORS["weights"],
            lw=1.3,
        )
    )
    _words(axes, x, y, text, ha="center")


def _words(axes, x: float, y: float, text: str, **options) -> None:
    axes.text(x, y, text, va="center", **({"fontsize": 9} | options))


def _arrow(axes, start: tuple, end: tuple, color: str = INK) -> None:
    style_ = {
        "arrowstyle": "-|>",
        "color": color,
        "lw": 1.1,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axes.annotate("", end, start, arrowprops=style_)


def _branch(axes, y: float, words: str) -> None:
    """A block beside the stream: reads it through a norm, and adds its result back."""
    _arrow(axes, (STREAM, y), (4.25, y))
    axes.text(3.3, y + 0.07, "RMSNorm", ha="center", va="bottom", fontsize=9)
    _box(axes, 5.4, y, (2.3, 0.8), words)
    back = y - 0.8
    axes.plot([5.4, 5.4, STREAM + 0.3], [y - 0.4, back, back], color=INK, lw=1.1)
    _arrow(axes, (STREAM + 0.5, back), (STREAM + 0.17, back))
    axes.plot(STREAM, back, "o", mfc="none", mec=INK, ms=11, mew=1.0, zorder=3)
    axes.plot(STREAM, back, "+", color=INK, ms=7, mew=1.1, zorder=3)


STREAM, RIGHT = 2.2, 8.9  # where the stream runs, and the column of numbers ends


def flow(say: Say) -> Figure:
    """From text to probabilities, with the shapes of the running request's prefill."""
    shape, best = shapes.named(MODEL), point("transformer--request", after="", rank=1)
    n, d, v = best["tokens"], shape.width, f"{shape.vocab:,}"
    wide = (3.9, 0.55)
    down = (  # what the arrows say, between which heights
        (11.05, 10.5, say("tokenizer")),
        (9.95, 9.4, say("look up rows")),
        (3.0, 2.45, ""),
        (1.9, 1.35, say("softmax")),
    )
    numbers = (
        (11.6, say("parameters")),
        (9.1, f"{shape.embedding_parameters:,}"),
        (7.6, f"{shape.layers} × {shape.attention_parameters:,}"),
        (5.75, f"{shape.layers} × {shape.ffn_parameters(0):,}"),
        (4.15, f"{say('norms')} {shape.bill['norms']:,}"),
        (3.27, say("0 (the same table)")),
        (1.05, f"= {shape.parameters:,}"),
    )
    with style.canvas(height=5.8) as (figure, axes):
        axes.set(xlim=(0, 9), ylim=(0.1, 12))
        axes.axis("off")
        _words(axes, STREAM, 11.75, f"“{request.QUESTION}”", ha="center")
        _words(axes, STREAM, 11.3, say("in the chat template"), ha="center", fontsize=9)
        for top, end, words in down:
            _arrow(axes, (STREAM, top), (STREAM, end))
            _words(axes, STREAM + 0.15, (top + end) / 2, words, fontsize=9)
        _words(axes, STREAM, 10.22, f"{say('token ids')} [{n}]", ha="center")
        _box(axes, STREAM, 9.1, wide, f"{say('embedding')} [{v} × {d}]")
        blue = COLORS["prefill"]
        axes.plot([STREAM, STREAM], [8.82, 3.8], color=blue, lw=3, zorder=1)
        _arrow(axes, (STREAM, 3.85), (STREAM, 3.56), blue)
        stream = f"{say('residual stream')} [{n} × {d}]"
        _words(axes, STREAM + 0.25, 8.53, stream, fontsize=9, color=blue)
        _branch(axes, 7.6, f"{say('attention')}\n{shape.heads} {say('heads')}")
        _branch(axes, 5.75, f"{say('feed-forward')}\n{shape.d_ff:,} {say('neurons')}")
        axes.add_patch(
            FancyBboxPatch(
                (1.45, 4.6),
                5.35,
                3.6,
                boxstyle="round,pad=0,rounding_size=0.15",
                facecolor="none",
                edgecolor=COLORS["idle"],
                lw=0.9,
                ls=(0, (4, 3)),
            )
        )
        _words(axes, 1.3, 6.4, f"{shape.layers} {say('layers')}", ha="right")
        last = f"{say('norm, last row')} [{d}]"
        _words(axes, STREAM + 0.25, 4.15, last, fontsize=9)
        _box(axes, STREAM, 3.27, wide, f"{say('LM head')} [{d} × {v}]")
        _words(axes, STREAM, 2.18, f"{say('logits')} [{v}]", ha="center")
        _words(axes, STREAM, 1.05, f"{say('probabilities')} [{v}]", ha="center")
        shown = f"“{best['token']}” {best['probability']:.1%}"
        _words(axes, STREAM, 0.5, shown, ha="center")
        for y, text in numbers:
            _words(axes, RIGHT, y, text, ha="right", fontsize=9)
    return figure


def rotation(say: Say) -> Figure:
    """Turning times of the pairs of a head, and a score that knows the distance alone."""
    shape, base = shapes.named(MODEL), BASE
    with style.canvas(height=2.7, ncols=2) as (figure, (left, right)):
        turns = wavelengths(shape.head_dim, base)
        left.plot(np.arange(len(turns)), turns, "o", color=COLORS["prefill"], ms=3.5)
        left.axhline(shape.context, color=COLORS["idle"], ls=(0, (4, 3)), lw=1)
        left.annotate(
            say("context window"),
            (0, shape.context),
            (0, 4),
            "data",
            "offset points",
            color=COLORS["idle"],
            fontsize=9,
        )
        left.set(
            yscale="log",
            xlabel=say("pair of a head"),
            ylabel=say("tokens for one turn"),
        )
        left.set_xticks([0, 8, 16, 24, 31])
        style.plain_ticks(left.yaxis, lambda x: f"{x:,.0f}")
        q = np.full(shape.head_dim, 1 / math.sqrt(shape.head_dim), dtype=np.float32)
        distances = np.arange(0, 101)
        right.plot(
            distances,
            [score(q, q, 100, int(t), base) for t in distances],
            color=COLORS["decode"],
            lw=1.2,
        )
        for at, mark, first in ((1000, "o", 0), (7000, "^", 5)):
            some = distances[first::10]
            right.plot(
                some,
                [score(q, q, at, int(t), base) for t in some],
                mark,
                color=COLORS["decode"],
                mfc="none",
                ms=5,
                label=f"{say('query at')} {at:,}",
            )
        right.set(xlabel=say("distance (tokens)"), ylabel=say("score"))
        right.legend(frameon=False, fontsize=9)
    return figure


def stream(say: Say) -> Figure:
    """Length of the stream's vectors over depth, and when the answer can be read from them."""
    points = record.load("transformer--stream")["points"]
    x = [p["layers"] for p in points]
    with style.canvas(height=2.8, ncols=2) as (figure, (left, right)):
        left.plot(x, [p["norm_first"] for p in points], color=COLORS["weights"])
        left.plot(x, [p["norm_median"] for p in points], color=COLORS["prefill"])
        left.annotate(
            say("first token"),
            (x[20], points[20]["norm_first"]),
            (0, -13),
            "data",
            "offset points",
            color=COLORS["weights"],
            ha="center",
            fontsize=9,
        )
        left.annotate(
            say("other tokens, median"),
            (x[30], points[12]["norm_median"]),
            (0, -16),
            "data",
            "offset points",
            color=COLORS["prefill"],
            ha="right",
            fontsize=9,
        )
        left.set(
            yscale="log", xlabel=say("layers done"), ylabel=say("length of the vector")
        )
        style.plain_ticks(left.yaxis, lambda x: f"{x:,.0f}")
        right.plot(
            x,
            [p["best_probability"] for p in points],
            color=COLORS["idle"],
            lw=1.2,
        )
        right.plot(
            x, [p["probability"] for p in points], "o-", color=COLORS["decode"], ms=3
        )
        right.annotate(
            say("best token"),
            (x[9], points[9]["best_probability"]),
            (4, 4),
            "data",
            "offset points",
            color=COLORS["idle"],
            fontsize=9,
        )
        right.annotate(
            say("Paris"),
            (x[30], points[30]["probability"]),
            (-6, -3),
            "data",
            "offset points",
            color=COLORS["decode"],
            ha="right",
            fontsize=9,
        )
        right.set(xlabel=say("layers done"), ylabel=say("probability"))
        right.set_ylim(0, 1.04)
    return figure


def depth(say: Say) -> Figure:
    """The loss when the head reads after fewer layers, and when one layer is left out."""
    points = record.load("transformer--depth")["points"]
    read = {p["read_after"]: np.mean(p["samples"]) for p in points if "read_after" in p}
    without = {p["without"]: np.mean(p["samples"]) for p in points if "without" in p}
    whole, alike = read[max(read)], math.log(shapes.named(MODEL).vocab)
    with style.canvas(height=2.8, ncols=2, sharey=True) as (figure, (left, right)):
        left.plot(
            list(read)[1:],
            list(read.values())[1:],
            "o",
            color=COLORS["prefill"],
            ms=3.5,
        )
        right.plot(
            list(without), list(without.values()), "o", color=COLORS["decode"], ms=3.5
        )
        for axes in (left, right):
            axes.axhline(whole, color=COLORS["idle"], ls=(0, (4, 3)), lw=1)
        left.axhline(alike, color=COLORS["idle"], ls=(0, (1, 2)), lw=1)
        for level, words in ((alike, "all tokens alike"), (whole, "the whole model")):
            left.annotate(
                say(words),
                (0, level),
                (0, -11),
                "data",
                "offset points",
                color=COLORS["idle"],
                fontsize=9,
            )
        left.set(
            xlabel=say("read after this many layers"),
            ylabel=say("loss (nats per token)"),
        )
        right.set_xlabel(say("without layer"))
        left.set_ylim(0)
        left.set_yticks([0, 5, 10, 15, 20])
    return figure


def shares(say: Say) -> Figure:
    """Where the parameters are: shares of embedding, attention and feed-forward, model by model."""
    names = (
        "SmolLM2-135M",
        "Qwen3-0.6B",
        "Llama-3.1-8B",
        "Llama-3.1-70B",
        "Llama-3.1-405B",
        "DeepSeek-V3",
    )
    parts = (  # words, keys of the bill, strength of the color
        ("embedding and head", ("embedding", "head"), 0.25),
        ("attention", ("attention",), 0.5),
        ("feed-forward", ("feed-forward",), 0.8),
    )
    with style.canvas(height=2.9) as (figure, axes):
        bars = {}
        for row, name in enumerate(names):
            shape, left = shapes.named(name), 0.0
            for words, keys, alpha in parts:
                width = 100 * sum(shape.bill[k] for k in keys) / shape.parameters
                fill = to_rgba(COLORS["weights"], alpha)
                look = {"color": fill, "ec": COLORS["weights"], "lw": 0.8}
                bars[words] = axes.barh(row, width, left=left, height=0.62, **look)
                if width > 4:
                    _words(axes, left + width / 2, row, f"{width:.0f}", ha="center")
                left += width
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(say("share of the parameters (%)"))
        figure.legend(
            list(bars.values()),
            [say(words) for words in bars],
            loc="outside upper center",
            ncols=3,
            frameon=False,
            labelcolor=INK,
            fontsize=9,
        )
    return figure
