"""How every figure looks, and how it is written: one SVG per language, in the page's own ink.

Text and axes are drawn in a sentinel color that becomes `currentColor`, so a figure follows light and
dark mode; text stays text, in the reader's font. The colors keep at least 3:1 against the page in
both modes, words in them 4.5:1 (tests/book/test_figures.py), and mean the same thing in the whole book.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, ScalarFormatter

FOLDER = Path(__file__).parents[2] / "_static" / "figures"
INK = "#010203"

COLORS = {
    "prefill": "#2f86c6",
    "decode": "#c9731c",
    "weights": "#8a74c9",
    "kv": "#13917c",
    "network": "#c0568f",
    "idle": "#848a93",
}

# Words in a thing's color: 4.5:1 or more on a light page, and on a dark one, where most colors have that themselves.
TEXT = {
    "prefill": "#2a78b2",
    "decode": "#aa6117",
    "weights": "#7a67b2",
    "kv": "#11826f",
    "network": "#b45086",
    "idle": "#6e737b",
}

TEXT_IN_DARK = COLORS | {"network": "#cb689e"}

WIDTH = 5.2  # inches: ten-point text is then about ten pixels on a phone

RC = {
    "svg.fonttype": "none",
    "svg.hashsalt": "llm-inference",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "hatch.linewidth": 0.6,
}

Say = Callable[[str], str]

FAMILIES = (
    "'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
)
# Where a figure stands as a file of its own (the README), it follows the reader's dark mode by itself.
ALONE = (
    "@media (prefers-color-scheme: dark) {{ svg {{ color: #d5d9e0 }} {words}}}</style>"
)
_FAMILY = re.compile(r"font-family: [^;\"]*")
_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_WORDS = re.compile(r'<text style="([^"]*)fill: (#[0-9a-f]{6})')
_NO_ROTATION = re.compile(r' transform="rotate\(-0 [^)]*\)"')


def in_language(words: dict[str, str], language: str) -> Say:
    """A function from English words to those of `language`; a missing one is a KeyError."""
    if language == "en":
        return lambda text: text
    return lambda text: words[text]


@contextlib.contextmanager
def canvas(height: float = 3.1, width: float = WIDTH, **subplots) -> Iterator[tuple]:
    """A figure and its axes in the house style; closed afterwards."""
    with plt.rc_context(RC):
        figure, axes = plt.subplots(
            figsize=(width, height), layout="constrained", **subplots
        )
        yield figure, axes
        for one in figure.axes:
            separate(one.xaxis)
            separate(one.yaxis)


def separated(number: float) -> str:
    """`10,000` and `−0.5`, as the text has them."""
    return f"{number:,.12g}".replace("-", "−")


def separate(axis) -> None:
    """Thousands on a linear axis as in the text."""
    plain = isinstance(axis.get_major_formatter(), ScalarFormatter)
    if plain and max(map(abs, axis.get_view_interval())) >= 1000:
        axis.set_major_formatter(FuncFormatter(lambda x, _: separated(x)))


def plain_ticks(axis, unit: Callable[[float], str] = separated) -> None:
    """Write log-scale ticks as plain numbers (100, 1k, 16k) instead of powers of ten."""
    axis.set_major_formatter(FuncFormatter(lambda x, _: unit(x)))
    axis.set_minor_formatter(FuncFormatter(lambda x, _: ""))


def power(number: float) -> str:
    """`0.001` as `10⁻³`: of one size, where matplotlib would set the exponent too small for a phone."""
    exponent = str(round(math.log10(number)))
    return "10" + exponent.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def thousands(number: float) -> str:
    """`4096` -> `4k`, the way context lengths are spoken of; a million is 1,024 thousand here."""
    if number >= 1024**2:
        return f"{number / 1024**2:g}M"
    return f"{number / 1024:g}k" if number >= 1024 else f"{number:g}"


def with_text_colors(svg: str) -> str:
    """Words in a thing's color get its darker tone, and a class by which a dark page gives the color back."""
    names = {color: name for name, color in COLORS.items()}

    def darker(match: re.Match) -> str:
        if (name := names.get(match[2])) is None:
            return match[0]
        return f'<text class="ink-{name}" style="{match[1]}fill: {TEXT[name]}'

    svg = _WORDS.sub(darker, svg)
    used = [name for name in COLORS if f'"ink-{name}"' in svg]
    rules = (
        f".ink-{name} {{ fill: {TEXT_IN_DARK[name]} !important }} " for name in used
    )
    return svg.replace("</style>", ALONE.format(words="".join(rules)))


def to_svg(figure: Figure) -> str:
    """The figure as SVG text: `currentColor` for ink, real text, no date, two decimals."""
    buffer = io.StringIO()
    with plt.rc_context(RC), warnings.catch_warnings():
        # Chinese text is set by the reader's font, not by the one that matplotlib measures with.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    svg = buffer.getvalue().replace(INK, "currentColor")
    svg = _FAMILY.sub(f"font-family: {FAMILIES}", svg)
    svg = with_text_colors(_NO_ROTATION.sub("", svg))
    return _NUMBER.sub(lambda match: f"{float(match[0]):.2f}", svg)


def file_name(stem: str, language: str) -> str:
    """`kv-cache--growth.svg`, and `kv-cache--growth.zh_CN.svg` for the Chinese twin."""
    return f"{stem}.svg" if language == "en" else f"{stem}.{language}.svg"
