"""Reading a prompt and writing an answer: two kinds of work, and what one does to the other.

python -m examples.prefill_and_decode              a step by the number of its tokens, on an H100, on paper
python -m examples.prefill_and_decode request      TTFT, TPOT and end of requests, on paper
python -m examples.prefill_and_decode request --prompt 4096 --answer 500
python -m examples.prefill_and_decode chunk        a long prompt in chunks, predicted and measured on an H100
python -m examples.prefill_and_decode record       measure the CPU's part again, into examples/data
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from examples import cli, request
from examples.predict import shapes
from examples.prefill_and_decode import arrival, paper, stall

REQUESTS = (
    (request.PROMPT_TOKENS, request.ANSWER_TOKENS),
    *((prompt, paper.ANSWER) for prompt in paper.PROMPTS),
)


def steps(_: argparse.Namespace) -> None:
    """Print what a step costs by the number of its tokens."""
    shape = shapes.named(paper.MODEL)
    print(f"{shape.name} in bf16, one sequence from its beginning\n")
    print("\n".join(paper.table(shape, paper.card())))


def requests(options: argparse.Namespace) -> None:
    """Print predicted TTFT, TPOT and end."""
    asked = REQUESTS
    if options.prompt is not None or options.answer is not None:
        prompt = 1024 if options.prompt is None else options.prompt
        answer = paper.ANSWER if options.answer is None else options.answer
        if prompt < 1 or answer < 2:
            raise cli.CommandError(
                "--prompt takes 1 or more tokens, --answer 2 or more"
            )
        asked = ((prompt, answer),)
    shape = shapes.named(options.model)
    print(f"{shape.name} in bf16, alone on the card\n")
    print("prompt  answer   TTFT, ms   TPOT, ms   end, ms")
    for prompt, answer in asked:
        t = paper.times(shape, paper.card(), prompt, answer)
        print(
            f"{prompt:6,}  {answer:6,}   {t.ttft * 1e3:8.2f}   {t.tpot * 1e3:8.2f}"
            f"   {t.end * 1e3:7,.0f}"
        )


def chunked(_: argparse.Namespace) -> None:
    """Print the longest step and the sum of all, by the size of a chunk."""
    print("        longest step, ms       all steps, ms")
    print("chunk   predicted  measured   predicted  measured   steps")
    for chunk in arrival.chunks():
        paper_ms = [p["predicted_with_starts_ms"] for p in arrival.steps(chunk)]
        print(
            f"{chunk:5,}   {max(paper_ms):9.1f}  {arrival.longest_ms(chunk):8.1f}"
            f"   {sum(paper_ms):9.1f}  {arrival.total_ms(chunk):8.1f}   {len(paper_ms):5}"
        )


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(
        prog="python -m examples.prefill_and_decode",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=steps)
    acts = parser.add_subparsers(
        metavar="{request,chunk,record}", parser_class=cli.Parser
    )
    one = acts.add_parser("request", help="TTFT, TPOT and end of a request")
    one.add_argument("--model", default=paper.MODEL)
    one.add_argument("--prompt", type=int, help="tokens")
    one.add_argument("--answer", type=int, help="tokens")
    one.set_defaults(act=requests)
    acts.add_parser("chunk", help="a prompt in chunks").set_defaults(act=chunked)
    acts.add_parser("record", help="measure again").set_defaults(act=stall.record_all)
    options = parser.parse_args(argv)
    options.act(options)


if __name__ == "__main__":
    cli.run(main)
