"""The real model, loaded once for all chapters' tests."""

import pytest

from examples.engine import model as engine


@pytest.fixture(scope="session")
def loaded():
    """The model and its tokenizer."""
    return engine.load()
