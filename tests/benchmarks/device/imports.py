"""Microseconds to have a client with an account, and to have another one: `imports.py [IMAGE]`.

IMAGE is a littlefs with the package, which takes the place of the computer's files, as on a board.
The difference is loading: the second time everything is there.
"""

import gc
import sys
import time

import vfs


class Flash:
    """An image in memory as a block device."""

    SIZE = 4096

    def __init__(self, path):
        with open(path, "rb") as file:
            self.image = memoryview(file.read())

    def readblocks(self, block, data, offset=0):
        start = block * self.SIZE + offset
        data[:] = self.image[start : start + len(data)]

    def writeblocks(self, block, data, offset=0):
        raise OSError

    def ioctl(self, operation, _):
        return {4: len(self.image) // self.SIZE, 5: self.SIZE}.get(operation, 0)


def client_us():
    """Time that it takes to have a client."""
    gc.collect()
    start = time.ticks_us()
    from lwm2m.client import Client
    from lwm2m.objects.device import Device

    client = Client("bench")
    client.add_server("coap://127.0.0.1")
    client.add(Device(manufacturer="Acme"))
    return time.ticks_diff(time.ticks_us(), start)


if len(sys.argv) > 1:
    flash = Flash(sys.argv[1])
    vfs.umount("/")
    vfs.mount(vfs.VfsLfs2(flash), "/")
    sys.path[:] = ["", ".frozen", "/lib"]
print(client_us(), client_us())
