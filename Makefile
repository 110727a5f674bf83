# Everything a newcomer needs. Each target brings what it uses and takes seconds the second time.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
STAMPS := .venv/stamps
PLAYS ?=

.PHONY: help setup demo up down test check bench chaos lock clean

help: ## show this list
	@echo "make TARGET, one of:"
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10 | sed 's/^/  /'
	@echo "Settings are environment variables: docs/reference/settings.md"

setup: $(STAMPS)/python $(STAMPS)/redis $(STAMPS)/kafka $(STAMPS)/kernels ## virtual environment, Kafka's jars, redis-server

$(STAMPS)/packages: docker/install.sh requirements/dev.txt requirements/tools.txt
	@echo "setup: locked packages into .venv (a minute the first time)"
	@docker/install.sh python .venv dev none
	@mkdir -p $(@D) && touch $@

# Apart from the packages: a change of pyproject.toml costs a second, not a minute.
$(STAMPS)/python: $(STAMPS)/packages pyproject.toml
	@docker/install.sh python .venv dev editable
	@touch $@

$(STAMPS)/train: docker/install.sh requirements/train.txt | $(STAMPS)/packages
	@echo "setup: what the fingerprinter and its training need, torch among it (5 GB, a minute the first time)"
	@docker/install.sh python .venv train none
	@touch $@

$(STAMPS)/redis: docker/install.sh | $(STAMPS)/packages
	@docker/install.sh redis
	@touch $@

$(STAMPS)/kafka: docker/kafka/pom.xml segue/local/jars.py | $(STAMPS)/python
	@echo "setup: Kafka's jars by Maven (half a minute the first time)"
	@docker/install.sh kafka
	@touch $@

$(STAMPS)/kernels: $(wildcard models/recommend/kernels/*.py) | $(STAMPS)/python
	@echo "setup: compiling the recommender's kernels (a minute the first time)"
	@$(BIN)/python -c "from models.recommend.warm import warm; warm()"
	@touch $@

$(STAMPS)/peers: docker/install.sh requirements/peers.txt requirements/dejavu.txt | $(STAMPS)/packages
	@echo "setup: the benchmarks' peers into .venv/peers"
	@docker/install.sh python .venv/peers peers none
	@$(BIN)/uv pip install --quiet --python .venv/peers/bin/python --no-deps --require-hashes -r requirements/dejavu.txt
	@touch $@

demo: setup ## plays through real Kafka change lists in real Redis, live, for a minute (PLAYS=file.csv)
	@$(BIN)/segue demo $(if $(PLAYS),--plays-file '$(PLAYS)')

up: setup ## Kafka, Redis and workers in the background
	@$(BIN)/segue up --detach

down: ## stop them
	@if [ -x $(BIN)/segue ]; then $(BIN)/segue down; fi

test: setup $(STAMPS)/train ## all tests but chaos, on real Kafka and Redis (20 minutes)
	@$(BIN)/pytest

check: $(STAMPS)/python $(STAMPS)/train ## format, lint, types, imports, docs and schemas in step (what CI runs)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/segue docs check
	$(BIN)/segue schemas check

bench: setup $(STAMPS)/peers ## every benchmark, ours and the peers', with the ratios
	@SEGUE_BENCH_PEER_PYTHON=$(CURDIR)/.venv/peers/bin/python $(BIN)/python -m bench.all

chaos: setup $(STAMPS)/train ## the long kill loops (an hour)
	@$(BIN)/pytest -m chaos

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate

lock: $(STAMPS)/packages ## resolve requirements/*.txt anew
	$(COMPILE) --upgrade pyproject.toml --extra recommend --extra logs --group dev -o requirements/dev.txt
	$(COMPILE) --upgrade pyproject.toml --extra recommend -c requirements/dev.txt -o requirements/recommend.txt
	$(COMPILE) --upgrade pyproject.toml --extra protect --extra train -c requirements/dev.txt -o requirements/train.txt
	$(COMPILE) --upgrade pyproject.toml --extra protect -c requirements/train.txt -o requirements/protect.txt
	$(COMPILE) --upgrade requirements/tools.in -c requirements/dev.txt -o requirements/tools.txt
	$(COMPILE) --upgrade requirements/peers.in -o requirements/peers.txt
	$(COMPILE) --upgrade --no-deps requirements/dejavu.in -o requirements/dejavu.txt
	@if grep -nE '://|file:|^-' requirements/*.txt; then echo "segue: a lock names an address"; exit 1; fi

clean: down ## remove the virtual environment, data, logs, caches
	rm -rf .venv .segue .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
