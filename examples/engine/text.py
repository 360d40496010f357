"""From tokens to text that can be shown while it is written: whole characters, and never a stop string.

A token is a piece of bytes. It may end inside a character, and a stop string may begin in one token and end
in another, so both hold something back until the next token decides.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from examples.cli import CommandError


class Utf8Stream:
    """Bytes in, whole characters out; bytes that are no UTF-8 become U+FFFD."""

    def __init__(self):
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, data: bytes) -> str:
        """The characters that `data` completes."""
        return self._decoder.decode(data)

    def flush(self) -> str:
        """U+FFFD when the bytes end inside a character, else nothing."""
        return self._decoder.decode(b"", final=True)


class StopStrings:
    """Lets text through up to the first stop string, and holds back what may become one."""

    def __init__(self, stops: Sequence[str] = ()):
        if not all(stops):
            raise CommandError("a stop string has at least one character")
        self.stops = tuple(stops)
        self._held = ""

    def feed(self, text: str) -> tuple[str, bool]:
        """What may be shown now, and whether a stop string came, which ends it all.

        Of several, the one that is complete first ends the text, and of those the
        longest, so the outcome does not depend on how the text was cut into pieces.
        """
        text, self._held = self._held + text, ""
        ends = [(at + len(s), -len(s)) for s in self.stops if (at := text.find(s)) >= 0]
        if ends:
            end, length = min(ends)
            return text[: end + length], True
        keep = len(text) - self._undecided(text)
        self._held = text[keep:]
        return text[:keep], False

    def flush(self) -> str:
        """What was held back, once it is clear that nothing follows."""
        held, self._held = self._held, ""
        return held

    def _undecided(self, text: str) -> int:
        """The length of the longest end of `text` with which a stop string begins."""
        longest = max(map(len, self.stops), default=1) - 1
        return next(
            (
                length
                for length in range(min(longest, len(text)), 0, -1)
                if any(stop.startswith(text[-length:]) for stop in self.stops)
            ),
            0,
        )
