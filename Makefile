# Everything lives in .venv; `make setup` is the shared first step of every other target.
PY ?= python3
BIN := .venv/bin
STAMP := .venv/.locked

.PHONY: coverage fuzz setup demo test test-slow test-postgresql test-all check bench bench-seal soak debian clean

setup: $(STAMP)

$(STAMP): uv.lock pyproject.toml $(wildcard packages/*/pyproject.toml)
	@.ci/venv $(PY)
	@touch $@

debian: setup
	@.ci/debian

demo: setup
	@$(BIN)/unheld demo --out demo

test: debian
	$(BIN)/pytest -n 2 --dist loadgroup -m "not slow and not long"

test-slow: debian
	$(BIN)/pytest -n 2 --dist loadgroup -m "slow and not long"

# What a store does, once more with every database in PostgreSQL.
STORES := $(addprefix tests/,unit/test_workflows_*.py unit/test_branch_*.py unit/test_store_*.py unit/test_demands_holdings.py \
	unit/test_exit_*.py faults/test_store_*.py faults/test_log_outbox.py faults/test_exit_crash.py)

test-postgresql: debian
	UNHELD_TEST_DATABASE=postgresql $(BIN)/pytest -n 2 --dist loadgroup -m "not slow and not long and not sqlite" $(STORES)

test-all: debian
	$(BIN)/pytest -n 2

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m bench

bench-seal: setup
	$(BIN)/python -m bench seal

# Which branches of verifier, keys, log and custodian no test takes. One process a suite: it is slow.
coverage: debian
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -n 0 -q -m "not long" tests/unit tests/contract tests/property tests/cli tests/faults
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

# Every reader of bytes, fed what atheris makes up, for SECONDS each. TARGETS="proof slot" names some.
SECONDS ?= 20
fuzz: setup
	@UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --locked --inexact --quiet --group fuzz
	$(BIN)/python -m fuzz $(TARGETS) --seconds $(SECONDS)

soak: setup
	PYTHONPATH=docs/reader $(BIN)/python -m bench.soak
	$(BIN)/python -m bench.soak_page

clean:
	rm -rf .venv demo .mypy_cache .ruff_cache .pytest_cache
