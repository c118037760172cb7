# PYTHON is the Python 3.11 or newer that .venv is made with; everything else runs inside .venv.
PYTHON ?= python3
VENV := .venv/bin/python

.PHONY: run test check bench effects bakeoff campaign

run: ## the page at http://127.0.0.1:8501 (or PORT=...) and the engine behind it
	@$(PYTHON) -m engine.launch.setup
	@$(VENV) -m pages.parts.serve $(if $(PORT),--port $(PORT))

test: ## every test, with a real browser
	@$(PYTHON) -m engine.launch.setup --tests --browser
	@$(VENV) -m pytest

check: ## format, lint, types, architecture
	@$(PYTHON) -m engine.launch.setup --tests
	$(VENV) -m ruff format --check .
	$(VENV) -m ruff check .
	$(VENV) -m pyright
	$(VENV) -m pytest -q tests/test_architecture.py

bench: ## what is claimed about speed, printed as ratios
	@$(PYTHON) -m engine.launch.setup --tests --browser
	@$(VENV) -m benchmarks

effects: ## what each method changes, with three seeds
	@$(PYTHON) -m engine.launch.setup
	@$(VENV) -m benchmarks.effects

bakeoff: ## prompting, retrieval and training side by side on the Pocket lab, with three seeds
	@$(PYTHON) -m engine.launch.setup
	@$(VENV) -m benchmarks.bakeoff

campaign: ## processes killed at random moments, many times over; fifty annotators at once
	@$(PYTHON) -m engine.launch.setup --tests
	@$(VENV) -m benchmarks.annotators
	@$(VENV) -m benchmarks.losses
	@$(VENV) -m benchmarks.campaign
