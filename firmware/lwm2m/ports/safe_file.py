"""A file that is replaced as a whole or not at all, whenever the power is cut. Loaded with
lwm2m.store and lwm2m.ports.backup.

The new contents are written to a file beside it, path + ".new", which is renamed when it is
complete. A file system that cannot rename over a file (FAT) loses the old name first: from then on
the new file is the complete one, under its own name until the next read or write.
"""

import errno
import os


def read(path):
    """The contents of `path` as bytes; empty if there is no such file. Allocates: the contents."""
    _settle(path)
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def replace(path, data):
    """Replace the contents of `path` by the bytes `data`. Raises OSError; the old contents then
    stay."""
    _settle(path)
    new = path + ".new"
    with open(new, "wb") as file:
        file.write(data)
    # Not every port has it: some write through.
    if hasattr(os, "sync"):
        os.sync()
    try:
        os.rename(new, path)
    except OSError as e:
        if e.errno != errno.EEXIST:
            raise
        os.remove(path)
        os.rename(new, path)


def _settle(path):
    # Finish what a power cut interrupted between the removal of the old file and the rename, or
    # the next write would begin with the only complete file.
    try:
        os.stat(path)
    except OSError:
        try:
            os.rename(path + ".new", path)
        except OSError:
            pass
