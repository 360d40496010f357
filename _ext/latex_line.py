"""What print does with the words of a line: where they may part, where they may not, and the gap between two scripts."""

from __future__ import annotations

import re

from docutils import nodes
from han import LETTER, RANGE

# A name in code, or a path among the references, may break after these, between two letters or digits.
CODE_BREAKS = re.compile(r"(?<=\w[_./=,:-])(?=\w)|(?<=_)(?=\w)")
PATH = re.compile(r"\S*\w/\w\S*")
# xeCJK puts a space between Chinese and Latin letters, but drops it beside a link.
HAN_END, HAN_BEGIN = re.compile(rf"{LETTER} ?$"), re.compile(rf"^ ?{LETTER}")
# Before a paragraph's last character, with the mark behind it: alone it makes no line.
ALONE = re.compile(rf"{LETTER}[^\w\s]?")
SINGLE = re.compile(rf"(?<=[{RANGE}\uff00-\uffef])(?={ALONE.pattern}$)")
LINK = (nodes.Inline, nodes.TextElement)


def place_of(text: nodes.Text) -> int:
    """Where among its siblings a text stands; of two that say the same, itself."""
    return next(at for at, one in enumerate(text.parent) if one is text)


def beside(text: nodes.Text, step: int) -> str:
    """What the inline node with a group of its own says that touches a text; "" for a formula."""
    if text.parent is None:  # the title that a box is given
        return ""
    place = place_of(text) + step
    one = text.parent[place] if 0 <= place < len(text.parent) else None
    if isinstance(one, LINK) and not isinstance(one, (nodes.math, nodes.Text)):
        return one.astext()
    return ""


def ends_paragraph(text: nodes.Text) -> bool:
    """Whether a text is the last of its paragraph, or of what stands before a formula of its own line."""
    if not isinstance(text.parent, (nodes.paragraph, nodes.caption)):
        return False
    after = text.parent[place_of(text) + 1 :]
    return not after or isinstance(after[0], nodes.math_block)


def is_latin(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()


def parted(text: str, encode) -> str:
    """A name in code, with the places where it may go on in the next line."""
    return r"\bookbreak{}".join(map(encode, CODE_BREAKS.split(text)))


def chip(text: str, encode) -> str:
    """A token with a blank at its edge, as ` Paris`: tinted, for the blank to be seen and not to vanish."""
    inner = text.strip(" ")
    before, _, after = text.partition(inner)
    blanks = [r"\ " * len(edge) for edge in (before, after)]
    return rf"\bookchip{{{blanks[0]}{encode(inner)}{blanks[1]}}}"


def is_chip(text: str) -> bool:
    return text != text.strip(" ") and bool(text.strip())


def plain(text: str, encode, paths: bool) -> str:
    """Words outside code; `paths` among them break at their marks."""
    made, at = [], 0
    for found in PATH.finditer(text) if paths else ():
        made += [encode(text[at : found.start()]), parted(found[0], encode)]
        at = found.end()
    return "".join([*made, encode(text[at:])])


def written(text: nodes.Text, encode, paths: bool) -> str:
    """A piece of text as print has it; `paths` in it break at their marks."""
    words = text.astext()
    if isinstance(text.parent, nodes.literal):
        return chip(words, encode) if is_chip(words) else parted(words, encode)
    before, after = beside(text, -1)[-1:], beside(text, 1)[:1]
    start = "\\ " if HAN_BEGIN.search(words) and is_latin(before) else ""
    end = "\\ " if HAN_END.search(words) and is_latin(after) else ""
    words = words.lstrip() if start else words
    made = plain(words.rstrip() if end else words, encode, paths)
    if ends_paragraph(text):
        if start and ALONE.fullmatch(words):
            start = "~"
        made = SINGLE.sub(r"\\xeCJKnobreak ", made)
    return start + made + end
