"""Makes smollm2.json: what transformers and torch say in float32 about the same weights.

Run by hand, in an environment of its own (the book's lock has no torch):

    pip install torch==2.13.0 transformers==5.23.0 gguf==0.19.0 accelerate==1.15.0 numpy regex
    python -m tests.reference.make_reference PATH/TO/SmolLM2-135M-Instruct.Q4_1.gguf

transformers reads and dequantizes the GGUF file itself, so the two sides share the file and no code but
the tokenizer: the token ids are ours, since its GGUF tokenizer does not split digits.
"""

from __future__ import annotations

import datetime
import json
import platform
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from examples.engine.gguf import GGUF
from examples.engine.tokenizer import Tokenizer
from examples.engine.weights import sha256

TARGET = Path(__file__).with_name("smollm2.json")
NEW_TOKENS = 64
COLUMNS = 48  # logits kept per position, spread evenly over the vocabulary
LONG = "A cache keeps what was computed once, so that it need not be computed again. "
PROMPTS = {
    "sentence": "The capital of France is",
    "chat": "<|im_start|>user\nWhat is a cache?<|im_end|>\n<|im_start|>assistant\n",
    "code": "def fibonacci(n):\n    if n < 2:\n        return n\n    return",
    "chinese": "缓存的作用是",
    "numbers": "1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144,",
    "list": "Three primary colors:\n1. Red\n2.",
    "accents": "Déjà vu à la carte: naïve café, Ångström, größer,",
    "long": LONG * 9,
}


@torch.inference_mode()
def logits_of(model, ids: list[int]) -> np.ndarray:
    return model(torch.tensor([ids])).logits[0].float().numpy()


@torch.inference_mode()
def greedy_of(model, ids: list[int]) -> list[int]:
    out = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids)),
        max_new_tokens=NEW_TOKENS,
        min_new_tokens=NEW_TOKENS,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=None,
    )
    return out[0, len(ids) :].tolist()


def main(path: Path) -> None:
    tokenizer = Tokenizer(GGUF(path))
    model = AutoModelForCausalLM.from_pretrained(
        str(path.parent), gguf_file=path.name, dtype=torch.float32
    ).eval()
    columns = np.linspace(0, len(tokenizer.tokens) - 1, COLUMNS).astype(int)
    cases = []
    for name, text in PROMPTS.items():
        ids = tokenizer.encode(text)
        logits = logits_of(model, ids)
        kept = logits[:, columns] if len(ids) < 40 else logits[-8:, columns]
        cases.append(
            {
                "name": name,
                "text": text,
                "ids": ids,
                "argmax": logits.argmax(-1).tolist(),
                "logsumexp": [
                    round(float(x), 5) for x in np.logaddexp.reduce(logits, axis=-1)
                ],
                "logits": [[round(float(x), 5) for x in row] for row in kept],
                "greedy": greedy_of(model, ids),
            }
        )
        print(name, len(ids), flush=True)
    packages = ("torch", "transformers", "gguf", "numpy")
    reference = {
        "command": "python -m tests.reference.make_reference",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in packages},
        "file": path.name,
        "sha256": sha256(path),
        "columns": columns.tolist(),
        "cases": cases,
    }
    TARGET.write_text(
        json.dumps(reference, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
