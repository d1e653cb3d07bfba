# The commands people use; docs in CONTRIBUTING.md.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
.PHONY: help web demo demo-stop test browser screenshots soak soak-majors lint fix bench build

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# Where deploy/dev/install puts what tests need; it differs without root.
DEV_DIR := $(or $(HOLDFAST_DEV_DIR),$(if $(filter 0,$(shell id -u)),/opt/holdfast-dev,$(HOME)/.local/share/holdfast-dev))
export HOLDFAST_TEST_PG18_BIN ?= $(DEV_DIR)/pg/18/bin
export HOLDFAST_TEST_MOTO ?= $(DEV_DIR)/venv/bin/moto_server
export HOLDFAST_TEST_AZURITE ?= $(DEV_DIR)/azurite/node_modules/.bin/azurite-blob
PORT_BASE ?= 18400
# Rows of `make bench`, and the length of each in its short form.
BENCH ?= commands agents jobs jobs-tight failover catalog wal-push backups console
ONCE ?=
NODES ?= 1

help: ## this list
	grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# What the console is made of; the rest of web/ is its tests.
WEB := $(shell find web/src web/public -type f ! -name '*.test.*' 2>/dev/null) $(wildcard web/*.html web/*.json web/*.ts)

web/node_modules/.package-lock.json: web/package.json web/package-lock.json web/.npmrc
	cd web
	npm ci --no-audit --no-fund --loglevel=error
	touch node_modules/.package-lock.json

web/dist/index.html: web/node_modules/.package-lock.json $(WEB)
	cd web
	npm run --silent build

web: web/dist/index.html ## the console's files, which holdfastd embeds

build: web ## all programs
	$(CARGO) build --workspace --bins --locked

demo: web ## protect a real PostgreSQL, have an accident, bring it back (ONCE=1: leave nothing running)
	deploy/dev/install demo
	$(CARGO) build --locked --bins -p holdfastd -p holdfast-agent -p holdfast -p xtask
	"$(TARGET)/debug/xtask" demo --port-base $(PORT_BASE) --nodes $(NODES) $(if $(ONCE),--once)

demo-stop: ## end what `make demo` left running
	$(CARGO) run --locked -q -p xtask -- demo-stop

test: ## all tests, in their short form
	deploy/dev/parts begin
	deploy/dev/parts run web $(MAKE) --no-print-directory web
	deploy/dev/parts run web-tests npm --prefix web run --silent check-and-test
	# Always the whole workspace: a part of it has other features, and compiles anew.
	deploy/dev/parts run build $(CARGO) build --workspace --bins --tests --locked
	deploy/dev/parts run rules "$(TARGET)/debug/xtask" check-deps
	# Most of them wait for something: twice as many at once as there are cores.
	export RUST_TEST_THREADS="$${RUST_TEST_THREADS:-$$((2 * $$(nproc)))}"
	deploy/dev/parts run tests $(CARGO) test --workspace --locked --no-fail-fast
	deploy/dev/parts run browser env HOLDFAST_TARGET="$(TARGET)/debug" npm --prefix web run --silent e2e
	deploy/dev/parts end

browser: build ## the console's tests in Chromium, against real servers
	HOLDFAST_TARGET="$(TARGET)/debug" npm --prefix web run --silent e2e

screenshots: build ## every page of the console, light and dark, in three widths, into web/screenshots
	HOLDFAST_TARGET="$(TARGET)/debug" npm --prefix web run --silent screenshots

FAULTS ?= 1000
MINUTES ?= 240
SEED ?= $(shell date +%s)

# What `make test` does on PostgreSQL 15 and 18, on the others: ours, then each in
# the place of one of those two.
soak-majors: web ## every test of the engine on PostgreSQL 14 to 18, and random histories
	deploy/dev/install soak
	$(CARGO) build --workspace --bins --tests --locked
	HOLDFAST_TEST_MAJORS=all $(CARGO) test --workspace --locked --test it --test wal
	HOLDFAST_TEST_MAJORS=all $(CARGO) test --workspace --locked --test jobs -- --ignored soak
	HOLDFAST_TEST_INSTEAD_OF_15=14 HOLDFAST_TEST_INSTEAD_OF_18=17 $(CARGO) test --workspace --locked --test jobs --test wal --test agent
	HOLDFAST_TEST_INSTEAD_OF_15=16 HOLDFAST_TEST_INSTEAD_OF_18=16 $(CARGO) test --workspace --locked --test jobs --test wal --test agent

soak: soak-majors ## the long runs: every PostgreSQL, time zones, an upgrade, and FAULTS faults from SEED (needs root; writes docs/reliability.md)
	echo "seed $(SEED)"
	deploy/dev/previous
	$(CARGO) build --workspace --bins --tests --locked
	$(CARGO) test --workspace --locked --test e2e -- --ignored previous_wire_format soak
	$(CARGO) test --workspace --locked --test repository -- --ignored soak
	$(CARGO) test --workspace --locked --lib -- --ignored soak
	"$(TARGET)/debug/holdfast-faults" --seed $(SEED) --faults $(FAULTS) --minutes $(MINUTES) --report docs/reliability.md

bench: web ## measure beside the peers, into bench/results (BENCH=row: only that one)
	deploy/dev/install bench
	# As `make test` builds: a part of the workspace has other features, and compiles anew.
	$(CARGO) build --workspace --bins --tests --locked
	commit="$$(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
	for row in $(BENCH); do
	  date="$$(date -u +%FT%TZ)"
	  if [ $$row = console ]; then
	    HOLDFAST_TARGET="$(TARGET)/debug" HOLDFAST_RESULTS="$(CURDIR)/bench/results/console.json" \
	      HOLDFAST_DATE="$$date" HOLDFAST_COMMIT="$$commit" npm --prefix web run --silent perf
	    continue
	  fi
	  case $$row in
	    jobs-tight) what="jobs --tight --jobs 1000" ;;
	    *) what=$$row ;;
	  esac
	  "$(TARGET)/debug/holdfast-bench" $$what --results bench/results --date "$$date" --commit "$$commit"
	done

lint: web ## what a reviewer would otherwise have to say
	npm --prefix web run --silent check
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) run --locked -q -p xtask -- check-deps
	$(CARGO) run --locked -q -p xtask -- check-pitfalls
	$(CARGO) run --locked -q -p xtask -- control-proto --check
	export PATH="$(DEV_DIR)/deny/bin:$$PATH"
	if command -v cargo-deny >/dev/null; then
	  $(CARGO) deny --locked check bans licenses sources
	else
	  echo "licences, bans and sources were not checked: deploy/dev/install lint" >&2
	fi

fix: ## format, and mend what clippy can
	$(CARGO) fmt --all
	$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged
