#!/usr/bin/env bash
# `make book`: the web editions always, the PDFs where their system packages are there.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=""
notice=$(mktemp)
trap 'rm -f "$notice"' EXIT
bash tools/system_packages.sh python pdf 2> >(tee "$notice" >&2) || missing=yes

make --no-print-directory _build/.site
if [ -z "$missing" ]; then
  make --no-print-directory _build/.pdf
  .venv/bin/python -m tools.site --publish-pdfs
fi

echo
echo "web   _build/site/index.html (English), _build/site/zh/index.html (Chinese)"
echo "      make serve   opens them with search on http://localhost:8000"
if [ -n "$missing" ]; then
  echo "pdf   not built: $(tail -n 1 "$notice")"
  exit 1
fi
echo "pdf   _build/pdf/llm-inference.pdf, _build/pdf/llm-inference-zh.pdf"
