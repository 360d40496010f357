"""The running request on an H100, on paper: what a pass asks of the card, and what of its host."""

from __future__ import annotations

from examples import record, request
from examples.hardware import climb, datasheet
from examples.predict import roofline, shapes
from examples.predict.roofline import Ceilings, Segment, Work
from examples.predict.shapes import Shape
from examples.values import count, decimal, quantity

SMALL = "SmolLM2-135M"
KEYS = {SMALL: "smol", datasheet.MODEL: "llama"}
PROMPT, STEP = Segment(request.PROMPT_TOKENS), Segment(1, request.PROMPT_TOKENS)


def kernels(shape: Shape) -> int:
    """Kernels of a pass in plain PyTorch: in each layer as many as the ladder counted."""
    layers = shapes.named(datasheet.MODEL).layers
    return round(climb.rung("graph")["kernels"] / layers * shape.layers)


def intensity(shape: Shape, one: Segment) -> float:
    """FLOP per byte of a pass."""
    return sum(roofline.parts(shape, [one]), Work(0, 0)).intensity


def pass_s(shape: Shape, one: Segment, host: bool) -> float:
    """Seconds of a pass. In a graph the starts of its kernels add to the card's work.

    Launched by the host, kernel by kernel, it takes the longer of work and launches.
    """
    data = record.load(climb.STEM)
    ceilings, asked = Ceilings.of(data), kernels(shape)
    if host:
        work = roofline.step_s(shape, [one], ceilings)
        return max(work, asked * data["ceilings"]["launch_s"])
    return roofline.step_s(shape, [one], ceilings, asked)


def request_s(shape: Shape, host: bool) -> float:
    """Seconds from the prompt to the last token: a prefill, and a step for each further token."""
    steps = [
        Segment(1, request.PROMPT_TOKENS + i) for i in range(request.ANSWER_TOKENS - 1)
    ]
    return sum(pass_s(shape, one, host) for one in (PROMPT, *steps))


def rows() -> list[tuple[str, list[str]]]:
    """What a pass and the request take, a cell for each model; times in ms."""
    data, models = record.load(climb.STEM), [shapes.named(name) for name in KEYS]
    ceilings = Ceilings.of(data)
    starts = {"graph": ceilings.kernel_s, "host": data["ceilings"]["launch_s"]}
    reading = [roofline.step_s(m, [STEP], ceilings) for m in models]

    def ms(seconds: list[float]) -> list[str]:
        return [decimal(1e3 * s, 2 if s < 0.01 else 1) for s in seconds]

    return [
        ("prefill, FLOP per byte", [decimal(intensity(m, PROMPT)) for m in models]),
        ("decode step, FLOP per byte", [decimal(intensity(m, STEP)) for m in models]),
        ("either one's bytes, read, ms", ms(reading)),
        ("its kernels", [count(kernels(m)) for m in models]),
        (
            "their starts in a graph, ms",
            ms([kernels(m) * starts["graph"] for m in models]),
        ),
        ("their launches, ms", ms([kernels(m) * starts["host"] for m in models])),
        ("the request from a graph, ms", ms([request_s(m, False) for m in models])),
        ("the request launched, ms", ms([request_s(m, True) for m in models])),
    ]


def lines() -> list[str]:
    """The table of `rows`, models side by side."""
    found = [
        f"the running request on an H100, on paper, bf16: {request.PROMPT_TOKENS} tokens "
        f"of prompt, {request.ANSWER_TOKENS} of answer\n",
        f"{'':30}" + "".join(f"{name:>15}" for name in KEYS),
    ]
    return found + [
        f"{what:30}" + "".join(f"{cell:>15}" for cell in cells)
        for what, cells in rows()
    ]


def of_request() -> dict[str, str]:
    """The running request's numbers, by model."""
    launch_s = record.load(climb.STEM)["ceilings"]["launch_s"]
    found = {
        "request-prompt": count(request.PROMPT_TOKENS),
        "request-answer": count(request.ANSWER_TOKENS),
    }
    for name, key in KEYS.items():
        shape = shapes.named(name)
        reading = roofline.step_s(shape, [STEP], Ceilings.of(record.load(climb.STEM)))
        launches = kernels(shape) * launch_s
        found |= {
            f"request-{key}-prefill": decimal(intensity(shape, PROMPT)),
            f"request-{key}-step": decimal(intensity(shape, STEP)),
            f"request-{key}-read-ms": quantity(
                1e3 * reading, "ms", 3 if key == "smol" else 2
            ),
            f"request-{key}-kernels": count(kernels(shape)),
            f"request-{key}-launches-ms": quantity(1e3 * launches, "ms", 1),
            f"request-{key}-fold": decimal(
                launches / reading, 0 if key == "smol" else 1
            ),
            f"request-{key}-graph-ms": quantity(1e3 * request_s(shape, False), "ms", 1),
            f"request-{key}-host-ms": quantity(1e3 * request_s(shape, True), "ms", 1),
        }
    return found
