"""What the chapter generation claims."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from examples import generation, record, request, values
from examples.engine import chat
from examples.engine.generate import greedy, stream
from examples.engine.layers import softmax
from examples.engine.runner import NumpyRunner
from examples.engine.sampling import Sampler, Sampling, repeated_less
from examples.engine.text import StopStrings

ROOT = Path(__file__).parents[2]
FRANCE = request.ANSWER + chat.END


@pytest.fixture(scope="module")
def steps(loaded):
    return generation.steps_of(*loaded)


def test_the_running_request_is_one_prefill_and_seven_decode_steps(loaded, steps):
    _, tokenizer = loaded
    assert [step.read for step in steps] == [37] + [1] * 7
    assert tokenizer.decode([step.token for step in steps]) == FRANCE


def test_the_loop_writes_what_the_engine_writes(loaded, steps):
    model, tokenizer = loaded
    prompt = generation.asked(tokenizer)
    wanted = [step.token for step in steps]
    assert list(greedy(model, prompt, 32, tokenizer.end_id)) == wanted
    pieces = list(stream(NumpyRunner(model), tokenizer, prompt, generation.GREEDY, 32))
    assert [piece.token for piece in pieces] == wanted
    assert "".join(piece.text for piece in pieces) + chat.END == FRANCE
    assert pieces[-1].finish == "stop"


def test_the_loop_ends_after_limit_tokens(loaded):
    model, _ = loaded
    found = list(generation.write(model, [504, 3575], lambda _: 7, end=9, limit=3))
    assert [step.token for step in found] == [7, 7, 7]


def test_without_its_frame_the_likeliest_token_is_the_end(loaded):
    model, tokenizer = loaded
    logits = model.forward(tokenizer.encode(request.QUESTION))
    assert int(logits.argmax()) == tokenizer.end_id


def test_a_forged_message_stays_text(loaded):
    _, tokenizer = loaded
    end = tokenizer.ids[chat.END]
    assert generation.asked(tokenizer, generation.FORGED).count(end) == 2
    assert generation.messages_in_one_piece(tokenizer) == 4
    assert len(tokenizer.encode(chat.END, special=False)) == 7
    data = record.load("generation--steps")
    assert (data["forged_messages"], data["typed_end_tokens"]) == (4, 7)


def test_recorded_steps_are_those_of_the_model(loaded, steps):
    _, tokenizer = loaded
    points = record.load("generation--steps")["points"]
    assert [p["token"] for p in points] == [tokenizer.decode([s.token]) for s in steps]
    for point, step in zip(points, steps, strict=True):
        p = softmax(step.logits.astype(np.float64))
        assert point["candidates"][0][1] == pytest.approx(p[step.token], abs=2e-4)
        assert point["entropy_bit"] == pytest.approx(generation.entropy(p), abs=2e-3)


def test_flop_of_the_steps_is_counted_from_the_shape():
    """134,515,008 parameters less 28,311,552 of the embedding, which no product reads, and the norms."""
    each = 2 * (134_515_008 - 49152 * 576 - 61 * 576)
    head = 2 * 49152 * 576
    attention = 4 * 30 * 9 * 64
    assert generation.step_flop(1, 38) == each + head + attention * 38
    assert generation.step_flop(37, 37) == 37 * each + head + attention * 37 * 37


def test_recorded_times_show_the_asymmetry():
    """A decode step does a 29th of the arithmetic and takes more than a tenth of the time."""
    first, *decode = record.load("generation--steps")["points"]
    step = np.median([record.median(p) for p in decode])
    assert first["predicted_ms"] / decode[0]["predicted_ms"] == pytest.approx(29, abs=1)
    assert 2 < record.median(first) / step < 10
    assert step > 5 * decode[0]["predicted_ms"]
    assert record.median(first) < 3 * first["predicted_ms"]


def test_fetching_the_weights_takes_most_of_a_decode_step_but_not_all():
    decode = record.load("generation--steps")["points"][1:]
    every = [sample for point in decode for sample in point["samples"]]
    fetch, products, least, most = (
        float(values.lookup(f"generation--ms-{name}").partition(values.NBSP)[0])
        for name in ("fetch", "products", "decode-least", "decode-most")
    )
    assert fetch == round((134_515_008 - 61 * 576) * 4 / 22.66e9 * 1e3)
    assert fetch < products < least == round(min(every)) and most == round(max(every))


def test_an_answer_takes_one_prefill_and_n_minus_one_steps():
    assert generation.answer_s(0.25, 0.008, 500) == pytest.approx(0.25 + 3.992)
    assert generation.answer_s(1, 9, 1) == 1


# Rules of choice.


def test_entropy_counts_even_choices_in_bits():
    assert generation.entropy(np.full(8, 1 / 8)) == pytest.approx(3)
    assert generation.entropy(np.array([1.0, 0.0])) == 0


def test_each_rule_leaves_what_its_definition_says(steps):
    logits = steps[0].logits
    p = softmax(logits.astype(np.float64))
    order = np.sort(p)[::-1]
    kept = {
        rule.name: np.count_nonzero(rule.distribution(logits))
        for rule in generation.rules()
    }
    assert kept["top-k 50"] == 50
    assert kept["top-p 0.9"] == np.searchsorted(np.cumsum(order), 0.9) + 1
    assert kept["min-p 0.1"] == (order >= 0.1 * order[0]).sum()
    assert kept["T = 1"] == len(p)


def test_order_of_heat_and_cut_matters(steps):
    """The settled second token: heated first hundreds stay, cut first a single one."""
    logits = steps[1].logits
    heated = Sampler(Sampling(temperature=1.5, top_p=0.9)).distribution(logits)
    assert np.count_nonzero(heated) > 100
    assert np.count_nonzero(generation.cut_then_heat(logits)) == 1


def test_recorded_choices_are_those_of_the_model(steps):
    rules = {rule.name: rule.distribution for rule in generation.rules()}
    data = record.load("generation--choices")
    for point in data["points"]:
        step = steps[("first", "second").index(point["token"])]
        p = rules[point["rule"]](step.logits)
        assert point["kept"] == pytest.approx(np.count_nonzero(p), abs=1)
        assert point["probability"] == pytest.approx(p[step.token], abs=2e-4)
    p = np.sort(softmax(steps[0].logits.astype(np.float64)))[::-1]
    assert data["tail_first"] == pytest.approx(p[50:].sum(), abs=2e-4)
    assert data["curves"]["first"][0] == pytest.approx(p[0], rel=1e-3)


def test_draws_follow_their_distribution(steps):
    logits = np.sort(steps[0].logits)[::-1][: generation.DRAWN_FROM]
    bound = generation.chi_square_bound(generation.DRAWN_FROM - 1)
    found = generation.chi_square(logits, generation.DRAWS)
    assert found < bound
    assert found == pytest.approx(
        record.load("generation--choices")["chi_square"], abs=5
    )


def test_the_bound_of_chi_square_is_that_of_the_tables():
    """99.9 % points of the usual tables: 29.59 for 10 degrees of freedom, 149.45 for 100."""
    assert generation.chi_square_bound(10) == pytest.approx(29.59, rel=0.01)
    assert generation.chi_square_bound(100) == pytest.approx(149.45, rel=0.01)


def test_an_unfair_sampler_would_be_caught(steps, monkeypatch):
    """Draws at temperature 0.9 against probabilities at 1."""
    logits = np.sort(steps[0].logits)[::-1][: generation.DRAWN_FROM]
    choose = Sampler.choose
    monkeypatch.setattr(Sampler, "choose", lambda self, z: choose(self, z / 0.9))
    bound = generation.chi_square_bound(generation.DRAWN_FROM - 1)
    assert generation.chi_square(logits, generation.DRAWS) > bound


def test_chance_is_the_product_of_the_steps(loaded, steps):
    model, tokenizer = loaded
    answer = [step.token for step in steps]
    each = [softmax(s.logits.astype(np.float64))[s.token] for s in steps]
    prompt = generation.asked(tokenizer)
    found = generation.chance(model, prompt, answer, Sampling())
    assert found == pytest.approx(np.prod(each), rel=1e-3)
    assert generation.chance(model, prompt, answer, generation.GREEDY) == 1


def test_the_first_token_decides(loaded, steps):
    """Greedy continuations of the twelve likeliest first tokens; five never come to Paris."""
    model, tokenizer = loaded
    prompt, texts = generation.asked(tokenizer), {}
    for first in np.argsort(-steps[0].logits)[:12]:
        ids = list(greedy(model, [*prompt, int(first)], 24, tokenizer.end_id))
        texts[tokenizer.decode([first])] = tokenizer.decode([first, *ids])
    assert texts["L"].startswith("L'Étoile, la Marseillaise, la femme")
    astray = [first for first, text in texts.items() if "Paris" not in text]
    assert astray[:2] == ["L", "La"] == list(texts)[1:3] and len(astray) == 5


def test_recorded_answers_come_as_often_as_predicted():
    """Within four standard deviations of 200 draws; and greedy is the only rule that always names Paris."""
    data = record.load("generation--answers")
    count = data["answers"]
    for point in data["points"]:
        p, found = point["predicted_share"], np.mean(point["samples"])
        assert abs(found - p) < 4 * (p * (1 - p) / count) ** 0.5, point["setting"]
        assert found <= np.mean(point["names_paris"]) < 0.8


def test_nine_of_two_hundred_were_the_greedy_answer():
    point = record.load("generation--answers")["points"][0]
    found = {
        name: int(values.lookup(f"generation--answer-0-of-all{name}"))
        for name in ("", "-predicted", "-chance")
    }
    assert found[""] == round(sum(point["samples"]) * 20) == 9
    assert found["-predicted"] == round(200 * point["predicted_share"])
    assert abs(found[""] - found["-predicted"]) <= found["-chance"]


def test_a_seed_draws_the_recorded_answers_again(loaded):
    """A slice of the record: the first answers at T = 0.3, drawn side by side."""
    model, tokenizer = loaded
    cold = generation.SETTINGS["T = 0.3"]
    texts = generation.drawn(model, tokenizer, cold, range(4))
    assert texts == generation.drawn(model, tokenizer, cold, range(4))
    assert len(set(texts)) > 1
    alone = generation.drawn(model, tokenizer, cold, [2])
    assert alone == [texts[2]]  # in float32; bf16 would not promise it


def test_a_penalty_multiplies_where_division_would_raise():
    logits = np.array([3.0, -3.0, 1.0])
    assert (repeated_less(logits, [0, 1], 1.5) == [2.0, -4.5, 1.0]).all()


def test_a_repetition_penalty_breaks_json(loaded):
    model, tokenizer = loaded

    def written(penalty: float) -> str:
        settings = Sampling(temperature=0, repetition_penalty=penalty)
        prompt = generation.asked(tokenizer, generation.JSON_QUESTION)
        limit = generation.JSON_TOKENS
        pieces = stream(NumpyRunner(model), tokenizer, prompt, settings, limit)
        text = "".join(piece.text for piece in pieces)
        return text.partition("```json")[2].partition("```")[0]

    assert set(json.loads(written(1.0))) == {"name", "age", "city"}
    with pytest.raises(json.JSONDecodeError):
        json.loads(written(1.3))


# The same request twice.


def test_logits_of_another_shape_differ_and_choices_do_not(loaded):
    """A slice of the record: two answers, eight tokens."""
    model, tokenizer = loaded
    paths = [
        generation.greedy_path(model, tokenizer, question, limit=8)
        for question in generation.QUESTIONS[:2]
    ]
    again = generation.greedy_path(
        model, tokenizer, generation.QUESTIONS[0], limit=8
    ).logits
    assert (again == paths[0].logits).all()
    beside = generation.in_a_batch(model, paths)
    chunks = generation.in_chunks(model, paths[0], generation.CHUNK)
    for path, found in (
        (paths[0], beside[0]),
        (paths[1], beside[1]),
        (paths[0], chunks),
    ):
        result = generation.drift(path.logits, found)
        assert 0 < result["most"] < 1e-3
        assert result["identical"] < 1 and result["same_choice"] == 1
        assert result["moved"] <= 2 * result["most"]


def test_steps_of_bf16_logits():
    """Eight bits of precision, the leading one among them: a power of two has 2 ** 7 steps up to the next."""
    for low, step in ((8, 1 / 16), (16, 1 / 8), (32, 1 / 4)):
        assert low / 2**7 == step


def test_what_to_try_on_an_engine_is_what_was_predicted():
    page = (ROOT / "chapters/principles/generation.md").read_text("utf-8")
    script = page.partition("mkdir -p alone together")[2].partition("```")[0]
    answers, tokens = (
        int(values.lookup(f"generation--bench-{name}"))
        for name in ("answers", "tokens")
    )
    assert script.count(f"seq {answers}") == 2
    assert f'max_tokens\\": {tokens},' in script
    flip = float(lookup("flip"))
    found = int(values.lookup("generation--bench-differ"))
    assert found == pytest.approx(answers * (1 - (1 - flip) ** tokens), abs=1)


def test_the_client_s_version_is_the_one_that_is_tested():
    page = (ROOT / "chapters/principles/generation.md").read_text("utf-8")
    (named,) = re.findall(r"pip install openai==([\d.]+)", page)
    lock = (ROOT / "requirements" / "test.lock").read_text("utf-8")
    assert f"\nopenai=={named} " in lock


def test_recorded_drift_is_near_its_estimate():
    data = record.load("generation--drift")
    for point in data["points"]:
        if point["way"] == "again":
            assert max(point["samples"]) == 0 and point["identical"] == 1
            continue
        assert 0.5 < np.median(point["samples"]) / point["predicted_most"] < 4
        assert point["identical"] == 0 and point["same_choice"] == 1
        assert data["gap_percentiles"][0] > 50 * max(point["samples"])


def test_the_estimate_grows_with_the_logit_and_the_root_of_the_sums(loaded):
    model, _ = loaded
    assert generation.rounding(model, 40) == pytest.approx(
        2**-24 * 40 * (8 * 30 + 1) ** 0.5
    )


def test_a_padded_batch_wastes_what_the_lengths_say(loaded):
    (point,) = record.load("generation--padding")["points"]
    assert point["same_answers"]
    assert point["wasted_share"] == pytest.approx(point["predicted_share"], abs=1e-3)
    prompts, answers = point["prompt_lengths"], point["answer_lengths"]
    rectangle = len(prompts) * (max(prompts) + max(answers) - 1)
    assert point["computed"] == rectangle
    assert rectangle == 4 * (prompts[3] + answers[3] - 1) == 412
    assert generation.wasted([3, 3], [2, 2]) == 0
    assert generation.wasted([1, 3], [1, 1]) == pytest.approx(2 / 6)


# The commands.


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "examples.generation", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def use(monkeypatch, loaded) -> None:
    """The commands in this process, without loading the model again."""
    monkeypatch.setattr(generation.engine, "load", lambda: loaded)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], "' Paris'"),
        (["seen"], "37 token ids, 7 of them the user's"),
        (["choices"], "top-p 0.9, then T = 1.5"),
        (["pieces"], "'', stop"),
        (["penalty"], '"city":"New York",\n   }'),
        (["write", "Say hello in Chinese.", "--tokens", "8"], "finish_reason: length"),
    ],
)
def test_a_command_prints_what_the_chapter_shows(
    monkeypatch, loaded, capsys, command, words
):
    use(monkeypatch, loaded)
    generation.main(command)
    assert words in capsys.readouterr().out


def test_a_stop_string_ends_an_answer(monkeypatch, loaded, capsys):
    use(monkeypatch, loaded)
    generation.main(["write", request.QUESTION, "--stop", "France is"])
    printed = capsys.readouterr().out
    assert printed.startswith("The capital of \n") and "finish_reason: stop" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["write"], "question"),
        (["write", "Hi", "--top-p", "0"], "top_p"),
        (["write", "Hi", "--tokens", "0"], "max_tokens"),
        (["write", "Hi", "--seed", "x"], "invalid int value"),
        (["ask", "--url", "http://127.0.0.1:1/v1"], "no server answers"),
        (["record", "everything"], "invalid choice"),
        (["sing"], "invalid choice"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_the_server_gives_the_same_answer(monkeypatch, loaded, capsys):
    import uvicorn

    from examples.engine.server import create_app

    app = create_app(NumpyRunner(loaded[0]), loaded[1])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        generation.main(["ask", "--url", f"http://127.0.0.1:{port}/v1"])
    finally:
        server.should_exit = True
        thread.join()
    assert capsys.readouterr().out == FRANCE.removesuffix(chat.END) + "\n"


def test_record_writes_a_file_for_each_measurement(monkeypatch, loaded, tmp_path):
    """With everything small: the code of the measurements, not their numbers."""
    use(monkeypatch, loaded)
    monkeypatch.setattr(generation, "ROUNDS", 1)
    monkeypatch.setattr(generation, "SETTINGS", {"T = 1": Sampling()})
    monkeypatch.setattr(generation, "GROUPS", 1)
    monkeypatch.setattr(generation, "GROUP", 2)
    monkeypatch.setattr(generation, "QUESTIONS", generation.QUESTIONS[:2])
    monkeypatch.setattr(generation, "DRIFT_LIMIT", 2)
    monkeypatch.setattr(generation, "BATCHES", (2,))
    monkeypatch.setattr(generation, "DRAWS", 10)
    monkeypatch.setattr(generation, "REQUESTS", generation.REQUESTS[:2])
    monkeypatch.setattr(generation, "REQUEST_LIMIT", 2)
    (tmp_path / "examples" / "data").mkdir(parents=True)
    folder = tmp_path / "examples" / "data"
    whole = record.write
    monkeypatch.setattr(
        record, "write", lambda stem, data: whole(stem, data, folder=folder)
    )
    generation.main(["record"])
    names = sorted(path.stem for path in folder.glob("*.json"))
    assert names == sorted(f"generation--{what}" for what in generation.RECORDS)
    for path in folder.glob("*.json"):
        kept = record.load(path.stem)
        assert json.loads(path.read_text("utf-8")).keys() == kept.keys()


def test_values_are_numbers_with_units():
    table = values.of_chapter("generation")
    for key, text in table.items():
        number, _, unit = text.partition(values.NBSP)
        assert re.fullmatch(r"[\d,]+(\.\d+)?", number), key
        assert unit in ("", "ms", "s", "%", "GFLOP", "GFLOP/s", "MB", "GB/s"), key


# The exercises' answers, worked by hand here.
def lookup(name: str) -> str:
    return values.lookup(f"generation--exercise-{name}")


def test_exercise_1_temperature():
    for name, t in (("1", 1), ("half", 0.5), ("2", 2)):
        weights = [np.exp(z / t) for z in (2, 1, 0)]
        for i, weight in enumerate(weights):
            assert lookup(f"softmax-{name}-{i}") == f"{weight / sum(weights):.3f}"


def test_exercise_2_rules():
    assert [lookup(f"{rule}-kept") for rule in ("top-k", "top-p", "min-p")] == [
        "2",
        "4",
        "3",
    ]
    assert lookup("top-k-first") == f"{0.5 / 0.7:.3f}"
    assert lookup("top-p-first") == f"{0.5 / 0.95:.3f}"
    assert lookup("min-p-first") == f"{0.5 / 0.85:.3f}"


def test_exercise_3_time():
    assert lookup("time").startswith("4.24")  # 0.25 + 499 * 0.008
    assert lookup("time-prefill").startswith("4.12")
    assert lookup("time-decode").startswith("2.25")  # 0.25 + 499 * 0.004 = 2.246


def test_exercise_4_what_is_held():
    stops = StopStrings(["###", "END"])
    sent = [stops.feed(piece) for piece in ("SEN", " #", "#1", " EN", "D")]
    assert [text for text, _ in sent] == ["S", "EN ", "##1", " ", ""]
    assert [stopped for _, stopped in sent] == [False] * 4 + [True]


def test_exercise_5_steps_to_half():
    card = record.load("generation--h200-batch")["points"]
    point = next(p for p in card if p["dtype"] == "bfloat16" and p["batch"] == 16)
    moved = [m for m in point["moved_by_step"] if m]
    p = point["leads_per_logit"] * sum(moved) / len(moved) / 2
    assert lookup("flip") == f"{p:.5f}"
    steps = int(lookup("flip-steps"))
    assert (1 - p) ** steps <= 0.5 < (1 - p) ** (steps - 1)
    assert 9 * steps < int(lookup("flip-steps-finer")) < 11 * steps


def test_exercise_6_top_n_sigma_does_not_see_the_temperature(steps):
    for step, token in zip(steps, ("first", "second"), strict=False):
        kept = {(n, t): k for n, t, k in generation.kept_at(step.logits)}
        assert kept["sigma", 1.0] == kept["sigma", 1.5]
        for (name, t), number in kept.items():
            assert lookup(f"sigma-{token}-{name}-{t}") == str(number)
    assert lookup("sigma-first-min-p-1.0") < lookup("sigma-first-min-p-1.5")


def test_counted_answers_lie_within_chance_of_the_prediction():
    """The page says so of all seven settings: within three times what chance alone moves a count."""
    data = record.load("generation--answers")
    for point in data["points"]:
        share = point["predicted_share"]
        spread = (share * (1 - share) / data["answers"]) ** 0.5
        assert abs(np.mean(point["samples"]) - share) < 3 * spread, point["setting"]


def test_the_questions_asked_on_the_gpu_have_as_many_tokens(loaded):
    from pathlib import Path

    source = Path(generation.__file__).parent / "gpu" / "generation.py"
    words = source.read_text("utf-8").partition("SUBJECTS = (")[2].partition(")")[0]
    subjects = " ".join(words.replace('"', " ").split()).split()
    lengths = {
        len(generation.asked(loaded[1], f"Tell me a story about a {subject}."))
        for subject in subjects
    }
    assert len(subjects) == 64 and lengths == {
        int(values.lookup("generation--h200-prompt"))
    }
