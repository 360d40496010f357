"""The same answers through a public load generator, AIPerf, which is not part of the book's environment.

`record peers` runs it where `aiperf` is on the PATH and a folder `smol-tok` holds the model's tokenizer in the
form of the library `transformers`; elsewhere it says so and leaves the recording as it is.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from examples import request
from examples.metrics import dialects, measures, started, toy
from examples.metrics.client import Record
from examples.metrics.recorded import ALONE, KNOWN, alone, keep, ms

TAGS = {
    "ttft": "time_to_first_token",
    "tpot": "inter_token_latency",
    "latency": "request_latency",
}
COUNTED = {"server": ["--use-server-token-count"], "tokenizer": []}
ROUNDS = 2


def command_of(
    url: str, model: str, prompt: Path, out: Path, counted: str
) -> list[str]:
    """AIPerf's command line for the running request, one after the other."""
    return [
        *("aiperf", "profile", "--url", url.removesuffix("/v1"), "--model", model),
        *("--endpoint-type", "chat", "--streaming", "--concurrency", "1"),
        *("--request-count", str(ALONE), "--warmup-request-count", "1"),
        *("--workers-max", "1", "--record-processors", "1", "--ui", "none"),
        *("--custom-dataset-type", "single_turn", "--input-file", str(prompt)),
        *("--extra-inputs", "temperature:0", "--tokenizer", "smol-tok"),
        *("--output-artifact-dir", str(out), *COUNTED[counted]),
    ]


def aiperf(url: str, model: str, counted: str) -> dict[str, list[float]]:
    """Samples of AIPerf's metrics, in seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prompt = folder / "prompt.jsonl"
        prompt.write_text(json.dumps({"text": request.QUESTION}) + "\n", "utf-8")
        command = command_of(url, model, prompt, folder / "out", counted)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        text = (folder / "out" / "profile_export.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    rows = [r for r in rows if r["metadata"]["benchmark_phase"] == "profiling"]
    return {
        name: [row["metrics"][tag]["value"] / 1e3 for row in rows]
        for name, tag in TAGS.items()
    }


def ours(records: Sequence[Record]) -> dict[str, list[float]]:
    """The same metrics by the book's definitions, in seconds."""
    return {
        "ttft": [measures.ttft(r) for r in records],
        "tpot": [measures.tpot(r) for r in records],
        "latency": [measures.latency(r) for r in records],
    }


def predicted(records: Sequence[Record], counted: str) -> dict[str, float]:
    """What AIPerf should report of such answers: its definitions on our records, medians in s."""
    texts = len(records[0].texts)
    tokens = texts if counted == "tokenizer" else None
    return {
        "ttft": statistics.median(map(measures.ttft_from_sent, records)),
        "tpot": statistics.median(dialects.aiperf_itl(r, tokens) for r in records),
        "latency": statistics.median(map(dialects.last_text, records)),
    }


def compared(server: str, url: str, model: str) -> list[dict]:
    """Points of one server: ours, then AIPerf with two ways to count tokens, more than once."""
    samples: dict[tuple, list[float]] = {}
    records: list[Record] = []
    for _ in range(ROUNDS):
        mine = alone(url, ALONE).records
        records += mine
        found = {("ours", "server"): ours(mine)}
        found |= {("aiperf", c): aiperf(url, model, c) for c in COUNTED}
        for (tool, counted), metrics in found.items():
            for name, values in metrics.items():
                samples.setdefault((tool, counted, name), []).extend(values)
    points = []
    for (tool, counted, name), values in samples.items():
        expected = predicted(records, counted)[name]
        if tool == "ours":
            expected = statistics.median(ours(records)[name])
        if server == "toy" and tool == "ours":
            expected = truth()[name]
        points.append(
            {
                "server": server,
                "tool": tool,
                "counted": counted,
                "metric": name,
                "predicted_ms": round(expected * 1e3, 2),
                "samples": ms(values),
            }
        )
    return points


def truth() -> dict[str, float]:
    """What the toy does, in seconds."""
    decode = KNOWN.step * (KNOWN.tokens - 1)
    return {
        "ttft": KNOWN.prefill,
        "tpot": KNOWN.step,
        "latency": KNOWN.prefill + decode,
    }


def record_peers() -> None:
    """AIPerf beside the book's generator: examples/data/metrics--peers.json."""
    if shutil.which("aiperf") is None or not Path("smol-tok").is_dir():
        print(
            "left     metrics--peers.json: needs aiperf on the PATH and a folder smol-tok"
        )
        return
    said = subprocess.run(["aiperf", "--version"], capture_output=True, text=True)
    with toy.serving(KNOWN) as url:
        points = compared("toy", url, "toy")
    with started.book_server() as url:
        points += compared("book", url, "SmolLM2-135M-Instruct")
    keep(
        "peers",
        "AIPerf's definitions applied to the records of the book's generator; on the toy the "
        "book's own metrics are predicted by its timing, on the book's server they are their median",
        points,
        aiperf=said.stdout.split()[-1],
    )
