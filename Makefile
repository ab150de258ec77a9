.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The commit or branch that the protos must stay compatible with.
AGAINST ?= main
IMAGE := build/protos.binpb

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## Print this help.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "LightRouter needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	pip install --quiet --require-hashes -r requirements/dev.txt
	pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: setup
setup: $(VENV)/ready ## Set up the environment in .venv from the hashed lock.

.PHONY: demo
demo: setup ## Start the suite on a real small model, ask two prompts, show stages and ledgers, stop.
	lightrouter demo

.PHONY: test
test: setup ## Run the whole test suite, in two processes: tests wait for events, not for time.
	pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

.PHONY: verify
verify: setup lint types imports protos-check lock-check package chart-check reference-check ## Run every check that is not a test.

.PHONY: lint
lint: setup ## Lint and check the format of the code and of the Dockerfile.
	ruff check .
	ruff format --check .
	python -m tools.module_lines services tests tools examples
	hadolint deploy/Dockerfile

.PHONY: types
types: setup ## Check the types.
	mypy services/lightrouter tests tools examples

.PHONY: imports
imports: setup ## Check the layers of imports.
	lint-imports

.PHONY: protos
protos: setup ## Generate the Python code from the protos.
	python tools/protos.py --out services

$(IMAGE): $(wildcard protos/lightrouter/v1/*.proto) tools/protos.py $(VENV)/ready
	python tools/protos.py --image $@

.PHONY: protos-check
protos-check: $(IMAGE) ## Lint the protos, check that they stay compatible and that the generated code is theirs.
	buf lint $(IMAGE) --path lightrouter
	tools/protos-breaking $(IMAGE) $(AGAINST)
	python tools/protos.py --check services

.PHONY: chart
chart: setup ## Write the chart's schema, its README's tables and what its examples render to.
	python -m tools.chart
	python -m tools.chart_check --write

.PHONY: chart-check
chart-check: setup ## Lint the chart with Helm 3 and 4, check its generated files, its examples and their manifests.
	python -m tools.chart --check
	python -m tools.chart_check

.PHONY: reference
reference: setup ## Write the reference pages of docs/ from the code.
	python -m tools.reference

.PHONY: reference-check
reference-check: setup ## Check that the reference pages are those of the code.
	python -m tools.reference --check

.PHONY: lock
lock: setup ## Pin the dependencies anew, with hashes.
	tools/lock

.PHONY: lock-check
lock-check: setup ## Check that the locks are those of pyproject.toml.
	tools/lock --check

.PHONY: package
package: setup ## Build the wheel, install it alone, and check it.
	tools/package

.PHONY: image
image: setup ## Build the image of all services; ARGS="--tag NAME --base IMAGE --build IMAGE" sets its name and its bases.
	tools/image $(ARGS)

.PHONY: release
release: setup ## Build wheel, image archive, chart, SBOM and checksums of one version into dist/; ARGS are those of image.
	tools/release $(ARGS)

.PHONY: image-test
image-test: setup ## Build the image and test it; needs Docker, and mmdebstrap or IMAGE_BASE and IMAGE_BUILD_BASE.
	pytest tests/image

.PHONY: cluster-test
cluster-test: setup ## Test the chart on the cluster that KUBECONFIG names; CONTRIBUTING.md says what else it takes.
	pytest tests/cluster

.PHONY: kind
kind: setup ## Install the suite on a kind cluster of its own, before an Ollama, and make the first call.
	tools/kind

.PHONY: bench
bench: setup ## Measure a route's cost, as services and in one process, beside LiteLLM and Portkey; ARGS are its flags.
	python -m tests.load.bench $(ARGS)

.PHONY: bench-hold
bench-hold: setup ## Measure held boot calls beside cut ones, on an upstream that writes as hosted models do.
	python -m tests.load.hold

.PHONY: bench-tracing
bench-tracing: setup ## Measure what tracing costs a route, and what a collector that is absent, hangs or refuses does to it.
	python -m tests.load.tracing $(ARGS)

.PHONY: format
format: setup ## Format the code.
	ruff check --fix .
	ruff format .

.PHONY: clean
clean: ## Remove what was built; the environment stays.
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
