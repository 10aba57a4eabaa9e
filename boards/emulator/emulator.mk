# The emulated RP2040: see boards/emulator/README.md. To be included before anything else in the
# Makefile: `make emulate SHELL=1` is a wish of the user's, and to make it is the name of the
# shell to start, for every $(shell …) and every recipe that follows.
ifneq ($(filter 1 yes,$(SHELL)),)
EMULATE_SHELL := yes
override SHELL := /bin/sh
endif

# The first target in the Makefile stays what `make` alone means.
.DEFAULT_GOAL := help

.PHONY: emulate emulate-all emulator-images

emulate: setup ## an emulated RP2040 registers and answers (SHELL=1: leave it running for mpremote)
	@boards/emulator/runner.sh
	@boards/emulator/build.sh --plain
	@.venv/bin/python boards/emulator/emulate.py $(if $(EMULATE_SHELL),--shell) $(ARGS)

emulate-all: emulator-images ## compare on it the ways in which a board can have the package; test it in all
	@.venv/bin/python boards/emulator/emulate.py --all $(ARGS)
	$(PYTHON_BIN) -m pytest tests/emulator -m "slow or not slow" $(PYTEST_ARGS)

emulator-images: setup
	@boards/emulator/runner.sh
	@boards/emulator/build.sh
	@boards/emulator/rom.sh
