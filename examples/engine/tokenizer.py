"""Text to token ids and back: byte-level byte-pair encoding, as GPT-2 introduced it.

A text is cut into pieces (words, single digits, runs of punctuation). The UTF-8 bytes of a piece are
merged pair by pair, in the order in which training learned the merges. Every byte is a token, so no
text is out of vocabulary.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import lru_cache

import regex

from examples.cli import CommandError
from examples.engine.gguf import GGUF

DIGIT = regex.compile(r"\p{N}")
PIECE = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)
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
        self._merge = lru_cache(maxsize=50_000)(self._merge)

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
                    ids.extend(self.ids[token] for token in self._merge(symbols))
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
        """Join the neighboring pair that training merged first, until none is left."""
        word = list(symbols)
        while len(word) > 1:
            pairs = itertools.pairwise(word)
            best = min(pairs, key=lambda pair: self.ranks.get(pair, float("inf")))
            if best not in self.ranks:
                break
            merged, i = [], 0
            while i < len(word):
                if tuple(word[i : i + 2]) == best:
                    merged.append(word[i] + word[i + 1])
                    i += 2
                else:
                    merged.append(word[i])
                    i += 1
            word = merged
        return tuple(word)
