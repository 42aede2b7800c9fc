PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# The lock files have no index addresses (uv's default) and no header, because a header would contain paths.
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet
# Two workers by default: the smallest machine that we support has two cores.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run test check fix bench psql lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 8

run: .venv/run.stamp ## serve on http://127.0.0.1:8400 with a PostgreSQL of its own
	@exec $(BIN)/tieline serve

test: .venv/test.stamp ## run all tests against real servers
	@# The README's examples use curl.
	@command -v curl >/dev/null || { apt-get update -q && apt-get install -qy curl; }
	@# A test puts it between the server and PostgreSQL.
	@command -v pgbouncer /usr/sbin/pgbouncer >/dev/null || { apt-get update -q && apt-get install -qy pgbouncer; }
	@# Public clients of JavaScript are skipped without it.
	@[ -z "$$CI" ] || command -v npm >/dev/null || { apt-get update -q && apt-get install -qy nodejs npm; }
	@# Others put these in front of the server, and are skipped without them. Only CI installs them: once installed, they
	@# serve on port 80 of the machine.
	@[ -z "$$CI" ] || command -v nginx /usr/sbin/nginx >/dev/null || { apt-get update -q && apt-get install -qy nginx-light; }
	@[ -z "$$CI" ] || command -v caddy >/dev/null || { apt-get update -q && apt-get install -qy caddy; }
	$(BIN)/pytest -n $(WORKERS)

check: .venv/test.stamp ## formatting, lint, types, layers, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/codespell

fix: .venv/test.stamp ## format, and mend findings of the linter automatically
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/bench.stamp ## measure beside pgbench and an ORM service; prints ratios
	@command -v wrk >/dev/null || apt-get install --yes --quiet wrk || { echo "Install wrk, which makes the load: https://github.com/wg/wrk"; exit 1; }
	$(BIN)/python bench/run.py $(BENCH_OPTIONS)

psql: .venv/run.stamp ## open the database of the data folder
	@exec $(BIN)/tieline psql

lock: .venv/test.stamp ## pin the newest versions of all dependencies, with hashes and without index addresses
	$(PIP) uv
	$(LOCK) --upgrade pyproject.toml requirements/test.in --output-file requirements/test.txt
	$(LOCK) pyproject.toml --constraint requirements/test.txt --output-file requirements/run.txt
	$(LOCK) requirements/build.in --constraint requirements/test.txt --output-file requirements/build.txt
	$(LOCK) requirements/bench.in --constraint requirements/test.txt --output-file requirements/bench.txt

clean: ## remove all files that make made here; the data folder stays
	rm -rf .venv build dist node_modules .pytest_cache .ruff_cache .hypothesis .coverage .import_linter_cache

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tieline needs Python 3.11 or newer: make PYTHON=python3.12 run" >&2; exit 1; }
	@# Debian has part of venv in a separate package.
	$(PYTHON) -m venv .venv || { rm -rf .venv; apt-get update -q && apt-get install -qy python3-venv && $(PYTHON) -m venv .venv; }

.venv/run.stamp: .venv/bin/python requirements/run.txt requirements/build.txt pyproject.toml
	$(PIP) --require-hashes --requirement requirements/run.txt --requirement requirements/build.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/bench.stamp: .venv/test.stamp requirements/bench.txt
	$(PIP) --require-hashes --requirement requirements/bench.txt
	@touch $@

.venv/test.stamp: .venv/run.stamp requirements/test.txt
	$(PIP) --require-hashes --requirement requirements/test.txt
	@touch $@
