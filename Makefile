# Two commands do everything: make run, make test. Both make the environment first.
PYTHON ?= python3
# A version known to work; another: make run TORCH=torch==2.14.1
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: run test test-fast check bench bench-search clean
.DEFAULT_GOAL := run

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "overnight needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing overnight and PyTorch into $(VENV) (once; some minutes)"
	@$(PIP) install "$(TORCH)"
	@$(PIP) install -e ".[train,search]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) install -e ".[train,search,llm,swarm,dev]"
	@touch $@

run: $(VENV)/.installed
	@$(BIN)/overnight demo

# Two at a time, but for what reads a terminal's bytes and paints: beside other work it would see another moment.
ALONE = tests/terminal tests/tui/test_sparing.py
test: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ALONE:%=--ignore=%)
	@$(BIN)/python -m pytest $(ALONE)

test-fast: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest tests/session tests/loop tests/work tests/researchers tests/gpu

check: $(VENV)/.installed-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry .

bench: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.bench

bench-search: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.bench.bench_search

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
