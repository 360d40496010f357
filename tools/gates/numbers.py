"""The numbers of a message in both languages: none lost, none changed, no quantity added.

Each language writes some of them its own way: 8 billion and 80 亿, 60 percent and 60%, 2 TB/s and 每秒 2 TB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.gates.book import inline_tokens, plain
from tools.gates.quantities import QUANTITY, shown

NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
NUMBERS = re.compile(NUMBER)
# Values in alternative texts and names of TeX hold digits that are no numbers.
APART = re.compile(r"\\[a-zA-Z]+(?:\{[\w.-]*--[\w.-]+\})?|%\{[^}]*\}")

# Multiples, as each language says them. `671 and 37 billion` are two.
BIG = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
IN_BIG = re.compile(
    rf"((?:{NUMBER}(?:, | and | or | to ))*{NUMBER})[ -]({'|'.join(BIG)})s?\b"
)
MANY = {"千": 1e3, "万": 1e4, "百万": 1e6, "亿": 1e8, "万亿": 1e12}
MANY |= {"K": 1e3, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "": 1.0}
LONGEST_FIRST = sorted(MANY, key=len, reverse=True)
IN_MANY = re.compile(rf"({NUMBER}) ?({'|'.join(LONGEST_FIRST)})")

# A unit of the Chinese text may be a word, and may have a character right behind it.
UNIT = re.compile(
    rf"{QUANTITY.pattern}|({NUMBER}) ?([毫微纳]?秒|分钟|小时|天|字节|token 每秒)",
    re.ASCII,
)
SAME = {
    "percent": "%", "毫秒": "ms", "微秒": "µs", "us": "µs", "纳秒": "ns", "秒": "s", "second": "s",
    "millisecond": "ms", "microsecond": "µs", "nanosecond": "ns", "minute": "min", "分钟": "min",
    "hour": "h", "小时": "h", "day": "d", "天": "d", "byte": "B", "字节": "B", "token 每秒": "token/s",
    "tok/s": "token/s", "token per second": "token/s", "token a second": "token/s",
    "request per second": "request/s", "request a second": "request/s", "x": "×",
}  # fmt: skip
# English words that Chinese writes in digits.
WORDS = dict(
    zip(
        "1 2 3 4 5 6 7 8 9 10 12 20 30 60 100 1000".split(),
        "an? one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|sixty|hundred|thousand".split("|"),
        strict=True,
    )
)  # fmt: skip


def numbers(words: str) -> set[str]:
    """The numbers that stand in words."""
    return {n.replace(",", "") for n in NUMBERS.findall(APART.sub(" ", words))}


def multiples(words: str) -> set[float]:
    """The numbers of a Chinese text, multiplied out where a character or letter says by what."""
    return {float(n.replace(",", "")) * MANY[by] for n, by in IN_MANY.findall(words)}


def amounts(text: str) -> set[tuple[str, str]]:
    """Quantities that a message shows: number and unit, whichever way it is written."""
    found = set()
    for match in UNIT.finditer("".join(map(shown, inline_tokens(text)))):
        number, unit = (one for one in match.groups() if one)
        unit = re.sub(r"(?<=[a-z]{3})s(?=$|/| )", "", unit)  # tokens/s, bytes
        found.add((number.replace(",", ""), SAME.get(unit, unit)))
    return found


def added(english: str, translated: str) -> Iterator[str]:
    """Quantities of the translation alone."""
    ours = amounts(english)
    bare = numbers(plain(english)) - {number for number, _ in ours}
    for number, unit in sorted(amounts(translated) - ours):
        said = number in bare  # to 60 percent and beyond 80
        said |= "每秒" in translated and (number, f"{unit}/s") in ours
        said |= (number, unit) == ("100", "%")  # the whole
        said |= any(re.search(rf"\b{w}\b", english) for w in WORDS.get(number, "").split())  # fmt: skip
        if not said:
            yield f"the quantity {number} {unit} is not in the English"


def of_numbers(english: str, translated: str) -> Iterator[str]:
    """A number that was lost or became another, a quantity that was added."""
    words, theirs = plain(english), plain(translated)
    there = multiples(theirs)
    for several, by in IN_BIG.findall(words):
        for number in NUMBERS.findall(several):
            value = float(number.replace(",", "")) * BIG[by]
            if not any(abs(value - one) < 1e-6 * value for one in there):
                yield f"{number} {by} is missing, or has become another number"
    for lost in sorted(numbers(IN_BIG.sub(" ", words)) - numbers(theirs)):
        yield f"the number {lost} is missing"
    yield from added(english, translated)
