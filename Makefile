# Every target sets up what it needs, and no more: .venv is made again only when the locks change.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
export PATH := $(CURDIR)/$(BIN):$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
# XGBoost gives the same bytes over threads, but linear algebra does not.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
# Hospitals' networks often have a certificate of their own: trust what the machine trusts.
export UV_SYSTEM_CERTS ?= true
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-header
EXTRAS  := bench cds dask dev docs excel notebooks redcap sql

.PHONY: help setup repro worth notebooks serve test spark check lint format bench docs lock clean

help:  ## What can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## The virtual environment, from the lock files

# Packages are compiled once, here: where Python may not write its caches, each of the pipeline's processes would do it.
$(STAMP): requirements.lock bootstrap.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Backcast needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bootstrap.lock
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@# `.venv/bin/mlflow models serve` starts uvicorn by its name: whoever runs from here finds it on the PATH.
	@echo 'import os, sys; os.environ["PATH"] = os.path.join(sys.prefix, "bin") + os.pathsep + os.environ.get("PATH", "")' \
	  > $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/own_bin_on_path.pth
	@touch $@

repro: $(STAMP)  ## The whole pipeline: registry, ..., report, registered models; STUDY=name for another study
	$(if $(STUDY),dvc exp run -S study=$(STUDY),dvc repro)

worth: $(STAMP)  ## What the clinical builders are worth, in worlds of known effect: some minutes
	dvc repro pipeline/experiments/dvc.yaml

notebooks: $(STAMP)  ## Every notebook on what `make repro` made, as pages in data/notebooks
	python -m pipeline.notebooks

serve: $(STAMP)  ## Page and service for the next patient, on this machine alone
	backcast serve

# Where Python is told to write no caches, every process of the tests would compile the code again, and every worker the tests.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(STAMP)  ## The whole test suite; three workers, since many tests wait for processes
	pytest -n 3 --dist loadfile --no-loadscope-reorder

spark: $(STAMP)  ## The tracked model on a local Spark: its packages into .venv (400 MB), and its tests; needs Java 17
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r spark.lock
	pytest -q -m spark

check: lint test  ## All that a change has to pass, as CI runs it

lint: $(STAMP)  ## Format, lint, types, imports
	ruff format --check .
	ruff check .
	mypy
	lint-imports

format: $(STAMP)  ## Let ruff format and mend
	ruff format .
	ruff check --fix .

bench: $(STAMP)  ## What it costs, and how good it is beside others: docs/benchmarks.md, from a finished run; up to 40 minutes
	python -m tests.bench

docs: $(STAMP)  ## The reference pages from what they describe, and the site, in site/index.html
	backcast reference
	sphinx-build --quiet --fail-on-warning --keep-going --builder html --doctree-dir .doctrees docs site

# Spark is too large for everybody: its lock names what it adds to the other one, which it agrees with.
lock:  ## New lock files: complete, with hashes, without any address
	$(COMPILE) $(EXTRAS:%=--extra %) pyproject.toml -o requirements.lock $(LOCKFLAGS)
	sed -n 's/^spark = \["\(.*\)"\].*/\1/p' pyproject.toml | $(COMPILE) - --constraint requirements.lock -o spark.lock $(LOCKFLAGS)
	echo uv | $(COMPILE) - -o bootstrap.lock $(LOCKFLAGS)

clean:  ## Away with all that can be made again, except MLflow's store
	rm -rf $(VENV) data/*/ site .doctrees .pytest_cache .mypy_cache .ruff_cache dvc_plots
