"""The same answer as other tools count it: their definitions applied to our record, in seconds.

Read in the sources of vLLM 0.33.0 (vllm/benchmarks, on 2026-11-26), AIPerf 0.13.0 and GuideLLM 0.8.1 (on
2026-11-23). All of them start their clock when the request is sent, and end an answer with its last event that
brings a token: what opens or closes it without one does not count.
"""

from __future__ import annotations

from itertools import pairwise

from examples.metrics.client import Record


def last_text(record: Record) -> float:
    """When the last text came, from sending the request: the end of the answer to all three."""
    return record.texts[-1] - record.sent


def aiperf_itl(record: Record, tokens: int | None = None) -> float:
    """AIPerf's "inter token latency", a mean of one request: what others call TPOT.

    `tokens` is what AIPerf's own tokenizer counts in the text; left out, the server's count.
    """
    return (record.texts[-1] - record.texts[0]) / ((tokens or record.tokens) - 1)


def guidellm_tpot(record: Record) -> float:
    """GuideLLM's "time per output token" spreads the first token's time over all."""
    return last_text(record) / record.tokens


def vllm_tpot(record: Record) -> float:
    """vLLM's TPOT: the time after the first text, over the tokens after the first by the server's count."""
    return (record.texts[-1] - record.texts[0]) / (record.tokens - 1)


def vllm_itls(record: Record) -> list[float]:
    """vLLM's gaps: between the events that bring a token."""
    return [late - early for early, late in pairwise(record.texts)]
