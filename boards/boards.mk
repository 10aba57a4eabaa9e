# Boards: thin names for `lwm2m-host board …`, which has more options. Included by the Makefile.
#
# BOARD=RPI_PICO_W      a folder of boards/; needed to flash
# IMAGE=FILE ERASE=1    for board-flash
# PORT=/dev/ttyACM0     when more than one board is plugged in
# ARGS="..."            any other option

.PHONY: board-detect board-flash board-provision board-deploy board-monitor board-run \
	board-memory board-doctor board-unix board-packages

BOARD_COMMAND := .venv/bin/lwm2m-host board
BOARD_PORT = $(if $(PORT),--port "$(PORT)")
BOARD_NAME = $(if $(BOARD),--board "$(BOARD)")

board-detect: setup ## list the boards that are plugged in
	@$(BOARD_COMMAND) detect $(ARGS)

board-flash: setup ## put MicroPython onto a board (BOARD=… IMAGE=FILE ERASE=1)
	@test -n "$(BOARD)" || { echo "BOARD=… is needed: $$(cd boards && echo [A-Z]*_*)" >&2; exit 2; }
	@$(BOARD_COMMAND) flash "$(BOARD)" $(if $(IMAGE),--image "$(IMAGE)") $(if $(ERASE),--erase) \
		$(BOARD_PORT) $(ARGS)

board-provision: setup ## ask for server and Wi-Fi, and write firmware/config.json and keys.json
	@$(BOARD_COMMAND) provision $(BOARD_PORT) $(ARGS)

board-deploy: setup ## compile, and copy to the board what has changed (ARGS="--with objects.location")
	@$(BOARD_COMMAND) deploy $(BOARD_PORT) $(BOARD_NAME) $(ARGS)

board-monitor: setup ## show what a board prints; Ctrl-] ends it
	@$(BOARD_COMMAND) monitor $(BOARD_PORT) $(ARGS)

board-run: setup ## run firmware/main.py, or FILE=…, on a board without copying it
	@$(BOARD_COMMAND) run $(if $(FILE),"$(FILE)") $(BOARD_PORT) $(ARGS)

board-memory: setup ## show the heap of a board, and what the client takes of it
	@$(BOARD_COMMAND) memory $(BOARD_PORT) $(ARGS)

board-doctor: setup ## what is missing for work with boards, and how to get it
	@$(BOARD_COMMAND) doctor $(ARGS)

board-unix: setup ## a board without hardware, until Ctrl-C; prints the port to deploy to
	@$(BOARD_COMMAND) unix $(ARGS)

board-packages: setup ## write what mip installs: build/mip, packed, and firmware/package*.json
	@.venv/bin/python -m lwm2m_host.board.mip
	@.venv/bin/python -m lwm2m_host.board.mip --plain
