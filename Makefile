# Two commands matter: `make demo` runs the main job, `make test` runs every check.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: demo test lint tree types contracts unit clean
.DEFAULT_GOAL := test

.venv/installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "qnlab needs Python 3.11, 3.12 or 3.13 with venv (Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

demo: .venv/installed
	$(BIN)/qnlab run bb84 --bench bb84-25km --duration 10 --seed 7

test: lint types contracts unit

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy and import-linter do not see the rooms in an editable install: check a built tree, all of it.
tree: .venv/installed
	rm -rf build/typed
	$(BIN)/python -c 'import setuptools; setuptools.setup()' -q build_py --build-lib build/typed

types: tree
	$(BIN)/python tests/check_types.py build/typed

contracts: tree
	cd build/typed && ../../$(BIN)/lint-imports --no-logo --config ../../pyproject.toml

unit: .venv/installed
	$(BIN)/pytest -n 2 --dist loadfile

clean:
	rm -rf .venv build *.egg-info
