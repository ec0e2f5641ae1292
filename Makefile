# Everything needs only python3 (3.11 or newer), pip and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UP_FLAGS ?=
DEBIAN_PACKAGES := chromium gcc libc6-dev prometheus prometheus-alertmanager \
	prometheus-node-exporter victoria-metrics
DEBIAN_PROGRAMS := chromium gcc prometheus prometheus-alertmanager prometheus-node-exporter victoria-metrics

.PHONY: up demo test slow lint bench peers clean

up: $(VENV)/server
	$(BIN)/tocsin up $(UP_FLAGS)

demo: $(VENV)/demo
	$(BIN)/tocsin demo

test: $(VENV)/test peers
	$(BIN)/pytest -n 2

# The same tests with many more examples, and those that take minutes.
slow: $(VENV)/test peers
	TOCSIN_TEST_KILLS=20 TOCSIN_DIFFERENTIAL_EXAMPLES=6000 TOCSIN_FUZZ_EXAMPLES=2000 \
		$(BIN)/pytest -n 2 -m "slow or not slow" tests/promql tests/server/test_kill.py

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
		rm -rf $(VENV) $(VENV)-bootstrap; \
		$(PYTHON) -m pip install -q --target $(VENV)-bootstrap virtualenv && \
		PYTHONPATH=$(VENV)-bootstrap $(PYTHON) -m virtualenv -q $(VENV); }

$(VENV)/server $(VENV)/demo $(VENV)/test $(VENV)/lint: $(VENV)/%: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[$*]'
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-bootstrap build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
