"""Text to token ids and back: byte-level byte-pair encoding, as GPT-2 introduced it.

A text is cut into pieces (words, single digits, runs of punctuation). The UTF-8 bytes of a piece are
merged pair by pair, in the order in which training learned the merges. Every byte is a token, so no
text is out of vocabulary.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from functools import lru_cache

import regex

from examples.cli import CommandError
from examples.engine.gguf import GGUF

DIGIT = regex.compile(r"\p{N}")
PIECE = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)
LONG = 100  # bytes; a longer piece is no word that comes again: not worth memory
CONTROL = 3  # the token type of <|im_start|> and its like


def byte_symbols() -> dict[int, str]:
    """A printable character for each byte: vocabularies store bytes this way.

    Printable Latin-1 bytes stand for themselves; the others take code points from 256 on.
    """
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}


class Tokenizer:
    """The tokenizer that a GGUF file carries."""

    def __init__(self, file: GGUF):
        if (kind := file.metadata.get("tokenizer.ggml.pre")) != "smollm":
            raise CommandError(
                f"{file.name}: pre-tokenizer {kind!r}; only 'smollm' is known"
            )
        self.tokens: list[str] = file.value("tokenizer.ggml.tokens", list)
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        merges = file.value("tokenizer.ggml.merges", list)
        pairs = (tuple(merge.split(" ")) for merge in merges)
        self.ranks = {pair: rank for rank, pair in enumerate(pairs)}
        types = file.value("tokenizer.ggml.token_type", list)
        if len(types) != len(self.tokens):
            raise CommandError(
                f"{file.name}: {len(self.tokens)} tokens, but types of {len(types)}"
            )
        self.special = [
            t for t, kind in zip(self.tokens, types, strict=True) if kind == CONTROL
        ]
        self.end_id: int = file.value("tokenizer.ggml.eos_token_id", int)
        self._special = regex.compile(
            "(" + "|".join(map(regex.escape, self.special)) + ")"
        )
        self._symbol = byte_symbols()
        self._byte = {symbol: byte for byte, symbol in self._symbol.items()}
        self._remembered = lru_cache(maxsize=50_000)(self._merge)

    def encode(self, text: str, special: bool = True) -> list[int]:
        """The token ids of a text.

        Special tokens written out in it count as such, unless `special` is False: what a user typed
        must not end a message or begin one in another's name.
        """
        ids = []
        for part in self._special.split(text) if special else [text]:
            if special and part in self.special:
                ids.append(self.ids[part])
            else:
                for piece in self._pieces(part):
                    symbols = "".join(self._symbol[b] for b in piece.encode("utf-8"))
                    word = len(symbols) < LONG
                    merge = self._remembered if word else self._merge
                    ids.extend(self.ids[token] for token in merge(symbols))
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids; bytes that are no whole character become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes behind token ids; a special token gives its own name."""
        text = bytearray()
        for i in ids:
            token = self.tokens[i]
            if token in self.special:
                text += token.encode("utf-8")
            else:
                text += bytes(self._byte[symbol] for symbol in token)
        return bytes(text)

    @staticmethod
    def _pieces(text: str) -> Iterable[str]:
        """Digits one by one; what stands between them cut as GPT-2 does."""
        start = 0
        for digit in DIGIT.finditer(text):
            yield from PIECE.findall(text[start : digit.start()])
            yield digit.group()
            start = digit.end()
        yield from PIECE.findall(text[start:])

    def _merge(self, symbols: str) -> tuple[str, ...]:
        """Join the neighboring pair that training merged first, until none is left.

        A heap holds the pairs by rank, so a word of n symbols takes n log n steps: a prompt without a
        single space cannot keep a server busy for minutes.
        """
        end = len(symbols)
        word: list[str | None] = [*symbols, None]  # a joined symbol leaves a hole
        before, after = list(range(-1, end)), [*range(1, end + 1), end]
        heap: list[tuple[int, int, str, str]] = []

        def offer(i: int) -> None:
            """Put the pair that begins at position i on the heap, if training knew it."""
            pair = (word[i], word[after[i]])
            if pair in self.ranks:
                heapq.heappush(heap, (self.ranks[pair], i, *pair))

        for i in range(end):
            offer(i)
        while heap:
            _, i, first, second = heapq.heappop(heap)
            gone = after[i]
            if word[i] != first or word[gone] != second:
                continue  # a neighbor was joined in the meantime
            word[i], word[gone] = first + second, None
            after[i] = after[gone]
            before[after[i]] = i
            offer(before[i])
            offer(i)
        return tuple(symbol for symbol in word if symbol is not None)
