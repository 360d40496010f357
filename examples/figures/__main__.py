"""`python -m examples.figures [STEM ...]` draws the figures, each in every language.

A figure is a public function of a module in this folder that takes `say`; its stem is
`<slug>--<function>` with dashes. Words in other languages stand in the module's `WORDS`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator, Sequence

import examples.figures
from examples import cli
from examples.figures import style

LANGUAGES = ("en", "zh_CN")


def catalog() -> dict[str, tuple]:
    """All figures: stem -> (function, words by language)."""
    found = {}
    for info in pkgutil.iter_modules(examples.figures.__path__):
        if info.name in ("style", "__main__"):
            continue
        module = importlib.import_module(f"examples.figures.{info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            own = function.__module__ == module.__name__ and not name.startswith("_")
            if own and list(inspect.signature(function).parameters) == ["say"]:
                stem = f"{info.name}--{name}".replace("_", "-")
                found[stem] = (function, module.WORDS)
    return found


def draw(stem: str) -> Iterator[tuple[str, str]]:
    """File names and SVG texts of one figure, a pair per language."""
    function, words = catalog()[stem]
    for language in LANGUAGES:
        say = style.in_language(words.get(language, {}), language)
        yield style.file_name(stem, language), style.to_svg(function(say))


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(prog="python -m examples.figures", description=__doc__)
    parser.add_argument(
        "stems", nargs="*", metavar="STEM", help="all when none is named"
    )
    wanted = parser.parse_args(argv).stems
    known = catalog()
    if unknown := sorted(set(wanted) - set(known)):
        raise cli.CommandError(
            f"no figure {', '.join(unknown)}; there are {', '.join(known)}"
        )
    style.FOLDER.mkdir(parents=True, exist_ok=True)
    for stem in wanted or known:
        for name, svg in draw(stem):
            target = style.FOLDER / name
            if not target.exists() or target.read_text(encoding="utf-8") != svg:
                target.write_text(svg, encoding="utf-8")
                print(f"drawn  _static/figures/{name}", file=sys.stderr)


if __name__ == "__main__":
    cli.run(main)
