"""The demonstration: a server and a real MicroPython client on one machine, for `make demo`.

`session` starts and ends them, `tour` goes through the operations once, `live` keeps a table on
the screen until Ctrl-C, `view` is what both show.
"""
