# Everything a developer types. `make run` and `make test` need Python 3.11, make, git and
# the package registries, nothing else.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
MADE := $(PYTHON) scripts/environment.py
PY := .venv/bin/python
RASA_PY := .venv/bin/python

# Where bytecode is not kept, every start compiles all libraries anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test test-fast check train danger vectors nlu-report bench clean

help:
	@echo "make run        start everything; Ctrl-C stops it"
	@echo "make test       all tests, browser and bot included"
	@echo "make test-fast  rules, storage, codes and the chat API, in under a minute"
	@echo "make check      style, types, import directions, locks, training data, migrations, readability"
	@echo "make train      train the assistant, if its sources have changed"
	@echo "make danger     train the danger model, if its corpora have changed (minutes)"
	@echo "make vectors    put the sentence vectors of today's training lines beside them"
	@echo "make nlu-report what is understood, and what danger found, of messages nothing was trained on"
	@echo "make bench      the benchmarks, as ratios, to build/bench/"
	@echo "make clean      remove environments, model and build; keeps .env and var/"

run:
	@$(PYTHON) scripts/run.py

# Both suites always run, whatever the first says.
test:
	@$(MADE) backend-dev rasa-dev chromium
	@cd rasa && $(RASA_PY) train.py
	@failed=0; \
	rasa/$(RASA_PY) -m pytest tests/bot || failed=1; \
	$(PY) -m pytest || failed=1; \
	exit $$failed

# Without the races; one process for each of two cores.
test-fast:
	@$(MADE) backend-dev
	@$(PY) -m pytest -q -n 2 -m "not slow" tests/rules tests/features/test_storage.py tests/features/test_codes.py tests/web/test_chat_api.py

check:
	@$(MADE) backend-bench rasa-dev
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	.venv/bin/lint-imports
	.uv/bin/uv lock --check
	.uv/bin/uv lock --check --project rasa
	.uv/bin/uv lock --check --project rasa/full
	$(PY) -m backend check-migrations
	$(PY) -m backend readability
	@mkdir -p build
	cd rasa && $(RASA_PY) launcher.py data validate --domain domain --fail-on-warnings \
		>../build/rasa-validate.log 2>&1 || { tail -20 ../build/rasa-validate.log; exit 1; }

train:
	@$(MADE) rasa
	@cd rasa && $(RASA_PY) train.py

danger:
	@$(MADE) rasa
	@rasa/$(RASA_PY) scripts/train_danger.py

vectors: train
	@cp rasa/.rasa/vectors.npz rasa/vectors.npz

nlu-report:
	@$(MADE) backend-bench rasa
	@cd rasa && $(RASA_PY) train.py
	@$(PY) -m bench.understanding

bench:
	@$(MADE) backend-bench rasa
	@cd rasa && $(RASA_PY) train.py
	@$(PY) -m bench

clean:
	rm -rf .uv .venv rasa/.venv rasa/models rasa/.rasa build
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
