"""Many sequences in one step: what it costs, where it ends, and what a rectangle wastes.

`python -m examples.batching --help` lists the commands.
"""

from __future__ import annotations


def values() -> dict[str, str]:
    """The numbers that the chapter quotes."""
    from examples.batching import card, core, paper, questions, static

    parts = (
        paper.of_paper(),
        card.of_card(),
        card.of_second(),
        core.of_core(),
        static.of_static(),
        questions.of_questions(),
    )
    return {f"batching--{name}": text for part in parts for name, text in part.items()}
