# make demo | test | lint | bench     (PYTHON=python3.12 make test picks another interpreter)
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
# Limits of one process: the machines this runs on have few cores, and workers are processes.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test lint bench clean

demo: $(VENV)/.demo-ready
	$(BIN)/python -m bandmaster.examples.demo

test: lint $(VENV)/.postgresql-ready $(VENV)/.network-ready
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not processes"
	$(BIN)/python -m pytest -n 2 --dist loadfile -m processes

lint: $(VENV)/.test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench-ready
	for benchmark in benchmarks/*.py; do \
	    echo "== $$benchmark"; $(BIN)/python $$benchmark || exit 1; \
	done
	$(BIN)/python -m benchmarks.quality --suite synthetic --engines auto ETPE Random \
	    --peers Optuna --seeds 3 --results $$(mktemp -d)/results.jsonl

clean:
	rm -rf $(VENV) build dist *.egg-info demo-output .mypy_cache .ruff_cache .pytest_cache \
	    .hypothesis .import_linter_cache

# A stamp per set of extras: made again only when the requirements change.
# Debian packs venv apart from Python; a container's root may install it.
$(BIN)/python:
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null && command -v apt-get >/dev/null \
	    && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; \
	fi
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-ready: setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) install --quiet -e '.[sklearn]'
	touch $@

$(VENV)/.test-ready: setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) install --quiet -e '.[test]'
	touch $@ $(VENV)/.demo-ready

# Tests start a PostgreSQL server of their own: Debian shall install its programs, and start none.
$(VENV)/.postgresql-ready: | $(BIN)/python
	@if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && ! command -v initdb >/dev/null \
	    && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    export DEBIAN_FRONTEND=noninteractive && apt-get update -qq \
	    && apt-get install -y -qq --no-install-recommends postgresql-common \
	    && echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf \
	    && apt-get install -y -qq --no-install-recommends postgresql; \
	fi
	touch $@

# Tests pull the cable between two machines, which are network namespaces (tests/lab.py).
$(VENV)/.network-ready: | $(BIN)/python
	@if ! command -v ip >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends iproute2; \
	fi
	touch $@

$(VENV)/.bench-ready: setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) install --quiet -e '.[bench]'
	touch $@
