# Everything a user needs: make reports, make lab, make test. Nothing outside this folder is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest

.PHONY: reports lab test test-fast test-notebooks test-all benchmark clean

reports: $(READY)
	$(BIN)/qbresearch verify
	$(BIN)/qbresearch build
	$(BIN)/qbresearch run demo
	$(BIN)/qbresearch publish demo

lab: $(READY)
	$(BIN)/qbresearch build
	$(BIN)/jupyter lab notebooks

test: test-fast test-notebooks

test-fast: $(READY)
	$(PYTEST) -n auto -m "not slow and not system"

# The templates must run from top to bottom; the tutorial must also give the outputs it is committed with.
test-notebooks: $(READY)
	$(BIN)/qbresearch build
	$(PYTEST) -n auto --dist loadfile --nbval-lax notebooks/[1-9]*.ipynb
	$(PYTEST) --nbval notebooks/00-tutorial.ipynb

# The check of accessibility needs node; where there is none it is skipped with a reason.
test-all: $(READY)
	-command -v npm >/dev/null && npm install --silent --no-audit --no-fund --prefix tests/system
	$(PYTEST) -n auto
	$(MAKE) test-notebooks

benchmark: $(READY)
	$(BIN)/python benchmarks/bench_dispersion.py
	$(BIN)/python benchmarks/bench_monitoring.py
	$(BIN)/python benchmarks/bench_multilevel.py
	$(BIN)/python benchmarks/bench_index.py
	$(BIN)/python benchmarks/bench_publish.py
	$(BIN)/python benchmarks/figures.py
	$(BIN)/python benchmarks/nation.py
	$(BIN)/python benchmarks/batch.py

clean:
	rm -rf $(VENV) build *.egg-info

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "需要 Python 3.11 或更新版本，现在是 " + sys.version.split()[0] + "。用 make PYTHON=python3.12 指定另一个。")'
	@echo "正在准备运行环境 $(VENV)（第一次需要下载，约一到三分钟）……"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)
