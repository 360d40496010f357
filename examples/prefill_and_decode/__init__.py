"""Reading a prompt and writing an answer: two kinds of work, and what one does to the other.

`python -m examples.prefill_and_decode --help` lists the commands.
"""

from __future__ import annotations


def values() -> dict[str, str]:
    """The numbers that the chapter quotes."""
    from examples.prefill_and_decode import arrival, paper, phases, stall

    parts = (
        paper.of_paper(),
        phases.of_phases(),
        arrival.of_arrival(),
        stall.of_stall(),
    )
    return {
        f"prefill-and-decode--{name}": text
        for part in parts
        for name, text in part.items()
    }
