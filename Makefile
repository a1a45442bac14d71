# Two commands do everything on a machine with Python ≥ 3.11 and Rust: `make demo` and `make test`.
# All Python tools live in .venv, which make creates; `make help` lists the targets.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := $(CURDIR)/.venv
PY     := $(VENV)/bin/python
# Set when the tools that pyproject.toml names are installed, and when the extension is built.
TOOLS  := $(VENV)/.tools
BUILT  := $(VENV)/.built
# And when the peers of the benchmarks are there.
PEERS  := $(VENV)/.peers
RUST   := $(shell find src -name '*.rs' -o -name '*.wgsl') $(wildcard Cargo.lock) Cargo.toml pyproject.toml

# maturin and pyo3 look at these; another active environment must not lead them astray.
export VIRTUAL_ENV := $(VENV)
export PYO3_PYTHON := $(PY)
unexport CONDA_PREFIX PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# The parity tests compare with Keras on JAX.
export KERAS_BACKEND := jax
export JAX_PLATFORMS := cpu

# Two processes: most of the time goes into compiling Keras's models, on one core each. A file's tests stay together.
PARALLEL := -n 2 --dist loadfile

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | expand -t 16

.PHONY: demo
demo: $(BUILT) ## Train on real handwritten digits: accuracy, confusion table, learning curve
	$(PY) examples/demo.py

.PHONY: examples
examples: $(BUILT) ## Run the twelve lessons, from a line by gradient descent to an own training loop
	@for lesson in line overfitting batch_sizes regression pieces wide_and_deep recommender svm autoencoder multi_label \
	    custom_loss own_loop; do echo; echo "== examples/$$lesson.py"; $(PY) examples/$$lesson.py; done

.PHONY: test
test: lint test-rust test-python ## Pass everything that CI passes

.PHONY: lint
lint: lint-rust lint-python ## Check formatting, lints, types and the stub

.PHONY: lint-rust
lint-rust: $(TOOLS)
	cargo fmt --check
	cargo clippy --quiet --all-targets -- -D warnings
	cargo clippy --quiet --all-targets --all-features -- -D warnings

.PHONY: lint-python
lint-python: $(BUILT)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(PY) -m mypy
	MYPYPATH=python $(PY) -m mypy.stubtest --concise --mypy-config-file pyproject.toml ironhorn._core

# Everything once at the best SIMD level, then what depends on it at each of the others.
.PHONY: test-rust
test-rust: $(BUILT) ## Test the crate, at every SIMD level of this machine
	cargo test --quiet --features gpu
	@for level in $$($(PY) tools/cpu_levels.py | cut -s -d' ' -f2-); do \
	    echo "== Rust tests, IRONHORN_CPU=$$level"; IRONHORN_CPU=$$level cargo test --quiet --features gpu --tests; done

.PHONY: test-python
test-python: $(BUILT) ## Test the package, the numeric part at every SIMD level
	$(PY) -m pytest -q $(PARALLEL)
	@for level in $$($(PY) tools/cpu_levels.py | cut -s -d' ' -f2-); do \
	    echo "== Python tests, IRONHORN_CPU=$$level"; IRONHORN_CPU=$$level $(PY) -m pytest -q -m numeric $(PARALLEL); done

.PHONY: soak
soak: $(BUILT) ## Kill training and saving hundreds of times: minutes, not part of `make test`
	IRONHORN_SOAK=1 $(PY) -m pytest -m soak

.PHONY: build
build: $(BUILT) ## Set up .venv and build the extension into it

.PHONY: fmt
fmt: $(TOOLS) ## Format and fix what the tools can fix
	cargo fmt
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

.PHONY: coverage
coverage: $(BUILT) ## Write docs/keras-coverage.md anew, which a test compares
	$(PY) tools/coverage.py

# Gigabytes: TensorFlow, PyTorch and the others.
$(PEERS): $(TOOLS) pyproject.toml
	$(PY) tools/requirements.py bench plot > $(VENV)/bench.txt
	$(PY) -m pip install --quiet --requirement $(VENV)/bench.txt
	touch $@

.PHONY: bench
bench: $(BUILT) $(PEERS) ## Measure every target against the peers (about 25 minutes), and write the documents
	$(PY) benches/suite.py --docs

.PHONY: bench-quick
bench-quick: $(BUILT) $(PEERS) ## The same in 8 minutes: fewer and shorter rounds; prints the table only
	$(PY) benches/suite.py --quick

.PHONY: bench-real
bench-real: $(BUILT) $(PEERS) ## Real data: time to a target score, scores after 1, 10 and 60 s (an hour and a half)
	$(PY) benches/real.py

.PHONY: bench-gpu
bench-gpu: $(BUILT) ## Race on the first GPU against the CPU (and PyTorch and JAX on CUDA, where they are), and the crossover
	$(PY) benches/compare.py --device gpu
	$(PY) benches/crossover.py

.PHONY: wheel
wheel: $(TOOLS) ## Build a wheel into dist/
	$(VENV)/bin/maturin build --release --out dist

.PHONY: clean
clean: ## Remove everything that make has made
	rm -rf $(VENV) target dist demo-output python/ironhorn/_core*.so
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(TOOLS): pyproject.toml tools/requirements.py
	@command -v cargo >/dev/null || { echo "error: no cargo; install Rust, see https://rustup.rs" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "error: $(PYTHON) must be Python 3.11 or later, or name one: make PYTHON=python3.12" >&2; exit 1; }
	[ -x $(PY) ] || $(PYTHON) -m venv $(VENV)
	$(PY) tools/requirements.py test plot > $(VENV)/requirements.txt
	$(PY) -m pip install --quiet --requirement $(VENV)/requirements.txt
	touch $@

$(BUILT): $(TOOLS) $(RUST)
	$(VENV)/bin/maturin develop --release --quiet
	touch $@
