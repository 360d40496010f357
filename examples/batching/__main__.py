"""Batches: one reading of the weights for many tokens, what it gains, where it ends, what it wastes.

python -m examples.batching                the running request, eight times beside itself
python -m examples.batching card           a decode step on an H200, by batch and context
python -m examples.batching card --budget 10
python -m examples.batching waste          static batches of 32 questions, token by token
python -m examples.batching record         measure again, into examples/data (ten minutes)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from examples import cli, record, request
from examples.batching import beside, card, measure, products, waste
from examples.engine import chat
from examples.engine import model as engine
from examples.predict import memory, shapes


def run(_: object) -> None:
    """Print the running request alone and eight times beside itself."""
    model, tokenizer = engine.load()
    prompt = chat.ids(tokenizer, request.MESSAGES)
    read = memory.weight_bytes_read(shapes.named(measure.MODEL), 4)
    beside.answer(model, [prompt], 2, measure.END)  # warm-up
    print(f"{request.QUESTION} (greedy, one static batch)\n")
    print("batch   passes   positions   weights an answer   prefill    decode   answers")
    for rows in (1, 8):
        prompts = [prompt] * rows
        found = beside.answer(model, prompts, request.ANSWER_TOKENS, measure.END)
        positions = rows * (len(prompt) + found.passes - 1)
        same = sum(
            tokenizer.decode(answer[:-1]) == request.ANSWER for answer in found.answers
        )
        print(
            f"{rows:5}   {found.passes:6}   {positions:9}"
            f"   {found.passes * read / rows / 1e9:14.2f} GB"
            f"   {found.prefill_s * 1e3:4.0f} ms   {found.decode_s * 1e3:4.0f} ms"
            f"   {same} of {rows}: {request.ANSWER}"
        )


def print_card(options) -> None:
    """Print the recorded steps of one H200, and the largest batch within a budget."""
    if not 0 < options.budget < math.inf:
        raise cli.CommandError(
            f"--budget takes a time in ms above 0, not {options.budget:g}"
        )
    print(f"{card.MODEL}, bf16, one H200: a decode step, and tokens per second\n")
    print("batch" + "".join(f"{f'T = {t:,}':>24}" for t in card.CONTEXTS))
    cells = {
        (p["batch"], context): f"{record.median(p):.1f} ms{card.throughput(p):10,.0f}/s"
        for context in card.CONTEXTS
        for p in card.points(context)
    }
    for batch in sorted({batch for batch, _ in cells}):
        row = (cells.get((batch, context), "-") for context in card.CONTEXTS)
        print(f"{batch:5}" + "".join(f"{cell:>24}" for cell in row))
    within = (
        products.batch_within(card.steps(t), options.budget) for t in card.CONTEXTS
    )
    print(f"\nlargest batch measured within {options.budget:g} ms a step")
    print(" " * 5 + "".join(f"{batch:>24}" for batch in within))


def print_waste(_: object) -> None:
    """Print what static batches of the recorded questions compute for nobody."""
    data = record.load("batching--waste")["points"]
    prompts, answers = data[0]["prompt_lengths"], data[0]["answer_lengths"]
    print(f"{len(answers)} questions, answers of {min(answers)} to {max(answers)} tokens\n")
    print("batch   decode steps   tokens   padding   finished   wasted   rows at work")
    for point in data:
        found, steps = waste.in_batches(prompts, answers, point["batch"])
        at_work = sum(n - 1 for n in answers) / (point["batch"] * steps)
        print(
            f"{point['batch']:5}   {steps:12,}   {found.computed:6,}   {found.padding:7}"
            f"   {found.finished:8,}   {found.share:6.1%}   {at_work:12.1%}"
        )


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(
        prog="python -m examples.batching",
        description=__doc__,
        formatter_class=cli.argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=run)
    acts = parser.add_subparsers(metavar="{card,waste,record}", parser_class=cli.Parser)
    steps = acts.add_parser("card", help="a decode step on an H200")
    steps.add_argument("--budget", type=float, default=10, help="ms a step")
    steps.set_defaults(act=print_card)
    acts.add_parser("waste", help="static batches").set_defaults(act=print_waste)
    acts.add_parser("record", help="measure again").set_defaults(act=measure.record_all)
    options = parser.parse_args(argv)
    options.act(options)


if __name__ == "__main__":
    cli.run(main)
