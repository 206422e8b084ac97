# Everything that a fresh machine needs is set up by the targets themselves, and found again the next time.
#
#   make demo     the demonstration: sets up .venv and a Julia, trains, prints its figures
#   make test     lint, types, generated code, Julia tests, Python tests
#   make lint     ruff, mypy and the length of Julia's lines
#   make gallery  all examples of examples/gallery with five seeds, and a page of them
#   make browser  looks at the page of a diagram in Chromium, if that is installed
#   make bench    the benchmarks
#   make clean    removes .venv and caches (not the Julia in the data folder)

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

# The environment that make was called from must not lend its packages.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test lint types generated julia-tests python-tests gallery browser bench julia clean
.DELETE_ON_ERROR:

demo: $(READY) julia
	$(BIN)/diagram-bridge demo

# One after the other, whatever -j says: the last line is pytest's.
test:
	$(MAKE) lint
	$(MAKE) generated
	$(MAKE) julia-tests
	$(MAKE) python-tests

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python scripts/julia_lines.py

generated: $(READY)
	$(BIN)/python scripts/generate.py --check

julia-tests: $(READY) julia
	$(BIN)/python scripts/julia_tests.py

# One thread each: processes whose threads wait for each other's cores are slower than one core.
python-tests: $(READY) julia
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

gallery: $(READY) julia
	OMP_NUM_THREADS=1 $(BIN)/python -m examples.gallery --seeds 5 -o build/gallery

browser: $(READY)
	$(BIN)/python -m scripts.browser_check -o build/browser

bench: $(READY) julia
	$(BIN)/python -m benchmarks.crossing --json
	$(BIN)/python -m benchmarks.plan --json
	$(BIN)/python -m benchmarks.scale --json
	$(BIN)/python -m benchmarks.layers --json
	$(BIN)/python -m benchmarks.flux --json || test $$? -eq 2 # there need not be a Flux

# A Julia that is there already is used.
julia: $(READY)
	@$(BIN)/python -c "from bridge.julia.find import choose; choose()" 2>/dev/null || $(BIN)/diagram-bridge julia install

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
