"""`make bench-peers`: the NumPy engine beside transformers and llama.cpp on the same weights, as ratios of one run.

All in float32, one thread, greedy, one sequence. transformers gets the weights that the engine holds; llama.cpp
reads a GGUF file to which the same weights are written in F32. Before anything is timed, all three must
write the same tokens. The three take turns, so that a busy machine slows all of them; a ratio is of medians.
Nothing is handicapped: logits of the last position only, no text, each with its own cache.
"""

from __future__ import annotations

import importlib.util
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np

from examples import cli, record
from examples.engine import chat, weights
from examples.engine import model as engine
from examples.engine.gguf import GGUF
from examples.engine.runner import NumpyRunner
from tools import ROOT, bench_engine

MODULES = ("torch", "transformers", "gguf", "llama_cpp")
PACKAGES = ("torch", "transformers", "gguf", "llama-cpp-python")
PROMPT, WRITTEN, TURNS = 256, 32, 5
COPY = ROOT / "_build" / "peers" / "SmolLM2-135M-Instruct.F32.gguf"
# prefill(ids) -> the next token; decode(token) -> the next token
Peer = tuple[Callable[[list[int]], int], Callable[[int], int]]


def f32_copy(source: Path, target: Path) -> Path:
    """The model's file once more with every tensor in float32, written by the gguf package."""
    if target.is_file():
        return target
    import gguf

    reader, partial = gguf.GGUFReader(str(source)), target.with_suffix(".partial")
    writer = gguf.GGUFWriter(str(partial), "llama")
    ours = {
        "GGUF.version",
        "GGUF.tensor_count",
        "GGUF.kv_count",
        "general.architecture",
    }
    for name, field in reader.fields.items():
        if name not in ours and name != "general.file_type":
            kind = field.types[0]
            inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, sub_type=inner)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        data = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, data.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(target)
    return target


def ours() -> Peer:
    runner, state = NumpyRunner(engine.load()[0]), {}

    def prefill(ids: list[int]) -> int:
        if "number" in state:
            runner.close(state["number"])
        state["number"] = runner.open(len(ids) + WRITTEN)
        return int(runner.step([(state["number"], ids)])[0].argmax())

    def decode(token: int) -> int:
        return int(runner.step([(state["number"], [token])])[0].argmax())

    return prefill, decode


def with_transformers() -> Peer:
    """LlamaForCausalLM with the engine's weights: the two halves of each head's pairs set apart again."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    model, _ = engine.load()
    c = model.config
    config = LlamaConfig(
        vocab_size=len(model.embedding), hidden_size=c.width, num_hidden_layers=c.layers,
        intermediate_size=model.layers[0].gate.shape[1], num_attention_heads=c.heads,
        num_key_value_heads=c.kv_heads, head_dim=c.head_dim, rms_norm_eps=c.epsilon,
        rope_theta=c.rope_base, max_position_embeddings=c.context, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": c.rope_base},
    )  # fmt: skip
    peer = LlamaForCausalLM(config).eval()
    print(
        f"transformers: {peer.dtype}, attention {peer.config._attn_implementation}, "
        f"PyTorch {torch.backends.cpu.get_cpu_capability()}"
    )

    def halves(w: np.ndarray, heads: int) -> np.ndarray:
        """Rows (0, 1), (2, 3), ... of each head as (0, 2, ...), (1, 3, ...), as transformers pairs them."""
        rows = w.T.reshape(heads, c.head_dim // 2, 2, c.width)
        return rows.swapaxes(1, 2).reshape(heads * c.head_dim, c.width)

    tensors = {"model.embed_tokens.weight": model.embedding, "lm_head.weight": model.embedding,
               "model.norm.weight": model.output_norm}  # fmt: skip
    for i, layer in enumerate(model.layers):
        at = f"model.layers.{i}"
        tensors |= {
            f"{at}.input_layernorm.weight": layer.attention_norm,
            f"{at}.self_attn.q_proj.weight": halves(layer.query, c.heads),
            f"{at}.self_attn.k_proj.weight": halves(layer.key, c.kv_heads),
            f"{at}.self_attn.v_proj.weight": layer.value.T,
            f"{at}.self_attn.o_proj.weight": layer.output.T,
            f"{at}.post_attention_layernorm.weight": layer.ffn_norm,
            f"{at}.mlp.gate_proj.weight": layer.gate.T,
            f"{at}.mlp.up_proj.weight": layer.up.T,
            f"{at}.mlp.down_proj.weight": layer.down.T,
        }
    state = {k: torch.from_numpy(np.array(w, order="C")) for k, w in tensors.items()}
    peer.load_state_dict(state, strict=True)
    held = {}

    def step(ids: list[int], cache) -> int:
        with torch.inference_mode():
            out = peer(
                torch.tensor([ids]),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        held["cache"] = out.past_key_values
        return int(out.logits[0, -1].argmax())

    return lambda ids: step(ids, None), lambda token: step([token], held["cache"])


def with_llama_cpp() -> Peer:
    from llama_cpp import Llama, llama_print_system_info

    path = f32_copy(weights.checked(weights.find()), COPY)
    peer = Llama(
        str(path), n_ctx=PROMPT + 2 * WRITTEN, n_batch=PROMPT, n_ubatch=PROMPT, n_threads=1,
        n_threads_batch=1, type_k=0, type_v=0, logits_all=False, verbose=False,
    )  # fmt: skip
    built = llama_print_system_info().decode()
    print(f"llama.cpp: {' '.join(built.split())}, keys and values in F32")

    def step(ids: list[int]) -> int:
        peer.eval(ids)
        logits = peer._ctx.get_logits_ith(-1)
        return int(np.ctypeslib.as_array(logits, (peer.n_vocab(),)).argmax())

    def prefill(ids: list[int]) -> int:
        peer.reset()
        return step(ids)

    return prefill, lambda token: step([token])


PEERS = {
    "NumPy engine": ours,
    "transformers": with_transformers,
    "llama.cpp F32": with_llama_cpp,
}


def turn(peer: Peer, ids: list[int]) -> tuple[float, float, list[int]]:
    """Seconds of a prefill, median seconds of a decode step, and the tokens written."""
    prefill, decode = peer
    start = time.perf_counter()
    tokens = [prefill(ids)]
    first, steps = time.perf_counter() - start, []
    while len(tokens) < WRITTEN:
        start = time.perf_counter()
        tokens.append(decode(tokens[-1]))
        steps.append(time.perf_counter() - start)
    return first, statistics.median(steps), tokens


def prompt() -> list[int]:
    """PROMPT token ids: a question about a long text."""
    tokenizer = engine.Tokenizer(GGUF(weights.find()))
    text = (ROOT / "README.md").read_text("utf-8")
    ids = chat.ids(tokenizer, [{"role": "user", "content": text}])
    return ids[: PROMPT - 8] + ids[-8:]


def main() -> None:
    bench_engine.one_thread()
    if missing := [name for name in MODULES if not importlib.util.find_spec(name)]:
        raise cli.CommandError(
            f"{missing[0]} is not installed; make bench-peers installs it"
        )
    versions = ", ".join(f"{p} {metadata.version(p)}" for p in ("numpy", *PACKAGES))
    print(
        f"{record.cpu_name()}, one thread, Python {platform.python_version()}\n{versions}"
    )
    print(
        f"prompt {PROMPT} tokens, {WRITTEN} written greedily, float32, medians of {TURNS} turns"
    )
    ids, peers = prompt(), {name: make() for name, make in PEERS.items()}
    print()
    written = {name: turn(peer, ids)[2] for name, peer in peers.items()}
    for name, tokens in written.items():
        if tokens != written["NumPy engine"]:
            raise cli.CommandError(
                f"{name} writes other tokens than the engine; no use to time it"
            )
    print(f"all three write the same {WRITTEN} tokens\n")
    turns = [
        {name: turn(peer, ids)[:2] for name, peer in peers.items()}
        for _ in range(TURNS)
    ]
    middle = {
        name: [statistics.median(one[name][part] for one in turns) for part in (0, 1)]
        for name in peers
    }
    base = middle["NumPy engine"]
    print(f"{'':<15}{'prefill':>12}{'beside':>9}{'decode':>12}{'beside':>9}")
    for name, (first, step) in middle.items():
        print(
            f"{name:<15}{PROMPT / first:>8.0f} t/s{base[0] / first:>8.2f}×"
            f"{1 / step:>8.1f} t/s{base[1] / step:>8.2f}×"
        )
    print("\nbeside: rate over the NumPy engine's, of the same run", file=sys.stderr)


if __name__ == "__main__":
    cli.run(lambda _: main())
