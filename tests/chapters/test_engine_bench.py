"""The bench compares a decode step with exactly its products, on one thread, and says what misses."""

from __future__ import annotations

import copy
import importlib.util
import os
import subprocess
import sys
from collections import Counter
from typing import ClassVar

import numpy as np
import pytest

from examples.cli import CommandError
from examples.engine.model import Layer
from tools import ROOT, bench_engine, bench_peers


class Counted(np.ndarray):
    """A weight that notes the shapes of what is multiplied with it."""

    seen: ClassVar[Counter] = Counter()

    def __rmatmul__(self, x):
        Counted.seen[(self.__array_interface__["data"], x.shape)] += 1
        return np.asarray(x) @ np.asarray(self)


@pytest.fixture
def counted(loaded):
    """The model with weights that count."""
    model = copy.copy(loaded[0])
    model.layers = [
        Layer(
            **{n: w.view(Counted) if w.ndim == 2 else w for n, w in vars(layer).items()}
        )
        for layer in model.layers
    ]
    model.head = model.head.view(Counted)
    return model


def products_of(work) -> Counter:
    Counted.seen = Counter()
    work()
    return Counted.seen


@pytest.mark.parametrize("rows", [1, 3])
def test_a_step_is_compared_with_the_very_products_that_it_does(counted, rows):
    step = products_of(bench_engine.decode(counted, rows))
    assert step == products_of(bench_engine.products(counted, rows))
    assert len(step) == 7 * counted.config.layers + 1 and set(step.values()) == {1}


def figures(**changed) -> dict[str, float]:
    names = dict(
        zip(("one", "many", "peak", "load"), bench_engine.BUDGETS, strict=True)
    )
    good = {name: limit for name, (limit, _) in bench_engine.BUDGETS.items()}
    return good | {names[short]: figure for short, figure in changed.items()}


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, 0),
        ({"one": 1.26}, 1),
        ({"many": 0.59}, 1),
        ({"many": 0.9, "peak": 0.9}, 0),
        ({"peak": 1.11, "load": 2.1}, 2),
    ],
)
def test_what_misses_its_budget_is_named(capsys, changed, missed):
    assert len(bench_engine.over_budget(figures(**changed))) == missed
    told = capsys.readouterr().out
    assert told.count("MISSED") == missed and told.count("\n") == 4


def test_everything_is_measured_once(monkeypatch, loaded, capsys):
    """One turn, one process, a small copy: the code of the bench, not its numbers."""
    for name, small in (("TURNS", 1), ("RUNS", 1), ("COPIED", 2**16)):
        monkeypatch.setattr(bench_engine, name, small)
    monkeypatch.setattr(bench_engine.engine, "load", lambda: loaded)
    found = bench_engine.measured()
    assert list(found) == list(bench_engine.BUDGETS)
    assert all(0 < figure < 1000 for figure in found.values())
    one, _, peak, _ = found.values()
    assert one > 0.5 and 0.5 < peak < 3  # weights of 538 MB are among the bytes
    assert capsys.readouterr().out.count("its products") == 2


def test_a_process_that_does_not_load_is_one_line(monkeypatch):
    monkeypatch.setattr(bench_engine, "LOAD", "raise SystemExit('no model here')")
    with pytest.raises(CommandError, match="the engine did not load: no model here"):
        bench_engine.of_process()


def test_a_miss_fails_the_command(monkeypatch):
    monkeypatch.setattr(bench_engine, "measured", lambda: figures(load=9))
    with pytest.raises(SystemExit) as ended:
        bench_engine.main()
    assert ended.value.code == 1


def test_more_threads_than_one_are_refused(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    with pytest.raises(CommandError, match="OMP_NUM_THREADS is 4, not 1"):
        bench_engine.main()


def test_a_command_of_tools_runs_on_one_thread_though_nobody_said_so():
    """NumPy reads the variables when it is loaded: they must stand before."""
    environment = {k: v for k, v in os.environ.items() if k not in bench_engine.THREADS}
    code = (
        "import os, sys, tools; assert 'numpy' not in sys.modules; "
        f"print(*(os.environ[name] for name in {bench_engine.THREADS}))"
    )
    told = subprocess.check_output(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, text=True
    )
    assert told.split() == ["1"] * len(bench_engine.THREADS)


def test_the_peers_are_an_extra_and_their_absence_is_one_line():
    if all(map(importlib.util.find_spec, bench_peers.MODULES)):
        pytest.skip("the peers are installed here")
    done = subprocess.run(
        [sys.executable, "-m", "tools.bench_peers"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    assert "make bench-peers installs it" in done.stderr
    assert done.stderr.count("\n") == 1
