#!/usr/bin/env bash
# Installs the packages of system-packages.txt: system_packages.sh PURPOSE [PURPOSE ...]
# Exit 0: all there. Exit 3: some are missing and could not be installed (one line says which).
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=()
while read -r package purpose; do
  [[ -z $package || $package == \#* ]] && continue
  for asked in "$@"; do
    [[ $purpose == "$asked" ]] && wanted+=("$package")
  done
done <system-packages.txt

if ! command -v dpkg-query >/dev/null; then
  # No apt: what counts is whether the programs are there.
  programs=()
  for asked in "$@"; do
    case $asked in
      pdf) programs+=(xelatex latexmk rsvg-convert) ;;
      gates) programs+=(msgfmt) ;;
    esac
  done
  for program in ${programs[@]+"${programs[@]}"}; do
    command -v "$program" >/dev/null && continue
    hint="what system-packages.txt lists (TeX Live with xetex, librsvg, Noto CJK, gettext)"
    if [ "$(uname)" = Darwin ]; then
      hint="brew install --cask mactex-no-gui font-noto-serif-cjk-sc font-noto-sans-cjk-sc && brew install librsvg gettext"
    fi
    echo "missing: $program. Install: $hint" >&2
    exit 3
  done
  exit 0
fi

missing=()
for package in "${wanted[@]}"; do
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  # Ask for a password only where somebody can type one.
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root=(sudo)
  else
    echo "missing: ${missing[*]}. Install: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 3
  fi
fi

echo "system packages: installing ${#missing[@]} with apt (about two minutes): ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  echo "missing: ${missing[*]}. Install: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 3
fi
