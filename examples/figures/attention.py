"""Figures of the chapter attention."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from examples import record
from examples.attention import KEY, QUERY, TOKENS, VALUE, VECTORS, worked
from examples.figures import style
from examples.figures.style import COLORS, INK, Say

WORDS = {
    "zh_CN": {
        "tokens": "token 向量",
        "queries": "Q",
        "keys": "K",
        "values": "V",
        "scores": "分数",
        "weights": "权重",
        "taken": "取得",
        "softmax": "softmax",
        "attending token": "看的 token",
        "attended token": "被看的 token",
        "at the previous token": "看前一个 token",
        "at the first token": "看首个 token",
        "induction": "归纳",
        "layer": "层",
        "score of a head": "头的得分",
        "probability of ‹ Paris›": "‹ Paris› 的概率",
        "weight of": "权重，头",
        "same sense": "同义",
        "other sense": "异义",
        "after layer": "经过的层数",
        "cosine distance": "余弦距离",
    }
}

# Kinds of head: sinks rest, so they have the color of idle time.
LOOKS = {
    "first": ("idle", "s", "at the first token"),
    "previous": ("prefill", "o", "at the previous token"),
    "induction": ("decode", "D", "induction"),
}


def _token(text: str) -> str:
    """A token with its borders shown, a line feed as its symbol."""
    return f"‹{text}›".replace("\n", "↵")


def _grid(axes, matrix: np.ndarray, at: tuple[float, float], color: str) -> None:
    """Numbers of a small matrix in cells, shaded by size; what may not be seen stays empty."""
    left, top = at
    finite = np.where(np.isneginf(matrix), 0, matrix)
    for (i, j), number in np.ndenumerate(matrix):
        hidden = np.isneginf(number)
        shade = 0.65 * abs(finite[i, j]) / np.abs(finite).max()
        axes.add_patch(
            Rectangle((left + j, top + i), 1, 1, fc=color, alpha=shade, ec="none")
        )
        axes.add_patch(
            Rectangle((left + j, top + i), 1, 1, fc="none", ec=INK, lw=0.4, alpha=0.5)
        )
        if not hidden:
            text = f"{number:.0f}" if number == round(number) else f"{number:.1f}"
            axes.text(
                left + j + 0.5,
                top + i + 0.54,
                text.replace("-", "−"),
                ha="center",
                va="center",
                fontsize=9 if len(text) < 4 else 7.5,
            )


def head(say: Say) -> Figure:
    """The worked head as a flow of matrices, each with its numbers."""
    x = np.array([VECTORS[token] for token in TOKENS], dtype=float)
    seen, _ = worked()
    visible = np.where(np.isneginf(seen.scores), -np.inf, seen.weights)
    parts = [  # name, matrix, left, top, color
        ("tokens", x, 1.4, 5.6, COLORS["weights"]),
        ("queries", x @ QUERY, 7, 0, COLORS["decode"]),
        ("keys", x @ KEY, 7, 5.6, COLORS["kv"]),
        ("values", x @ VALUE, 7, 11.2, COLORS["kv"]),
        ("scores", seen.scores, 10.6, 2.8, COLORS["decode"]),
        ("weights", visible, 17.2, 2.8, COLORS["decode"]),
        ("taken", seen.taken, 19.2, 11.2, COLORS["kv"]),
    ]
    arrows = [
        ((5.5, 6.6), (6.9, 3)),
        ((5.5, 7.6), (6.9, 7.6)),
        ((5.5, 8.6), (6.9, 12.4)),
        ((9.1, 2), (10.5, 4)),
        ((9.1, 7.6), (10.5, 5.8)),
        ((14.7, 4.8), (17.1, 4.8)),
        ((20.2, 6.9), (20.2, 10)),
        ((9.1, 13.2), (19.1, 13.2)),
    ]
    with style.canvas(height=3.9) as (figure, axes):
        for name, matrix, left, top, color in parts:
            _grid(axes, matrix, (left, top), color)
            middle = left + matrix.shape[1] / 2
            axes.text(middle, top - 0.3, say(name), ha="center", fontsize=9)
        for i, token in enumerate(TOKENS):
            axes.text(1.2, 6.14 + i, _token(token), ha="right", va="center", fontsize=9)
        for start, end in arrows:
            axes.add_patch(
                FancyArrowPatch(
                    start, end, arrowstyle="-|>", mutation_scale=8, color=INK, lw=0.8
                )
            )
        axes.text(15.9, 4.4, say("softmax"), ha="center", fontsize=9)
        axes.set_xlim(-0.6, 21.4)
        axes.set_ylim(15.4, -1.3)
        axes.set_aspect("equal")
        axes.axis("off")
    return figure


def exchange(say: Say) -> Figure:
    """Where three heads look on the running request: marks whose area is the weight."""
    data = record.load("attention--heads")
    tokens = [_token(token) for token in data["tokens"]]
    n = len(tokens)
    with style.canvas(height=5.3) as (figure, axes):
        for kind, (color, marker, label) in LOOKS.items():
            row, column = np.nonzero(np.array(data["maps"][kind]) >= 0.03)
            weight = np.array(data["maps"][kind])[row, column]
            layer, number = data["best"][kind]
            axes.scatter(
                column,
                row,
                s=(95 if kind == "first" else 46) * weight,
                marker=marker,
                facecolors="none" if kind == "first" else COLORS[color],
                edgecolors=COLORS[color],
                linewidths=1.1,
                label=f"{layer}.{number} {say(label)}",
            )
        axes.axvline(0.5, color=INK, lw=0.6, ls=(0, (1, 2)))
        axes.set_xlim(-0.7, n - 0.3)
        axes.set_ylim(n - 0.3, -0.7)
        axes.set_aspect("equal")
        axes.set_xticks(range(n), tokens, rotation=90, fontsize=7.5)
        axes.set_yticks(range(n), tokens, fontsize=7.5)
        axes.tick_params(length=0, pad=2)
        axes.grid(color=INK, alpha=0.12, lw=0.5)
        axes.set_axisbelow(True)
        axes.set_xlabel(say("attended token"))
        axes.set_ylabel(say("attending token"))
        # On a phone the left of a wide drawing is what one sees first.
        legend = figure.legend(loc="outside upper left", frameon=False, fontsize=9, borderpad=0)  # fmt: skip
        for handle in legend.legend_handles:
            handle.set_sizes([30])
    return figure


def heads(say: Say) -> Figure:
    """The scores of all heads over depth, for three kinds, with what a uniform head would score."""
    data = record.load("attention--heads")
    points = data["points"]
    with style.canvas(height=4.6, nrows=3, sharex=True, sharey=True) as (
        figure,
        panels,
    ):
        for axes, (kind, (color, _, label)) in zip(panels, LOOKS.items(), strict=True):
            for point in points:
                scores = point[kind]
                axes.plot(
                    [point["layer"]] * len(scores),
                    scores,
                    "o",
                    ms=3.2,
                    color=COLORS[color],
                    alpha=0.75,
                    mew=0,
                )
            axes.axhline(
                points[0][f"predicted_{kind}"], color=INK, lw=0.8, ls=(0, (4, 3))
            )
            layer, number = data["best"][kind]
            highest = points[layer][kind][number]
            # Above the highest there is nothing else.
            axes.annotate(f"{layer}.{number}", (layer, highest), (0, 4), "data", "offset points",
                          ha="center", annotation_clip=False, fontsize=9)  # fmt: skip
            axes.set_title(say(label), fontsize=10, loc="left", pad=7)
            axes.set_ylim(-0.03, 1.05)
            axes.set_yticks((0, 0.5, 1))
        panels[-1].set_xlabel(say("layer"))
        panels[1].set_ylabel(say("score of a head"))
    return figure


def paris(say: Say) -> Figure:
    """Probability of the answer's word with each head silenced, and where the needed head looks."""
    data = record.load("attention--paris")
    layer, number = data["needed"]
    with style.canvas(height=2.9, ncols=2, width_ratios=(3, 2)) as (
        figure,
        (left, right),
    ):
        for point in data["points"]:
            left.plot([point["layer"]] * 9, point["without"], "o", ms=3.2, mew=0,
                      alpha=0.75, color=COLORS["decode"])  # fmt: skip
        whole = data["points"][0]["predicted_probability"]
        left.axhline(whole, color=INK, lw=0.8, ls=(0, (4, 3)))
        low = data["points"][layer]["without"][number]
        left.annotate(f"{layer}.{number}", (layer, low), (-6, 0), "data", "offset points",
                      ha="right", va="center")  # fmt: skip
        left.set_ylim(0, 1.05)
        left.set_xlabel(say("layer"))
        left.set_ylabel(say("probability of ‹ Paris›"))
        looks = data["looks"]
        bars = range(len(looks))
        right.barh(
            bars, [k["weight"] for k in looks], color=COLORS["decode"], height=0.6
        )
        right.set_yticks(bars, [f"{_token(k['token'])} {k['position']}" for k in looks],
                         fontsize=9)  # fmt: skip
        right.invert_yaxis()
        right.tick_params(axis="y", length=0)
        right.set_xlabel(f"{say('weight of')} {layer}.{number}")
    return figure


def senses(say: Say) -> Figure:
    """Distance between vectors of one word, within a sense and across, over depth."""
    points = record.load("attention--senses")["points"]
    words = dict.fromkeys(p["word"] for p in points)
    with style.canvas(height=2.6, ncols=len(words), sharey=True) as (figure, panels):
        for axes, word in zip(panels, words, strict=True):
            mine = [p for p in points if p["word"] == word]
            x = [p["layer"] for p in mine]
            for field, color, label in (
                ("across", COLORS["decode"], "other sense"),
                ("within", COLORS["idle"], "same sense"),
            ):
                y = [p[field] for p in mine]
                axes.plot(x, y, "o-", ms=2.6, lw=1, color=color)
                at = 16
                axes.annotate(say(label), (x[at], y[at]), (0, 13), "data", "offset points",
                              color=color, ha="center", fontsize=9)  # fmt: skip
            axes.set_title(f"‹ {word}›", fontsize=10)
            axes.set_ylim(-0.01, 0.42)
            axes.set_xlabel(say("after layer"))
        panels[0].set_ylabel(say("cosine distance"))
    return figure
