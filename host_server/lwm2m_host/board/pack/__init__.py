"""The packer: the modules of the package become a few, smaller ones that do the same.

Code that MicroPython loads from a file lies in RAM, and much of it is not code: a table of names
for each module, a dictionary of its globals, the text of every name. ``pack`` makes one module of
those that are always loaded together, writes constants in the place of their names, gives names
that only the package itself uses the names that every MicroPython has in its ROM already, and puts
the names that are used most where one byte names them. `groups` says what is loaded together,
`names` which names applications may use, `rewrite` how a module becomes a part of another,
`layout` how the text is written so that a traceback can be read (`traceback`), `packing` does it
all, `building` makes files for a board of it, and `fitting` lets a function that is a little too
long for a block of the heap lose a line.
"""
