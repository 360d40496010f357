"""The engine can be read: short modules, top to bottom, none in a circle, none that knows the server."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest

from examples.predict import shapes

ENGINE = Path(__file__).parents[2] / "examples" / "engine"
MODULES = sorted(p for p in ENGINE.glob("*.py") if p.stem != "__init__")
OUTER = {"server", "service", "replies", "protocol", "worker"}  # what speaks HTTP


def code_lines(source: str) -> int:
    """Lines that hold code: no blank ones, comments or docstrings."""
    strings = set()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                strings |= set(range(value.lineno, value.end_lineno + 1))
    skip = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    )
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skip:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - strings)


def imported(path: Path) -> set[str]:
    """Modules of the engine that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found |= {
                n.split(".")[2] for n in names if n.startswith("examples.engine.")
            }
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: `from .` hides what is imported"
            if node.module == "examples.engine":
                found |= {alias.name for alias in node.names}
            elif node.module.startswith("examples.engine."):
                found.add(node.module.rpartition(".")[2])
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_is_short(path):
    assert code_lines(path.read_text("utf-8")) < 200


def test_the_count_leaves_out_words():
    assert (
        code_lines(
            '"""Doc."""\n\n# comment\nx = 1  # why\n\n\ndef f():\n    """Doc\n    doc."""\n    return (\n        x\n    )\n'
        )
        == 5
    )


def test_imports_go_one_way():
    graph = {path.stem: imported(path) & {p.stem for p in MODULES} for path in MODULES}
    done: list[str] = []
    while graph:
        free = sorted(name for name, needs in graph.items() if needs <= set(done))
        assert free, f"a circle among {sorted(graph)}"
        done += free
        graph = {name: needs for name, needs in graph.items() if name not in free}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_only_the_server_knows_the_server(path):
    if path.stem not in OUTER:
        assert not imported(path) & OUTER
        source = path.read_text("utf-8")
        assert not any(name in source for name in ("fastapi", "uvicorn", "pydantic"))


# The bill of parameters --------------------------------------------------------------------------


def test_the_bill_of_the_real_model_is_that_of_its_file(loaded):
    model, _ = loaded
    held = {
        "embedding": model.embedding.size,
        "attention": sum(w.size for layer in model.layers for w in (layer.query, layer.key, layer.value, layer.output)),
        "feed-forward": sum(w.size for layer in model.layers for w in (layer.gate, layer.up, layer.down)),
        "norms": sum(layer.attention_norm.size + layer.ffn_norm.size for layer in model.layers) + model.output_norm.size,
        "head": 0,
    }  # fmt: skip
    shape = shapes.named("SmolLM2-135M")
    assert shape.bill == held
    assert sum(held.values()) == shape.parameters == 134_515_008


@pytest.mark.parametrize("name", sorted(shapes.catalog()))
def test_a_bill_adds_up_and_no_token_needs_more_than_there_is(name):
    shape = shapes.named(name)
    assert sum(shape.bill.values()) == shape.parameters
    assert 0 < shape.active_parameters <= shape.parameters
    assert (shape.active_parameters < shape.parameters) == (shape.experts is not None)


def test_active_parameters_of_deepseek_v3_are_the_published_37_billion():
    """DeepSeek-AI 2024, arXiv 2412.19437: 671B in all, 37B activated for each token.

    58 layers have experts, 256 each, of which a token visits 8; an expert is three matrices of 7168 x
    2048. Without the embedding table, of which a token reads a row, the total is the published one.
    """
    shape = shapes.named("DeepSeek-V3")
    idle = 58 * (256 - 8) * 3 * 7168 * 2048
    assert shape.active_parameters == 671_026_419_200 - idle
    assert round((shape.active_parameters - shape.embedding_parameters) / 1e9) == 37
