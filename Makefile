# Troupe. `make run` starts a broker, `make test` checks the house; the rest is listed by `make help`.

SHELL    := /bin/bash
GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -X main.version=$(VERSION)
BIN      := bin/troupe
ARGS     ?=

# The packages whose state is shared by goroutines: what the race detector watches.
RACE_PACKAGES = $(shell $(GO) list ./actorsystem/... ./actors/... ./raftactor/... ./storage/... ./protocol/... ./admin/... ./bench/load/...)
ROUNDS        ?= 30
FUZZTIME      ?= 5s

.PHONY: build build-chaos run test race crash interop conformance semantics bench-actors bench-groups fuzz-short lint clean help

build: ## the binary: bin/troupe
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/troupe

build-chaos: ## the binary with fault injection: bin/troupe-chaos
	@mkdir -p bin
	$(GO) build -trimpath -tags chaos -ldflags '$(LDFLAGS)' -o bin/troupe-chaos ./cmd/troupe

run: build ## a broker on 127.0.0.1:9092 with its data in ./data (more flags: ARGS='--log-level debug')
	exec $(BIN) serve --data-dir data $(ARGS)

test: build build-chaos ## everything that must pass before a commit, in at most 8 minutes on 2 cores
	$(GO) vet ./...
	$(GO) vet -tags chaos ./cmd/...
	$(GO) test -timeout 8m $(shell $(GO) list ./... | grep -vE '/test(/behaviour)?$$')
	TROUPE_BIN=$(CURDIR)/$(BIN) TROUPE_CHAOS_BIN=$(CURDIR)/bin/troupe-chaos $(GO) test -count=1 -timeout 6m ./test ./test/behaviour

race: ## the race detector on the concurrent packages
	$(GO) test -race -short -timeout 12m $(RACE_PACKAGES)

crash: build ## kill -9 in a loop under a verifying load (ROUNDS=30)
	TROUPE_BIN=$(CURDIR)/$(BIN) ROUNDS=$(ROUNDS) $(GO) test -count=1 -timeout 30m -v ./test/crash

interop: build ## every client and Kafka's own tools, which it installs; ends with the matrix (QUICK=1: a few minutes)
	GO=$(GO) TROUPE_BIN=$(CURDIR)/$(BIN) test/interop/run bin/interop $(if $(QUICK),quick)

conformance: build ## suites that others wrote, held against test/conformance/expected (QUICK=1, SUITE=kgo, UPDATE=1)
	cd test/conformance && TROUPE_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -timeout 40m -parallel 2 -v $(if $(SUITE),-run '(?i)^Test$(SUITE)$$') . $(if $(QUICK),-quick) $(if $(UPDATE),-update)

semantics: build ## answers compared with Apache Kafka's, which Maven fetches (QUICK=1: with those recorded, without Java; RECORD=1: record; RUN=regexp: some)
	@kafka=; [ -n "$(QUICK)" ] || if $(MAKE) -s bin/kafka-libs/pom.xml; then kafka="-kafka bin/kafka-libs"; \
	  else echo "Apache Kafka 4.3.1 cannot be fetched (java, mvn and a Maven repository are needed): comparing with its recorded answers"; fi; \
	$(GO) run ./test/semantics -troupe $(BIN) $$kafka $(if $(RECORD),-record) $(if $(RUN),-run '$(RUN)')

bin/kafka-libs/pom.xml: test/semantics/kafka/pom.xml
	@rm -rf bin/kafka-libs
	@command -v java >/dev/null && command -v mvn >/dev/null && timeout 300 mvn -q -B -f test/semantics/kafka dependency:copy-dependencies \
	  -DincludeScope=runtime -DoutputDirectory="$(CURDIR)/bin/kafka-libs" && cp $< $@

bench-groups: build ## consumer groups against the limits: 10,000 commits/s (and what a bare program takes for them), 1,000 groups' heartbeats, take-over after kill -9 (4 minutes, alone on the machine)
	$(GO) test -c -o bin/groupload.test ./test/groupload
	cd test/groupload && export TROUPE_BIN=$(CURDIR)/$(BIN) GROUPLOAD_LIMITS=1; failed=0; \
	  GROUPLOAD_CLIENTS=100 GROUPLOAD_RATE=10000 GROUPLOAD_WARM=5 GROUPLOAD_SECONDS=20 $(CURDIR)/bin/groupload.test -test.run OffsetCommits || failed=1; \
	  GROUPLOAD_GROUPS=1000 GROUPLOAD_SECONDS=30 $(CURDIR)/bin/groupload.test -test.run Heartbeat || failed=1; \
	  $(CURDIR)/bin/groupload.test -test.run TakeOver || failed=1; exit $$failed

bench-actors: ## benchmarks of the actors, without a client program
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(or $(BENCHTIME),1s) ./bench/... $(shell $(GO) list ./actorsystem ./raftactor ./storage/wal ./actors/partition ./actors/connection)

fuzz-short: ## each fuzz test for FUZZTIME=5s
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; done

lint: ## formatting, vet, and the house's rules (imports go one way, actors are deterministic)
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "not formatted (gofmt -w):"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) test -count=1 ./internal/archtest

clean: ## remove what was built (not ./data)
	rm -rf bin

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16
