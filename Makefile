# Candor's commands. `make` alone lists them.
# Works with GNU make 3.81 and newer, and with any POSIX shell.

.DEFAULT_GOAL := help
# The options of the overload bench, as in: make bench-overload OVERLOAD="--seconds 3"
OVERLOAD ?=
# The options of the bench of moves, as in: make bench-moves MOVES="--seconds 5 --moves 10"
MOVES ?=
# The binary that `make survey` tests, and its options, as in: make survey SURVEY="--filter silero"
SURVEY_BINARY ?= target/debug/candor
SURVEY ?=
.PHONY: help run test lint bench bench-overload hostile bench-shadow bench-soak bench-overload-deps coverage guard-study matrix-study selection-study docs models profiles calibrations churn-truth-report survey fixtures clean need-rust need-python need-pip runtime bench-moves

# The flags for `candor serve`, as in: make run ARGS="--port 9000 my-models"
ARGS ?=
# The bundled versions that have a profile.
PROFILED := breast-cancer/1 churn/1 churn/2 diabetes/1 diabetes/2 digits/1 wine/1 wine/2
# The filter for `cargo test`, as in: make test TESTS=contract
TESTS ?=
# The features of the crate to test with, as in: make test FEATURES="arrow object-store" TESTS=tables
FEATURES ?=

ifeq ($(shell uname -s),Darwin)
ORT_LIBRARY := $(CURDIR)/.onnxruntime/libonnxruntime.dylib
else
ORT_LIBRARY := $(CURDIR)/.onnxruntime/libonnxruntime.so
endif
# What tests and benches load: the caller's own library, or the one that was fetched.
WITH_ORT := ORT_DYLIB_PATH="$${ORT_DYLIB_PATH:-$(ORT_LIBRARY)}"
WITH_PYTHON := CANDOR_TEST_PYTHON="$${CANDOR_TEST_PYTHON:-$(CURDIR)/.venv-test/bin/python}"

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

run: need-rust runtime ## Build in release mode and serve models/ with config/candor.toml
	cargo run --release --locked -- serve $(ARGS)

test: need-rust need-pip runtime .venv-test/stamp ## Run every test
	@$(WITH_ORT) $(WITH_PYTHON) cargo test --locked --features "$(FEATURES)" --lib --bins --test it $(TESTS)

lint: need-rust ## Check format, lints, documentation and dependencies
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	@missing=0; for tool in cargo-deny@0.20.2 cargo-machete@0.9.2 typos-cli@1.52.0; do \
		program=$${tool%@*}; command -v "$${program%-cli}" >/dev/null 2>&1 || \
		{ echo "missing: $$program. Install it: cargo install --locked $$tool" >&2; missing=1; }; \
	done; exit $$missing
	cargo machete
	typos
	cargo deny check --hide-inclusion-graph licenses bans sources

bench: need-rust runtime bench-overload-deps ## Measure throughput and latency under load, beside the limits
	@$(WITH_ORT) ./benches/load/run.sh
	@$(WITH_ORT) python3 benches/load/goals.py

bench-overload-deps: need-rust runtime .venv-models/stamp
	@mkdir -p target/overload
	cargo build --profile dist --locked --bin candor --example overload-generator
	@.venv-models/bin/python benches/overload/heavy.py target/overload/heavy.onnx

bench-overload: bench-overload-deps ## Measure overload: goodput, lateness, refusals, isolation
	@$(WITH_ORT) python3 benches/overload/run.py --out target/overload/overload.md $(OVERLOAD)

bench-shadow: need-rust runtime ## Measure what a shadow costs the answered requests
	cargo build --release --locked --bin candor
	@$(WITH_ORT) python3 benches/shadow/run.py target/release/candor

bench-moves: bench-overload-deps ## Measure what callers notice of moves
	@$(WITH_ORT) .venv-models/bin/python benches/moves/run.py --out target/moves.md $(MOVES)

hostile: need-rust need-pip runtime .venv-test/stamp ## Attack the server at full size, and print what it held
	@$(WITH_ORT) $(WITH_PYTHON) CANDOR_LONG=1 cargo test --locked --test it hostile -- --nocapture --test-threads 1

bench-soak: bench-overload-deps ## Ask a million times and compare the memory
	@$(WITH_ORT) python3 benches/overload/soak.py --out target/overload/soak.md

# The rows of each model that it was not trained on: parts that its train.py keeps for calibration and for testing.
HELD_OUT := breast-cancer churn diabetes digits wine
# How many splits, as in: make coverage SPLITS=100
SPLITS ?= 1000
coverage: need-rust need-pip runtime .venv-models/stamp ## Measure held-out coverage again, for docs/uncertainty
	@mkdir -p target/tables
	@for model in $(HELD_OUT); do \
		for part in calibration test; do \
			.venv-models/bin/python models/table.py $$model $$part target/tables/$$model-$$part.jsonl || exit 1; \
		done; \
		cat target/tables/$$model-calibration.jsonl target/tables/$$model-test.jsonl > target/tables/$$model-held-out.jsonl; \
	done
	cargo build --release --locked --bin candor --example coverage
	@$(WITH_ORT) python3 studies/coverage/answers.py target/release/candor target/tables/churn-test.jsonl docs/uncertainty/churn-answers.md
	@$(WITH_ORT) target/release/examples/coverage docs/uncertainty target/tables $(SPLITS)

# Splits the rows of each model kind SPLITS times, as in: make matrix-study SPLITS=20
matrix-study: need-rust runtime ## Measure models of many kinds, for docs/uncertainty
	cargo build --release --locked --bin candor --example matrix
	@$(WITH_ORT) target/release/examples/matrix target/release/candor docs/uncertainty/matrix.md $(SPLITS)

# How many data sets of each kind, as in: make selection-study DATASETS=100
DATASETS ?= 1000
selection-study: need-rust ## Simulate what `auto` selects, for docs/uncertainty
	cargo build --release --locked --example selection
	target/release/examples/selection docs/uncertainty/selection.md $(DATASETS)

# How many canaries for each line, as in: make guard-study CANARIES=1000
CANARIES ?= 10000
guard-study: need-rust ## Simulate canaries and their guard, for docs/rollout
	cargo build --release --locked --example guard
	target/release/examples/guard docs/rollout/guard.md $(CANARIES)

docs: need-rust need-pip runtime .venv-test/stamp ## Write the generated documents again
	@$(WITH_ORT) $(WITH_PYTHON) CANDOR_BLESS=1 cargo test --locked --test it documents

models: need-pip .venv-models/stamp ## Train all bundled models again
	@for script in models/*/train.py; do echo "$$script"; .venv-models/bin/python "$$script" || exit 1; done

# Each version's profile, from the rows that its model was trained on.
profiles: need-rust need-pip runtime .venv-models/stamp ## Make profile.json of the bundled models again
	@mkdir -p target/tables
	cargo build --locked
	@for version in $(PROFILED); do \
		model=$$(dirname $$version); \
		.venv-models/bin/python models/table.py $$model train target/tables/$$model-train.jsonl || exit 1; \
		$(WITH_ORT) target/debug/candor profile models/$$version --data target/tables/$$model-train.jsonl || exit 1; \
	done

# Each version's calibration, from the rows that are kept for it: models/README.md says why so. The time in the files is
# fixed, so that the same rows write the same bytes.
calibrations: need-rust need-pip runtime .venv-models/stamp ## Make calibration.json of the bundled models again
	@mkdir -p target/tables
	cargo build --locked
	@calibrate() { \
		version=$$1; shift; table=target/tables/$${version%/*}-calibration.jsonl; \
		.venv-models/bin/python models/table.py "$${version%/*}" calibration "$$table" && \
		$(WITH_ORT) SOURCE_DATE_EPOCH=1772496000 target/debug/candor calibrate "models/$$version" \
			--data "$$table" --target target "$$@" && echo; \
	}; \
	calibrate breast-cancer/1 && calibrate churn/1 && calibrate churn/2 && calibrate diabetes/1 --group-by sex && calibrate diabetes/2 && \
		calibrate digits/1 && calibrate wine/1 --prediction-sets none && calibrate wine/2 --prediction-sets none

churn-truth-report: need-rust need-pip runtime .venv-models/stamp ## Measure churn's probabilities against the true ones again
	cargo build --locked
	@$(WITH_ORT) .venv-models/bin/python models/churn/compare_true_probabilities.py target/debug/candor docs/uncertainty/churn-truth.md

survey: need-rust need-pip runtime .venv-survey/stamp ## Serve third-party models, compare the answers, write docs/models.md
	cargo build --locked
	@$(WITH_ORT) .venv-survey/bin/python scripts/survey --candor $(SURVEY_BINARY) $(SURVEY)

fixtures: need-pip .venv-models/stamp ## Make the test fixtures again
	@for script in tests/fixtures/*.py; do echo "$$script"; .venv-models/bin/python "$$script" || exit 1; done

clean: ## Delete what was built and fetched
	rm -rf target .onnxruntime .onnxruntime-* .venv-test .venv-models .venv-survey

# ---- What the commands above need ----

runtime: need-python
	@python3 scripts/fetch_onnxruntime.py

need-rust:
	@missing=0; \
	command -v cargo >/dev/null 2>&1 || \
		{ echo "missing: cargo. Install Rust with rustup: https://rustup.rs" >&2; missing=1; }; \
	command -v cc >/dev/null 2>&1 || \
		{ echo "missing: cc, a C compiler. Debian, Ubuntu: apt-get install build-essential. macOS: xcode-select --install" >&2; missing=1; }; \
	exit $$missing

need-python:
	@command -v python3 >/dev/null 2>&1 || \
		{ echo "missing: python3. Debian, Ubuntu: apt-get install python3 python3-pip. macOS: xcode-select --install" >&2; exit 1; }

need-pip: need-python
	@python3 -m pip --version >/dev/null 2>&1 || \
		{ echo "missing: pip for python3. Debian, Ubuntu: apt-get install python3-pip. Elsewhere: python3 -m ensurepip" >&2; exit 1; }

# `python3 -m venv` with pip asks for one more package on Debian and Ubuntu, so the environment is made without,
# and the pip that is there puts a pinned one in. It then sees the environment's packages and no others.
PIP := 26.3
.venv-test/stamp: tests/requirements.txt
.venv-models/stamp: models/requirements.txt
.venv-survey/stamp: scripts/survey/requirements.txt
.venv-test/stamp .venv-models/stamp .venv-survey/stamp:
	@echo "installing $< into $(@D)"
	@rm -rf $(@D)
	@python3 -m venv --without-pip $(@D)
	@PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps pip==$(PIP) \
		--target "$$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	@PIP_ROOT_USER_ACTION=ignore $(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
