"""The loop that remembers nothing: what it computes again, what an answer costs, what could be kept.

`python -m examples.naive_inference --help` lists the commands.
"""

from __future__ import annotations


def values() -> dict[str, str]:
    """The numbers that the chapter quotes."""
    from examples.naive_inference import again, bill, measure, stores, talk

    parts = (
        again.of_again(),
        bill.of_bill(),
        measure.of_cpu(),
        measure.of_h100(),
        talk.of_chat(),
        stores.of_stores(),
    )
    return {
        f"naive-inference--{name}": text
        for part in parts
        for name, text in part.items()
    }
