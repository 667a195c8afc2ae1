# Every target makes the environment itself. Works with GNU make 3.81 and later.
#   make PYTHON=python3.12 …   another Python, 3.11 or later (after: make clean)

.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
SPARK := $(VENV)/.spark
# A file in one process: its fixtures are made once. In their order: else those with few tests, which are slow, come last.
# Three processes for two processors: some tests wait for a while.
PYTEST_ARGS ?= -n 3 --dist loadfile --no-loadscope-reorder
CHECKED := sources pipelines tests deploy

.PHONY: help demo test check bench prove docs format lock clean $(VENV)

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## several days of a simulated 3CX, and what the history answers
	@$(BIN)/threecx demo

test: $(READY) ## all tests, offline, in some minutes
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(READY) ## format, lint, types, layers and generated documents
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.docs.documents

bench: $(READY) ## how fast, and how much memory; takes most of an hour
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m tests.benchmarks.scale
	$(BIN)/python -m tests.benchmarks.fleet
	$(BIN)/python -m tests.benchmarks.questions
	$(BIN)/python -m tests.benchmarks.publication
	$(BIN)/python -m tests.benchmarks.postgres
	$(BIN)/python -m tests.benchmarks.lake

# in one process: others do not print what they measure
prove: $(READY) $(SPARK) ## the long proofs: many random histories, walks and crashes
	HYPOTHESIS_PROFILE=prove $(BIN)/python -m pytest -s tests/proofs
	$(BIN)/python -m tests.proofs.mutation

docs: $(READY) ## write the generated parts of README.md and docs/ again
	$(BIN)/python -m tests.docs.documents --write

format: $(READY) ## format and repair what can be repaired
	$(BIN)/ruff format $(CHECKED)
	$(BIN)/ruff check --fix $(CHECKED)

# LOCK_ARGS=--upgrade takes the newest versions, LOCK_ARGS="--upgrade-package dlt" those of one.
lock: ## requirements.lock from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --no-emit-find-links --quiet \
		$(LOCK_ARGS) --output-file requirements.lock
	uv pip compile --group spark --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --no-emit-find-links --quiet \
		$(LOCK_ARGS) --output-file requirements-spark.lock

clean: ## remove the environment, caches and builds; never a database
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find sources pipelines tests -type d -name __pycache__ -prune -exec rm -rf {} +

$(VENV): $(READY)

# With uv when it runs, else with venv and pip. Both compile the installed packages to byte code.
$(READY): requirements.lock pyproject.toml
	@set -e; \
	if uv --version >/dev/null 2>&1; then \
		test -x $(BIN)/python || uv venv --quiet $(if $(PYTHON),--python $(PYTHON)) $(VENV); \
		uv pip install --quiet --compile-bytecode --python $(BIN)/python \
			--require-hashes -r requirements.lock; \
		uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	else \
		if ! test -x $(BIN)/python; then \
			for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 none); do \
				if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
			done; \
			if ! "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
				echo "threecx needs Python 3.11 or later; $(or $(PYTHON),python3) is" \
					"$$($(or $(PYTHON),python3) --version 2>&1 || true)." >&2; \
				echo "Install it, or name it: make PYTHON=/path/to/python3.11" >&2; \
				exit 1; \
			fi; \
			"$$python" -m venv $(VENV); \
		fi; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check \
			--require-hashes -r requirements.lock; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check \
			--no-deps --no-build-isolation --editable .; \
	fi; \
	touch $@

# 400 MB, for the proof that Spark gives the same answers: only `make prove` waits for it.
$(SPARK): $(READY) requirements-spark.lock
	@if uv --version >/dev/null 2>&1; then \
		uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-spark.lock; \
	else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-spark.lock; \
	fi; \
	touch $@
