# Every verb of the project. `make demo` and `make test` need nothing but a fresh Debian 12 and this checkout.

BIN := .venv/bin
DEMO ?= --nodes 8 --seconds 20 --chaos
BENCH ?= mesh
FUZZ ?= 1000000
BOARDS ?= arm64 armhf
# Real processes that keep time want the machine for themselves; the other tests share its cores.
ALONE := tests/integration tests/system tests/unit/shell
SEED ?= 1
SCRIPTS := .ci/run $(wildcard deploy/*.sh)
UNIT := systemd/synedge.service
export PREFIX ?= /opt/synedge
export DESTDIR ?=

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz test-arm test-boot test-fresh check lint bench build install uninstall clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: ## eight devices and a gateway on this machine, on real recordings (DEMO="--nodes 8 ...", DEMO=--voice)
	@deploy/bootstrap.sh $(if $(findstring --voice,$(DEMO)),--voice)
	@$(BIN)/synedge demo $(DEMO)

test: ## all checks and tests (TESTS="tests/unit -k name" for some); SYNEDGE_SLOW=1 adds the slow ones
	@deploy/bootstrap.sh --test
	@$(MAKE) --no-print-directory lint
ifdef TESTS
	@$(BIN)/python -m pytest $(TESTS)
else
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ALONE:%=--ignore=%)
	@$(BIN)/python -m pytest $(ALONE)
endif

fuzz: ## spoilt input for every decoder and reader of files, under sanitizers (hours; FUZZ=1000000 cases each kind, SEED=1)
	@deploy/bootstrap.sh --test
	@SYNEDGE_FUZZ_CASES=$(FUZZ) SYNEDGE_FUZZ_MODEL_CASES=$(FUZZ) SYNEDGE_FUZZ_SEED=$(SEED) deploy/fuzz.sh

test-arm: ## kernels, engine, codec and a mesh of two on emulated boards of 64 and 32 bits (network; BOARDS="arm64 armhf")
	@deploy/bootstrap.sh --arm
	@deploy/test-arm.sh $(BOARDS)

test-boot: ## boot the service under a real systemd in a container (root; about two minutes)
	@deploy/bootstrap.sh --boot
	@SYNEDGE_SLOW=1 $(BIN)/python -m pytest tests/system/test_boot.py

test-fresh: ## make a fresh Debian 12 ready in a container and run the demo there (root, network; about three minutes)
	@deploy/bootstrap.sh --boot
	@SYNEDGE_SLOW=1 $(BIN)/python -m pytest tests/system/test_fresh.py

check: ## lint, format, types, scripts, unit file
	@deploy/bootstrap.sh --test
	@$(MAKE) --no-print-directory lint

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	shellcheck $(SCRIPTS)
	deploy/check-unit.sh $(UNIT)

bench: ## measure (BENCH="mesh --json")
	@deploy/bootstrap.sh
	@$(BIN)/synedge bench $(BENCH)

build: ## compile the extensions in place and build a wheel into dist/
	@deploy/bootstrap.sh
	@rm -rf build/lib.* build/bdist.* dist
	@$(BIN)/python -m pip --disable-pip-version-check wheel -q --no-build-isolation --no-deps --wheel-dir dist .
	@ls dist/*.whl

install: build ## install into PREFIX=/opt/synedge with unit and example config (root; DESTDIR for packaging); starts nothing
	@deploy/install.sh install

uninstall: ## remove what install put there; keys, log and config stay
	@deploy/install.sh uninstall

clean: ## remove what was built; .venv stays
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis edge/shell/engines/_tflite_capi.py
	find edge tests -name '*.so' -delete
	find edge tests -depth -name __pycache__ -exec rm -rf {} +
