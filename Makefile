# Every target works in a fresh clone with Python 3.11 or later; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
WORKERS ?= 2

# Tests start hundreds of processes: each would compile the whole program anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-long check format bench lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-11s %s\n", $$1, $$2}'

.venv/installed: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Corral needs Python 3.11 or later; name one with make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	@echo "Installing into .venv (once) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: .venv/installed ## Show a fleet live: enroll, obey, renew, leave (ARGS="--exit --devices 20" for a script)
	@$(BIN)/corral demo $(ARGS)

# Cases that are made by chance are the same each time (Hypothesis's profile for CI); `test-long` looks for new ones.
test: .venv/installed ## Install everything and run every test and check (with the fuzzing and killing that fits in minutes)
	@sh tools/install-test-tools
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not long" --hypothesis-profile=ci $(ARGS)
	@$(BIN)/corral demo --exit --devices 12

test-long: .venv/installed ## The same with ten minutes of fuzzing and fifty kills
	@sh tools/install-test-tools
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/installed ## Formatting, lint, strict types
	@$(BIN)/ruff format --check --quiet src tests benchmarks tools || { echo "Run make format"; exit 1; }
	@$(BIN)/ruff check --quiet src tests benchmarks tools
	@$(BIN)/basedpyright --warnings src tests benchmarks tools | tail -n 40

format: .venv/installed ## Format the code and mend what lint can mend
	@$(BIN)/ruff check --quiet --fix src tests benchmarks tools
	@$(BIN)/ruff format --quiet src tests benchmarks tools

bench: .venv/installed ## Measure (ARGS="--check" holds the ratios; see benchmarks/README.md)
	@$(BIN)/python -m benchmarks $(ARGS)

lock: .venv/installed ## Write requirements-dev.lock anew from pyproject.toml
	@$(BIN)/pip install -q --disable-pip-version-check pip-tools
	@$(BIN)/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--allow-unsafe --strip-extras --no-header --all-build-deps --extra dev -o requirements-dev.lock pyproject.toml

clean: ## Remove what was installed and made
	@rm -rf .venv .pytest_cache .ruff_cache .hypothesis dist build
