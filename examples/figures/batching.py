"""Figures of the chapter batching."""

from __future__ import annotations

from matplotlib.figure import Figure

import examples.batching as example
from examples.figures import style
from examples.figures.style import COLORS, Say

WORDS = {"zh_CN": {"number": "数", "its double": "两倍"}}


def first(say: Say) -> Figure:
    """TODO: what the figure shows; labels carry units."""
    with style.canvas(height=2.5) as (figure, axes):
        numbers = [1, 2, 3]
        axes.plot(numbers, [example.double(n) for n in numbers], "o", color=COLORS["decode"])
        axes.set_xlabel(say("number"))
        axes.set_ylabel(say("its double"))
    return figure
