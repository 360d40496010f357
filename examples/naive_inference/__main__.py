"""python -m examples.naive_inference"""

from examples import cli
from examples.naive_inference import main

cli.run(main)
