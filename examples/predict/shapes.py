"""The shapes of public models, and the parameters that follow from them, right to the digit."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache

from examples import record
from examples.cli import CommandError


@dataclass(frozen=True)
class Latent:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): widths of its projections."""

    query_rank: int
    kv_rank: int  # the compressed vector that is cached
    rope_dim: int  # the positional key that is cached beside it
    nope_dim: int
    value_dim: int


@dataclass(frozen=True)
class Experts:
    """Mixture of experts: how many, how wide, and how many first layers stay dense."""

    routed: int
    shared: int
    active: int  # routed experts that a token visits
    d_ff: int
    dense_layers: int
    router_bias: bool


@dataclass(frozen=True)
class Shape:
    """A decoder-only model as its `config.json` describes it."""

    name: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    d_ff: int
    vocab: int
    tied: bool  # the head shares the embedding's weights
    context: int
    qk_norm: bool = False  # a norm on each head's queries and keys (Qwen3)
    qkv_bias: bool = False  # a bias on the query, key and value projections (Qwen2.5)
    latent: Latent | None = None
    experts: Experts | None = None

    @property
    def attention_parameters(self) -> int:
        """Parameters of one layer's attention."""
        if self.latent:
            m, h, d = self.latent, self.heads, self.width
            query = (
                d * m.query_rank
                + m.query_rank
                + m.query_rank * h * (m.nope_dim + m.rope_dim)
            )
            down = d * (m.kv_rank + m.rope_dim) + m.kv_rank
            up = m.kv_rank * h * (m.nope_dim + m.value_dim)
            return query + down + up + h * m.value_dim * d
        norm = 2 * self.head_dim if self.qk_norm else 0
        outputs = (self.heads + 2 * self.kv_heads) * self.head_dim
        return self.attention_matrices + norm + (outputs if self.qkv_bias else 0)

    @property
    def attention_matrices(self) -> int:
        """Of these, the matrices of a model without latent attention: query, key, value, output."""
        return 2 * self.width * (self.heads + self.kv_heads) * self.head_dim

    def ffn_parameters(self, layer: int) -> int:
        """Parameters of the feed-forward part of that layer, all experts counted."""
        e = self.experts
        if e is None or layer < e.dense_layers:
            return 3 * self.width * self.d_ff
        router = e.routed * self.width + (e.routed if e.router_bias else 0)
        return router + (e.routed + e.shared) * 3 * self.width * e.d_ff

    @property
    def bill(self) -> dict[str, int]:
        """Where the parameters are: they add up to `parameters`.

        Norms are those of the residual stream; a norm inside attention counts as attention. A tied
        head has no parameters of its own.
        """
        return {
            "embedding": self.embedding_parameters,
            "attention": self.layers * self.attention_parameters,
            "feed-forward": sum(map(self.ffn_parameters, range(self.layers))),
            "norms": (2 * self.layers + 1) * self.width,
            "head": 0 if self.tied else self.embedding_parameters,
        }

    @property
    def active_parameters(self) -> int:
        """Parameters that one token passes through: all, but for the experts that it does not visit.

        The embedding table counts whole, though a token reads one row of it.
        """
        e = self.experts
        if e is None:
            return self.parameters
        idle = (e.routed - e.active) * 3 * self.width * e.d_ff
        return self.parameters - (self.layers - e.dense_layers) * idle

    @property
    def embedding_parameters(self) -> int:
        """Parameters of the embedding table; the head has as many, unless it is tied."""
        return self.vocab * self.width

    @property
    def parameters(self) -> int:
        """All parameters: embedding, layers with two norms each, final norm, head."""
        return sum(self.bill.values())

    @property
    def read_per_step(self) -> int:
        """Parameters that a decode step of a dense model reads: all but the embedding table.

        Of the table one row per sequence is read. A tied table is read as the head.
        """
        return self.parameters - (0 if self.tied else self.embedding_parameters)


@cache
def catalog() -> dict[str, Shape]:
    """All shapes of `examples/data/models--shapes.json`, by name."""
    shapes = {}
    for row in record.load("models--shapes")["models"]:
        fields = {k: v for k, v in row.items() if k not in ("source", "as_of")}
        fields["latent"] = Latent(**row["latent"]) if "latent" in row else None
        fields["experts"] = Experts(**row["experts"]) if "experts" in row else None
        shapes[row["name"]] = Shape(**fields)
    return shapes


def named(name: str) -> Shape:
    """The shape of that name, upper or lower case; an unknown name suggests the nearest."""
    known = {key.lower(): shape for key, shape in catalog().items()}
    if name.lower() in known:
        return known[name.lower()]
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    hint = f"did you mean {known[near[0]].name}? " if near else ""
    raise CommandError(
        f"unknown model {name!r}; {hint}known are {', '.join(catalog())}"
    )
