# Gauntlet: `make` lists the targets.
SHELL := /bin/bash -o pipefail
SEED ?= 1
DEMO ?= seeds/merger-frozen-in-flip.plan
SEEDS ?= 20000
TESTFLAGS ?=

.PHONY: help demo test race mutants sweep replay keep bench

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: ## one simulated universe, then two hundred
	@go test ./sim -count=1 -run '^TestSeeds$$' -case=$(DEMO) -v
	@go test ./sim -count=1 -run '^TestSim$$' -seeds=200 -v | grep -av --line-buffered '^sim: seed='

test: ## every test but the heavy ones
	go vet ./core/... ./fakes/... ./sim/... ./properties/... ./chaos/... ./backend/process/... ./internal/...
	go test $(TESTFLAGS) ./core/... ./fakes/... ./sim/... ./properties/... ./chaos/... ./backend/process/... ./internal/house/... ./internal/tally/...

race: ## the tests on real goroutines and a small sweep, under the race detector
	go test -race ./backend/process/... ./sim/... ./core/...

mutants: ## plant every known bug; each must be found
	go test ./internal/mutants -count=1 -v -timeout 30m | grep -aE --line-buffered '^(mutants|FAIL|ok|---)'

sweep: ## SEEDS random universes from SEED on
	@go test ./sim -count=1 -run '^TestSim$$' -seed=$(SEED) -seeds=$(SEEDS) -timeout 24h -v | grep -av --line-buffered '^sim: seed='

replay: ## the universe of SEED, or the plan CASE=seeds/....plan
	@go test ./sim -count=1 $(if $(CASE),-run '^TestSeeds$$' -case=$(CASE),-run '^TestSim$$' -seed=$(SEED)) -v

keep: ## reduce the failing SEED and write its plan to seeds/
	@go test ./sim -count=1 -run '^TestSim$$' -seed=$(SEED) -keep

bench: ## events, seeds and virtual seconds per CPU-second
	go test ./sim -run '^$$' -bench . -benchtime 3s
