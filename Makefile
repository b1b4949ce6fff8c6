# `make help` lists what can be made. Everything works from a clone with Go installed;
# integration and bench need root on Linux.

GO      ?= go
BIN     ?= bin
PREFIX  ?= /usr/local
LINTER  := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
VULN    := golang.org/x/vuln/cmd/govulncheck@latest
FUZZ    ?= 10s
PACKAGES ?= ./pkg/... ./internal/... ./webserver/...
export CGO_ENABLED ?= 0

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: build
build: ## build the programs into bin/
	GO="$(GO)" sh build.sh "$(BIN)"

# Two programs are commands; they find the others in libexec/emperor (internal/libexec).
# Programs that run as a tenant cannot be read by one: the kernel then keeps the tenant's
# other processes out of their memory from the first moment (PR_SET_DUMPABLE of prctl(2)).
EMPERORS := emperor-native emperor-dns
VASSALS  := vassal-server vassal-helper vassal-native
HELPERS  := $(EMPERORS) $(VASSALS)
BINDIR   := $(DESTDIR)$(PREFIX)/bin
LIBEXEC  := $(DESTDIR)$(PREFIX)/libexec/emperor
# Earlier versions had these in bin, where they would be found first.
FORMER   := $(HELPERS) vassal-pty vassal-parse
OWNER    := $(if $(filter 0,$(shell id -u)),-o root -g root)
MANUALS  := $(wildcard docs/man/*.[578])
# Files for other software of the host (contrib/network/README.md), each with its place.
HOST_FILES := 10-emperor.network:$(PREFIX)/lib/systemd/network/10-emperor.network \
	10-emperor.link:$(PREFIX)/lib/systemd/network/10-emperor.link \
	NetworkManager.conf:/etc/NetworkManager/conf.d/10-emperor.conf \
	nftables.service.conf:$(PREFIX)/lib/systemd/system/nftables.service.d/10-emperor.conf

.PHONY: install
install: beside-install build ## install the programs and manual pages under PREFIX (/usr/local)
	install -d $(BINDIR) $(LIBEXEC) $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man7 $(DESTDIR)$(PREFIX)/share/man/man8
	install $(OWNER) -m 755 $(EMPERORS:%=$(BIN)/%) $(LIBEXEC)
	install $(OWNER) -m 711 $(VASSALS:%=$(BIN)/%) $(LIBEXEC)
	install $(OWNER) -m 755 $(BIN)/emperor $(BINDIR)
	install $(OWNER) -m 711 $(BIN)/vassal $(BINDIR)
	rm -f $(FORMER:%=$(BINDIR)/%)
	install -m 644 $(filter %.5,$(MANUALS)) $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 $(filter %.7,$(MANUALS)) $(DESTDIR)$(PREFIX)/share/man/man7
	install -m 644 $(filter %.8,$(MANUALS)) $(DESTDIR)$(PREFIX)/share/man/man8
	$(if $(OWNER),$(foreach f,$(HOST_FILES),install -D -m 644 contrib/network/$(subst :, $(DESTDIR),$(f)) &&) true)

.PHONY: uninstall
uninstall: beside-uninstall ## remove what install has put there
	rm -f $(BINDIR)/emperor $(BINDIR)/vassal $(HELPERS:%=$(LIBEXEC)/%) $(FORMER:%=$(BINDIR)/%)
	-rmdir $(LIBEXEC)
	rm -f $(patsubst docs/man/%,$(DESTDIR)$(PREFIX)/share/man/man5/%,$(filter %.5,$(MANUALS)))
	rm -f $(patsubst docs/man/%,$(DESTDIR)$(PREFIX)/share/man/man7/%,$(filter %.7,$(MANUALS)))
	rm -f $(patsubst docs/man/%,$(DESTDIR)$(PREFIX)/share/man/man8/%,$(filter %.8,$(MANUALS)))
	rm -f $(foreach f,$(HOST_FILES),$(DESTDIR)$(lastword $(subst :, ,$(f))))

.PHONY: beside-install beside-uninstall
beside-install beside-uninstall:
	@sh packaging/beside.sh $(@:beside-%=%) "$(DESTDIR)" "$(PREFIX)" "$(FORCE)"

.PHONY: packages
packages: ## .deb and .rpm of this commit in dist/, with checksums and an SBOM
	packaging/build.sh dist

.PHONY: packages-check
packages-check: packages ## contents, programs and lintian's opinion of the packages
	packaging/check.sh dist

.PHONY: test
test: ## unit tests; no root needed
	CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout 10m ./cmd/... ./internal/... ./pkg/... ./webserver/... ./examples/...
	$(GO) test -tags native -shuffle=on ./pkg/hooks ./pkg/vassal

.PHONY: integration
integration: build ## stories in real namespaces, as root, against bin/
	EMPEROR_BIN=$(abspath $(BIN)) $(GO) test -count=1 -timeout 15m -parallel 8 ./integration/...

.PHONY: soak
soak: build ## long tests: all recipes of docs/programs.md, and 10,000 cycles and 400 kills of the network, 100,000 flips of a tenant's file, 2,000,000 requests over reloads, 600 mounts against 40,000 exchanges of a path, as root
	EMPEROR_SOAK=1 $(GO) test -v -count=1 -timeout 60m -run 'TestRandomCycles|TestKilledAtEachStep' ./pkg/network
	EMPEROR_SOAK=1 $(GO) test -v -count=1 -timeout 60m -run 'TestPlacesAgainstSwaps' ./pkg/namespaces
	EMPEROR_SOAK=1 EMPEROR_BIN=$(abspath $(BIN)) $(GO) test -v -count=1 -timeout 60m -parallel 4 -run 'TestRecipe|TestNetworkAfterKillsAtAnyTime|TestFlips|TestOwnFileSystem|TestRequestsOverReloads' ./integration/

.PHONY: bench
bench: build ## measures, in the same run as uWSGI's Emperor
	EMPEROR_BIN=$(abspath $(BIN)) $(GO) test -count=1 -timeout 20m -run '^$$' -bench . -benchtime 1x ./integration/...
	unshare -n -m env EMPEROR_TEST_SPACE=BenchmarkStage $(GO) test -count=1 -run '^$$' -bench '^BenchmarkStage$$' -benchtime 3x ./pkg/network

.PHONY: measure
measure: ## prints the sizes of files, functions and types
	$(GO) test -count=1 -v -run TestTable ./internal/budgets

.PHONY: systemd
# make itself ends with 2 when a recipe fails. The script's status is 77 without a virtual machine, and make
# prints it as "Error 77"; a caller that needs the status runs the script.
systemd: build ## stories of the unit and of limits in a virtual machine, which is built when missing, as root; 77: there is none
	integration/systemd/run.sh $(abspath $(BIN))

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZ (10s)
	GO="$(GO)" .ci/fuzz $(FUZZ) $(PACKAGES)

.PHONY: docs
docs: ## rewrite the generated documents
	EMPEROR_FIX_DOCS=1 $(GO) test -count=1 -run 'DocumentIsCurrent' ./pkg/... ./internal/... ./webserver

.PHONY: docs-check
docs-check: ## fail when a generated document is out of date
	$(GO) test -count=1 -run 'DocumentIsCurrent' ./pkg/... ./internal/... ./webserver

.PHONY: fmt
fmt: ## rewrite the code in the form that lint asks for
	$(GO) run $(LINTER) fmt ./...

.PHONY: lint
lint: ## formatting, vet, linters, tidy modules
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these files'; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags native ./cmd/... ./pkg/... ./internal/... ./webserver/...
	$(GO) mod tidy -diff
	$(GO) run $(LINTER) run ./...

.PHONY: vuln
vuln: ## known vulnerabilities in what we use (needs the vulnerability database)
	$(GO) run $(VULN) ./...

.PHONY: check
check: lint test integration docs-check ## everything CI runs

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN)
