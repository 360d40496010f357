"""Command-line manners shared by every example: one clear line for bad input, exit code 2."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn


class CommandError(Exception):
    """What a user can mend: the message says what was wrong and what is accepted."""


def fail(message: str) -> NoReturn:
    """Print one line on standard error and exit with code 2."""
    print("error: " + " ".join(str(message).split()), file=sys.stderr)
    raise SystemExit(2)


class Parser(argparse.ArgumentParser):
    """An `argparse` parser whose errors are one line, without the usage block."""

    def error(self, message: str) -> NoReturn:
        fail(f"{message} (see --help)")


def run(
    main: Callable[[Sequence[str] | None], None], argv: Sequence[str] | None = None
) -> None:
    """Run `main(argv)` and turn a `CommandError` into one line and exit code 2."""
    try:
        main(argv)
        sys.stdout.flush()  # here, since a pipe that is closed is noticed at the last write
    except CommandError as error:
        fail(str(error))
    except BrokenPipeError:  # `... | head` is no fault of ours
        # What is still buffered has to go somewhere: Python flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
