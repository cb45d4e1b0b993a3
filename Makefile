# Everything from nothing: `make demo`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
export FINALRULE_CACHE ?= $(CURDIR)/.cache

.PHONY: demo test bench lint clean

demo: .venv/installed
	@sh scripts/demo.sh $(BIN)/finalrule

test: .venv/tested
	@$(BIN)/python -m pytest -q -n 2 -rs

bench: .venv/tested
	@$(BIN)/pip install -q --disable-pip-version-check -r tests/bench/requirements.txt
	@$(BIN)/python -m pytest -q -s tests/bench --override-ini=addopts=--import-mode=importlib

lint: .venv/tested
	@$(BIN)/ruff check engine tests
	@$(BIN)/ruff format --check engine tests
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.venv/installed: requirements.lock pyproject.toml scripts/setup.sh
	@PYTHON=$(PYTHON) sh scripts/setup.sh

.venv/tested: .venv/installed requirements-test.lock scripts/setup-test.sh
	@sh scripts/setup-test.sh

clean:
	@rm -rf .venv .cache
