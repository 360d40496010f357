"""Figures of the chapter kv-cache."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from examples.figures import style
from examples.figures.style import COLORS, INK, Say

WORDS = {
    "zh_CN": {
        "without a cache": "无缓存",
        "with a cache": "有缓存",
        "computed in this step": "本步计算",
        "read from the cache": "从缓存读取",
        "position in the sequence": "序列中的位置",
        "decode step": "解码步",
    }
}


def _cell(axes, column: int, row: int, computed: bool) -> None:
    """One token position in one step: filled when computed, outlined when read back."""
    color = COLORS["decode"] if computed else COLORS["kv"]
    face = color if computed else "none"
    axes.add_patch(
        Rectangle((column + 0.08, row + 0.08), 0.84, 0.84, facecolor=face, edgecolor=color, lw=1.3)
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
                    _cell(axes, position, step, not cached or first or position == newest)
            axes.set_title(say("with a cache" if cached else "without a cache"), fontsize=10)
            axes.set_xlim(0, prompt + new - 1)
            axes.set_ylim(new, 0)
            axes.set_aspect("equal")
            axes.set_xticks([i + 0.5 for i in range(prompt + new - 1)], range(1, prompt + new))
            axes.set_yticks([i + 0.5 for i in range(new)], range(1, new + 1))
            axes.tick_params(length=0)
            axes.spines[["left", "bottom"]].set_visible(False)
            axes.set_xlabel(say("position in the sequence"))
        panels[0].set_ylabel(say("decode step"))
        keys = [
            Rectangle((0, 0), 1, 1, facecolor=COLORS["decode"], edgecolor=COLORS["decode"]),
            Rectangle((0, 0), 1, 1, facecolor="none", edgecolor=COLORS["kv"], lw=1.3),
        ]
        labels = [say("computed in this step"), say("read from the cache")]
        figure.legend(
            keys, labels, loc="outside lower center", ncols=2, frameon=False, labelcolor=INK
        )
    return figure
