"""Batches: what the users of a step share, where the gain ends, and what a static batch wastes.

`python -m examples.batching --help` lists the commands.
"""

from __future__ import annotations


def values() -> dict[str, str]:
    """The numbers that the chapter quotes."""
    from examples.batching import quoted

    parts = (
        quoted.of_device(),
        quoted.of_h200(),
        quoted.of_users(),
        quoted.of_cpu(),
        quoted.of_waste(),
        quoted.of_exercises(),
    )
    return {f"batching--{name}": text for part in parts for name, text in part.items()}
