# One target per act. `make help` lists them; CI and the GitHub workflow call the same ones.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
BUILD := _build
PORT ?= 8000
PAGE ?= index
export PYTHONDONTWRITEBYTECODE := 1
# The examples run on one thread, so that what they measure repeats (see chapters/appendix/measurements.md).
export OPENBLAS_NUM_THREADS := 1

# Whatever an edition is made from: a file newer than the edition makes it again.
SOURCES := conf.py index.md package-lock.json requirements/book.lock \
  $(wildcard _ext/*.* _ext/*/* _templates/*) \
  $(shell find chapters locale _static examples tools -type f \( -name '*.md' -o -name '*.bib' -o -name '*.po' \
    -o -name '*.svg' -o -name '*.css' -o -name '*.js' -o -name '*.py' -o -name '*.json' -o -name '*.txt' -o -name '*.mjs' \))

.PHONY: help book html html-zh pdf pdf-zh serve live preview-zh po status outputs figures record \
  atlas measure-site gates check test lint links torch lock licenses bench bench-peers bench-build new-chapter clean

help: ## list the targets, a line each
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- environment ---------------------------------------------------------------------------
$(VENV)/.book: requirements/book.lock requirements/model.lock
	@bash tools/environment.sh book $(PYTHON) $(VENV)

$(VENV)/.test: $(VENV)/.book requirements/test.lock
	@bash tools/environment.sh test $(PYTHON) $(VENV)

NODE := node_modules/.installed
$(NODE): package.json package-lock.json $(VENV)/.book
	@$(PY) -m tools.node_modules

# ---- the editions --------------------------------------------------------------------------
book: ## build everything: both web editions and both PDFs (installs what it needs)
	@bash tools/book.sh

html: $(BUILD)/.site-en ## the English web edition, into _build/site
html-zh: $(BUILD)/.site-zh_CN ## the Chinese web edition, into _build/site/zh
$(BUILD)/.site-%: $(SOURCES) $(VENV)/.book $(NODE)
	@$(PY) -m tools.site $* && touch $@

# Both editions at once take little longer than one.
$(BUILD)/.site: $(SOURCES) $(VENV)/.book $(NODE)
	@$(PY) -m tools.site en zh_CN && touch $@ $(BUILD)/.site-en $(BUILD)/.site-zh_CN

pdf: $(BUILD)/.pdf-en ## the English PDF, into _build/pdf
pdf-zh: $(BUILD)/.pdf-zh_CN ## the Chinese PDF, into _build/pdf
$(BUILD)/.pdf-%: $(SOURCES) $(VENV)/.book
	@$(PY) -m tools.pdf $* && touch $@

$(BUILD)/.pdf: $(SOURCES) $(VENV)/.book
	@$(PY) -m tools.pdf en zh_CN && touch $@ $(BUILD)/.pdf-en $(BUILD)/.pdf-zh_CN

serve: $(BUILD)/.site ## read the site on http://localhost:8000 (PORT=...); search needs this
	@$(PY) -m tools.serve --port $(PORT)

live: $(VENV)/.book $(NODE) ## rebuild the English edition and reload the browser on every save
	@$(PY) -m tools.live en --port $(PORT)

preview-zh: $(VENV)/.book $(NODE) ## the same for the Chinese edition, marking what is not translated (PAGE=chapters/...)
	@$(PY) -m tools.live zh_CN --port $(PORT) --page $(PAGE)

# ---- what the editions are made from --------------------------------------------------------
po: $(VENV)/.book ## refresh the Chinese catalogs from the English pages
	@$(PY) -m tools.po

status: $(VENV)/.book ## how complete the translation is, page by page, worst first
	@$(PY) -m tools.status

outputs: $(VENV)/.book ## run the examples again and write the outputs that the pages show
	@$(PY) -m tools.outputs

figures: $(VENV)/.book ## draw the figures again, English and Chinese
	@$(PY) -m examples.figures

record: $(VENV)/.book ## measure again what runs on a CPU, into examples/data (minutes; keep the machine quiet)
	@$(PY) -m tools.record

# ---- checks --------------------------------------------------------------------------------
lint: $(VENV)/.test ## style of code, prose and shell
	@$(PY) -m tools.lint

gates: $(VENV)/.test ## what breaks a promise of the book (names, listings, numbers, data, translation): seconds
	@bash tools/system_packages.sh gates || true
	@$(PY) -m tools.gates

links: $(VENV)/.test ## try every link to another site (needs a network; CI does not run it)
	@$(PY) -m tools.links

check: $(VENV)/.test $(NODE) ## the fast part of the tests (a few minutes, needs no build)
	@bash tools/system_packages.sh gates || true
	@$(PY) -m tools.lint
	@$(PY) -m pytest -m 'not built and not browser'

test: $(VENV)/.test ## everything that CI checks: builds the book, then all tests
	@bash tools/system_packages.sh python pdf gates test
	@$(PY) -m tools.lint --strict
	@$(MAKE) --no-print-directory $(BUILD)/.site $(BUILD)/.pdf
	@$(PY) -m tools.site --publish-pdfs
	@$(PY) -m tools.coverage

torch: $(VENV)/.test ## install PyTorch, an extra, so that the tests of examples/gpu run (on a CPU, at toy size)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements/torch.txt

lock: $(VENV)/.book ## pin the newest allowed versions anew, with hashes
	@bash tools/lock.sh

licenses: $(VENV)/.test $(NODE) ## list the licenses of all that the book is built and tested with
	@$(PY) -m tools.licenses

bench: $(VENV)/.book ## the NumPy engine beside the arithmetic that it cannot avoid, against budgets (keep the machine quiet)
	@$(PY) -m tools.bench_engine

bench-peers: $(VENV)/.book ## the engine beside transformers and llama.cpp, an extra (installs them; the first time takes half an hour)
	@bash tools/bench_peers.sh $(PYTHON)

atlas: $(VENV)/.book ## predicted beside measured for every run on a GPU, and why they part (DATA=folder: your own card's)
	@$(PY) -m examples.measurements atlas $(if $(DATA),--data "$(DATA)")

measure-site: $(BUILD)/.site ## Lighthouse on the built site, against the budgets of a page (keep the machine quiet)
	@$(PY) -m tools.measure_site

bench-build: $(VENV)/.book $(NODE) ## time the build on a synthetic book of 120,000 words
	@$(PY) -m tools.bench_build

new-chapter: $(VENV)/.book ## lay out every file of a chapter (SLUG=kv-cache PART=bottlenecks)
	@$(PY) -m tools.new_chapter "$(SLUG)" "$(PART)"

clean: ## remove what was built (the environment stays)
	rm -rf $(BUILD)
