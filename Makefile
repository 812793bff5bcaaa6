# Everything a newcomer, a developer and CI do, by one name each. `make help` lists it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
MINUTES ?= 10
DATABASE ?= sqlite

# Some machines forbid it: each of the hundreds of processes that tests start would then compile the program anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test test-long test-wheel coverage test-programs chaos test-compose check lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

# ensurepip is a package of its own on Debian; tools/venv.sh installs it where it may.
$(BIN)/python: tools/venv.sh
	@PYTHON=$(PYTHON) tools/venv.sh $(VENV)

# A lock names every package with its hash, so pip resolves nothing, builds nothing, and newer releases do not matter;
# the project itself is built by the backend that is locked too.
INSTALL := $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps
LOCKED := $(INSTALL) --only-binary :all: --require-hashes

$(VENV)/.runtime: $(BIN)/python requirements.lock requirements-build.lock pyproject.toml
	@echo "setup: installing the pinned packages into $(VENV)"
	@$(LOCKED) -r requirements.lock
	@$(LOCKED) -r requirements-build.lock
	@$(INSTALL) --no-index --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@$(LOCKED) -r requirements-dev.lock
	@touch $@

setup: $(VENV)/.runtime  ## install what running needs into .venv

setup-dev: $(VENV)/.dev  ## install what testing needs too

run: setup  ## the demo: everything on this machine, with a lab to look at (ARGS=--once to stop when done)
	@$(BIN)/cobalt up --demo $(ARGS)

# Others' programs, which read what was exported.
FOREIGN := tools/program.sh ogrinfo gdal-bin "tests of maps" && tools/program.sh nmap nmap "tests of lists of targets"
test-programs: setup-dev
	@tools/postgres.sh
	@tools/pgbouncer.sh
	@tools/chromium.sh
	@tools/faketime.sh
	@tools/program.sh ip iproute2 "tests that count packets"
	@tools/program.sh tshark tshark "tests of packet captures"
	@$(FOREIGN)

test: test-programs  ## the test suite; installs PostgreSQL and PgBouncer where they are missing
	@$(BIN)/python -m pytest -n 3 --dist worksteal -m "not long" $(ARGS)

test-long: test-programs  ## the tests that take minutes, and ten times as many examples of each property
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "long or hypothesis" --hypothesis-profile=cobalt-long $(ARGS)

test-changes: test-programs  ## cobalt chaos while 20 generations of scans with 10,000 changes are read (a quarter of an hour)
	@GENERATIONS=20 $(BIN)/python -m pytest -n 2 tests/chaos/test_changes.py $(ARGS)

test-wheel: setup-dev  ## the suite against the built wheel, in a folder without the source (ARGS=tests/unit)
	@tools/postgres.sh
	@tools/pgbouncer.sh
	@tools/chromium.sh
	@$(FOREIGN)
	@tools/test_wheel.sh -n 3 --dist loadfile $(ARGS)

coverage: setup-dev  ## make test, with the coverage of commands and workers too; fails where less is covered than before
	@$(MAKE) -s test ARGS="--cov --cov-report=term --cov-config=tools/coverage.ini $(ARGS)"
	@$(BIN)/python tools/coverage_gate.py

chaos: setup  ## harm a stack of its own, and audit it (MINUTES=10 DATABASE=postgresql)
	@[ $(DATABASE) = sqlite ] || tools/postgres.sh
	@$(BIN)/cobalt chaos --minutes $(MINUTES) --database $(DATABASE) $(ARGS)

test-compose: setup-dev  ## the compose stack, where there is a Docker engine
	@$(BIN)/python -m pytest tests/compose

test-recog: setup-dev  ## recog's own examples (RECOG_XML=FOLDER with its xml files)
	@[ -n "$(RECOG_XML)" ] || { echo "name the folder of recog's fingerprints: make test-recog RECOG_XML=recog/xml"; exit 2; }
	@RECOG_XML=$(RECOG_XML) $(BIN)/python -m pytest tests/recog

.PHONY: screenshots test-recog reference formats-table protocols-table fuzz fuzz-share mutate bench-export bench-scale bench-ingest bench-jobs bench-latency bench-probes bench-lookups bench-geolocation bench-page bench-year
reference: setup-dev  ## write commands, endpoints and metrics into docs/reference.md
	@$(BIN)/python tools/reference.py

formats-table: setup-dev  ## write the table of input formats into docs/ingest.md
	@$(BIN)/python tools/formats_table.py

screenshots: setup-dev  ## take the pictures of the page in docs/images, of a small ledger of made-up hosts
	@tools/chromium.sh
	@$(BIN)/python tools/screenshots.py

protocols-table: setup-dev  ## write docs/protocols.md from the registry of protocols
	@$(BIN)/python tools/protocols_table.py

FUZZ_SECONDS ?= 60
fuzz: setup-dev  ## every parser of input, 60 seconds each (FUZZ_SECONDS=60)
	@$(LOCKED) -r requirements-fuzz.lock
	@$(BIN)/python tests/fuzz/run.py $(FUZZ_SECONDS)

FUZZ_MINUTES ?= 10
fuzz-share: setup-dev  ## a share of each fuzz target, for CI: 10 minutes in all (FUZZ_MINUTES=10)
	@$(LOCKED) -r requirements-fuzz.lock
	@$(BIN)/python tests/fuzz/run.py --minutes $(FUZZ_MINUTES)

MUTANTS ?= 200
SEED ?= 1
mutate: setup-dev  ## change the core in 200 places, chosen by a seed: a test should fail each time (MUTANTS=200 SEED=1)
	@$(LOCKED) -r requirements-mutate.lock
	@$(BIN)/python tools/mutate.py $(MUTANTS) --seed $(SEED) $(ARGS)

bench-jobs: setup-dev  ## no-op jobs through the whole state machine, beside one Celery task a job and plain SQL
	@tools/postgres.sh
	@$(BIN)/python benchmarks/jobs.py $(ARGS)

bench-latency: setup-dev  ## from a discovery on stdin to its banner, idle and above a million waiting jobs
	@tools/postgres.sh
	@$(BIN)/python benchmarks/latency.py $(ARGS)

bench-probes: setup-dev  ## greetings beside a bare loop, silent and dropping targets, hostile peers, memory, nmap beside it
	@PYTHONPATH=. $(BIN)/python benchmarks/probes.py $(ARGS)

bench-lookups: setup-dev  ## names of addresses looked up in a second, by a worker with two processes
	@$(BIN)/python benchmarks/lookups.py $(ARGS)

bench-scale: setup-dev  ## every periodic statement, page and command in a ledger of millions, with times and plans (ARGS="--share 0.1")
	@tools/postgres.sh
	@$(BIN)/python benchmarks/scale.py $(ARGS)

bench-page: setup-dev  ## the overview's bytes and time, an idle tab's bytes a second, 200 tabs' share of a core (HOSTS=22000 TABS=200)
	@$(BIN)/python benchmarks/page.py $(or $(HOSTS),22000) $(or $(TABS),200)

bench-search: setup-dev  ## twenty searches and facets in a ledger of millions, with their plans (ARGS="--share 0.1 --plans")
	@tools/postgres.sh
	@$(BIN)/python benchmarks/search.py $(ARGS)

bench-export: setup-dev  ## a million hosts as CSV, NDJSON, GeoJSON and Parquet: rows a second, memory, beside a bare program (ARGS="--hosts 100000")
	@tools/postgres.sh
	@$(BIN)/python benchmarks/export.py $(ARGS)

bench-ingest: setup-dev  ## ingest beside a bare program, a feeder's waits, memory, and scoring beside ingest
	@tools/postgres.sh
	@$(BIN)/python benchmarks/ingest.py $(ARGS)
	@$(BIN)/python benchmarks/ingest_feeder.py
	@$(BIN)/python benchmarks/ingest_memory.py
	@$(BIN)/python benchmarks/scoring.py

bench-year: setup-dev  ## daily scans with a clock of their own: size, queries, and that equal facts write no change (ARGS="--days 365 --prefix 16")
	@tools/faketime.sh
	@PYTHONPATH=. $(BIN)/python benchmarks/year.py $(ARGS)

bench-geolocation: setup-dev  ## local look-ups, the command, a second reader of the same files, and the free budget of ip-api
	@tools/postgres.sh
	@$(BIN)/cobalt geodb info --json | grep -q '"role"' || $(BIN)/cobalt geodb update
	@$(BIN)/python benchmarks/geolocation.py $(ARGS)
	@$(BIN)/python benchmarks/geolocation_command.py
	@$(BIN)/python benchmarks/geolocation_readers.py
	@$(BIN)/python benchmarks/geolocation_budget.py

check: setup-dev  ## ruff, mypy --strict, import contracts, and a lint of ours for words, descriptions and sizes
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python tools/lint
	@! ls cobalt_tasks/db/migrations/versions | grep -oE '^[0-9]{4}' | sort | uniq -d | grep . || { echo "two migrations have this number"; exit 1; }
	@$(BIN)/python -m pytest -q -p no:xdist -p no:cacheprovider tests/unit/test_architecture.py tests/unit/test_faults_table.py

# requirements-dev.lock comes first: it holds the packages of the others, which keep to its versions.
# yattag, for a report that make mutate does not make, has no wheel.
COMPILE := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock"
lock: setup-dev  ## pin every dependency again, with hashes
	@$(BIN)/$(COMPILE) --upgrade --group dev pyproject.toml -o requirements-dev.lock
	@$(BIN)/$(COMPILE) --upgrade -c requirements-dev.lock pyproject.toml -o requirements.lock
	@$(BIN)/$(COMPILE) --upgrade -c requirements-dev.lock --group build -o requirements-build.lock
	@$(BIN)/$(COMPILE) --upgrade --group fuzz -o requirements-fuzz.lock
	@$(BIN)/$(COMPILE) --upgrade -c requirements-dev.lock --no-emit-package yattag --group mutate -o requirements-mutate.lock

clean:  ## remove what setup and the tools made
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage
