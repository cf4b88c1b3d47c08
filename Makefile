# Two commands set everything up: `make run` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What `make run` trains; give ARGS="algo=bbg seed=1" for a single run.
ARGS ?= -m algo=grpo,self

.PHONY: help run test lint bench clean

help: ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(VENV)/.run ## train on the embedded default and compare with the base; ARGS="algo=bbg seed=1" for another run
	$(BIN)/python src/train.py $(ARGS)

test: $(VENV)/.dev ## lint, type-check and run the tests
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	$(BIN)/pytest --cov=src/rlvr/algo --cov-report=term-missing --cov-fail-under=100

lint: $(VENV)/.dev ## mend what ruff can mend, then type-check
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format . ; $(BIN)/mypy

bench: $(VENV)/.run ## where a training step's time goes
	$(BIN)/python benchmarks/step.py algo=grpo
	$(BIN)/python benchmarks/step.py algo=self

clean: ## remove the environment and caches; logs/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage src/*.egg-info

$(VENV)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
