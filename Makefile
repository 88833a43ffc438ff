# Each target is one script or command; `make` alone lists them. Scripts say in their first lines what they take.

.DEFAULT_GOAL := help
.PHONY: help run build build-mvsqlite test lint fmt bench bench-map bench-peers bench-loadtest bench-export bench-godot bench-admin pictures fuzz soak cover conformance godot-test godot-zip loadtest clean

help: ## lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## builds the hub and starts the example city on 127.0.0.1:8080
	@scripts/run

build: ## builds bin/framehub
	scripts/build

build-mvsqlite: ## builds bin/framehub-mvsqlite, the hub for databases on mvSQLite
	scripts/build-mvsqlite

test: ## runs every check and test there is; sets up what they need (STEPS="lint go": only those)
	@scripts/test $(STEPS)

lint: ## reads the Go code with golangci-lint
	scripts/lint

fmt: ## formats the Go code
	go fmt ./...

bench: ## runs the Go benchmarks and sums them up (COUNT, BENCH, BASE: see scripts/bench)
	@scripts/bench

bench-map: ## measures how many frames a second the operators' map paints in Chromium (COUNT)
	@scripts/bench-map

bench-peers: ## measures the hub beside Colyseus and bare relays (SIZES, ARGS: see scripts/bench-peers)
	@scripts/bench-peers $(ARGS)

bench-godot: ## measures the Godot addon beside the plain way (NAMES="bots": see scripts/bench-godot)
	@scripts/bench-godot $(NAMES)

bench-export: ## measures an export of 200 MiB from Godot, beside cp
	@scripts/bench-export

pictures: ## makes the pictures in docs/pictures anew, from the pages as the tests see them, and of Godot's example
	@scripts/pictures

bench-admin: ## measures what the operators' page costs the hub and the browser with 2,000 sessions
	@scripts/bench-admin

fuzz: ## runs every fuzz target for a minute (FUZZTIME=10m: longer)
	@scripts/fuzz

soak: ## runs the soak tests for ten minutes each (FRAMEHUB_SOAK=1h: longer)
	@scripts/soak

cover: ## says how much of each package the tests reach
	@scripts/cover

conformance: ## lets the Python client talk to the hub
	@scripts/conformance

godot-test: ## tests the Godot addon in a Godot without a window (TESTS="resume": only those)
	@scripts/godot-test $(TESTS)

godot-zip: ## packs the Godot addon, as it is committed, as the Asset Library wants it
	mkdir -p bin
	git archive --format=zip --output=bin/framehub-addon.zip HEAD:godot

loadtest: build ## loads a hub of its own with 100 devices for a minute; charts in bin/loadtest.html (ARGS="--devices 200": other flags)
	bin/framehub loadtest --hub embedded --profile mesh --devices 100 --observers 8 --hz 20 --duration 1m --html bin/loadtest.html $(ARGS)

bench-loadtest: ## measures the load test itself: 2,000 devices at 10 Hz from one core (ARGS: as above)
	@scripts/bench-loadtest $(ARGS)

clean: ## removes what was built and the cache folder inside the project; data/ stays
	chmod -R u+w .cache 2>/dev/null || true
	rm -rf bin .cache godot/.godot
