# Needs Go, git, make and, for the race detector, a C compiler. The linter and
# govulncheck are built from tools/go.mod on first use and then cached by Go.

VERSION ?= $(or $(patsubst v%,%,$(shell git describe --tags --match 'v*' --dirty 2>/dev/null)),0.0.0-dev)
LDFLAGS := -s -w -X github.com/conftool/confctl/internal/cli.version=$(VERSION)

GO        ?= go
# A number of inputs: with a time, go sometimes ends in "context deadline exceeded".
FUZZTIME  ?= 20000x
BENCHTIME ?= 1s
PAIRS     ?= 40
ROUNDS    ?= 200
CHANGES   ?= 1000
MUTANTS   ?= 2000
PKG       ?= ./pkg/change
LOSSES    ?= 40

# The version comes from above. Without this, Go asks git itself, which refuses to
# answer in a checkout that belongs to another user.
export GOFLAGS := $(GOFLAGS) -buildvcs=false

# Some systems have Go ignore the toolchain line of go.mod, which names the oldest
# release with all security fixes that matter here. Without a network:
# make GOTOOLCHAIN=local.
export GOTOOLCHAIN := auto

# Where install puts things.
DESTDIR ?=
prefix  ?= /usr/local
bindir  := $(DESTDIR)$(prefix)/bin
datadir := $(DESTDIR)$(prefix)/share
docdir  := $(datadir)/doc/confctl
unitdir := $(DESTDIR)$(prefix)/lib/systemd/system

# All packages but the command line.
LIBRARY  = $$($(GO) list ./... | grep -v '/internal/cli$$')
LINT    := $(GO) tool -modfile=tools/go.mod golangci-lint
VULN    := $(GO) tool -modfile=tools/go.mod govulncheck
SOURCES := $(shell find cmd internal pkg -name '*.go' ! -name '*_test.go' 2>/dev/null) go.mod go.sum

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build test race soak mutants vet lint vuln check demo bench fuzz deps install clean

help: ## show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/confctl
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/confctl ./cmd/confctl

# Tests commit thousands of times, and stores sync each commit, which takes no time in
# memory. There has to be room for them, and programs have to be allowed there.
MEMORY := $(shell file=$$(mktemp -p /dev/shm 2>/dev/null) && cp /bin/sh "$$file" && chmod +x "$$file" && "$$file" -c : 2>/dev/null && \
	df -Pk /dev/shm | awk 'NR == 2 && $$4 > 2000000 {print "/dev/shm"}'; rm -f "$$file")
test race soak: export GOTMPDIR := $(or $(GOTMPDIR),$(TMPDIR),/tmp)
test race soak: export TMPDIR := $(or $(TMPDIR),$(MEMORY),/tmp)

# The same inputs for property tests in each run, and no file of a failure, which would
# fail all later runs. make soak draws others.
test race: export RAPID_SEED ?= 1
test race soak: export RAPID_NOFAILFILE := true

test: ## all tests
	$(GO) test ./...
	$(GO) test -C tools ./...

race: ## all tests, under the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

# Some rounds, changes, mutants and cases of these are in every test; here are as many
# as it takes to believe them.
soak: ## 200 rounds of 32 processes at one pool, 1,000 changes under kill -9, 2,000 broken copies of a site, lost packets, attacks under a limit of memory
	CONFCTL_ROUNDS=$(ROUNDS) CONFCTL_CHANGES=$(CHANGES) CONFCTL_MUTANTS=$(MUTANTS) $(GO) test -count=1 -timeout 60m -v -run 'TestStorm|TestNothingIsLost|TestMutants' ./internal/cli
	CONFCTL_ALL=1 $(GO) test -count=1 -timeout 60m ./internal/cli
	RAPID_CHECKS=2000 $(GO) test -count=1 -timeout 60m $(LIBRARY)
	CONFCTL_LOSS=$(LOSSES) $(GO) test -count=1 -timeout 30m -v -run TestPacketLoss ./internal/mirror
	CONFCTL_FAULTS=20 $(GO) test -count=1 -timeout 10m -v -run 'TestServe(Faults|Silent|BeforeTheStore|Whole|Moving)' ./internal/cli
	CONFCTL_FAULTS=1 $(GO) test -count=1 -timeout 20m -v -run 'Test(ServeUnderAttack|CommandsUnderMemoryLimit)' ./internal/cli

mutants: | bin ## small changes of the package PKG that its own tests do not notice
	$(GO) build -C tools -o ../bin/mutate ./mutate
	bin/mutate $(PKG)

vet: ## what go vet finds
	$(GO) vet ./...
	$(GO) vet -C tools ./...

lint: ## what golangci-lint finds; see .golangci.yml
	$(LINT) run ./...
	cd tools && $(GO) tool golangci-lint run ./...

# Where the database cannot be reached, there is nothing to compare with.
vuln: | bin ## known vulnerabilities in the code that the program calls
	@$(VULN) ./... >bin/vuln.txt 2>&1 && status=0 || status=$$?; cat bin/vuln.txt; \
	if [ $$status != 0 ] && grep -q 'fetching vulnerabilities' bin/vuln.txt; then \
		echo 'make vuln: skipped, because the database of vulnerabilities cannot be reached'; \
	else exit $$status; fi

# The tests before the linter: with nothing but the main module's dependencies at
# hand they still say what they have to say.
check: build vet race lint vuln ## all of it: what CI runs

demo: build ## a tour of the commands on a store of its own
	PATH="$(CURDIR)/bin:$$PATH" ./docs/demo.sh

# Those of internal/cli are of whole processes, compared in pairs: they need a number of
# runs, and etcdctl (Debian: etcd-client) to compare with.
bench: ## all benchmarks: BENCHTIME each, and PAIRS runs of whole processes
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) $(LIBRARY)
	$(GO) test -run '^$$' -bench 'Get|Startup|Lint' -benchtime $(PAIRS)x ./internal/cli
	$(GO) test -run '^$$' -bench 'Set|Sync|Memory' -benchtime 5x ./internal/cli
	$(GO) test -run '^$$' -bench Watch -benchtime 1000x ./internal/cli
	$(GO) test -run '^$$' -bench Serve -benchtime 1x ./internal/cli

fuzz: ## all fuzz targets, FUZZTIME each
	@list="$$($(GO) test -list '^Fuzz' ./...)" || { echo "$$list"; exit 1; }; \
	echo "$$list" | \
	awk '/^Fuzz/ {name[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, name[i]; n = 0}' | \
	while read -r package target; do \
		echo "$$package $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "$$package" </dev/null || exit 1; \
	done

deps: ## download everything the other targets need, to work offline
	$(GO) mod download
	$(GO) mod download -modfile=tools/go.mod

bin:
	mkdir -p bin

# Not built again when nothing has changed: whoever installs may be root, without Go.
bin/confctl: $(SOURCES)
	$(MAKE) build

install: bin/confctl ## into DESTDIR and prefix, with shell completions, documents and a systemd unit
	install -d $(bindir) $(unitdir) $(docdir)/docs $(datadir)/bash-completion/completions \
		$(datadir)/zsh/site-functions $(datadir)/fish/vendor_completions.d
	install -m 755 bin/confctl $(bindir)/confctl
	for name in conftool-sync pool depool drain decommission; do ln -sf confctl $(bindir)/$$name; done
	bin/confctl completion bash >$(datadir)/bash-completion/completions/confctl
	bin/confctl completion zsh >$(datadir)/zsh/site-functions/_confctl
	bin/confctl completion fish >$(datadir)/fish/vendor_completions.d/confctl.fish
	install -m 644 $(wildcard README.md CHANGELOG.md LICENSE) $(docdir)
	install -m 644 docs/*.md $(docdir)/docs
	sed 's,/usr/local/bin/,$(prefix)/bin/,' docs/confctl-serve.service >$(unitdir)/confctl-serve.service

clean: ## remove what was built
	rm -rf bin
