# Everything needs only python3 (3.11 or newer), pip and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UP_FLAGS ?=
FUZZ_INPUTS ?= 1000000
DEBIAN_PACKAGES := chromium gcc libc6-dev prometheus prometheus-alertmanager \
	prometheus-node-exporter victoria-metrics
DEBIAN_PROGRAMS := chromium gcc prometheus prometheus-alertmanager prometheus-node-exporter victoria-metrics

.PHONY: up demo test slow fuzz frameworks nvflare nemo-run trainers lint bench peers clean

up: $(VENV)/server
	$(BIN)/tocsin up $(UP_FLAGS)

demo: $(VENV)/demo
	$(BIN)/tocsin demo

test: $(VENV)/test peers
	$(BIN)/pytest -n 2

# The same tests with many more examples, and those that take minutes.
slow: $(VENV)/test peers
	TOCSIN_TEST_KILLS=20 TOCSIN_TEST_CRASHES=100 TOCSIN_DIFFERENTIAL_EXAMPLES=6000 TOCSIN_FUZZ_EXAMPLES=2000 \
		$(BIN)/pytest -n 2 -m "slow or not slow" tests/promql tests/server/test_kill.py tests/server/test_kill_alerting.py \
		tests/storage/test_crash.py tests/storage/test_year.py tests/sdk/test_soak.py

# So many inputs for every parser of what comes from outside; with a million it takes more than an hour.
fuzz: $(VENV)/test
	TOCSIN_FUZZ_INPUTS=$(FUZZ_INPUTS) nice -n 10 $(BIN)/pytest -s --timeout=0 tests/fuzz

# The frameworks that tocsin watches, each in an environment of its own, because they pin what they need.
# Of Flower the oldest and the newest that are supported, or those that are named: make frameworks FLOWER=1.30.0
FLOWER ?= 1.24.0 1.42.0
FRAMEWORK_TOOLS := pytest pytest-asyncio pytest-timeout hypothesis numpy
FRAMEWORK_TESTS := -m framework -p no:cacheprovider
TRAINER_TESTS := $(patsubst %,tests/frameworks/test_%.py,trainers lightning transformers keras accelerate)

frameworks: $(FLOWER:%=flower-%) nvflare nemo-run trainers

flower-%: .venv-flower-%/made
	$(<D)/bin/python -m pytest $(FRAMEWORK_TESTS) tests/frameworks/test_flower.py tests/frameworks/test_flower_live.py

nvflare: .venv-nvflare/made
	$(<D)/bin/python -m pytest $(FRAMEWORK_TESTS) tests/frameworks/test_nvflare.py tests/frameworks/test_nvflare_poc.py

nemo-run: .venv-nemo/made
	$(<D)/bin/python -m pytest $(FRAMEWORK_TESTS) tests/frameworks/test_nemo_run.py

trainers: .venv-trainers/made
	$(<D)/bin/python -m pytest $(FRAMEWORK_TESTS) $(TRAINER_TESTS)

define framework_environment
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install -q --disable-pip-version-check -e '.[server]' $(FRAMEWORK_TOOLS) $(1)
	@touch $@
endef

.venv-flower-%/made: pyproject.toml
	$(call framework_environment,flwr==$*)

.venv-nvflare/made: pyproject.toml
	$(call framework_environment,nvflare==2.9.0 datadog)

# A newer leptonai lacks what this nemo-run imports.
.venv-nemo/made: pyproject.toml
	$(call framework_environment,nemo-run==0.11.1 'leptonai<0.28')

.venv-trainers/made: pyproject.toml
	$(call framework_environment,torch==2.13.0 lightning==2.6.6 transformers==5.23.0 keras==3.15.1 accelerate==1.15.0)

# Kept although only a pattern names them.
.PRECIOUS: .venv-flower-%/made

lint: $(VENV)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/test peers
	$(BIN)/python -m benchmarks

# Real programs that tests run against. Without root, what is missing is skipped and counted by the
# tests; with TOCSIN_REQUIRE_PEERS=1 it fails them.
peers:
	@missing=; for program in $(DEBIAN_PROGRAMS); do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing from Debian:$$missing"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $(DEBIAN_PACKAGES) >/dev/null; \
	fi

# Debian's python3 may come without ensurepip; virtualenv then does the same.
$(BIN)/python:
	@echo "making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
		rm -rf $(VENV) $(VENV)-*; \
		$(PYTHON) -m pip install -q --target $(VENV)-bootstrap virtualenv && \
		PYTHONPATH=$(VENV)-bootstrap $(PYTHON) -m virtualenv -q $(VENV); }

$(VENV)/server $(VENV)/demo $(VENV)/test $(VENV)/lint: $(VENV)/%: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[$*]'
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-bootstrap build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
