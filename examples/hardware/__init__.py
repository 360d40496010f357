"""The machine: what a datasheet promises, what a card reaches, and what keeps a step from it.

`python -m examples.hardware --help` lists the commands.
"""

from __future__ import annotations


def values() -> dict[str, str]:
    """The numbers that the chapter quotes."""
    from examples.hardware import asked, card, climb, datasheet, online, second

    parts = (
        datasheet.of_datasheets(),
        card.of_card(),
        asked.of_request(),
        climb.of_ladder(),
        second.of_second(),
        online.of_online(),
    )
    return {f"hardware--{name}": text for part in parts for name, text in part.items()}
