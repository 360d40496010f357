"""What the chapter transformer claims."""

from __future__ import annotations

import base64
import json
import math
import re

import numpy as np
import pytest

from examples import record, transformer, values
from examples.cli import CommandError
from examples.engine import layers
from examples.engine.gguf import GGUF
from examples.engine.inspection import logit_lens, observe
from examples.engine.weights import find
from examples.predict import flops, shapes
from examples.transformer import PLACES, point

SMOL = shapes.named(transformer.MODEL)
NBSP = "\N{NO-BREAK SPACE}"


def value(name: str) -> str:
    return values.lookup(f"transformer--{name}")


@pytest.fixture(scope="module")
def seen(loaded):
    """What a pass over the running request and the beginning of its answer computes."""
    model, tokenizer = loaded
    ids = [*transformer.request_ids(tokenizer), *tokenizer.encode(transformer.ANSWER)]
    return ids, observe(model, ids)


# Tokens.


def test_one_merge_at_a_time_gives_the_tokens_of_the_tokenizer(loaded):
    _, tokenizer = loaded
    pieces = {
        m for row in transformer.passages() for m in re.findall(r" ?\w+", row["en"])
    }
    assert len(pieces) > 150
    for piece in pieces | {" 法国", "x", " caché", "aaaaaaa", "banana"}:
        *_, last = transformer.merge_steps(tokenizer, piece)
        assert [tokenizer.ids[token] for token in last] == tokenizer.encode(piece)


def test_each_step_joins_one_pair_and_keeps_the_text(loaded):
    steps = transformer.merge_steps(loaded[1], " capital")
    assert [len(step) for step in steps] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert {"".join(step) for step in steps} == {"Ġcapital"}


def test_a_space_belongs_to_the_word_and_every_digit_is_a_token(loaded):
    _, tokenizer = loaded
    assert tokenizer.encode(" capital") != tokenizer.encode("capital")
    assert len(tokenizer.encode(" capital")) == len(tokenizer.encode("capital")) == 1
    assert len(tokenizer.encode("12345")) == 5


def test_a_character_outside_the_vocabulary_falls_back_to_its_bytes(loaded):
    _, tokenizer = loaded
    ids = tokenizer.encode("首")
    assert b"".join(tokenizer.decode_bytes([i]) for i in ids) == "首".encode()
    assert len(ids) == 3  # three bytes, and none of them merges
    shown = transformer.quoted(tokenizer, [*ids, *tokenizer.encode("a\n的")])
    assert shown == r"|e9|a6|96|a|\n|的|"


def test_a_chinese_character_takes_one_token_only_if_the_vocabulary_has_it(loaded):
    """The rest fall back to three bytes, two of which may be one token."""
    _, tokenizer = loaded
    known = {tokenizer.decode_bytes([i]) for i in range(len(tokenizer.tokens))}
    block = [chr(code) for code in range(0x4E00, 0xA000)]
    taken = transformer.tokens_of_ideographs(tokenizer)
    assert set(taken) == {1, 2, 3} and taken.total() == len(block) == 20_992
    assert taken[1] == sum(c.encode() in known for c in block) == 77
    assert value("ideographs") == "20,992" and value("ideographs-1") == "77"
    assert value("ideographs-2") == f"{taken[2]:,}"


def test_the_recorded_counts_of_the_own_vocabulary_are_those_of_the_engine(loaded):
    _, tokenizer = loaded
    for language in ("en", "zh"):
        p = point("transformer--vocabularies", vocabulary="SmolLM2", language=language)
        texts = [row[language] for row in transformer.passages()]
        assert p["tokens"] == sum(len(tokenizer.encode(text)) for text in texts)
        assert p["characters"] == sum(map(len, texts))
        assert p["size"] == len(tokenizer.tokens)
    assert transformer.text_points(tokenizer) == [
        p for p in record.load("transformer--request")["points"] if "after" not in p
    ]


def test_what_the_table_of_languages_is_there_to_say():
    """English costs the same under all three; Chinese from more than twice to less than that."""
    points = record.load("transformer--vocabularies")["points"]
    tokens = {(p["vocabulary"], p["language"]): p["tokens"] for p in points}
    assert {tokens[name, "en"] for name, _ in tokens} == {351}
    assert tokens["SmolLM2", "zh"] > 2 * tokens["SmolLM2", "en"]
    assert abs(tokens["o200k_base", "zh"] / tokens["o200k_base", "en"] - 1) < 0.1
    assert tokens["Qwen", "zh"] < tokens["Qwen", "en"]
    assert all(p["tokens"] <= p["predicted_most"] for p in points)


@pytest.fixture
def packages(tmp_path):
    """Two packages as they are installed, each with a toy vocabulary of bytes and a few merges."""
    tokens = [bytes([b]) for b in range(256)] + [b"th", b"the", "的".encode()[:2]]
    lines = [b"%s %d" % (base64.b64encode(t), i) for i, t in enumerate(tokens)]
    qwen = tmp_path / "site" / "dashscope"
    (qwen / "resources").mkdir(parents=True)
    (qwen / "tokenizers").mkdir()
    (qwen / "resources" / "qwen.tiktoken").write_bytes(b"\n".join(lines))
    source = "import re\nPAT_STR = r'''\\p{L}+|\\P{L}'''\nOTHER = 1\n"
    (qwen / "tokenizers" / "qwen_tokenizer.py").write_text(source)
    info = tmp_path / "site" / "dashscope-9.8.7.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: dashscope\nVersion: 9.8.7\n"
    )
    tiktoken = tmp_path / "node" / "js-tiktoken"
    (tiktoken / "dist" / "ranks").mkdir(parents=True)
    coded = " ".join(base64.b64encode(t).decode() for t in tokens)
    table = {"pat_str": r"\p{L}+|\P{L}", "bpe_ranks": f"! 0 {coded}"}
    module = f"export default {json.dumps(table)};\n"
    (tiktoken / "dist" / "ranks" / "o200k_base.js").write_text(module)
    (tiktoken / "package.json").write_text('{"version": "1.2.3"}')
    return tmp_path / "site", tmp_path / "node"


def test_a_vocabulary_of_ranks_is_read_from_either_package(packages):
    site, node = packages
    for vocabulary, version in (
        transformer.qwen_vocabulary(site),
        transformer.o200k_vocabulary(node),
    ):
        assert version in ("9.8.7", "1.2.3") and len(vocabulary.ranks) == 259
        assert vocabulary.count("the") == 1  # a piece that is a token
        assert vocabulary.count("then th") == 4  # the, n, space, th
        assert vocabulary.count("的") == 2  # two of its bytes merge


def test_the_engines_vocabulary_as_ranks_counts_what_the_engine_counts(loaded):
    """The other implementation, on the real merges: 45,000 of them, the same counts."""
    _, tokenizer = loaded
    ranks = {
        tokenizer.decode_bytes([i]): i
        for i, token in enumerate(tokenizer.tokens)
        if token not in tokenizer.special
    }
    ranked = transformer.Ranked(ranks, r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s")
    for row in transformer.passages():
        assert ranked.count(row["en"]) == len(tokenizer.encode(row["en"]))


def test_recording_vocabularies(packages, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(record, "write", written_to(tmp_path))
    transformer.main(["vocabularies", *map(str, packages)])
    data = json.loads((tmp_path / "transformer--vocabularies.json").read_text())
    assert data["versions"]["dashscope"] == "9.8.7"
    assert [p["vocabulary"] for p in data["points"]][::2] == [
        "SmolLM2",
        "o200k_base",
        "Qwen",
    ]
    assert data["points"][:2] == record.load("transformer--vocabularies")["points"][:2]


def written_to(folder):
    """`record.write` into another folder, whose path looks like the real one."""

    def write(stem, data):
        path = folder / f"{stem}.json"
        path.write_text(json.dumps(data))
        return path

    return write


# The stream, norms and positions.


def test_the_norm_sees_directions_only():
    x = np.random.default_rng(1).standard_normal((5, 64), dtype=np.float32)
    weight = np.linspace(0.5, 2, 64, dtype=np.float32)
    assert np.allclose(
        layers.rms_norm(x, weight, 1e-5),
        layers.rms_norm(100 * x, weight, 1e-5),
        atol=1e-4,
    )
    unit = layers.rms_norm(x, np.ones(64, np.float32), 0)
    assert np.allclose((unit**2).mean(axis=-1), 1, atol=1e-5)


def test_the_stream_is_the_embedding_plus_what_each_layer_adds(loaded, seen):
    """Nothing is replaced: the last vector less all feed-forward and attention terms is the embedding."""
    model, _ = loaded
    ids, o = seen
    x = model.embedding[ids].copy()
    for i, layer in enumerate(model.layers):
        total = o.stream[i + 1] - o.stream[i]
        ffn = o.neurons[i] @ layer.down
        attended = total - ffn
        normed = layers.rms_norm(
            o.stream[i] + attended, layer.ffn_norm, model.config.epsilon
        )
        again = layers.swiglu(normed, layer.gate, layer.up, layer.down)
        assert np.abs(again - ffn).max() <= 1e-3 * np.abs(ffn).max()
        x = x + total
    scale = np.abs(o.stream[-1]).max()
    assert np.abs(x - o.stream[-1]).max() < 1e-5 * scale


def test_recorded_stream_is_what_the_model_does(loaded):
    """The whole file, computed again; rounding may differ between machines."""
    for then, now in zip(
        record.load("transformer--stream")["points"],
        transformer.stream_points(*loaded),
        strict=True,
    ):
        assert now.keys() == then.keys()
        for key, number in then.items():
            if isinstance(number, str):
                assert now[key] == number
            elif key == "rank":
                assert abs(now[key] - number) <= 2
            else:
                assert now[key] == pytest.approx(number, rel=0.02, abs=1e-6), key


def test_the_first_tokens_number_is_the_same_whatever_the_text(loaded):
    """One place, nearly one value, in the request and in passages of both languages."""
    model, tokenizer = loaded
    places, sizes, others = set(), [], []
    texts = [
        transformer.passages()[0]["en"],
        transformer.passages()[0]["zh"],
        "Once upon a time",
    ]
    for ids in (transformer.request_ids(tokenizer), *map(tokenizer.encode, texts)):
        at = np.abs(observe(model, ids).stream[12])
        places.add(int(at[0].argmax()))
        sizes.append(at[0].max())
        others.append(at[1:].max())
    assert len(places) == 1
    assert min(sizes) > 0.85 * max(sizes) and max(sizes) > 20_000
    assert max(others) < min(sizes) / 100
    assert str(next(iter(places))) == str(
        point("transformer--stream", layers=12)["place_first"]
    )


def test_two_neurons_write_it(loaded, seen):
    model, _ = loaded
    _, o = seen
    layer, place = (
        int(value("spike-layer")),
        point("transformer--stream", layers=12)["place_first"],
    )
    terms = o.neurons[layer, 0] * model.layers[layer].down[:, place]
    largest = np.sort(np.abs(terms))[::-1]
    assert largest[:2].sum() > 0.99 * abs(o.stream[layer + 1, 0, place])
    assert largest[2] < 0.01 * largest[1]


def test_scores_depend_on_the_distance_alone(loaded, seen):
    """With the model's own queries and keys, at places thousands of tokens apart."""
    model, _ = loaded
    _, o = seen
    for i in (0, 9, 29):
        layer = model.layers[i]
        normed = layers.rms_norm(
            o.stream[i, -5:], layer.attention_norm, model.config.epsilon
        )
        q, k = (normed[-1] @ layer.query)[:64], (normed[0] @ layer.key)[:64]
        size = float(np.linalg.norm(q) * np.linalg.norm(k))
        for distance in (0, 1, 7, 400):
            scores = [
                transformer.score(q, k, at, distance, transformer.BASE)
                for at in (400, 1000, 8000)
            ]
            assert max(scores) - min(scores) < 1e-3 * size
            # The second equation of the chapter: turn the key alone, back by the distance.
            theta = transformer.BASE ** (-2 * np.arange(32) / 64)
            pairs_q, pairs_k = (v[0::2] + 1j * v[1::2] for v in (q, k))
            turned = pairs_k * np.exp(-1j * distance * theta)
            by_hand = (pairs_q.conj() * turned).sum().real
            assert scores[0] == pytest.approx(by_hand, abs=1e-3 * size)
        near, far = (
            transformer.score(q, k, 1000, d, transformer.BASE) for d in (1, 400)
        )
        assert abs(near - far) > 0.01 * size  # and it does depend on the distance
        at_rest = transformer.score(q, k, 50, 0, transformer.BASE)
        assert at_rest == pytest.approx(float(q @ k), abs=1e-4 * size)


def test_the_rotation_of_the_file_is_the_one_that_is_drawn(loaded):
    model, _ = loaded
    assert model.config.rope_base == transformer.BASE
    assert model.config.context == SMOL.context


def test_turning_times():
    turns = transformer.wavelengths(64, 100_000.0)
    assert turns[0] == pytest.approx(2 * math.pi)
    cos, sin = layers.rope_angles(np.array([turns[5]]), 64, 100_000.0)
    assert cos[0, 5] == pytest.approx(1, abs=1e-4) and sin[0, 5] == pytest.approx(
        0, abs=1e-3
    )
    assert value("unfinished") == str(
        sum(2 * math.pi * 1e5 ** (i / 32) > 8192 for i in range(32))
    )


def test_losses_are_those_that_were_recorded(loaded):
    """One passage of each kind, computed again."""
    model, tokenizer = loaded
    text = transformer.passages()[0]["en"]
    for wanted, loss in (
        ({"read_after": 30}, transformer.loss(model, tokenizer, text)),
        ({"read_after": 30}, transformer.loss(model, tokenizer, text, lens=30)),
        ({"read_after": 12}, transformer.loss(model, tokenizer, text, lens=12)),
        (
            {"without": 5},
            transformer.loss(transformer.without_layer(model, 5), tokenizer, text),
        ),
    ):
        assert loss == pytest.approx(
            point("transformer--depth", **wanted)["samples"][0], abs=0.01
        )
    for name, other in (
        ("halves", transformer.halves_rope),
        ("none", transformer.without_rotation),
    ):
        with transformer.rotation(other):
            loss = transformer.loss(model, tokenizer, text)
        assert loss == pytest.approx(
            point("transformer--depth", rotation=name)["samples"][0], abs=0.01
        )
    assert len(model.layers) == 30  # the shorter model was a copy
    assert transformer.engine.rope is layers.rope


def test_the_loss_is_what_its_definition_says(loaded):
    model, tokenizer = loaded
    ids = tokenizer.encode("The cat sat on the mat.")
    p = [layers.softmax(model.forward(ids[:n]))[ids[n]] for n in range(1, len(ids))]
    by_hand = -np.mean(np.log(p))
    assert transformer.loss(
        model, tokenizer, "The cat sat on the mat."
    ) == pytest.approx(by_hand, abs=1e-3)


def test_what_the_depths_say():
    whole = transformer.mean_loss(read_after=30)
    lens = [transformer.mean_loss(read_after=n) for n in range(31)]
    assert all(loss > math.log(49_152) for loss in lens[:25])
    assert all(loss < math.log(49_152) for loss in lens[25:])
    without = [transformer.mean_loss(without=n) for n in range(30)]
    assert without[0] == max(without) > whole + 7
    assert (
        sum(loss < whole + 0.5 for loss in without) == 23 == int(value("cheap-layers"))
    )
    assert without[11] > whole + 2  # the layer that writes the large number
    # The last layer out, and the head read one layer early, are one thing.
    assert without[29] == pytest.approx(lens[29], abs=1e-3)
    assert (
        whole
        < transformer.mean_loss(rotation="halves")
        < transformer.mean_loss(rotation="none")
    )


# Neurons.


def test_a_feed_forward_network_is_a_sum_over_neurons(loaded):
    layer = loaded[0].layers[4]
    x = np.random.default_rng(0).standard_normal((1, 576), dtype=np.float32)
    total = np.zeros(576)
    for j in range(1536):
        lit = layers.silu(x @ layer.gate[:, j]) * (x @ layer.up[:, j])
        total += lit[0] * layer.down[j]
    assert np.allclose(
        total, layers.swiglu(x, layer.gate, layer.up, layer.down)[0], atol=1e-3
    )


def test_the_neuron_answers_to_places_in_sentences_that_it_was_not_chosen_by(loaded):
    activations = dict(
        pair
        for text in (
            *transformer.LIT,
            "We moved to Poland.",
            "They left Chile for Cuba.",
        )
        for pair in transformer.lights(*loaded, text)
    )
    for place in (
        " France",
        " Japan",
        " Kenya",
        " Texas",
        " Turkey",
        " Poland",
        " Chile",
        " Cuba",
    ):
        assert activations[place] < -2, place
    assert -1.2 < activations[" Japanese"] < -0.3
    rest = {t: a for t, a in activations.items() if not t.strip().istitle()}
    assert max(map(abs, rest.values())) < 0.5 and " turkey" in rest


def test_the_search_finds_what_was_recorded(loaded):
    """The group that the chapter shows, against a part of the other words; the whole takes minutes."""
    inside = np.stack(
        [transformer.neurons_at(*loaded, w) for w in ("Germany", "Brazil", "Egypt")]
    )
    outside = np.stack(
        [
            transformer.neurons_at(*loaded, w)
            for w in ("March", "red", "dog", "seven", "Anna")
        ]
    )
    assert inside.shape == (3, 3, 30, 1536)
    gap = transformer.selective(inside, outside)
    assert gap[PLACES] > 10
    assert (
        point("transformer--neurons", group="countries")["layer"],
        point("transformer--neurons", group="countries")["neuron"],
    ) == PLACES
    layer, neuron = PLACES
    recorded = point("transformer--neurons", group="countries")["samples"][1]
    assert inside[0, :, layer, neuron].mean() == pytest.approx(recorded, abs=0.02)


def test_every_group_beats_chance_and_the_unseen_answer_too():
    points = record.load("transformer--neurons")["points"]
    chance = max(point("transformer--neurons", group="ten words at random")["samples"])
    gaps = [p["gap"] for p in points if "gap" in p]
    assert len(gaps) == 8 and min(gaps) > 1.3 > 0.8 > chance
    of = {p["unseen"]: p["samples"] for p in points if "unseen" in p}
    assert max(of["other countries"]) < -2.5 and max(of["cities and states"]) < -2
    assert all(-2 < a < -0.3 for a in of["adjectives"])
    assert max(map(abs, of["neighbors in meaning"])) < 0.5


def test_a_fifth_of_the_neurons_make_most_of_what_is_added(loaded):
    model, tokenizer = loaded
    ids = tokenizer.encode(transformer.passages()[0]["en"])
    shares = transformer.shares_of_neurons(model, ids, 0.9)
    assert shares.shape == (30, len(ids) - 1)
    recorded = point("transformer--neurons", neurons_for=0.9)
    assert abs(np.median(shares) - recorded["all_layers"]) < 0.03
    assert 0.15 < recorded["all_layers"] < 0.25
    more = transformer.shares_of_neurons(model, ids, 0.99)
    assert (more >= shares).all() and np.median(more) > 2 * np.median(shares)
    one = np.sort(shares[7])[0] * 1536
    assert one == int(one) > 1


def test_variants_are_those_that_were_recorded(loaded):
    now = transformer.variants(*loaded)
    for p in record.load("transformer--variants")["points"]:
        assert now[p["variant"]] == pytest.approx(p["probability"], rel=0.02)
    assert now["as it is"] > 0.9 and now["neuron off"] > 0.9
    assert now["space, then Paris with a space"] < 0.01
    assert now["space, then Paris without"] < 0.05


# Logits.


def test_recorded_candidates_are_what_the_model_says(loaded):
    then = [p for p in record.load("transformer--request")["points"] if "after" in p]
    for old, new in zip(then, transformer.candidate_points(*loaded), strict=True):
        assert (new["token"], new["id"], new["tokens"]) == (
            old["token"],
            old["id"],
            old["tokens"],
        )
        assert new["logit"] == pytest.approx(old["logit"], abs=0.01)


def test_the_ratio_of_probabilities_is_the_exponential_of_the_difference(loaded):
    model, tokenizer = loaded
    logits = model.forward(tokenizer.encode("One two three"))
    p = layers.softmax(logits)
    assert p.sum() == pytest.approx(1, abs=1e-4)
    assert p[260] / p[314] == pytest.approx(
        math.exp(logits[260] - logits[314]), rel=1e-3
    )


def test_the_head_is_the_embedding_and_the_lens_reads_the_token_back(loaded, seen):
    model, tokenizer = loaded
    ids, o = seen
    assert (model.head == model.embedding.T).all()
    assert (
        int(logit_lens(model, o.stream[0, -1]).argmax())
        == ids[-1]
        == tokenizer.encode(" is")[0]
    )


def test_when_paris_can_be_read():
    rank = {
        p["layers"]: p["rank"] for p in record.load("transformer--stream")["points"]
    }
    assert all(rank[n] >= 100 for n in range(25)) and rank[25] < 100
    assert min(n for n in rank if rank[n] < 5) == 27 and rank[29] > 0 == rank[30]


def test_the_first_choice_leads_by_what_the_listing_shows():
    """25.325 and 25.243: 0.082 of a logit, a factor of 1.09."""
    gap = 25.325 - 25.243
    assert value("first-gap") == f"{gap:.3f}"
    assert value("first-factor") == f"{math.exp(gap):.2f}" == f"{0.1522 / 0.1402:.2f}"


# Operations and parameters.


def test_counted_products_are_the_formula_to_the_digit(loaded):
    model, tokenizer = loaded
    for ids in ([504], transformer.request_ids(tokenizer), list(range(100, 164))):
        counted = transformer.counted_flop(model, ids)
        assert counted == flops.step_flop(SMOL, len(ids), cached=False)
    assert type(model.embedding) is np.ndarray


def test_the_counting_array_counts_a_product_of_known_size():
    transformer.Counted.flop = 0
    a = np.ones((3, 5), np.float32).view(transformer.Counted)
    b = np.exp(a @ np.ones((5, 7), np.float32)) + 1
    assert transformer.Counted.flop == 2 * 3 * 5 * 7
    assert isinstance(b, transformer.Counted)
    np.ones((2, 3), np.float32) @ b  # what was computed from it counts too
    assert transformer.Counted.flop == 2 * 3 * 5 * 7 + 2 * 2 * 3 * 7


def test_the_bill_is_that_of_the_file():
    file = GGUF(find())
    assert sum(math.prod(t.shape) for t in file.tensors.values()) == SMOL.parameters


def test_the_rule_of_2n_and_where_it_errs():
    n = 37
    exact = flops.step_flop(SMOL, n, cached=False)
    assert 2 * SMOL.parameters * n / exact == pytest.approx(1.243, abs=0.001)
    assert value("rule-over") == f"24{NBSP}%"
    one = flops.step_flop(SMOL, n, cached=True)
    assert abs(2 * SMOL.parameters / one - 1) < 0.01
    large = shapes.named("Llama-3.1-8B")
    equal = transformer.attention_equals_matrices(large)
    assert equal == (2 * 40 * 128 * 4096 + 3 * 4096 * 14336) / (2 * 4096) == 26_624
    n = int(equal)
    assert flops.attention_flop(large, n, n) == n * flops.matmul_flop_per_token(large)


def test_llamas_layers_by_hand():
    by_hand = 32 * (2 * 4096 * (32 + 8) * 128 + 3 * 4096 * 14336)
    assert value("llama-layers") == f"{by_hand:,}"
    assert by_hand + 2 * 128_256 * 4096 + (2 * 32 + 1) * 4096 == 8_030_261_248
    assert value("llama-weights") == f"{2 * 8_030_261_248 / 2**30:.2f}{NBSP}GiB"
    assert 128_256 % 64 == 0  # so that vLLM's padding adds no rows


def test_experts_touched_is_the_mean_of_random_choices():
    v3 = shapes.named("DeepSeek-V3")
    rng = np.random.default_rng(0)
    for batch in (1, 32, 128):
        draws = [
            len({e for _ in range(batch) for e in rng.choice(256, 8, replace=False)})
            for _ in range(20)
        ]
        assert np.mean(draws) == pytest.approx(
            transformer.experts_touched(v3, batch), rel=0.03
        )
    assert value("v3-active") == "37,552,297,472" and value("v3-share") == f"5.6{NBSP}%"


# The commands.


def test_the_commands_print_what_the_chapter_shows(capsys):
    """Each output file, but for the last digits of floating-point numbers."""
    for name, arguments in (
        ("request", []),
        ("tokens", ["tokens"]),
        ("neuron", ["neuron"]),
        ("flop", ["flop"]),
    ):
        transformer.main(arguments)
        path = record.FOLDER.parent / "outputs" / f"transformer--{name}.txt"
        shown = path.read_text("utf-8").partition("\n")[2]
        words = re.compile(r"-?\d+\.\d+|#+")
        assert words.sub("", capsys.readouterr().out) == words.sub("", shown)


def test_texts_and_models_of_your_own(capsys):
    transformer.main(["tokens", "banana"])
    assert "|ban|ana|" in capsys.readouterr().out
    transformer.main(["neuron", "To Peru"])
    assert " Peru  -" in capsys.readouterr().out
    transformer.main(["bill"])
    printed = capsys.readouterr().out
    assert "671,026,419,200  37,552,297,472" in printed and printed.count("\n") == 11
    transformer.main(["bill", "qwen3-32b"])
    assert capsys.readouterr().out.count("\n") == 2


def test_recording_writes_every_file(tmp_path, loaded, monkeypatch):
    """With one frame, two groups, one passage and three layers: the files, not the numbers."""
    model, tokenizer = loaded
    small = transformer.copy.copy(model)
    small.layers = model.layers[:3]
    small.config = transformer.dataclasses.replace(model.config, layers=3)
    monkeypatch.setattr(record, "write", written_to(tmp_path))
    monkeypatch.setattr(transformer.engine, "load", lambda: (small, tokenizer))
    monkeypatch.setattr(transformer, "FRAMES", ("The word is {}",))
    groups = {
        "animals": "dog cat horse cow sheep",
        "colors": "red green blue black white pink",
    }
    monkeypatch.setattr(transformer, "GROUPS", groups)
    one = transformer.passages()[:1]
    monkeypatch.setattr(transformer, "passages", lambda: one)
    transformer.main(["record"])
    written = {path.stem.partition("--")[2] for path in tmp_path.glob("*.json")}
    assert written == {"request", "stream", "variants", "neurons", "depth"}
    transformer.main(["record", "depth"])
    depth = json.loads((tmp_path / "transformer--depth.json").read_text())
    assert len(depth["points"]) == 4 + 3 + 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bill", "Llama-9"], "unknown model"),
        (["tokenz"], "invalid choice"),
        (["vocabularies", "here"], "required"),
        (["vocabularies", "/nowhere", "/nowhere"], "no vocabulary"),
        (["record", "everything"], "no part everything"),
        (["--no-such-option"], "error:"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, capsys):
    with pytest.raises((SystemExit, CommandError)) as stopped:
        transformer.main(arguments)
    if isinstance(stopped.value, SystemExit):
        error = capsys.readouterr().err
        assert stopped.value.code == 2 and error.count("\n") == 1
    else:
        error = str(stopped.value)
    assert message in error


def test_a_point_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="0 points"):
        point("transformer--depth", without=99)


def test_values_are_numbers_with_units():
    for key, text in values.of_chapter("transformer").items():
        number, _, unit = text.partition(NBSP)
        assert re.fullmatch(r"[\d,]+(\.\d+)?", number), key
        assert unit in ("", "%", "GiB"), key


# The exercises' answers, worked by hand here.


def test_exercise_1_a_larger_vocabulary():
    gain = (151_936 - 49_152) * 576
    assert value("exercise-gain") == f"{gain:,}"
    share = 151_936 * 576 / (134_515_008 + gain)
    assert value("exercise-wide-share") == f"{share * 100:.0f}{NBSP}%" == f"45{NBSP}%"
    tables = 2 * 151_936 * 8192
    rest = 70_553_706_496 - 2 * 128_256 * 8192
    assert (
        value("exercise-huge-share") == f"{tables / (rest + tables) * 100:.1f}{NBSP}%"
    )


def test_exercise_2_turns():
    turns = [2 * math.pi * 500_000 ** (i / 64) for i in range(64)]
    assert value("exercise-slowest") == f"{turns[-1]:,.0f}"
    assert value("exercise-unfinished") == str(sum(t > 131_072 for t in turns)) == "15"


def test_exercise_3_a_long_prompt():
    n = 8192
    matrices, attention, head = (
        2 * n * 6_979_321_856,
        4 * 32 * 4096 * n * n,
        2 * 128_256 * 4096,
    )
    total, rule = matrices + attention + head, 2 * n * 8_030_261_248
    assert value("exercise-sum") == f"{total / 1e12:.1f}"
    assert value("exercise-rule-off") == f"{(1 - rule / total) * 100:.0f}{NBSP}%"
    tables = rule - matrices
    assert 1.9 < attention / tables < 2.2  # about twice

    def off(n):
        exact = flops.step_flop(shapes.named("Llama-3.1-8B"), n, cached=False)
        return 2 * n * 8_030_261_248 / exact - 1

    assert abs(off(4096)) < 0.01 < off(2048)


def test_exercise_4_experts():
    touched = lambda b: 256 * (1 - (1 - 8 / 256) ** b)  # noqa: E731
    assert touched(72) <= 0.9 * 256 < touched(73) and value("exercise-batch") == "73"
    visits = 73 * 8 / touched(73)
    assert value("exercise-visits") == f"{visits:.1f}"
    assert value("exercise-per-byte") == f"{2 * visits:.1f}"
    assert value("exercise-dense-per-byte") == str(2 * 73)
    assert value("exercise-batch-saved") == f"{73 / visits:.0f}"


def test_exercise_5_without_rotation_the_order_shows_from_the_second_layer_on(loaded):
    texts = "The dog bites the man.", "The man bites the dog."
    with transformer.rotation(transformer.without_rotation):
        difference = transformer.stream_difference(*loaded, *texts)
    assert (difference[:2] < 1e-6).all() and (difference[2:] > 1e-3).all()
    assert transformer.stream_difference(*loaded, *texts)[1] > 1e-3  # with it, at once
