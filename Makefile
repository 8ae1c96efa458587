# Everything a newcomer needs is `make run` and `make test`; each sets up what it needs in .venv by itself.
.DEFAULT_GOAL := help
.PHONY: help run test check docs pictures promises bench lock clean setup-run setup-test
MAKEFLAGS += --no-print-directory
# Tests start the service many times; without compiled modules each start takes seconds.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv/bin
ARGS ?=
# One more than the smallest machine has cores: the long tests mostly wait for other processes.
WORKERS ?= 3

help:  ## Show this list
	@printf 'Erti: one citizen ID, one consent ledger.\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nPython 3.11 or newer is all that must be there. CONTRIBUTING.md tells the rest.\n'

run: setup-run  ## Start the service and two example portals with sample citizens (FRESH=1 starts over, PORT=9000 moves it)
	@exec $(VENV)/python -m service demo $(if $(filter 1 yes true,$(FRESH)),--fresh) $(if $(PORT),--port $(PORT)) $(ARGS)

test: setup-test  ## Run all tests this machine allows (STRICT=1: fail if any could not run; ARGS="-k door")
	@$(if $(filter 1 yes true,$(STRICT)),ERTI_TEST_STRICT=1) $(VENV)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup-test  ## Format, lint, types, imports, documents, house rules
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/mypy
	$(VENV)/lint-imports
	$(VENV)/python tools/reference.py --check
	$(VENV)/python -m pytest -q tests/architecture tests/assurance_lists tests/attacks/test_listed.py tests/certification/test_listed.py

docs: setup-test  ## Write settings, events, errors, certification, asvs and nist-800-63b of docs/ from the code and its lists
	$(VENV)/python tools/reference.py
	$(VENV)/python -m tests.certification.listed
	$(VENV)/python -m tests.assurance_lists.listed

pictures: setup-test  ## Take the pictures of docs/pictures anew, with Chromium
	$(VENV)/python -m pytest -q -n 0 tests/browser/pictures.py

promises: setup-test  ## Break each promise on purpose, and see its test fail
	$(VENV)/python tests/promises/run.py $(ARGS)

bench: setup-test  ## Measure each path on one core, then the ledger on all (about five minutes; ARGS=--ledger for that alone)
	$(VENV)/python -W 'ignore:XDG_RUNTIME_DIR' -m bench.run $(ARGS)

lock: setup-test  ## Resolve the dependencies of pyproject.toml anew into the two lock files
	$(VENV)/python tools/lock.py $(ARGS)

clean:  ## Remove the environment and what tools left behind; sample data in var/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup-run:
	@sh tools/setup.sh run

setup-test:
	@sh tools/setup.sh test
