## make demo      see it work: every twin checked, two of them trained
## make test      pass the tests
## make quick     while editing: lint, types, the order of the rooms, every twin once, the quick tests
## make browser   pass the tests that need a browser: Debian's chromium and chromium-driver
## make endurance  ten thousand checks, kills, a full disk, an hour of fuzzing: an hour and a half
## make docs      the documentation as a site, in build/site
## make who AT=FILE:LINE    which tests run this line
## make lint, make types, make coverage, make wheel, make clean
## Each makes its own environment in .venv first; the second time that is already there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test quick browser endurance docs lint types coverage who wheel clean

help:
	@sed -n 's/^## //p' Makefile

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The stamps are newer than pyproject.toml as long as nothing has to be installed.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test,dev]'
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/gradtwin check
	$(BIN)/gradtwin train zoo
	$(BIN)/gradtwin train xor
	@echo
	@echo "The runs are in logs/. To look at their curves:"
	@echo
	@echo "    $(BIN)/gradtwin board"

# A file's tests share what they set up, so they stay in one process; each process loads TensorFlow once.
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

# Within half a minute; the rest of the tests takes minutes.
quick: $(VENV)/.installed-dev
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/gradtwin check --dtype float64 --route tape | tail -1
	$(BIN)/python -m pytest --quiet --numprocesses=2 --dist=loadfile -m "not slow and not browser"

$(VENV)/.installed-browser: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --editable '.[browser]'
	@touch $@

# Without a browser this fails: a test that was not run has not passed.
browser: $(VENV)/.installed-browser
	@for program in chromium chromedriver; do command -v $$program >/dev/null || \
		{ echo "No $$program here, the browser tests were not run: apt-get install chromium chromium-driver" >&2; exit 1; }; done
	$(BIN)/python -m pytest tests/browser -m browser

# On demand, for it takes long; the tests have short forms of it.
endurance: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.endurance
	$(BIN)/python -m benchmarks.sweep_endurance

# The command reference and the code on the derivation pages are written anew first.
docs: $(VENV)/.installed-dev
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo
	@echo "    build/site/index.html"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

coverage: $(VENV)/.installed-dev
	$(BIN)/python -m coverage run -m pytest # from before the plugin is loaded
	$(BIN)/python -m coverage report

# What make coverage recorded; the first time it is recorded now, which takes as long as the tests.
who: $(VENV)/.installed-dev
	@test -f .coverage || $(MAKE) coverage
	@$(BIN)/python tests/who.py "$(AT)"

wheel: $(VENV)/.installed-dev
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) dist build .pytest_cache .hypothesis .mypy_cache .ruff_cache .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
