"""Boards: what `lwm2m-host board` does, one module for each thing.

boards.py: the descriptions in boards/NAME/board.toml. usb.py: what is plugged in. images.py and
flashing.py: MicroPython onto a board. modules.py, building.py and deploying.py: the application
onto a board. remote.py: mpremote as a program. provision.py: config.json and keys.json.
unixboard.py: a board that is a process of this computer.
"""
