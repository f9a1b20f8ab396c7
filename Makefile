# setup, run, build and test are the main targets. They are implemented in scripts/setup.sh (Debian packages) and xtask/ (everything else).
.DEFAULT_GOAL := help
.PHONY: help setup run build test bench bench-network bench-office bench-peers bench-transcript sim fuzz doc fmt clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the Debian packages that are missing
	@scripts/setup.sh test

run: ## Build what is missing and start an office with people in it, on this machine
	@scripts/setup.sh run
	@cargo xtask run $(ARGS)

build: ## Build the command, the web pages and the WebAssembly engine
	@scripts/setup.sh run
	@cargo xtask build

test: ## Everything that CI checks
	@scripts/setup.sh test
	@cargo xtask test

bench: ## Criterion benchmarks (BENCH="-p telcon-log" for one crate)
	@scripts/setup.sh run
	@cargo xtask bench $(BENCH)

bench-network: ## Speech over impaired networks, scored: writes docs/network.md
	@scripts/setup.sh run
	@cargo xtask bench-network

bench-transcript: ## What the transcript gets wrong and invents, per language and model: writes docs/transcript.md
	@scripts/setup.sh test
	@cargo xtask bench-transcript

bench-peers: ## Our relay beside Janus and coturn; writes docs/benchmarks.md (PARTS="30x4" for one load). Needs root
	@scripts/setup.sh bench
	@cargo xtask bench-peers $(PARTS)

bench-office: ## A server with 10,000 devices and 100 rings a second; writes docs/benchmarks.md (ARGS="--devices 100")
	@scripts/setup.sh run
	@cargo xtask bench-office $(ARGS)

sim: ## Simulate 10,000 offices with the real engines of both sides (SEEDS=500 for fewer)
	@scripts/setup.sh test
	@cargo xtask sim $(if $(SEEDS),--seeds $(SEEDS))

fuzz: ## Fuzz one parser after the other (FUZZ="checkpoint --seconds 600" for one)
	@scripts/setup.sh test
	@cargo xtask fuzz $(FUZZ)

fmt: ## Format the Rust sources
	@cargo fmt --all
	@cargo fmt --manifest-path fuzz/Cargo.toml

doc: ## Build the API documentation
	@cargo xtask doc

clean: ## Remove everything that was built or fetched into this clone (not data/)
	@rm -rf target web/dist web/src/wasm web/node_modules
