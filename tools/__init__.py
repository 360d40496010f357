"""The commands behind the targets of the Makefile."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# The editions' names and folders stand where Sphinx's extensions find them.
sys.path.insert(0, str(ROOT / "_ext"))
from languages import LANGUAGES  # noqa: E402

__all__ = ["LANGUAGES", "ROOT"]
