"""A decoder of Llama's shape in plain PyTorch, with random weights: right in cost, not in text.

Shapes: B sequences, n new tokens each, T tokens in all, d the width, H query heads and K key-value
heads of D numbers each, N = B * n rows. A weight is kept as [out, in], so a step is `x @ w.T`. The
frequencies of RoPE are not rescaled as Llama 3.1 does for long contexts; that changes no cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

from examples.cli import CommandError
from examples.predict.shapes import Shape

ROPE_BASE = 500_000.0  # rope_theta and rms_norm_eps in Llama-3.1-8B's config.json
EPSILON = 1e-5


def attention_kernels(dtype: torch.dtype) -> list[SDPBackend]:
    """Which of PyTorch's attention kernels may run, best first; none of the fast ones expands the cache.

    cuDNN's reads a cache at a higher rate than FlashAttention 2 on an H200 (PyTorch 2.11). Neither
    takes float32, whose plain products serve for checks.
    """
    if dtype == torch.float32:
        return [SDPBackend.MATH]
    return [
        SDPBackend.CUDNN_ATTENTION,
        SDPBackend.FLASH_ATTENTION,
    ]  # not covered: runs on a GPU only


@dataclass(frozen=True)
class Layer:
    """The weights of one layer; products that read the same input are one matrix."""

    attention_norm: torch.Tensor  # [d]
    query_key_value: torch.Tensor  # [(H + 2 K) * D, d]
    output: torch.Tensor  # [d, H * D]
    ffn_norm: torch.Tensor  # [d]
    gate_up: torch.Tensor  # [2, d_ff, d]
    down: torch.Tensor  # [d, d_ff]


class Llama:
    """Random weights of a shape, and the forward pass over them."""

    rope_base = ROPE_BASE

    def __init__(self, shape: Shape, device: str, dtype: torch.dtype, seed: int = 0):
        """Each product keeps the size of its input: entries have variance 1 / in.

        What is added to the residual stream is divided by sqrt(2 * layers), as GPT-2 begins, so that
        the stream neither explodes nor fades.
        """
        if shape.latent or shape.experts or shape.qk_norm or shape.tied:
            raise CommandError(f"{shape.name} is not of Llama's build")
        generator = torch.Generator(device).manual_seed(seed)

        def normal(rows: int, columns: int, scale: float = 1.0) -> torch.Tensor:
            w = torch.empty(rows, columns, device=device, dtype=dtype)
            return w.normal_(0, scale * columns**-0.5, generator=generator)

        def ones() -> torch.Tensor:
            return torch.ones(shape.width, device=device, dtype=dtype)

        d, wide = shape.width, shape.heads * shape.head_dim
        added = (2 * shape.layers) ** -0.5
        self.shape = shape
        self.embedding = normal(
            shape.vocab, d, d**0.5
        )  # [V, d], rows of unit size per number
        self.layers = [
            Layer(
                attention_norm=ones(),
                query_key_value=normal(wide + 2 * shape.kv_heads * shape.head_dim, d),
                output=normal(d, wide, added),
                ffn_norm=ones(),
                gate_up=normal(2 * shape.d_ff, d).view(2, shape.d_ff, d),
                down=normal(d, shape.d_ff, added),
            )
            for _ in range(shape.layers)
        ]
        self.output_norm = ones()
        self.head = normal(shape.vocab, d)

    def copied_to(self, dtype: torch.dtype) -> Llama:
        """The same weights as numbers of another type, in new memory."""
        other = object.__new__(Llama)
        other.shape = self.shape
        for name in ("embedding", "output_norm", "head"):
            setattr(other, name, getattr(self, name).to(dtype))
        other.layers = [
            Layer(**{name: w.to(dtype) for name, w in vars(layer).items()})
            for layer in self.layers
        ]
        return other

    def new_cache(self, batch: int, capacity: int) -> torch.Tensor:
        """Room for the keys and values of `capacity` tokens: [layers, 2, B, K, capacity, D]."""
        s = self.shape
        return torch.empty(
            (s.layers, 2, batch, s.kv_heads, capacity, s.head_dim),
            device=self.embedding.device,
            dtype=self.embedding.dtype,
        )

    def random_ids(self, batch: int, count: int) -> torch.Tensor:
        """Token ids [batch, count], drawn anew at each call."""
        return torch.randint(
            self.shape.vocab, (batch, count), device=self.embedding.device
        )

    @torch.inference_mode()
    def forward(
        self, ids: torch.Tensor, cache: torch.Tensor | None = None, past: int = 0
    ) -> torch.Tensor:
        """Logits [B, V] after the last of `ids` [B, n].

        With a cache, `ids` stand at positions past .. past + n - 1; their keys and values are stored
        there, and a single new token attends to all past + 1 positions. Without one, or with more
        new tokens than one, past must be 0.
        """
        (batch, new), head_dim = ids.shape, self.shape.head_dim
        if past and (cache is None or new > 1):
            raise CommandError("a past needs a cache and one new token a sequence")
        if cache is not None and past + new > cache.shape[4]:
            raise CommandError(
                f"the cache holds {cache.shape[4]} tokens, not {past + new}"
            )
        x = self.embedding[ids.flatten()]  # [N, d]
        rotation = self.rotation(past, new)
        with sdpa_kernel(attention_kernels(x.dtype), set_priority=True):
            for i, layer in enumerate(self.layers):
                normed = rms_norm(x, x.shape[1:], layer.attention_norm, EPSILON)
                qkv = linear(normed, layer.query_key_value).view(
                    batch, new, -1, head_dim
                )
                mixed = self.attend(
                    qkv, rotation, None if cache is None else cache[i], past
                )
                x.addmm_(
                    mixed, layer.output.T
                )  # adds to the residual stream in the same kernel
                normed = rms_norm(x, x.shape[1:], layer.ffn_norm, EPSILON)
                # One product with two whole results: halves of one result would be strided views,
                # over which the next two kernels take twice as long.
                gate, up = torch.bmm(normed.expand(2, -1, -1), layer.gate_up.mT)
                x.addmm_(silu(gate).mul_(up), layer.down.T)
        last = x.view(batch, new, -1)[:, -1]
        return linear(
            rms_norm(last, last.shape[1:], self.output_norm, EPSILON), self.head
        )

    def attend(
        self,
        qkv: torch.Tensor,
        rotation: torch.Tensor,
        cache: torch.Tensor | None,
        past: int,
    ) -> torch.Tensor:
        """Attention of one layer: qkv [B, n, H + 2 K, D], its cache [2, B, K, capacity, D].

        The cache is read in place: PyTorch gets views of it, and shares each key-value head among
        H / K query heads inside the kernel. Returns [N, H * D].
        """
        s = self.shape
        batch, new = qkv.shape[:2]
        turned = rotate(qkv[:, :, : s.heads + s.kv_heads], rotation).transpose(1, 2)
        q, k = turned.split(
            (s.heads, s.kv_heads), dim=1
        )  # [B, H, n, D] and [B, K, n, D]
        v = qkv[:, :, s.heads + s.kv_heads :].transpose(1, 2)
        if cache is not None:
            total = past + new
            cache[0, :, :, past:total] = k
            cache[1, :, :, past:total] = v
            k, v = cache[:, :, :, :total]
        mixed = scaled_dot_product_attention(
            q, k, v, is_causal=new > 1, enable_gqa=True
        )
        return mixed.transpose(1, 2).reshape(batch * new, -1)

    def rotation(self, past: int, new: int) -> torch.Tensor:
        """RoPE's unit complex numbers [n, 1, D / 2] for positions past .. past + n - 1."""
        device, half = self.embedding.device, self.shape.head_dim // 2
        frequency = self.rope_base ** (
            -torch.arange(half, device=device, dtype=torch.float32) / half
        )
        position = torch.arange(past, past + new, device=device, dtype=torch.float32)
        angle = torch.outer(position, frequency)[:, None]
        return torch.polar(torch.ones_like(angle), angle)


def rotate(x: torch.Tensor, rotation: torch.Tensor) -> torch.Tensor:
    """RoPE on x [B, n, heads, D]: neighbors (0, 1), (2, 3), ... are complex numbers, turned.

    Su et al. 2021, equation 34; in float32, since bf16 has 8 bits for an angle.
    """
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotation).flatten(-2).to(x.dtype)
