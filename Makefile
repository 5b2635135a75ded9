# `make demo` and `make test` need nothing typed before them: they set up .venv themselves.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BENCH_BIN := .venv-bench/bin
BENCH_READY := .venv-bench/.ready

# Two spinning thread pools fight on a small machine.
export OMP_WAIT_POLICY ?= passive

.PHONY: demo test test-slow lint bench docs gpu clean

$(READY): pyproject.toml setup.py constraints.txt $(wildcard src/ranvier/kernels/*.c src/ranvier/kernels/*.h)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)

demo: $(READY)
	$(BIN)/ranvier demo

test: $(READY)
	$(BIN)/python -m pytest -n 2 -m "not slow and not gpu"

test-slow: $(READY)
	$(BIN)/python -m pytest -m "slow and not gpu"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# The peers live in an environment of their own: some of them ask for packages that must not meet ours.
$(BENCH_READY): benchmarks/peers.txt constraints.txt
	test -x $(BENCH_BIN)/python || $(PYTHON) -m venv .venv-bench
	$(BENCH_BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch numpy safetensors
	$(BENCH_BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r benchmarks/peers.txt
	touch $(BENCH_READY)

bench: $(READY) $(BENCH_READY)
	PYTHONPATH=src $(BENCH_BIN)/python -m benchmarks

docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	$(BIN)/zensical build

# No network, no installation: torch, numpy, triton and pytest of the machine itself.
gpu:
	PYTHONPATH=src $(PYTHON) -m pytest -m gpu tests/kernels/test_lif_gpu.py tests/tasks/test_calibrate.py
	PYTHONPATH=src $(PYTHON) -m benchmarks --device cuda

clean:
	rm -rf .venv .venv-bench build dist site src/*.egg-info src/ranvier/kernels/*.so
