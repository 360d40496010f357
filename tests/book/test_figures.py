"""Each committed figure is what its function draws, in every language, in colors that hold."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

figures = pytest.importorskip("examples.figures.__main__")
from examples import cli  # noqa: E402
from examples.figures import style  # noqa: E402
from examples.predict import shapes  # noqa: E402
from tools import ROOT  # noqa: E402
from tools.gates import terms  # noqa: E402

import inline_figures  # noqa: E402  # isort: skip

# Terms that stay English in Chinese text, by the term base (`token`, `logits`), and a function's name.
KEPT = re.compile(
    r"\b("
    + "|".join(
        name
        for term in terms.base(ROOT / terms.BASE)
        if term.keep in ("yes", "always")
        for name in term.names
    )
    + r"|softmax)\b"
)
STEMS = sorted(figures.catalog())


def stale(stem: str, folder: Path) -> list[str]:
    """Files of a figure that are not what its function draws."""
    return [
        name
        for name, svg in figures.draw(stem)
        if (folder / name).read_text(encoding="utf-8") != svg
    ]


@pytest.mark.parametrize("stem", STEMS)
def test_figure_is_fresh(stem):
    assert not stale(stem, style.FOLDER), "run `make figures`"


def test_the_look_for_stale_figures_bites(tmp_path):
    names = [style.file_name(STEMS[0], language) for language in figures.LANGUAGES]
    for name in names:
        shutil.copy(style.FOLDER / name, tmp_path)
    assert stale(STEMS[0], tmp_path) == []
    drawn = (tmp_path / names[1]).read_text("utf-8")
    (tmp_path / names[1]).write_text(drawn.replace("<path", "<path ", 1), "utf-8")
    assert stale(STEMS[0], tmp_path) == [names[1]]


def test_no_figure_without_a_function():
    drawn = {
        style.file_name(stem, lang) for stem in STEMS for lang in figures.LANGUAGES
    }
    assert {path.name for path in style.FOLDER.glob("*.svg")} == drawn


@pytest.mark.parametrize("stem", STEMS)
def test_twin_has_no_word_left_in_english(stem):
    """Every text of the Chinese twin is a number, a name, or holds Chinese."""
    *_, (_, svg) = figures.draw(stem)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    names = {*shapes.catalog(), "transformers", "torch.compile"}
    words = [
        text
        for text in texts
        if re.search(r"[a-z]{4,}", KEPT.sub("", text))
        and text.isascii()
        and text.strip(" ,") not in names
    ]
    assert not words


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("page", ["#ffffff", "#14181e"])
@pytest.mark.parametrize("name", sorted(style.COLORS))
def test_colors_hold_against_light_and_dark_pages(name, page):
    lighter, darker = sorted(
        (luminance(style.COLORS[name]), luminance(page)), reverse=True
    )
    assert (lighter + 0.05) / (darker + 0.05) >= 3


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def in_dark(css: str) -> dict[str, str]:
    """The colors that words take on a dark page, by class."""
    return dict(re.findall(r"\.ink-(\w+) \{ fill: (#[0-9a-f]{6}) !important", css))


@pytest.mark.parametrize("name", sorted(style.COLORS))
def test_words_in_a_color_can_be_read_on_light_and_dark_pages(name):
    assert contrast(style.TEXT[name], "#ffffff") >= 4.5
    css = (ROOT / "_static/web/book.css").read_text("utf-8")
    assert in_dark(css)[name] == style.TEXT_IN_DARK[name]
    assert contrast(style.TEXT_IN_DARK[name], "#14181e") >= 4.5


def test_words_get_the_darker_tone_and_marks_keep_theirs():
    color = style.COLORS["decode"]
    with style.canvas() as (figure, axes):
        axes.plot([1, 2], [1, 2], color=color)
        axes.text(1, 1, "word", color=color)
        axes.text(1, 2, "plain")
        svg = style.to_svg(figure)
    (word,) = re.findall(r"<text[^>]*>(?=word)", svg)
    assert 'class="ink-decode"' in word and style.TEXT["decode"] in word
    assert f"stroke: {color}" in svg and svg.count("class=") == 1
    assert in_dark(svg) == {"decode": color}, (
        "as a file of its own it follows the reader"
    )


def test_ink_follows_the_page():
    for path in style.FOLDER.glob("*.svg"):
        svg = path.read_text(encoding="utf-8")
        assert "currentColor" in svg and style.INK not in svg and "#000" not in svg


def test_the_command_draws_what_is_named(tmp_path, monkeypatch, capsys):
    from examples.figures.__main__ import main

    stem = STEMS[0]
    monkeypatch.setattr(style, "FOLDER", tmp_path)
    main([stem])
    names = {style.file_name(stem, language) for language in figures.LANGUAGES}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert capsys.readouterr().err.count("drawn") == len(names)
    main([stem])  # unchanged: nothing is written
    assert "drawn" not in capsys.readouterr().err
    with pytest.raises(
        cli.CommandError, match=r"no figure nothing--here; there are .*kv-"
    ):
        main(["nothing--here"])


def test_words_in_a_color_that_is_no_thing_s_are_left_alone():
    other = '<text style="font-size: 9px; fill: #123456">x</text></style>'
    assert '<text style="font-size: 9px; fill: #123456">' in style.with_text_colors(
        other
    )
    thing = other.replace("#123456", style.COLORS["decode"])
    assert 'class="ink-decode"' in style.with_text_colors(thing)


def test_axes_write_thousands_as_the_text_does():
    with style.canvas(ncols=2) as (figure, (small, large)):
        small.plot([0, 1], [0, 0.5])
        large.plot([0, 20_000], [0, 0.5])
    figure.canvas.draw()
    labels = [[one.get_text() for one in axes.get_xticklabels()] for axes in figure.axes]  # fmt: skip
    assert "20,000" in labels[1] and "−5,000" in labels[1] and "0.00" in labels[0]
    assert [style.power(x) for x in (1e-11, 1, 1e15)] == ["10⁻¹¹", "10⁰", "10¹⁵"]


@pytest.mark.parametrize("stem", STEMS)
def test_a_figure_fits_a_phone_or_scrolls_by_little(stem):
    """Its smallest words at nine pixels: 375 across, and half as much again where a drawing is a grid of words."""
    svg = (style.FOLDER / f"{stem}.svg").read_text("utf-8")
    most = 460 if stem in ("attention--head", "attention--exchange") else 380
    assert inline_figures.least_width(svg) <= most


def test_a_number_at_an_axis_has_all_its_digits():
    numbers = {1_500_000: "1,500,000", -0.5: "−0.5", 10_000.0: "10,000"}
    assert {one: style.separated(one) for one in numbers} == numbers
