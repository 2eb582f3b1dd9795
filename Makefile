# The words of this project. They need make and Python 3.11, 3.12 or 3.13; only the first use needs the network.
# ARGS= is passed on: make test ARGS="-k history -x"

.DEFAULT_GOAL := help
.PHONY: help demo test check fix bench docs clean environment
MAKEFLAGS += --no-print-directory

ARGS ?=
BIN := .venv/bin

help: ## Say what the words do
	@echo "make WORD [ARGS=...]"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST))

demo: environment ## Run the guided tour
	@PYTHONDONTWRITEBYTECODE= $(BIN)/holdfast demo $(ARGS)

test: environment ## Run the tests, in a process for each core; ARGS=-n0 for one process
	@sh scripts/servers.sh
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: environment ## Lint, format, types, layers, lock: seconds
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/ruff format --quiet --check --output-format concise .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/python scripts/lock.py --check

fix: environment ## Mend what ruff can mend, and format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

bench: environment ## Measure, with the peers installed in an environment of their own
	@sh scripts/environment.sh .bench-venv benchmarks/peers.txt
	@HOLDFAST_PEERS_PYTHON=.bench-venv/bin/python $(BIN)/python -m benchmarks.embedded $(ARGS)
	@$(if $(filter-out --quick,$(ARGS)),,HOLDFAST_PEERS_PYTHON=.bench-venv/bin/python $(BIN)/python -m benchmarks.replay $(ARGS))
	@$(if $(filter-out --quick,$(ARGS)),,$(BIN)/python -m benchmarks.webhooks $(ARGS))
	@$(if $(filter-out --quick,$(ARGS)),,$(BIN)/python -m benchmarks.outbound $(ARGS))
	@$(if $(filter-out --quick,$(ARGS)),,$(BIN)/python -m benchmarks.prompt_cache $(ARGS))
	@$(if $(filter-out --quick,$(ARGS)),,$(BIN)/python -m benchmarks.prompt_fleet $(ARGS))
	@$(if $(ARGS),,$(BIN)/python -m benchmarks.prompt_costs)
	@$(if $(filter-out --quick,$(ARGS)),,HOLDFAST_PEERS_PYTHON=.bench-venv/bin/python $(BIN)/python -m benchmarks.fleet $(ARGS))
	@$(if $(filter-out --quick,$(ARGS)),,$(BIN)/python -m benchmarks.engines $(ARGS))

docs: environment ## Run every code block, follow every link, and check that the reference is current
	@$(BIN)/python -m scripts.reference --check
	@$(BIN)/python -m pytest tests/architecture/test_docs.py tests/architecture/test_reference.py $(ARGS)

clean: ## Remove what these words made
	rm -rf .venv .bench-venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@sh scripts/environment.sh .venv requirements.lock --with-checkout
