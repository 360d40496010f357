"""The engine computes what transformers and torch compute, and says clearly what it cannot read."""

from __future__ import annotations

import itertools
import json
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from examples.cli import CommandError
from examples.engine import gguf, weights
from examples.engine.cache import KVCache
from examples.engine.generate import greedy, greedy_without_cache
from examples.engine.model import Config, load
from examples.engine.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]
REFERENCE = json.loads(
    (ROOT / "tests/reference/smollm2.json").read_text(encoding="utf-8")
)
CASES = {case["name"]: case for case in REFERENCE["cases"]}


def test_the_reference_is_of_the_same_file():
    assert REFERENCE["sha256"] == weights.SHA256 and len(CASES) == 8


@pytest.mark.parametrize("name", CASES)
def test_logits_equal_the_reference_within_a_thousandth(loaded, name):
    model, case = loaded[0], CASES[name]
    logits = model.forward(case["ids"], every_position=True)
    kept = np.array(case["logits"])
    ours = logits[-len(kept) :, REFERENCE["columns"]]
    assert np.abs(ours - kept).max() < 1e-3
    assert np.abs(np.logaddexp.reduce(logits, axis=-1) - case["logsumexp"]).max() < 1e-3
    assert logits.argmax(-1).tolist() == case["argmax"]


@pytest.mark.parametrize("name", CASES)
def test_64_greedy_tokens_equal_the_reference(loaded, name):
    case = CASES[name]
    assert list(greedy(loaded[0], case["ids"], 64)) == case["greedy"]


def test_generation_ends_with_the_stop_token(loaded):
    model, tokenizer = loaded
    ids = tokenizer.encode(
        "<|im_start|>user\nSay yes.<|im_end|>\n<|im_start|>assistant\n"
    )
    answer = list(greedy(model, ids, 64, stop=tokenizer.end_id))
    assert answer[-1] == tokenizer.end_id and len(answer) < 64


@pytest.mark.parametrize("name", CASES)
def test_token_ids_are_those_of_the_reference_and_go_back_to_the_text(loaded, name):
    tokenizer, case = loaded[1], CASES[name]
    assert tokenizer.encode(case["text"]) == case["ids"]
    assert tokenizer.decode(case["ids"]) == case["text"]


def test_digits_stand_alone_and_control_tokens_count_once(loaded):
    tokenizer = loaded[1]
    assert [tokenizer.decode([i]) for i in tokenizer.encode("in 2026")][1:] == [
        " ", "2", "0", "2", "6",
    ]  # fmt: skip
    assert tokenizer.encode("<|im_end|>") == [tokenizer.end_id]


def by_definition(ranks, symbols):
    """Byte-pair encoding as it is defined: join the lowest-ranked pair everywhere, and again."""
    word = list(symbols)
    while known := [pair for pair in itertools.pairwise(word) if pair in ranks]:
        best, merged = min(known, key=ranks.__getitem__), []
        for symbol in word:
            if merged and (merged[-1], symbol) == best:
                merged[-1] += symbol
            else:
                merged.append(symbol)
        word = merged
    return tuple(word)


def test_the_heap_joins_the_same_pairs_as_the_definition(loaded):
    tokenizer, rng = loaded[1], random.Random(0)
    for alphabet in ("abcdefghijklmnopqrstuvwxyz", "aab", "etaoinshr", "=-_#*"):
        for _ in range(250):
            word = "".join(rng.choices(alphabet, k=rng.randrange(1, 60)))
            assert tokenizer._merge(word) == by_definition(tokenizer.ranks, word)


def test_a_word_of_a_hundred_thousand_letters_takes_a_moment(loaded):
    """Joining pair after pair over the whole word would take minutes."""
    word = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=100_000))
    start = time.perf_counter()
    ids = loaded[1].encode(word)
    assert time.perf_counter() - start < 10
    assert loaded[1].decode(ids) == word


def test_half_a_character_becomes_a_replacement_mark_and_no_crash(loaded):
    tokenizer = loaded[1]
    ids = tokenizer.encode("缓")
    assert len(ids) > 1 and "\N{REPLACEMENT CHARACTER}" in tokenizer.decode(ids[:1])
    assert tokenizer.decode_bytes(ids) == "缓".encode()


def test_a_cache_refuses_more_than_it_holds():
    cache = KVCache(layers=1, kv_heads=1, head_dim=2, capacity=3)
    entry = np.zeros((1, 2, 2), dtype=np.float32)
    cache.append(0, entry, entry)
    cache.advance(2)
    with pytest.raises(CommandError, match="holds 3 tokens, 4 were wanted"):
        cache.append(0, entry, entry)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "at least one"),
        ([-1], "token ids"),
        ([10**6], "token ids"),
        ([1] * 9000, "exceed"),
    ],
)
def test_bad_tokens_are_refused(loaded, ids, message):
    with pytest.raises(CommandError, match=message):
        loaded[0].forward(ids)


def test_q4_1_by_hand():
    """Scale 0.5, minimum -1, codes 0 to 15 in the low halves and 15 to 0 in the high ones."""
    packed = bytes(low | (15 - low) << 4 for low in range(16))
    raw = np.frombuffer(
        np.array([0.5, -1], np.float16).tobytes() + packed, dtype=np.uint8
    )
    wanted = [0.5 * code - 1 for code in [*range(16), *reversed(range(16))]]
    assert gguf.from_q4_1(raw).ravel().tolist() == wanted


def test_q8_0_by_hand():
    codes = np.arange(-16, 16, dtype=np.int8)
    raw = np.frombuffer(np.float16(0.25).tobytes() + codes.tobytes(), dtype=np.uint8)
    assert gguf.from_q8_0(raw).ravel().tolist() == (codes * 0.25).tolist()


def test_f16_by_hand():
    raw = np.frombuffer(np.array([1.5, -2], np.float16).tobytes(), dtype=np.uint8)
    widened = gguf.from_f16(raw)
    assert widened.tolist() == [1.5, -2] and widened.dtype == np.float32


def pair(key: bytes, kind: int, value: bytes) -> bytes:
    """A key, its value's type and the value's bytes, as a header holds them."""
    return struct.pack("<Q", len(key)) + key + struct.pack("<I", kind) + value


ARCHITECTURE = pair(b"general.architecture", 8, struct.pack("<Q", 5) + b"llama")


def tiny_gguf(pairs: bytes = ARCHITECTURE, kind: int = 0) -> bytes:
    """A file of one key and one tensor [2, 3], F32 unless said otherwise, by hand."""
    name = b"w"
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1)
    info = struct.pack("<Q", len(name)) + name + struct.pack("<IQQIQ", 2, 3, 2, kind, 0)
    front = head + pairs + info
    padding = b"\0" * (-len(front) % 32)
    return front + padding + np.arange(6, dtype="<f4").tobytes()


def test_a_file_made_by_hand_is_read(tmp_path):
    path = tmp_path / "tiny.gguf"
    path.write_bytes(tiny_gguf())
    file = gguf.GGUF(path)
    assert file.metadata == {"general.architecture": "llama"}
    assert file.tensor("w").tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(CommandError, match="no tensor v"):
        file.tensor("v")


def test_every_truncation_and_every_bad_byte_is_one_clear_error(tmp_path):
    """Cut at each byte, or with any byte of the header changed: a value or a CommandError, no crash."""
    whole, path = tiny_gguf(), tmp_path / "tiny.gguf"
    refused = 0
    damaged = [whole[:end] for end in range(len(whole))]
    damaged += [
        whole[:i] + bytes([whole[i] ^ 0xFF]) + whole[i + 1 :] for i in range(90)
    ]
    for data in damaged:
        path.write_bytes(data)
        try:
            gguf.GGUF(path).tensor("w")
        except CommandError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused >= len(whole)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tiny_gguf(pair(b"general.alignment", 4, bytes(4))), "corrupt: alignment 0"),
        (tiny_gguf(kind=99), "tensor w has type 99; known are F32"),
        (tiny_gguf(kind=3), "6 numbers is no whole count of Q4_1 blocks of 32"),
        # an array said to hold 2**63 numbers of 4 bytes
        (tiny_gguf(pair(b"x", 9, struct.pack("<IQ", 5, 2**63))), "is truncated"),
    ],
)
def test_a_header_that_promises_what_cannot_be_is_refused(tmp_path, data, message):
    path = tmp_path / "tiny.gguf"
    path.write_bytes(data)
    with pytest.raises(CommandError, match=message):
        gguf.GGUF(path)


@pytest.fixture(scope="module")
def header() -> bytes:
    """The header of the real file, without its tensors."""
    path = weights.find()
    return path.open("rb").read(gguf.GGUF(path).data_start)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("general.architecture", "architecture None"),
        ("llama.embedding_length", "no int named llama.embedding_length"),
        ("llama.rope.freq_base", "no float named llama.rope.freq_base"),
        ("tokenizer.ggml.pre", "pre-tokenizer None"),
        ("tokenizer.ggml.merges", "no list named tokenizer.ggml.merges"),
        ("tokenizer.ggml.eos_token_id", "no int named tokenizer.ggml.eos_token_id"),
    ],
)
def test_a_missing_key_is_named(tmp_path, header, key, message):
    path = tmp_path / "other.gguf"
    path.write_bytes(header.replace(key.encode(), key.upper().encode(), 1))
    with pytest.raises(CommandError, match=message):
        Config.of(gguf.GGUF(path)), Tokenizer(gguf.GGUF(path))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("llama.attention.head_count", 7, "7 heads share no width of 576"),
        ("tokenizer.ggml.token_type", [1], "49152 tokens, but types of 1"),
    ],
)
def test_metadata_that_contradicts_itself_is_refused(
    tmp_path, header, key, value, message
):
    path = tmp_path / "other.gguf"
    path.write_bytes(header)
    file = gguf.GGUF(path)
    file.metadata[key] = value
    with pytest.raises(CommandError, match=message):
        Config.of(file), Tokenizer(file)


def run(code: str) -> subprocess.CompletedProcess:
    program = f"from examples import cli\ndef main(_):\n    {code}\ncli.run(main)"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("from examples.engine import weights; weights.find('no_such_package')", "not installed"),
        ("from examples.engine import weights; weights.find('json')", "holds no SmolLM2"),
        (
            "from examples.engine import weights; "
            "weights.checked(weights.find('examples', 'cli.py'))",
            "checksum",
        ),
        ("from pathlib import Path; from examples.engine.model import load; "
         "load(Path('README.md'))", "no GGUF file"),
        ("from pathlib import Path; from examples.engine.model import load; "
         "load(Path('nothing.gguf'))", "cannot read"),
    ],
)  # fmt: skip
def test_a_bad_model_file_is_one_line_and_exit_code_2(code, message):
    done = run(code)
    assert done.returncode == 2 and done.stdout == ""
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_a_model_of_another_build_is_refused(tmp_path):
    path = tmp_path / "other.gguf"
    path.write_bytes(tiny_gguf().replace(b"llama", b"mamba"))
    with pytest.raises(CommandError, match="architecture 'mamba'"):
        load(path)


def test_without_a_cache_the_tokens_are_the_same(loaded):
    ids = CASES["sentence"]["ids"]
    assert (
        list(greedy_without_cache(loaded[0], ids, 8)) == CASES["sentence"]["greedy"][:8]
    )
