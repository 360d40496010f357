"""The numbers that the prose quotes: gathered from the chapters' `values()`, formatted one way.

A chapter's module defines `values() -> dict[str, str]`; a key is `<slug>--<name>` and a text is a
number with an SI or binary unit, never an English word, so both languages print the same.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from functools import cache

KEY = re.compile(r"^(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)--[a-z0-9]+(?:[.-][a-z0-9]+)*$")
NBSP = "\N{NO-BREAK SPACE}"


def digits_of(number: float, digits: int) -> str:
    """A number in digits, with thousands separators and a true minus sign, but none before zero."""
    return f"{number:z,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def number(text: str) -> float:
    """The number that such a text begins with: 1234.5 of `1,234.5 ms`, -4 of `−4 %`."""
    digits = text.split(NBSP)[0].replace(",", "").replace("\N{MINUS SIGN}", "-")
    return float(digits)


def count(number: float) -> str:
    """A whole number with thousands separators: `131,072`."""
    return f"{round(number):,}".replace("-", "\N{MINUS SIGN}")


def decimal(number: float, digits: int = 1) -> str:
    """A number with a fixed count of decimals: `7.9`."""
    return digits_of(number, digits)


def quantity(number: float, unit: str, digits: int = 0) -> str:
    """A number and its unit, held together: `128 KiB`."""
    return f"{digits_of(number, digits)}{NBSP}{unit}"


def binary(number: float, unit: str, digits: int = 0) -> str:
    """Bytes in KiB, MiB, GiB or TiB."""
    return quantity(
        number / 1024 ** ("B", "KiB", "MiB", "GiB", "TiB").index(unit), unit, digits
    )


def decimal_bytes(number: float, unit: str, digits: int = 0) -> str:
    """Bytes in kB, MB, GB or TB."""
    return quantity(
        number / 1000 ** ("B", "kB", "MB", "GB", "TB").index(unit), unit, digits
    )


def module_of(slug: str) -> str:
    """The chapter's example: `kv-cache` -> `examples.kv_cache`."""
    return f"examples.{slug.replace('-', '_')}"


@cache
def of_chapter(slug: str) -> dict[str, str]:
    """All values of one chapter; a key of another slug or an empty text is an error."""
    name = module_of(slug)
    if importlib.util.find_spec(name) is None:
        raise KeyError(f"no module {name}, so no values of {slug}")
    module = importlib.import_module(name)
    if not hasattr(module, "values"):
        raise KeyError(f"{name} has no values()")
    table = module.values()
    for key, text in table.items():
        match = KEY.match(key)
        if not match or match["slug"] != slug or not text:
            raise ValueError(f"{name}.values(): bad entry {key!r}: {text!r}")
    return table


def lookup(key: str) -> str:
    """The text of a key such as `kv-cache--bytes-8b`; KeyError names what is missing."""
    match = KEY.match(key)
    if not match:
        raise KeyError(f"{key!r} is not of the form <slug>--<name>")
    try:
        table = of_chapter(match["slug"])
    except KeyError as error:
        raise KeyError(f"{key!r}: {error.args[0]}") from None
    if key not in table:
        raise KeyError(f"{module_of(match['slug'])}.values() has no {key!r}")
    return table[key]
