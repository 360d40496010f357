"""Whether a request's greedy answer depends on how many requests a GPU serves beside it.

    python -m examples.gpu.generation           the book's model in bf16 and float32, ten minutes
    python -m examples.gpu.generation --toy     random weights on the CPU, nothing written without --out

A step multiplies the rows of all requests at once, and the libraries choose their kernels by the shape of
the product. The requests have prompts of one length, so that a batch needs no padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from examples import cli, record
from examples.generation import asked
from examples.gpu import runs, timing
from examples.gpu.llama import Layer, Llama
from examples.predict import shapes
from examples.predict.shapes import Shape

SUBJECTS = (
    "river king dog ship forest storm teacher doctor train horse bridge mountain castle robot "
    "garden wolf soldier clock island mirror violin baker painter dragon lion bird fish tree "
    "house door window book letter song star moon desert village market farmer hunter sailor "
    "pilot queen prince giant ghost bear fox cat mouse rabbit snake frog bee spider whale boat "
    "car bicycle road tower city school"
).split()  # 64 words of one token each
LIMIT = 128  # tokens of an answer


class SmolLM2(Llama):
    """The book's model on a device, its weights rounded to a type of number."""

    def __init__(self, model, device: str, dtype: torch.dtype):
        """`model` is the NumPy engine's, whose weights lie as [in, out]."""

        def rows(*arrays) -> torch.Tensor:
            parts = [torch.tensor(a.T) for a in arrays]
            return torch.cat(parts).to(device, dtype)

        self.shape = shapes.named("SmolLM2-135M")
        self.rope_base = model.config.rope_base
        self.embedding = self.head = rows(model.head)
        self.output_norm = rows(model.output_norm)
        self.layers = [
            Layer(
                attention_norm=rows(layer.attention_norm),
                query_key_value=rows(layer.query, layer.key, layer.value),
                output=rows(layer.output),
                ffn_norm=rows(layer.ffn_norm),
                gate_up=rows(layer.gate, layer.up).unflatten(0, (2, -1)),
                down=rows(layer.down),
            )
            for layer in model.layers
        ]


@dataclass(frozen=True)
class Answers:
    """Greedy answers [R, n]: the tokens, and the logits [R, n, V] that they were chosen from."""

    tokens: torch.Tensor
    logits: torch.Tensor

    def leads(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The two likeliest ids [R, n, 2], and by how much the first leads the second [R, n]."""
        best = self.logits.topk(2)
        return best.indices, best.values[..., 0] - best.values[..., 1]


def answers(model: Llama, prompts: torch.Tensor, batch: int, limit: int) -> Answers:
    """`limit` tokens for each of prompts [R, n], in batches of `batch` requests."""
    done = [written(model, part, limit) for part in prompts.split(batch)]
    return Answers(*(torch.cat(parts) for parts in zip(*done, strict=True)))


def written(
    model: Llama, ids: torch.Tensor, limit: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens [B, limit] and logits [B, limit, V] of one batch of prompts [B, n]."""
    cache, past = model.new_cache(len(ids), ids.shape[1] + limit), 0
    tokens, logits = [], []
    for _ in range(limit):
        logits.append(model.forward(ids, cache, past).float())
        past += ids.shape[1]
        ids = logits[-1].argmax(1, keepdim=True)
        tokens.append(ids)
    return torch.cat(tokens, 1), torch.stack(logits, 1)


def agreeing(alone: Answers, other: Answers) -> torch.Tensor:
    """How many tokens [R] of each answer agree before the first that does not."""
    equal = (alone.tokens == other.tokens).long()
    return equal.cumprod(1).sum(1)


def comparable(agree: torch.Tensor, count: int) -> torch.Tensor:
    """Steps [R, n] before which both had read the same tokens: all up to the first other choice."""
    return torch.arange(count, device=agree.device) <= agree[:, None]


def compared(alone: Answers, other: Answers, density: float) -> dict:
    """What became of the logits, and of the choices, where both had read the same tokens.

    A choice flips when the lead of the likeliest token is smaller than what it loses. `density` leads
    lie in each logit near zero, and a lead shrinks half of the time: density * moved / 2 flips a step.
    """
    agree = agreeing(alone, other)
    seen = comparable(agree, alone.tokens.shape[1])
    ids, lead = alone.leads()
    first, second = other.logits.gather(2, ids).unbind(2)
    moved = (first - second - lead).abs()
    by_step = (moved * seen).sum(0) / seen.sum(0).clamp(min=1)
    unequal = (alone.logits != other.logits).any(2) & seen
    change = (alone.logits - other.logits).abs().amax(2) * seen
    stay = torch.prod(1 - (density * by_step / 2).clamp(max=1))
    return {
        "differ": int((agree < alone.tokens.shape[1]).sum()),
        "predicted_differ": round(len(agree) * float(1 - stay), 2),
        "moved": significant(moved[seen].mean()),
        "most": significant(change.max()),
        "unequal_steps": round(float(unequal.sum() / seen.sum()), 4),
        "unequal_from": [int(row.nonzero()[0]) for row in unequal if row.any()],
        "moved_by_step": [significant(x) for x in by_step],
        "samples": agree.tolist(),
    }


def significant(number: torch.Tensor, digits: int = 3) -> float:
    """A number with so many digits."""
    return float(f"{float(number):.{digits}g}")


def near_zero(leads: torch.Tensor, below: float = 0.5) -> float:
    """Leads per logit near zero: the share of them under `below`, over `below`."""
    return float((leads < below).double().mean()) / below


def points_of(
    model: Llama, prompts: torch.Tensor, batches: Sequence[int], limit: int
) -> list[dict]:
    """Each batch size against every request alone."""
    alone = answers(model, prompts, 1, limit)
    density = near_zero(alone.leads()[1])
    points = []
    for batch in batches:
        found = compared(alone, answers(model, prompts, batch, limit), density)
        dtype = str(model.embedding.dtype).removeprefix("torch.")
        fields = {
            "dtype": dtype,
            "batch": batch,
            "leads_per_logit": round(density, 3),
        }
        points.append(fields | found)
        print({k: v for k, v in points[-1].items() if not isinstance(v, list)})
    return points


def toy() -> Llama:
    """Random weights that a CPU runs in milliseconds."""
    shape = Shape("toy", 2, 64, 4, 2, 16, 96, vocab=128, tied=False, context=256)
    return Llama(shape, "cpu", torch.float32)


def real(path: Path | None) -> list[dict]:  # not covered: needs a GPU
    """The book's model on the GPU, in both types of number."""
    from examples.engine import model as engine

    model, tokenizer = engine.load(path)
    questions = [f"Tell me a story about a {subject}." for subject in SUBJECTS]
    ids = [asked(tokenizer, question) for question in questions]
    prompts = torch.tensor(ids, device=timing.ON_GPU)
    points = []
    for dtype, batches in ((torch.bfloat16, (8, 16, 32, 64)), (torch.float32, (8, 64))):
        on_gpu = SmolLM2(model, timing.ON_GPU, dtype)
        points += points_of(on_gpu, prompts, batches, LIMIT)
    return points


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(
        prog="python -m examples.gpu.generation",
        description=__doc__,
        formatter_class=cli.argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--toy", action="store_true", help="random weights, on the CPU")
    parser.add_argument("--model", type=Path, help="the GGUF file, if not installed")
    parser.add_argument("--out", type=Path, help="folder of the data file")
    options = parser.parse_args(argv)
    if options.toy:
        model = toy()
        points = points_of(model, model.random_ids(6, 4), (1, 3), limit=16)
    elif not torch.cuda.is_available():
        raise cli.CommandError(
            "no CUDA device is visible to PyTorch; --toy runs on a CPU"
        )
    else:  # not covered: needs a GPU
        points = real(options.model)
    data = {
        "command": "python -m examples.gpu.generation",
        "device": timing.device_name("cpu" if options.toy else timing.ON_GPU),
        "versions": timing.versions(),
        "date": record.today(),
        "unit": "token: how many agree with the request alone before one does not",
        "prediction": "answers that differ: at each token a choice flips with probability (leads per "
        "logit near zero) x (mean change of the lead) / 2",
        "points": points,
    }
    stem = runs.stem("generation", "cpu" if options.toy else timing.ON_GPU, "batch")
    folder = options.out or (None if options.toy else record.FOLDER)
    if folder:
        print("written ", record.write(stem, data, folder))


if __name__ == "__main__":
    cli.run(main)
