"""The commands behind the targets of the Makefile."""

import sys
from pathlib import Path

import examples  # noqa: F401  (one thread: it must be said before NumPy is loaded)

ROOT = Path(__file__).parent.parent
# The editions' names and folders stand where Sphinx's extensions find them.
sys.path.insert(0, str(ROOT / "_ext"))
from languages import LANGUAGES  # noqa: E402

__all__ = ["LANGUAGES", "ROOT"]
