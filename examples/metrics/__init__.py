"""What fast means: a load generator, what it measures, and what a queue predicts of it.

`arrivals` plans when requests are sent, `client` sends one and notes when its parts arrive, `load` sends them
all, `measures` makes metrics of the notes, and `queueing` predicts them. `toy` is a server whose answers are
known beforehand, `started` starts the book's own.
"""

from examples.metrics.numbers import values

__all__ = ["values"]
