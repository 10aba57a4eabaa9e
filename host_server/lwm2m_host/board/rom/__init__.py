"""The package in a ROM as a whole: C of a packed package, for a firmware of one's own.

A frozen module has its bytecode in flash, and still makes function objects, classes and their
dictionaries in RAM when it is imported. Here they are constants too: an import makes nothing.
`values` writes constants as C, `source` the module, and `__main__` is the command.
"""
