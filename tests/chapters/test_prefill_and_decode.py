"""What the chapter prefill-and-decode claims."""

from __future__ import annotations

import pytest

from examples import prefill_and_decode


def test_todo_states_a_claim_of_the_chapter():
    assert prefill_and_decode.double(21) == 42  # TODO


def test_the_command_prints_what_the_chapter_discusses(capsys):
    prefill_and_decode.main([])
    assert "42" in capsys.readouterr().out


def test_bad_input_is_one_line(capsys):
    with pytest.raises(SystemExit) as stopped:
        prefill_and_decode.main(["--no-such-option"])
    assert stopped.value.code == 2 and capsys.readouterr().err.count("\n") == 1
