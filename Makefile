# What a developer types. `make help` lists it; every target can be run from a fresh clone.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test hazards conformance control-plane crds fmt audit

CARGO ?= cargo

# Finds or builds etcd, kube-apiserver, kube-controller-manager and kubectl once (about six minutes on a machine that
# has never done it), and tells whatever runs next where they are.
with_control_plane = programs=$$(tests/control-plane/install.sh) && export SYNCFLOW_CONTROL_PLANE_BIN="$$programs" &&
# Only says where the time goes.
step = @printf '\n==> %s\n'

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## The guide's story, live: API server, simulated Salesforce and ServiceNow, the operator, kubectl
	$(step) 'control plane: etcd, kube-apiserver, kube-controller-manager, kubectl'
	@tests/control-plane/install.sh >/dev/null
	$(step) 'build the operator and the demo'
	@$(CARGO) build --locked --package syncflow --bin syncflow --package syncflow-demo --bin syncflow-demo
	@$(with_control_plane) "$${CARGO_TARGET_DIR:-target}/debug/syncflow-demo"

test: ## Everything that must hold: format, lints, unit, simulation, connector and operator tests
	$(step) 'format'
	@$(CARGO) fmt --all --check
	$(step) 'clippy, warnings are errors'
	@$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(step) 'shell scripts'
	@if command -v shellcheck >/dev/null; then shellcheck --shell=sh tests/control-plane/src/supervise.sh \
	  && shellcheck tests/control-plane/install.sh tests/conformance/*.sh .ci/run; else echo 'skipped: shellcheck is not installed'; fi
	$(step) 'control plane: etcd, kube-apiserver, kube-controller-manager, kubectl'
	@tests/control-plane/install.sh
	$(step) 'tests'
	@$(with_control_plane) $(CARGO) test --workspace --locked --no-fail-fast
	$(step) 'hazards, with and without their handling'
	@$(MAKE) --no-print-directory hazards
	$(step) 'dependencies: licences, bans, sources'
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --locked check bans licenses sources; \
	  else echo 'skipped: cargo-deny is not installed (cargo install cargo-deny)'; fi
	$(step) 'all passed'

hazards: ## Each hazard of the services' APIs, and a scene for each bug that can be planted, which must fail with it
	@$(CARGO) test --locked --package syncflow --features planted-bugs --test simulation -- hazards:: mutants::

conformance: ## Other people's clients (PySNC, pysnow, simple-salesforce, jsforce, …) against the simulators
	$(step) 'install the clients'
	@tests/conformance/install.sh >/dev/null
	$(step) 'build the simulators'
	@$(CARGO) build --quiet --locked --package syncflow-simulators --bin syncflow-simulators
	$(step) 'take the clients through the simulators'
	@tests/conformance/run.sh "$${CARGO_TARGET_DIR:-target}/debug/syncflow-simulators"
	$(step) 'all passed'

# The simulation as it is run by the hundred thousand: optimised, and able to plant a bug at a time.
simulation = $(CARGO) test --quiet --locked --profile simulate --features planted-bugs --package syncflow --test simulation --
SEEDS ?= 5000
FIRST ?= 0
EVERY ?= 1

simulate: ## Days of sync by seed, and every crash point: SEEDS=n [FIRST=m], or SEED=n or CUT=… to replay one, SHRINK=n to shorten it
ifdef SEED
	@SYNCFLOW_SIMULATION_SEED='$(SEED)' $(simulation) no_edit_is --nocapture
else ifdef SHRINK
	@SYNCFLOW_SIMULATION_SHRINK='$(SHRINK)' $(simulation) no_edit_is --nocapture
else ifdef CUT
	@SYNCFLOW_SIMULATION_CUT='$(CUT)' $(simulation) no_crash_and --nocapture
else
	@SYNCFLOW_SIMULATION_SEEDS=$(SEEDS) SYNCFLOW_SIMULATION_FIRST=$(FIRST) SYNCFLOW_SIMULATION_EVERY=$(EVERY) \
	  $(simulation) --skip promises:: --skip hazards:: --skip mutants:: --nocapture
endif

mutants: ## Plants each known bug in turn, and counts after how many seeds it is found [BUG=name]
	@SYNCFLOW_SIMULATION_BUG='$(BUG)' $(simulation) the_swarm_finds --ignored --nocapture

control-plane: ## A control plane to try things on, until Ctrl-C
	@$(CARGO) run --quiet --locked --package syncflow-control-plane

crds: ## Write crds/ and docs/reference.md, generated from the types (the same test fails when they differ)
	@SYNCFLOW_REGENERATE=1 $(CARGO) test --quiet --locked --package syncflow --test manifests drift

fmt: ## Format the Rust code
	@$(CARGO) fmt --all

audit: ## Ask the RustSec database about the dependencies (needs cargo-deny and the network)
	@$(CARGO) deny --locked check advisories
