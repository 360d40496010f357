"""Times on a device, and the ceilings that predictions are made from.

Device work is asynchronous, so it is timed by events on the device itself; on a CPU a wall clock does.
"""

from __future__ import annotations

import itertools
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence

import torch
from torch.autograd.profiler import DeviceType
from torch.nn.functional import linear

from examples import record

ON_GPU = "cuda"
Work = Callable[[], object]  # what is timed: called without arguments


def elapsed_ms(work: Work, device: str) -> float:
    """Time of one call of `work`, in ms, with everything that it started finished."""
    if device == ON_GPU:
        return events_ms(work)  # not covered: runs on a GPU only
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def events_ms(work: Work) -> float:  # not covered: runs on a GPU only
    """Time of one call on the device, between two events on its stream."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def samples_ms(
    work: Work,
    device: str,
    samples: int,
    repeat: int = 1,
    warm_up: int = 3,
) -> list[float]:
    """`samples` times of one call in ms, each the mean over `repeat` calls, after a warm-up."""

    def several() -> None:
        for _ in range(repeat):
            work()

    for _ in range(warm_up):
        several()
    return [elapsed_ms(several, device) / repeat for _ in range(samples)]


def rotating(work: Callable[..., object], inputs: Sequence[tuple]) -> Work:
    """`work` on the next of several inputs at each call, so that none is still in the device's cache."""
    turn = itertools.cycle(inputs)
    return lambda: work(*next(turn))


def captured(work: Work, device: str) -> Work:
    """`work` recorded as a CUDA graph: one launch replays all its kernels on the same memory.

    The replay returns what `work` returned when it was recorded, with the newest numbers in it.
    """
    return recorded(work) if device == ON_GPU else work


def recorded(work: Work) -> Work:  # not covered: runs on a GPU only
    """The graph of `captured`; the first calls set up libraries, which a recording must not see."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()

    def replay():
        graph.replay()
        return result

    return replay


def kernels(work: Work) -> list[tuple[str, float]]:  # not covered: runs on a GPU only
    """Name and device time in ms of each kernel of one call, as the profiler of PyTorch reports them."""
    kinds = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds, acc_events=True) as profile:
        work()
        torch.cuda.synchronize()
    return [
        (event.name, event.self_device_time_total / 1e3)
        for event in profile.events()
        if event.device_type == DeviceType.CUDA
    ]


def ceilings(
    device: str, dtype: torch.dtype, numbers: int, side: int
) -> dict[str, float]:
    """What the device reaches on work other than the model's, medians of 15 samples.

    `copy_bytes_per_s`  copying `numbers` numbers, bytes read and written counted
    `read_bytes_per_s`  finding the largest in each of many rows of the same bytes, as 64-bit integers:
                        finer types ask for more instructions a byte, and arithmetic becomes the limit
    `flop_per_s`        x @ w.T of two [side, side] matrices of normal random numbers, again and again:
                        the rate that the card's power limit lets it hold, not that of the first ms
    `kernel_s`          one kernel on one number, in a graph of 1,000 of them that wait for each other
    """

    def random(*size: int) -> torch.Tensor:
        return torch.randn(size, device=device, dtype=dtype)

    def seconds(work: Work, repeat: int = 5) -> float:
        return (
            statistics.median(samples_ms(work, device, samples=15, repeat=repeat)) / 1e3
        )

    rows = [random(numbers // 2**16, 2**16) for _ in range(2)]
    copy = seconds(
        rotating(lambda a, b: b.copy_(a), [(rows[0], rows[1]), (rows[1], rows[0])])
    )
    size, integers = rows[0].nbytes, [(row.view(torch.int64), 1) for row in rows]
    read = seconds(rotating(torch.amax, integers))
    del rows, integers
    factors = [(random(side, side), random(side, side)) for _ in range(3)]
    product = seconds(rotating(linear, factors))
    one = torch.zeros(1, device=device)
    kernels = captured(lambda: [one.add_(1) for _ in range(1000)], device)
    return {
        "copy_bytes_per_s": 2 * size / copy,
        "read_bytes_per_s": size / read,
        "flop_per_s": 2 * side**3 / product,
        "kernel_s": seconds(kernels, repeat=1) / 1000,
    }


def device_name(device: str) -> str:
    """The device with its memory and driver, as a data file names it."""
    return card_name() if device == ON_GPU else record.cpu_name()


def tag(name: str) -> str:
    """A card's name as it stands in the names of data files: `NVIDIA H100 80GB HBM3` is `h100`."""
    found = re.search(r"\b[A-Z]{1,3} ?\d+[A-Z]*", name)
    return found[0].replace(" ", "").lower() if found else "gpu"


def card_tag(device: str) -> str:
    """The tag of the device in use; `cpu` where none is."""
    if device == ON_GPU:
        return tag(torch.cuda.get_device_name())  # not covered: runs on a GPU only
    return "cpu"


def card_name() -> str:  # not covered: runs on a GPU only
    """The graphics card with its memory and driver."""
    card = torch.cuda.get_device_properties(0)
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = subprocess.run(
        query, capture_output=True, text=True, check=True
    ).stdout.split()[0]
    return f"{card.name}, {card.total_memory / 2**30:.1f} GiB, driver {driver}"


def versions() -> dict[str, str]:
    """Versions of what the times depend on."""
    found = record.versions("torch")
    if torch.version.cuda:  # not covered: runs on a GPU only
        found["cuda"] = torch.version.cuda
        found["cudnn"] = str(torch.backends.cudnn.version())
    return found
