"""The lower rungs of the ladder: one decode step at batch size 1, in PyTorch and in transformers.

A rung keeps what it needs on the device, `newest` [1] (the newest token) and `position` [1] (its place)
among it; `step` takes the newest token on, puts the likeliest next one in its place and returns
the logits [1, V]. `restart` goes back to the end of the prompt.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

from examples.cli import CommandError
from examples.gpu import timing
from examples.gpu.llama import EPSILON, Layer, Llama


def turned(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """RoPE on x [heads, D] by turn [D / 2, 2], cosine and sine; neighbors are a pair, as in `llama`."""
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    cosine, sine = turn.unbind(-1)
    pairs = torch.stack((a * cosine - b * sine, a * sine + b * cosine), -1)
    return pairs.flatten(-2).to(x.dtype)


def split(rows: torch.Tensor, shape: tuple[int, int, int], turn: torch.Tensor):
    """Queries [H, D], keys and values [K, D] of rows [1, (H + 2 K) * D], the first two turned."""
    heads, kv_heads, size = shape
    q, k, v = rows.view(-1, size).split((heads, kv_heads, kv_heads))
    return turned(q, turn), turned(k, turn), v


def after_attention(
    x: torch.Tensor,
    mixed: torch.Tensor,
    output: torch.Tensor,
    ffn_norm: torch.Tensor,
    gate_up: torch.Tensor,
    down: torch.Tensor,
) -> torch.Tensor:
    """The rest of a layer: x [1, d] plus the projected heads `mixed` [1, H * D], plus the feed-forward part."""
    x = x + linear(mixed, output)
    normed = rms_norm(x, x.shape[1:], ffn_norm, EPSILON)
    hidden = silu(linear(normed, gate_up[0])) * linear(normed, gate_up[1])
    return x + linear(hidden, down)


def static_layer(
    x: torch.Tensor,
    attention_norm: torch.Tensor,
    query_key_value: torch.Tensor,
    output: torch.Tensor,
    ffn_norm: torch.Tensor,
    gate_up: torch.Tensor,
    down: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    turn: torch.Tensor,
    position: torch.Tensor,
    mask: torch.Tensor,
    shape: tuple[int, int, int],
) -> torch.Tensor:
    """One layer over a cache of fixed size, keys and values [K, C, D]; the place comes from the device.

    All places of the cache take part, and the mask [C], added to the scores, leaves out those to come
    (as booleans it would be made into numbers again in every layer). Query heads
    that share a KV head are rows of one product, which needs no copy of the keys.
    """
    normed = rms_norm(x, x.shape[1:], attention_norm, EPSILON)
    q, k, v = split(linear(normed, query_key_value), shape, turn)
    keys.index_copy_(1, position, k[:, None])
    values.index_copy_(1, position, v[:, None])
    heads, kv_heads, size = shape
    q = q.view(1, kv_heads, heads // kv_heads, size)
    mixed = scaled_dot_product_attention(
        q, keys[None], values[None], attn_mask=mask[None, None, None]
    )
    return after_attention(x, mixed.reshape(1, -1), output, ffn_norm, gate_up, down)


class Growing:
    """Plain eager PyTorch: the cache grows by concatenation, the host counts the positions."""

    def __init__(self, model: Llama, capacity: int):
        self.model, self.capacity = model, capacity
        self.device = model.embedding.device.type
        s = model.shape
        self.sizes = (s.heads, s.kv_heads, s.head_dim)
        self.newest = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.ids = torch.zeros(1, 1, dtype=torch.int64, device=self.device)

    def start(self, ids: torch.Tensor) -> None:
        """Take on a prompt [1, n]: all but its last token go into the cache, through `Llama.forward`."""
        if ids.shape[1] > self.capacity:
            raise CommandError(f"{ids.shape[1]} tokens, but room for {self.capacity}")
        self.ids, past = ids, ids.shape[1] - 1
        cache = self.model.new_cache(1, past)
        self.model.forward(ids[:, :-1], cache)
        self.keep(cache[:, :, 0])
        self.restart()

    def keep(self, cache: torch.Tensor) -> None:
        """Keep the keys and values [layers, 2, K, n, D] of the prompt."""
        self.prompt = [tuple(pair) for pair in cache]

    def restart(self) -> None:
        self.newest.copy_(self.ids[0, -1:])
        self.place = self.ids.shape[1] - 1
        self.cache = list(self.prompt)

    @torch.no_grad()
    def step(self) -> torch.Tensor:
        model = self.model
        turn = torch.view_as_real(model.rotation(self.place, 1))[0, 0]
        x = model.embedding[self.newest]
        for i, layer in enumerate(model.layers):
            normed = rms_norm(x, x.shape[1:], layer.attention_norm, EPSILON)
            q, k, v = split(linear(normed, layer.query_key_value), self.sizes, turn)
            keys, values = self.cache[i]
            keys = torch.cat((keys, k[:, None]), dim=1)
            values = torch.cat((values, v[:, None]), dim=1)
            self.cache[i] = keys, values
            mixed = scaled_dot_product_attention(
                q[None, :, None], keys[None], values[None], enable_gqa=True
            )
            x = after_attention(
                x,
                mixed.reshape(1, -1),
                layer.output,
                layer.ffn_norm,
                layer.gate_up,
                layer.down,
            )
        self.place += 1
        return self.finish(x)

    def finish(self, x: torch.Tensor) -> torch.Tensor:
        """Logits after the last layer; the likeliest token becomes the newest."""
        normed = rms_norm(x, x.shape[1:], self.model.output_norm, EPSILON)
        logits = linear(normed, self.model.head)
        self.newest.copy_(logits.argmax(1))
        return logits


class Static(Growing):
    """A cache of fixed size and positions on the device: every step launches the same kernels."""

    layer_step = staticmethod(static_layer)

    def __init__(self, model: Llama, capacity: int):
        super().__init__(model, capacity)
        s, like = model.shape, model.embedding
        self.position = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.places = torch.arange(capacity, device=self.device)
        self.nothing = like.new_zeros(capacity)
        rotation = torch.view_as_real(model.rotation(0, capacity))
        self.turns = rotation.reshape(capacity, s.head_dim // 2, 2).contiguous()
        # Zeros: the mask multiplies what it leaves out by zero, and zero times NaN is NaN.
        size = (s.kv_heads, capacity, s.head_dim)
        self.keys = [like.new_zeros(size) for _ in model.layers]
        self.values = [like.new_zeros(size) for _ in model.layers]

    def keep(self, cache: torch.Tensor) -> None:
        for i, (keys, values) in enumerate(cache):
            self.keys[i][:, : keys.shape[1]] = keys
            self.values[i][:, : values.shape[1]] = values

    def restart(self) -> None:
        self.newest.copy_(self.ids[0, -1:])
        self.position.fill_(self.ids.shape[1] - 1)

    @torch.no_grad()
    def step(self) -> torch.Tensor:
        x = self.model.embedding[self.newest]
        turn = self.turns[self.position][0]
        mask = self.nothing.masked_fill(self.places > self.position, -torch.inf)
        for layer, keys, values in zip(
            self.model.layers, self.keys, self.values, strict=True
        ):
            x = self.layer_step(
                x, *tensors(layer), keys, values, turn, self.position, mask, self.sizes
            )
        self.position.add_(1)
        return self.finish(x)


def tensors(layer: Layer) -> tuple[torch.Tensor, ...]:
    """A layer's weights in the order of `static_layer`."""
    return tuple(vars(layer).values())


class Compiled(Static):
    """The layer compiled by torch.compile: one compilation, which all layers share."""

    def __init__(self, model: Llama, capacity: int, backend: str, **options):
        super().__init__(model, capacity)
        more = {"options": options} if options else {}
        self.layer_step = torch.compile(
            static_layer, fullgraph=True, dynamic=False, backend=backend, **more
        )


class Graphed:
    """Another rung's step as a CUDA graph, which is replayed for token after token."""

    def __init__(self, rung: Static):
        self.rung, self.newest = rung, rung.newest
        self.restart = rung.restart
        self.replay: Callable[[], torch.Tensor] | None = None

    def start(self, ids: torch.Tensor) -> None:
        self.rung.start(ids)
        self.rung.step()  # compiles what there is to compile, before recording
        if self.replay is None:
            self.replay = timing.captured(self.rung.step, self.rung.device)
        self.restart()

    def step(self) -> torch.Tensor:
        return self.replay()


class Transformers:
    """`LlamaForCausalLM` of the library transformers, on the weights of our Llama."""

    def __init__(self, model: Llama, capacity: int):
        try:
            import transformers
        except ImportError as error:
            raise CommandError("transformers is not installed") from error
        self.model, self.capacity = model, capacity
        self.device = model.embedding.device.type
        self.newest = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.new_cache = transformers.DynamicCache
        config = transformers.LlamaConfig(
            **config_of(model), attn_implementation="sdpa"
        )
        with torch.device(model.embedding.device):
            self.library = transformers.AutoModelForCausalLM.from_config(
                config, dtype=model.embedding.dtype
            )
        share(model, self.library)
        chosen = self.library.generation_config
        chosen.eos_token_id, chosen.pad_token_id = None, 0

    def start(self, ids: torch.Tensor) -> None:
        self.ids = ids
        self.restart()

    @torch.no_grad()
    def restart(self) -> None:
        self.newest.copy_(self.ids[0, -1:])
        self.cache = self.new_cache()
        self.library(self.ids[:, :-1], past_key_values=self.cache, logits_to_keep=1)

    @torch.no_grad()
    def step(self) -> torch.Tensor:
        """The forward pass that `generate` makes for a token, with the greedy choice."""
        found = self.library(self.newest[None], past_key_values=self.cache)
        self.newest.copy_(found.logits[:, -1].argmax(1))
        return found.logits[:, -1]

    def generate(self, count: int) -> torch.Tensor:
        """`count` tokens after the prompt, by the library's own loop."""
        ids = self.library.generate(
            self.ids,
            attention_mask=torch.ones_like(self.ids),
            max_new_tokens=count,
            min_new_tokens=count,
            do_sample=False,
        )
        return ids[0, self.ids.shape[1] :]


def config_of(model: Llama) -> dict:
    """Our shape in the words of the library's configuration."""
    s = model.shape
    return {
        "vocab_size": s.vocab,
        "hidden_size": s.width,
        "intermediate_size": s.d_ff,
        "num_hidden_layers": s.layers,
        "num_attention_heads": s.heads,
        "num_key_value_heads": s.kv_heads,
        "head_dim": s.head_dim,
        "max_position_embeddings": s.context,
        "rms_norm_eps": EPSILON,
        "rope_parameters": {"rope_type": "default", "rope_theta": model.rope_base},
        "tie_word_embeddings": False,
    }


def halves(weight: torch.Tensor, size: int) -> torch.Tensor:
    """Rows of a head [D] in the library's order: RoPE pairs i with i + D / 2 there, 2 i with 2 i + 1 here."""
    pairs = weight.view(-1, size // 2, 2, weight.shape[1])
    return pairs.transpose(1, 2).reshape(weight.shape)


def share(model: Llama, library: torch.nn.Module) -> None:
    """Put our weights in the place of the library's; all but queries and keys are shared, not copied."""
    s = model.shape
    wide, narrow = s.heads * s.head_dim, s.kv_heads * s.head_dim

    def put(module: torch.nn.Module, weight: torch.Tensor) -> None:
        if module.weight.shape != weight.shape:
            raise CommandError(f"{module} takes no weight of {tuple(weight.shape)}")
        module.weight = torch.nn.Parameter(weight, requires_grad=False)

    put(library.model.embed_tokens, model.embedding)
    put(library.model.norm, model.output_norm)
    put(library.lm_head, model.head)
    for ours, theirs in zip(model.layers, library.model.layers, strict=True):
        q, k, v = ours.query_key_value.split((wide, narrow, narrow))
        put(theirs.self_attn.q_proj, halves(q, s.head_dim))
        put(theirs.self_attn.k_proj, halves(k, s.head_dim))
        put(theirs.self_attn.v_proj, v)
        put(theirs.self_attn.o_proj, ours.output)
        put(theirs.input_layernorm, ours.attention_norm)
        put(theirs.post_attention_layernorm, ours.ffn_norm)
        put(theirs.mlp.gate_proj, ours.gate_up[0])
        put(theirs.mlp.up_proj, ours.gate_up[1])
        put(theirs.mlp.down_proj, ours.down)
