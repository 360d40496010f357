"""What the chapter batching claims."""

from __future__ import annotations

import pytest

from examples import batching


def test_todo_states_a_claim_of_the_chapter():
    assert batching.double(21) == 42  # TODO


def test_the_command_prints_what_the_chapter_discusses(capsys):
    batching.main([])
    assert "42" in capsys.readouterr().out


def test_bad_input_is_one_line(capsys):
    with pytest.raises(SystemExit) as stopped:
        batching.main(["--no-such-option"])
    assert stopped.value.code == 2 and capsys.readouterr().err.count("\n") == 1
