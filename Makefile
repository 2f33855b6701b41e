PYTHON ?= python3
# Where pip finds the CPU build of torch, for a machine on which no GPU is seen. Empty: what pip finds by itself.
TORCH_INDEX ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip
CACHES := .pytest_cache .ruff_cache
KEPT := .git .venv outputs multirun encoders cache wandb

.DEFAULT_GOAL := help
.PHONY: help demo check test slow format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  variables: PYTHON=$(PYTHON) TORCH_INDEX=$(TORCH_INDEX) (an index with the CPU build of torch; used if no GPU is seen)"

demo: .venv/runtime.stamp ## pre-train BERT on the embedded miniature: no network once installed, one to three minutes
	$(BIN)/python run.py
	@echo "Look at the record named above: its folder holds every number, the settings and the encoder."
	@echo "Next: $(BIN)/python run.py --help"

check: .venv/dev.stamp ## lint, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright

test: .venv/dev.stamp ## the fast tests, a process a core
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow and not gpu"

slow: .venv/dev.stamp ## the tests that take minutes, a process a core
	$(BIN)/python -m pytest -n auto --dist loadfile -m "slow and not gpu" || [ $$? -eq 5 ]  # 5: no test is marked slow

format: .venv/dev.stamp ## mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## remove caches of the tools; never outputs/, encoders/ or prepared data
	rm -rf $(CACHES)
	find . $(foreach folder,$(KEPT),-path ./$(folder) -prune -o) -type d -name __pycache__ -prune -exec rm -rf {} +

.venv/runtime.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Side by Side needs Python 3.11 or newer, and $(PYTHON) is not: make PYTHON=python3.11" >&2; exit 1; }
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@# --no-deps: an index of torch alone need not carry the pinned versions of what torch needs; the next line brings them
	@if [ -n "$(TORCH_INDEX)" ] && ! nvidia-smi -L >/dev/null 2>&1; then set -x; \
	  $(PIP) install --no-deps -c constraints.txt --index-url "$(TORCH_INDEX)" torch; fi
	$(PIP) install -c constraints.txt -e .
	@touch $@

.venv/dev.stamp: .venv/runtime.stamp
	$(PIP) install -c constraints.txt -e ".[dev]"
	@touch $@
