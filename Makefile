# Two commands for everyone: `make demo` and `make test`. Each sets up what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TRAIN := $(VENV)/.installed-train
# Every process that a target starts finds the code compiled, also where the environment says to keep none of it.
export PYTHONDONTWRITEBYTECODE :=

# `make demo` stays light; what trains and serves a model (torch, Ray: about 2 GB on disk) comes with the first target that
# needs it.
.PHONY: demo demo-model test check bench clean setup setup-train

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "corpusmith needs Python 3.11 to 3.13")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[llm,opik,dev]'
	$(BIN)/corpusmith doctor --workspace $(VENV)/.doctor > /dev/null  # compiles the kernels once
	touch $(STAMP)

setup-train: $(TRAIN)

$(TRAIN): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[llm,opik,dev,train,serve,retrieve,api-tests]'
	touch $(TRAIN)

demo: setup
	$(BIN)/python examples/demo.py

# From the sentence to a judged, registered model: offline once the training extra is there.
demo-model: setup
	@test -e $(TRAIN) || echo "demo-model: the training extra comes first (torch, transformers, Ray): about 0.4 GB to" \
	  "download with a CPU build of torch, about 3 GB where it brings CUDA; 1.3 GB and more on disk. Once."
	@$(MAKE) --no-print-directory setup-train
	$(BIN)/python examples/demo_model.py

test: check
	$(BIN)/python -m pytest -q -m slow -n 2 --dist loadfile -p no:cacheprovider

# The types are checked beside the tests, which often wait; what is said of them comes last.
check: setup-train
	$(BIN)/ruff check src tests examples benchmarks
	$(BIN)/ruff format --check src tests examples benchmarks
	$(BIN)/lint-imports
	@$(BIN)/mypy > $(VENV)/.types 2>&1 & types=$$!; \
	$(BIN)/python -m pytest -q -m 'not slow' -n 2 --dist worksteal -p no:cacheprovider; tests=$$?; \
	wait $$types; typed=$$?; echo mypy; cat $(VENV)/.types; test $$tests = 0 && test $$typed = 0

bench: setup-train
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) demo
