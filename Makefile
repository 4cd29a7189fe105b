# Everything one does with a checkout. `make help` lists the verbs.

PORT ?= 8000
STATE_DIR ?= .genie
HOST ?= 127.0.0.1
PYTHON ?= python3
EXAMPLES ?= 400
EVENTS ?= 10000
JOBS ?= 10000
FAULTS ?= 120
CASES ?= 20000
RATE ?= 8
SEED ?= 1
# The CPU build of torch is a third of the size: make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.genie-setup
# Set, it would have every process of ours compile the project anew: a sixth of each start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup up down test prove check audit openapi reference docs docs-serve format bench bench-budgets bench-webhooks bench-gpu bench-scheduling zoo chaos mutants fuzz proxies pages bench-admin faults soak models clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: $(STAMP) ## make .venv and install everything that is pinned
	@echo "Everything is installed in $(VENV)."

$(STAMP): pyproject.toml constraints.txt tests/clients/package-lock.json deploy/docs/package-lock.json
	@PYTHON="$(PYTHON)" TORCH_INDEX="$(TORCH_INDEX)" sh deploy/setup.sh $(VENV)
	@touch $@

up: $(STAMP) ## run the whole system in the foreground (PORT=8000 STATE_DIR=.genie)
	@exec $(BIN)/python manage.py up --host "$(HOST)" --port "$(PORT)" --state-dir "$(STATE_DIR)"

down: $(STAMP) ## stop the system that `make up` runs on STATE_DIR
	@exec $(BIN)/python manage.py down --state-dir "$(STATE_DIR)"

test: $(STAMP) ## run the tests, on servers of their own (ARGS="-k stream")
	@GENIE_TEST_PROCESSES=3 exec $(BIN)/python -m pytest -n 3 --max-worker-restart 0 --dist loadscope $(ARGS)

prove: $(STAMP) ## run the property tests of jobs and money at length (EXAMPLES=400)
	@GENIE_PROOF_EXAMPLES="$(EXAMPLES)" $(BIN)/python -m pytest tests/integration/jobs/test_machine.py \
	  tests/integration/jobs/test_linearizable.py tests/integration/jobs/test_parking_machine.py \
	  tests/integration/jobs/test_feeding.py tests/integration/budgets/test_machine.py $(ARGS)

check: $(STAMP) ## formatting, lint, types, import directions, migrations, deployment checks, secrets, vulnerabilities, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	sh deploy/check-production.sh $(BIN)/python
	$(BIN)/python deploy/scan_secrets.py
	$(BIN)/python deploy/audit.py
	@sh deploy/prometheus/check.sh
	@$(MAKE) --no-print-directory docs
	@if [ -d tests/architecture ]; then $(BIN)/python -m pytest -q tests/architecture; fi

openapi: $(STAMP) ## write genie/openapi/openapi.json, the description of the API, from the code
	$(BIN)/python manage.py spectacular --format openapi-json --file genie/openapi/openapi.json \
	  --fail-on-warn --validate

reference: $(STAMP) ## write the pages of the documentation that are made from the code
	$(BIN)/python -m tests.reference

docs: $(STAMP) ## build the documentation into build/site, strictly and without a network
	@$(BIN)/python deploy/build_docs.py build

docs-serve: $(STAMP) ## show the documentation on a free port, and build it again when a page changes
	@exec $(BIN)/python deploy/build_docs.py serve

audit: $(STAMP) ## ask for known vulnerabilities of what is pinned; fails where nobody can be asked
	@$(BIN)/python deploy/audit.py --strict

format: $(STAMP) ## format the code and apply the safe fixes of the linter
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP) ## measure, and write docs/benchmarks.md
	@exec $(BIN)/python -m tests.benchmarks --write docs/benchmarks.md $(ARGS)

bench-budgets: $(STAMP) ## measure admission and settlement, and write docs/benchmarks-budgets.md
	@exec $(BIN)/python -m tests.benchmarks.budgets --write docs/benchmarks-budgets.md $(ARGS)

bench-webhooks: $(STAMP) ## measure webhook deliveries, and write docs/benchmarks-webhooks.md
	@exec $(BIN)/python -m tests.benchmarks.webhooks --write docs/benchmarks-webhooks.md $(ARGS)

bench-gpu: $(STAMP) ## measure models of real sizes on a CUDA device, and write docs/benchmarks-gpu.md
	@exec $(BIN)/python -m tests.benchmarks.gpu --write docs/benchmarks-gpu.md $(ARGS)

bench-scheduling: $(STAMP) ## measure claims and admissions in deep queues, and write docs/benchmarks-scheduling.md
	@exec $(BIN)/python -m tests.benchmarks.scheduling --write docs/benchmarks-scheduling.md $(ARGS)

bench-admin: $(STAMP) ## measure the admin's pages on a million jobs, and write docs/benchmarks-admin.md
	@exec $(BIN)/python -m tests.benchmarks.admin --write docs/benchmarks-admin.md $(ARGS)

zoo: $(STAMP) ## send webhooks to every kind of receiver while workers are killed (EVENTS=10000 SEED=1)
	@exec $(BIN)/python -m tests.zoo --events "$(EVENTS)" --seed "$(SEED)" $(ARGS)

chaos: $(STAMP) ## hurt the whole system and judge what its witnesses say (SEED=1 JOBS=10000 FAULTS=120 CONTROL=no-sweep|no-reaper|celery-only)
	@exec $(BIN)/python -m tests.chaos --seed "$(SEED)" --jobs "$(JOBS)" --faults "$(FAULTS)" --control "$(CONTROL)" $(ARGS)

soak: $(STAMP) ## let the whole system work for long, unhurt, and see whether it grows (JOBS=100000 RATE=8)
	@exec $(BIN)/python -m tests.chaos --seed "$(SEED)" --jobs "$(JOBS)" --rate "$(RATE)" --faults 0 $(ARGS)

faults: $(STAMP) ## faults one by one that take long or need root: disks, clocks, memory, slow callers, outages (ARGS="-k disk")
	@exec $(BIN)/python -m pytest tests/faults/row_*.py -v $(ARGS)

mutants: $(STAMP) ## take each guard away in a copy: its tests must turn red; writes docs/mutants.md (ARGS="--only settle")
	@exec $(BIN)/python -m tests.mutants --write docs/mutants.md $(ARGS)

fuzz: $(STAMP) ## send what Schemathesis makes of openapi.json to a running system (CASES=20000 SEED=1)
	@exec $(BIN)/python -m tests.fuzz --cases "$(CASES)" --seed "$(SEED)" $(ARGS)

proxies: $(STAMP) ## try the examples for nginx and Caddy before a running system (ARGS="nginx")
	@exec $(BIN)/python -m tests.proxies $(ARGS)

pages: $(STAMP) ## look at every page of the admin in a browser; the tests look at a few
	@GENIE_TEST_EVERY_PAGE=1 $(BIN)/python -m pytest tests/acceptance/test_pages.py -k every_page $(ARGS)

models: $(STAMP) ## train the small demonstration models again
	@exec $(BIN)/python manage.py build_models $(ARGS)

clean: ## remove caches and the built documentation; the state of `make up` and .venv stay
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build/site
