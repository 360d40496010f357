"""Measurements on an accelerator, in PyTorch. Each also runs at toy size on a CPU with `--toy`.

`timing` holds the clock and the ceilings, `llama` the model, `checks` what must hold before it is
timed; a module per chapter measures with them.
"""

import importlib.util

from examples import cli

if (
    importlib.util.find_spec("torch") is None
):  # not covered: the tests here need PyTorch too
    cli.fail("the examples in examples/gpu need PyTorch; install it with: make torch")
