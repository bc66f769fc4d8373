# Gauntlet: `make` lists the targets.
SHELL := /bin/bash -o pipefail
SEED ?= 1
DEMO ?= seeds/merger-frozen-in-flip.plan
SEEDS ?= 20000
TESTFLAGS ?=

.PHONY: help demo test full builds lint race mutants power reports shrink drift sweep replay keep bench scale s3 every-fault coverage worker worker-test codec page conformance second e2e e2e-kill e2e-speed

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: ## one simulated universe, then two hundred
	@go test ./sim -count=1 -run '^TestSeeds$$' -case=$(DEMO) -v
	@go test ./sim -count=1 -run '^TestSim$$' -seeds=200 -v | grep -av --line-buffered '^sim: seed='

# The short run leaves out what other binaries cost to link and what compiles again.
# GOGC=400: the compilers, the linkers and universes end before their garbage matters.
TESTED = ./core/... ./fakes/... ./sim ./sim/conversion/... ./sim/explain ./sim/fault ./sim/plan ./sim/script ./sim/search ./sim/sweep ./simtest ./harness ./properties/... ./chaos
ALL = $(TESTED) ./internal/bench ./sim/leaserace ./sim/relocate ./sim/risk ./sim/shrink ./sim/systematic ./sim/timeline ./sim/page ./backend/process/... ./cmd/gauntlet ./command ./chaos/protocol ./chaos/cmd/... ./internal/everyfault ./internal/kinds ./internal/loopback ./internal/riskscore ./internal/tally ./internal/scale ./internal/power ./internal/recipes ./examples/...

test: ## every test but the heavy ones, in short runs (vet: make lint)
	GOGC=400 RAPID_CHECKS=500 go test -short -vet=off -ldflags=-w $(TESTFLAGS) $(TESTED) # -short takes a fifth: rapid's usual 100

full: ## every test at full size
	SIM_PLACEMENTS=8000 go test -vet=off -timeout 30m $(TESTFLAGS) $(ALL)

builds: ## the same hashes in other builds; no injection in production binaries
	go test -count=1 -timeout 30m $(TESTFLAGS) ./internal/builds

lint: ## vet of everything, the house rules, dead code, staticcheck, workflows
	go vet ./...
	go vet -tags chaos_testing ./chaos/...
	go test -count=1 $(TESTFLAGS) ./internal/house ./sim/lint ./cmd/gauntlet-lint
	cd internal/deadcode && go test -count=1 $(TESTFLAGS) ./...
	cd internal/actionlint && go test -count=1 $(TESTFLAGS) ./...

# A released version in a folder of its own, so that a newer one is installed.
VERSITYGW = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gauntlet/versitygw-v1.8.0

s3: ## the S3 backend: a faulty network, then real servers
	@test -x $(VERSITYGW)/versitygw || GOBIN=$(VERSITYGW) go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
	cd backend/s3 && PATH="$(VERSITYGW):$$PATH" go test -count=1 $(TESTFLAGS) ./...

# A checkout of github.com/tikv/client-go, at the commit that go.mod has: its
# integration tests are not part of its module.
CLIENT_GO ?=

# At least 100,000 transactions in lock-step: 450 histories have about 107,000.
LOCKSTEP = $(if $(QUICK),,-rapid.checks=450 -least=100000)

conformance: ## the in-memory TiKV beside the real client (CLIENT_GO=its checkout: its suite, too; QUICK=1: fewer histories)
	go test -vet=off -count=1 -timeout 20m $(TESTFLAGS) $$(go list ./conformance/... | grep -v /lockstep)
	go test -vet=off -count=1 -timeout 20m $(TESTFLAGS) ./conformance/lockstep $(LOCKSTEP)
ifdef CLIENT_GO
	go run ./conformance/clientgo $(CLIENT_GO)
else
	@echo "clientgo: not run: CLIENT_GO=CHECKOUT was not given"
endif

second: ## ask the second executor about the plan CASE: is a failure the system's, or the harness's?
	@go test -vet=off -count=1 ./conformance/executor -run '^TestSecond$$' -plan=$(CASE) -v | grep -aE '^(second|FAIL|ok|---)'

# What the programs write is in LOGS, a file for each run.
LOGS ?=
E2E = cd e2e && go run ./cmd/gauntlet-e2e --root .. --seed $(SEED) $(if $(LOGS),--logs $(abspath $(LOGS)))

e2e: ## real processes through every scenario, beside the simulation (QUICK=1: three)
ifdef QUICK
	@$(E2E) --quick
else
	@test -x $(VERSITYGW)/versitygw || GOBIN=$(VERSITYGW) go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
	@$(E2E) --sim 200
	@$(E2E) --versitygw $(VERSITYGW)/versitygw worker-crash merge-race storage-failure lost-commit-reply
	cd e2e && go test -count=1 -run TestAnotherSystem ./cmd/gauntlet-e2e
endif

e2e-kill: ## 200 times kill -9 of workers and servers, with nothing lost
	@$(E2E) kill

e2e-speed: ## frames and bytes a second with 1, 2 and 4 workers, and with a straggler
	@$(E2E) throughput

race: ## the tests on real goroutines and a small sweep, under the race detector
	go test -race ./backend/process/... ./sim/... ./core/...

mutants: ## plant every known bug, each must be found; and equivalents, none may be
	go test ./internal/mutants -count=1 -v -timeout 60m | grep -aE --line-buffered '^(mutants|FAIL|ok|---)'

# MUTANTS and CELLS: names with commas between; CAP: CPU-seconds of a cell.
power: ## how fast bugs are found, by every way to search; writes docs/POWER.md (MUTANTS=, CELLS=, CAP=)
	go run ./internal/power $(if $(MUTANTS),-mutants $(MUTANTS)) $(if $(CELLS),-cells $(CELLS)) $(if $(CAP),-cap $(CAP))
	go run ./internal/power -page

drift: ## how long kept plans last under harmless edits of core; writes docs/DRIFT.md
	@go run ./internal/drift -page docs/DRIFT.md

shrink: ## how small the failures of all known bugs get; writes docs/SHRINKING.md
	go run ./internal/shrinkscore

reports: ## what a failure prints, for fourteen planted bugs, word by word (ALL=1: what explanations take, over all)
	go test ./internal/reports -count=1 -v -timeout 3h $(if $(ALL),-run '^TestTimes$$' -every=1,-run '^TestReports$$') | grep -aE --line-buffered '^(explain:|FAIL|ok|---)'

sweep: ## SEEDS random universes from SEED on
	@go test ./sim -count=1 -run '^TestSim$$' -seed=$(SEED) -seeds=$(SEEDS) -timeout 24h -v | grep -av --line-buffered '^sim: seed='

every-fault: ## every single fault at every call of 12 small universes (PAIRS=1: pairs, too)
	@go run ./cmd/gauntlet every-fault $(if $(PAIRS),--pairs)

coverage: ## what 20,000 universes draw, and whether it is enough; writes docs/COVERAGE.md
	@go run ./internal/coverage -page docs/COVERAGE.md

replay: ## the universe of SEED, or the plan CASE=seeds/....plan
	@go test ./sim -count=1 $(if $(CASE),-run '^TestSeeds$$' -case=$(CASE),-run '^TestSim$$' -seed=$(SEED)) -v

keep: ## reduce the failing SEED and write its plan to seeds/
	@go test ./sim -count=1 -run '^TestSim$$' -seed=$(SEED) -keep

scale: ## what a unit costs, up to 1,000 workers and 100,000 units (QUICK=1: 5,000)
	@go run ./internal/scale $(if $(QUICK),-quick)

bench: ## events, seeds and virtual seconds per CPU-second; what an event costs on other carriers
	GOGC=800 go test ./internal/bench -run '^$$' -bench . -benchtime 3s -cpu 1,2
	go test ./sim -count=1 -run '^TestCarriers$$' -costs -v | grep -a '^carriers'

codec: ## the codec of real recordings, read by readers of others, too (needs node and npm)
	cd codec/testdata/readers && npm ci --silent
	cd codec && go vet ./... && CODEC_READERS=required go test -vet=off -count=1 $(TESTFLAGS) ./...

page: ## the pages clicked through in Chromium, their bundle made anew (needs node, npm, chromium)
	cd sim/page/web && npm ci --silent
	cd sim/page/web && go vet ./... && PAGE_BROWSER=required go test -vet=off -count=1 $(TESTFLAGS) ./...

worker: ## bin/worker, static, as releases have it
	cd cmd/worker && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o ../../bin/worker .

worker-test: ## the worker's tests, in both builds
	cd cmd/worker && go vet ./... && go vet -tags chaos_testing ./...
	cd cmd/worker && go test -vet=off -count=1 $(TESTFLAGS) ./...
	cd cmd/worker && go test -vet=off -count=1 -tags chaos_testing $(TESTFLAGS) ./daemon
