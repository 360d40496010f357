"""Figures of the page on how the numbers were obtained."""

from __future__ import annotations

from matplotlib.figure import Figure

from examples.figures import style
from examples.figures.style import COLORS, Say
from examples.measurements import atlas

WORDS = {
    "zh_CN": {
        "predicted": "预测",
        "measured": "实测",
        "decode steps": "解码步",
        "prompts": "提示词",
        "mixed steps": "混合步",
        "single kernels": "单个 kernel",
        "as predicted": "与预测相等",
        "twice as long": "两倍",
    }
}


def period(ms: float) -> str:
    """A time in the unit that makes it short: `10 µs`, `1 ms`, `1 s`."""
    if ms >= 1000:
        return f"{ms / 1000:g} s"
    return f"{ms:g} ms" if ms >= 1 else f"{ms * 1000:g} µs"


def predicted(say: Say) -> Figure:
    """Every timed point on an H100, measured against predicted; log-log, six decades."""
    looks = {  # mark, fill, edge, and where its name begins
        "single kernels": ("s", "idle", "idle", (0.3, 0.11)),
        "mixed steps": ("D", "prefill", "decode", (1.6, 62)),
        "prompts": ("o", "prefill", "prefill", (130, 55)),
        "decode steps": ("o", "decode", "decode", (9.5, 3.6)),
    }
    found = list(atlas.timed())
    span = [min(p for _, p, _ in found) / 1.6, max(m for _, _, m in found) * 1.6]
    with style.canvas(height=4.0) as (figure, axes):
        for times, dashes in ((1, "-"), (2, (0, (1, 2)))):
            ends = [times * one for one in span]
            axes.plot(span, ends, ls=dashes, lw=1, color=COLORS["weights"], zorder=1)
        for name, (mark, fill, edge, at) in looks.items():
            points = [(p, m) for what, p, m in found if what == name]
            x, y = zip(*points, strict=True)
            axes.plot(x, y, mark, ms=4.5, mew=0.8, alpha=0.8, color=COLORS[fill], mec=COLORS[edge])  # fmt: skip
            axes.text(*at, say(name), fontsize=9, color=COLORS[fill])
        line = {"fontsize": 9, "color": COLORS["weights"]}
        axes.text(0.0008, 0.02, say("twice as long"), **line)
        axes.text(0.011, 0.0035, say("as predicted"), **line)
        axes.set(xscale="log", yscale="log", xlim=span, ylim=span)
        for axis in (axes.xaxis, axes.yaxis):
            style.plain_ticks(axis, period)
        axes.set_xlabel(say("predicted"))
        axes.set_ylabel(say("measured"))
    return figure
