"""Sampling: each mechanism cuts what it says, and the draws follow the distribution."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from examples.cli import CommandError
from examples.engine import sampling
from examples.engine.sampling import Sampler, Sampling

LOGITS = np.array([2.0, 1.0, 0.5, 0.5, -1.0, -3.0], dtype=np.float32)


def kept(logits: np.ndarray) -> list[int]:
    return np.flatnonzero(np.isfinite(logits)).tolist()


def distribution(**settings) -> np.ndarray:
    return Sampler(Sampling(**settings)).distribution(LOGITS)


def test_the_defaults_are_the_model_s_own_distribution():
    e = [math.exp(x) for x in LOGITS.tolist()]
    assert np.allclose(distribution(), np.array(e) / sum(e), atol=1e-7)


def chi_square(draws: list[int], probabilities: np.ndarray) -> tuple[float, float]:
    """The statistic of the draws, and the bound that chance exceeds once in 10,000 times.

    Wilson and Hilferty 1931 for the bound; tokens expected under five times are taken together.
    """
    counts = np.bincount(draws, minlength=len(probabilities))
    expected = len(draws) * probabilities
    often = expected >= 5
    rest = [counts[~often].sum(), expected[~often].sum()]
    seen, wanted = counts[often], expected[often]
    if rest[1] >= 5:
        seen, wanted = np.append(seen, rest[0]), np.append(wanted, rest[1])
    freedom = len(seen) - 1
    bound = (
        freedom * (1 - 2 / (9 * freedom) + 3.719 * math.sqrt(2 / (9 * freedom))) ** 3
    )
    return float(((seen - wanted) ** 2 / wanted).sum()), bound


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 2.0, "top_k": 3},
        {"top_p": 0.8},
        {"min_p": 0.2, "temperature": 1.5},
    ],
)
def test_20_000_draws_follow_the_distribution(settings):
    sampler = Sampler(Sampling(seed=2026, **settings))
    probabilities = sampler.distribution(LOGITS)
    draws = [sampler.choose(LOGITS) for _ in range(20_000)]
    statistic, bound = chi_square(draws, probabilities)
    assert statistic < bound
    assert not [token for token in set(draws) if probabilities[token] == 0]


def test_the_chi_square_would_see_another_distribution():
    sampler = Sampler(Sampling(seed=2026, temperature=1.1))
    draws = [sampler.choose(LOGITS) for _ in range(20_000)]
    statistic, bound = chi_square(draws, distribution())
    assert statistic > bound


def test_20_000_draws_from_the_real_model_s_logits_follow_the_distribution(loaded):
    model, tokenizer = loaded
    logits = model.forward(tokenizer.encode("The best thing about Paris is"))
    sampler = Sampler(Sampling(seed=7, top_p=0.9))
    probabilities = sampler.distribution(logits)
    draws = np.random.default_rng(
        7
    )  # the sampler's way of drawing, without 20,000 sorts
    edges = np.cumsum(probabilities)
    tokens = np.searchsorted(edges, draws.random(20_000) * edges[-1], side="right")
    assert sampler.choose(logits) == tokens[0]
    statistic, bound = chi_square(tokens.tolist(), probabilities)
    assert statistic < bound


class Fixed:
    """Random numbers that are always the same one."""

    def __init__(self, number: float):
        self.number = number

    def random(self) -> float:
        return self.number


@pytest.mark.parametrize(
    ("number", "token"), [(0.0, 1), (np.nextafter(1.0, 0.0), 2), (0.5, 1)]
)
def test_a_draw_at_the_edge_falls_on_no_token_that_was_cut(number, token):
    sampler = Sampler(Sampling(top_k=2))
    sampler.random = Fixed(number)
    logits = np.array([-9.0, 3.0, 2.0, -9.0], dtype=np.float32)
    assert sampler.choose(logits) == token


def test_temperature_zero_is_greedy_and_takes_the_lower_of_two_equals():
    tied = np.array([0.0, 3.0, 3.0], dtype=np.float32)
    sampler = Sampler(Sampling(temperature=0))
    assert [sampler.choose(tied) for _ in range(5)] == [1] * 5
    assert sampler.distribution(tied).tolist() == [0, 1, 0]


def test_a_low_temperature_sharpens_and_a_high_one_flattens():
    sharp, plain, flat = (distribution(temperature=t).max() for t in (0.3, 1.0, 3.0))
    assert sharp > plain > flat
    assert distribution(temperature=1e-9).max() == pytest.approx(1)


@pytest.mark.parametrize(
    ("k", "ids"), [(1, [0]), (3, [0, 1, 2]), (99, [0, 1, 2, 3, 4, 5])]
)
def test_top_k_keeps_exactly_k_the_lower_id_of_equals(k, ids):
    assert kept(sampling.top_k(LOGITS, k)) == ids


def test_top_p_keeps_the_fewest_that_reach_p():
    probabilities = distribution()
    for p in (0.05, 0.5, 0.6, 0.84, 0.95, 0.999):
        left = kept(sampling.top_p(LOGITS, p))
        assert probabilities[left].sum() >= p - 1e-6
        assert len(left) == 1 or probabilities[left[:-1]].sum() < p
    assert kept(sampling.top_p(LOGITS, 1e-12)) == [0]


def test_min_p_keeps_what_is_likely_beside_the_likeliest():
    probabilities = distribution()
    left = kept(sampling.min_p(LOGITS, 0.2))
    assert left == np.flatnonzero(probabilities >= 0.2 * probabilities.max()).tolist()
    assert kept(sampling.min_p(LOGITS, 1.0)) == [0]


def test_equal_logits_leave_a_choice_under_every_cut():
    flat = np.zeros(8, dtype=np.float32)
    for settings in ({"top_k": 1}, {"top_p": 1e-9}, {"min_p": 1.0}):
        found = Sampler(Sampling(**settings)).distribution(flat)
        assert found.sum() == pytest.approx(1)


def test_the_repetition_penalty_counts_the_prompt_and_lowers_both_signs():
    found = sampling.repeated_less(LOGITS, [0, 4], 2.0)
    assert found.tolist() == [1.0, 1.0, 0.5, 0.5, -2.0, -3.0]
    sampler = Sampler(Sampling(repetition_penalty=10.0, temperature=0), prompt=[0])
    assert sampler.choose(LOGITS) == 1


def test_presence_and_frequency_count_the_answer_and_not_the_prompt():
    found = sampling.counted_less(LOGITS, Counter({0: 3}), presence=0.5, frequency=0.25)
    assert found[0] == pytest.approx(2.0 - 0.5 - 3 * 0.25)
    assert found[1:].tolist() == LOGITS[1:].tolist()
    sampler = Sampler(Sampling(frequency_penalty=1.5, temperature=0), prompt=[0, 0, 0])
    assert [sampler.choose(LOGITS) for _ in range(3)] == [0, 1, 0]


def test_one_seed_one_sequence_and_requests_do_not_disturb_each_other():
    alone = [Sampler(Sampling(seed=5)).choose(LOGITS) for _ in range(3)]
    assert len(set(alone)) == 1
    one, other = Sampler(Sampling(seed=5)), Sampler(Sampling(seed=6))
    mixed = []
    for _ in range(50):
        mixed.append(one.choose(LOGITS))
        other.choose(LOGITS)
    again = Sampler(Sampling(seed=5))
    assert mixed == [again.choose(LOGITS) for _ in range(50)]
    unseeded = {
        tuple(Sampler(Sampling()).choose(LOGITS) for _ in range(20)) for _ in range(9)
    }
    assert len(unseeded) > 1


def test_the_order_is_penalties_temperature_top_k_top_p_min_p():
    """Where the order decides which tokens are left."""

    def left(**settings) -> int:
        return np.count_nonzero(distribution(**settings))

    # The likeliest has 0.53, and 0.29 at temperature 3: the temperature comes before the cut.
    assert left(top_p=0.5) == 1 and left(top_p=0.5, temperature=3) == 3
    # Of the two that top-k leaves, it has 0.73, which is enough for top-p alone.
    assert left(top_p=0.6) == 2 and left(top_p=0.6, top_k=2) == 1
    # Were min-p first, it would leave these same two, and top-p then one.
    assert left(min_p=0.3) == 2 and left(top_p=0.6, min_p=0.3) == 2
    # A penalty of 1 makes the first two equal before the temperature sharpens them.
    sampler = Sampler(Sampling(presence_penalty=1, temperature=0.1))
    sampler.written[0] += 1
    found = sampler.distribution(LOGITS)
    assert found[0] == pytest.approx(found[1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -0.1}, "temperature is from 0 to 100, not -0.1"),
        ({"temperature": math.nan}, "temperature is from 0 to 100"),
        ({"temperature": math.inf}, "temperature is from 0 to 100"),
        ({"top_k": -1}, "top_k is 0"),
        ({"top_k": 2.5}, "top_k is a whole number"),
        ({"top_p": 0}, "top_p is above 0"),
        ({"top_p": 1.1}, "top_p is above 0 and at most 1"),
        ({"min_p": -0.1}, "min_p is from 0 to 1"),
        ({"repetition_penalty": 0}, "repetition_penalty is from 0.01"),
        ({"presence_penalty": 3}, "presence_penalty is from -2 to 2"),
        ({"frequency_penalty": True}, "frequency_penalty is from -2 to 2"),
        ({"temperature": "hot"}, "temperature is from 0 to 100, not hot"),
        ({"top_p": math.nan}, "top_p is above 0"),
        ({"top_k": None}, "top_k is 0 .no cut. or a count of tokens, not None"),
        ({"min_p": math.nan}, "min_p is from 0 to 1"),
        ({"repetition_penalty": math.inf}, "repetition_penalty is from 0.01"),
        ({"seed": -1}, "seed is from 0"),
        ({"seed": 2**64}, "seed is from 0"),
        ({"seed": 1.5}, "seed is from 0 to 2..64 - 1, not 1.5"),
        ({"seed": True}, "seed is from 0"),
    ],
)
def test_absurd_settings_name_what_is_accepted(settings, message):
    with pytest.raises(CommandError, match=message):
        Sampling(**settings)
