# Everything runs in .venv, which is made from constraints.txt when either changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2 # tests take this many processes, each with one thread
READY := $(VENV)/.ready

.PHONY: help setup demo test slow check house reference bench soak audit sbom lowest

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## make the environment

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Frameweave needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

demo: $(READY) ## edit a clip with the Miniature, in about 3 minutes; writes runs/demo/report.html
	$(BIN)/frameweave demo --out runs/demo --overwrite

test: $(READY) ## all tests but the slow ones
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile

slow: $(READY) ## the full-size tests (minutes, several GB)
	$(BIN)/python -m pytest -q -s -m slow

check: $(READY) ## format, lint, types, layers, links of the documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

house: $(READY) ## how crowded the code is: sizes, untyped records, long signatures
	$(BIN)/python tools/house.py

reference: $(READY) ## write what is made from the program anew: reference page, list of editors
	$(BIN)/python tools/reference.py

bench: $(READY) ## speed and memory, as ratios measured in one run
	$(BIN)/frameweave bench

soak: $(READY) ## kill, crowd and starve whatever writes or serves, an hour or more; see tools/soak.py
	$(BIN)/python tools/soak.py
	$(BIN)/python -m pytest -q -s -m slow tests/study/test_soak.py tests/app/test_soak.py tests/runs/engines

audit: ## look for known faults in the pinned packages; skipped where the advisories cannot be reached
	$(PYTHON) tools/audit.py

sbom: ## write a bill of materials to build/sbom.json
	$(PYTHON) tools/audit.py --sbom

lowest: $(READY) ## a smoke set at the lowest versions allowed (minutes, 2 GB)
	$(BIN)/python tools/lowest.py
