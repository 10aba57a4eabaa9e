.PHONY: setup
setup:
	@boards/UNIX/setup.sh
