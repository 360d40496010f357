"""The loop that remembers nothing: what it computes again, what an answer costs, what could be kept.

python -m examples.naive_inference          the running request, each pass against the one before
python -m examples.naive_inference bill     operations of whole answers, part by part
python -m examples.naive_inference chat     a conversation of several turns, sent again each time
python -m examples.naive_inference stores   what could be remembered of a token, and what that saves
python -m examples.naive_inference stores Llama-2-7B --context 4096
python -m examples.naive_inference record   measure again, into examples/data (twenty minutes)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from examples import cli, request
from examples.engine import chat
from examples.engine import model as engine
from examples.naive_inference import again, bill, measure, stores, talk
from examples.naive_inference.stores import STORED
from examples.predict import shapes

SMALL, LARGE = measure.MODEL, "Llama-3.1-8B"
# Two passes agree when no number is further apart than this share of the largest.
WITHIN = 1e-5
# Tokens of prompt and answer; the last fills the context window.
ANSWERS = ((37, 8), bill.SHORT, bill.LONG, (37, 8155))


def run(_: object) -> None:
    """Print the running request without a cache: each pass against the one before."""
    model, tokenizer = engine.load()
    passes: list[tuple[int, dict]] = []

    def forward(ids: Sequence[int]) -> np.ndarray:
        found, logits = again.intermediates(model, ids)
        passes.append((len(ids), found))
        return logits

    print(f"{request.QUESTION} (greedy, nothing is kept)\n")
    print("pass   reads   computed before   largest difference   writes")
    prompt = chat.ids(tokenizer, request.MESSAGES)
    for token in again.write(forward, prompt, request.ANSWER_TOKENS):
        reads, found = passes[-1]
        before, difference = 0, "-"
        if len(passes) > 1:
            before, old = passes[-2]
            parts = again.agreements(old, found, before).values()
            apart = max(part.apart for part in parts)
            difference = f"under {WITHIN:g}" if apart < WITHIN else f"{apart:.1e}"
        shown = repr(tokenizer.decode([token]))
        print(f"{len(passes):4}   {reads:5}   {before:15}   {difference:>18}   {shown}")
    lengths = [reads for reads, _ in passes]
    print(
        f"\n{sum(lengths)} positions computed, {sum(lengths[:-1])} of them "
        "for at least the second time"
    )


def print_bill(options) -> None:
    """Print the operations of whole answers, part by part."""
    shape = shapes.named(options.model)
    bills = [bill.answer_flop(shape, *answer) for answer in ANSWERS]
    print(f"{shape.name}: a naive answer, TFLOP\n")
    print("prompt   answer    positions   products   attention      head        all")
    for (prompt, answer), parts in zip(ANSWERS, bills, strict=True):
        cells = "".join(f"{part / 1e12:12.2f}" for part in parts.values())
        print(
            f"{prompt:6}   {answer:6}   {bill.positions(prompt, answer):10,}"
            f"{cells[1:]}{sum(parts.values()) / 1e12:11.2f}"
        )


def print_chat(_: object) -> None:
    """Print what each turn of the conversation sends, and what three servers compute for it."""
    conversation = talk.turns()
    print("               positions computed by a server that remembers")
    print("turn   sent   answered   nothing   a request   the conversation\n")
    known = 0
    for number, turn in enumerate(conversation, start=1):
        one = talk.conversation([turn])
        print(
            f"{number:4}   {turn.prompt:4}   {turn.answer:8}   {one.nowhere:7,}"
            f"   {one.within_request:9}   {one.across_requests - known:16}"
        )
        known = one.across_requests
    all_of_it = talk.conversation(conversation)
    print(
        f" all   {all_of_it.sent:4}   {sum(t.answer for t in conversation):8}"
        f"   {all_of_it.nowhere:7,}   {all_of_it.within_request:9,}"
        f"   {all_of_it.across_requests:16}"
    )


def print_stores(options) -> None:
    """Print what could be kept of each token of a context, and the work that it leaves."""
    shape = shapes.named(options.model)
    if options.context < 2:
        raise cli.CommandError(
            f"--context takes 2 or more tokens, not {options.context}"
        )
    rows = stores.stores(shape, options.context)
    print(f"{shape.name} in bf16, context {options.context:,}\n")
    print("kept                    KiB a token   GFLOP for the next token      of all")
    for store in rows:
        print(
            f"{store.kept:22}   {store.numbers * 2 / 1024:10,.1f}"
            f"   {store.flop / 1e9:24,.1f}   {store.flop / rows[0].flop:9.3%}"
        )


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(
        prog="python -m examples.naive_inference",
        description=__doc__,
        formatter_class=cli.argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=run)
    acts = parser.add_subparsers(
        metavar="{bill,chat,stores,record}", parser_class=cli.Parser
    )
    answers = acts.add_parser("bill", help="operations of whole answers")
    answers.add_argument("model", nargs="?", default=SMALL, metavar="MODEL")
    answers.set_defaults(act=print_bill)
    acts.add_parser("chat", help="a conversation").set_defaults(act=print_chat)
    kept = acts.add_parser("stores", help="what could be remembered")
    kept.add_argument("model", nargs="?", default=LARGE, metavar="MODEL")
    kept.add_argument("--context", type=int, default=STORED, help="tokens")
    kept.set_defaults(act=print_stores)
    acts.add_parser("record", help="measure again").set_defaults(act=measure.record_all)
    options = parser.parse_args(argv)
    options.act(options)


if __name__ == "__main__":
    cli.run(main)
