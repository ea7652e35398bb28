# `make demo` renders specs/ with the embedded model; `make test` runs every check, `make quick` the quick ones, in about a minute.
# `make docs` builds docs/site, `make reference` writes its generated pages, `make pictures` README's pictures (with Chromium).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test quick format docs reference pictures release-check clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "renderer needs Python 3.11 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/renderer render --model mini --first-seed --preview 20

test: $(VENV)/.installed-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

quick: $(VENV)/.installed-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/python -m pytest -q -m "not gpu and not long and not slow" -n auto --dist worksteal

format: $(VENV)/.installed-dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Of the last commit, with each Python named: make release-check PYTHONS="python3.11 python3.13"
release-check: $(VENV)/.installed-dev
	$(BIN)/python -m tests.release.check $(foreach python,$(PYTHONS),--python $(python))

docs: reference
	$(BIN)/python -m zensical build --clean --strict -f docs/zensical.toml

reference: $(VENV)/.installed-dev
	$(BIN)/renderer schema
	$(BIN)/python -m docs.reference

pictures: $(VENV)/.installed-dev
	$(BIN)/python -m docs.pictures

clean:
	rm -rf $(VENV)
