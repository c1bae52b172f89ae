# Everything lives in .venv; `make setup` is the shared first step of every other target.
PY ?= python3
BIN := .venv/bin
STAMP := .venv/.locked

.PHONY: coverage fuzz mutation setup demo test test-slow test-postgresql test-all check bench bench-seal soak debian clean

setup: $(STAMP)

$(STAMP): uv.lock pyproject.toml $(wildcard packages/*/pyproject.toml)
	@.ci/venv $(PY)
	@touch $@

debian: setup
	@.ci/debian

demo: setup
	@$(BIN)/unheld demo --out demo

test: debian
	$(BIN)/pytest -n 2 -m "not slow and not long"

test-slow: debian
	$(BIN)/pytest -n 2 -m "slow and not long"

# What reaches the database of a store, once more with every database in PostgreSQL: commits, crashes, copies put back,
# copies promoted, random histories of every act, and every command of the tree. What stands between a command and a commit
# is the same on both: `test-all` shows it.
STORES := $(addprefix tests/,unit/test_workflows_day.py unit/test_workflows_erase.py unit/test_workflows_lapse.py \
	unit/test_workflows_tombstones.py unit/test_branch_days.py unit/test_store_*.py faults/test_store_*.py \
	faults/test_log_outbox.py faults/test_copies_promoted.py property/test_histories_store.py cli/test_cli_*.py \
	cli/test_access_commands.py)
ABOVE := $(addprefix tests/,unit/test_workflows_*.py unit/test_branch_*.py unit/test_demands_holdings.py unit/test_exit_*.py \
	faults/test_exit_crash.py)
ON_POSTGRESQL := UNHELD_TEST_DATABASE=postgresql $(BIN)/pytest -n 2 -m "not slow and not long and not sqlite"

test-postgresql: debian
	$(ON_POSTGRESQL) $(STORES)

test-all: debian
	$(BIN)/pytest -n 2
	$(ON_POSTGRESQL) $(sort $(STORES) $(ABOVE))

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m bench

bench-seal: setup
	$(BIN)/python -m bench seal

# Every branch of verifier, keys, log and custodian is taken by a test; of the store, nearly every one. By the tests of these
# rooms alone: five minutes on two cores.
COVERING := $(addprefix tests/,unit/test_verify_*.py unit/test_formats.py unit/test_hostile_*.py unit/test_keys_*.py \
	unit/test_parties_*.py unit/test_log_*.py unit/test_custod*.py unit/test_desk_*.py unit/test_roster_*.py unit/test_branch_*.py \
	unit/test_store_*.py unit/test_workflows_*.py unit/test_access_*.py unit/test_papers_document.py unit/test_demands_seized.py \
	contract/test_verify_*.py contract/test_parties_*.py contract/test_custodians_*.py contract/test_casefolder_bag.py \
	contract/test_copies_contract.py contract/test_database_backends.py contract/test_releases.py property/test_verify_*.py \
	property/test_custod*.py property/test_parties_*.py property/test_roster_*.py property/test_hostile_bytes.py \
	property/test_store_*.py cli/test_verify_cli.py cli/test_casefolder_cli.py faults/test_log_*.py faults/test_custodian_*.py \
	faults/test_attack_custodians.py faults/test_copies_*.py faults/test_postgresql_*.py faults/test_store_*.py \
	faults/test_upgrade_crash.py)
ROOMS := */unheld_verify/*,*/unheld_custodian/*,*/unheld_branch/keys/*,*/unheld_branch/log/*

coverage: debian
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -n 2 -m "not slow and not long" $(COVERING)
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --include="*/unheld_branch/store/*" --fail-under=95
	$(BIN)/coverage report --include="$(ROOMS)" --fail-under=100

# Every reader of bytes, fed what atheris makes up, for SECONDS each, or RUNS of it. TARGETS="proof slot" names some.
SECONDS ?= 20
RUNS ?= -1
fuzz: setup
	@UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --locked --inexact --quiet --group fuzz
	$(BIN)/python -m fuzz $(TARGETS) --seconds $(SECONDS) --runs $(RUNS)

# Every change of one spot in `keys`, and which of them its tests do not see. An hour on two cores; what survives is to be explained.
MUTANTS ?=
mutation: setup
	@UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --locked --inexact --quiet --group mutation
	@.ci/mutation $(MUTANTS)

soak: setup
	PYTHONPATH=docs/reader $(BIN)/python -m bench.soak
	$(BIN)/python -m bench.soak_page

clean:
	rm -rf .venv .mutation demo .mypy_cache .ruff_cache .pytest_cache
