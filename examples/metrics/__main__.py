"""Load a server, and say what its users would see.

python -m examples.metrics                    what a queue does to waiting, predicted
python -m examples.metrics load --rate 2      drive the book's own server, started for the run
python -m examples.metrics load --url http://127.0.0.1:8000/v1 --rate 2 --requests 50 --slo-ttft 1 --slo-tpot 0.05
python -m examples.metrics load --url http://127.0.0.1:8000/v1 --users 4
python -m examples.metrics omission           one stalling server, measured in two ways
python -m examples.metrics record             measure again, into examples/data (a quarter of an hour)
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from examples import cli, request
from examples.metrics import arrivals, load, peers, recorded, report, started
from examples.metrics.measures import Objective

RECORDED = {
    "request": recorded.record_request,
    "held": recorded.record_held,
    "omission": recorded.record_omission,
    "knee": recorded.record_knee,
    "busy": recorded.record_busy,
    "peers": peers.record_peers,
}


def seconds(text: str) -> float:
    """A time above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def amount(text: str) -> int:
    """A count of 1 or more."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def loop_of(options):
    """The loop that the options ask for, and what to call it."""
    if options.trace and (options.users or options.rate):
        raise cli.CommandError(
            "--trace has times of its own: leave --rate and --users out"
        )
    if not (options.trace or options.users or options.rate):
        raise cli.CommandError("say how to load: --rate, --users or --trace")
    if options.users:
        pace = f", {options.rate:g} requests/s meant" if options.rate else ""
        name, loop = f"closed loop of {options.users} users{pace}", load.closed_loop
        more = {"users": options.users, "requests": options.requests}
        return name, partial(loop, rate=options.rate, **more)
    if options.trace:
        name, plan = f"open loop from {options.trace}", arrivals.trace(options.trace)
    else:
        name = f"open loop, {options.rate:g} requests/s, Poisson, seed {options.seed}"
        plan = arrivals.poisson(options.rate, options.requests, options.seed)
    return name, partial(load.open_loop, plan=plan)


def run_load(options) -> None:
    """Drive a server and print the metrics."""
    name, loop = loop_of(options)
    server = (
        contextlib.nullcontext(options.url) if options.url else started.book_server()
    )
    messages = [{"role": "user", "content": options.ask}]
    with server as url:
        run = load.finished(load.drive(url, messages, options.max_tokens, loop))
    print(f"{name}: ", end="")
    print(report.of_run(run, Objective(options.slo_ttft, options.slo_tpot)))


def run_record(options) -> None:
    """Measure one thing again, or everything."""
    for name, measure in RECORDED.items():
        if options.what in (None, name):
            measure()


def with_load_options(parser: cli.Parser) -> None:
    parser.add_argument("--url", help="where /v1 is; the book's own server if left out")
    parser.add_argument("--rate", type=seconds, help="requests a second")
    parser.add_argument("--users", type=amount, help="a closed loop of so many users")
    parser.add_argument("--trace", type=Path, help="a JSON list of arrival times, in s")
    parser.add_argument("--requests", type=amount, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the arrivals")
    parser.add_argument("--ask", default=request.QUESTION, help="the user's message")
    parser.add_argument("--max-tokens", type=amount, help="of an answer")
    for name in ("--slo-ttft", "--slo-tpot"):
        parser.add_argument(name, type=seconds, default=float("inf"), help="in s")


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(
        prog="python -m examples.metrics",
        description=__doc__,
        formatter_class=cli.argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=lambda _: print(report.of_queue()))
    acts = parser.add_subparsers(
        metavar="{load,omission,record}", parser_class=cli.Parser
    )
    one = acts.add_parser("load", help="drive a server and print its metrics")
    with_load_options(one)
    one.set_defaults(act=run_load)
    one = acts.add_parser("omission", help="one stalling server, measured in two ways")
    one.set_defaults(act=lambda _: print(report.of_omission(recorded.omission())))
    one = acts.add_parser("record", help="measure again")
    one.add_argument("what", nargs="?", choices=RECORDED, help="all if left out")
    one.set_defaults(act=run_record)
    options = parser.parse_args(argv)
    options.act(options)


if __name__ == "__main__":
    cli.run(main)
