"""A device that is observed over UDP: `notify.py URI`. Executing /26241/0/0 has a value change
3 COUNT times, each told in a notification that is not confirmable, and prints the heap that COUNT
of them and the other 2 COUNT have taken, the time of the latter in us, and that of as many
datagrams written to the socket without the client."""

import gc
import sys
import time

from lwm2m.client import Client
from lwm2m.objects.base import Object
from lwm2m.objects.ipso import Temperature

_COUNT = 1000


class Mark(Object):
    OID = 26241
    RESOURCES = (0, 0x40, "mark")
    wanted = False

    def mark(self, args=None):
        self.wanted = True


def tell(client, sensor, count):
    values = (21.5, 20.5)
    for i in range(count):
        sensor.value = values[i & 1]
        client.step()


def write(sock, buf, n):
    for _ in range(2 * _COUNT):
        sock.write(buf, n)


def timed(fn, *args):
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    start = time.ticks_us()
    fn(*args)
    us = time.ticks_diff(time.ticks_us(), start)
    taken = gc.mem_alloc() - before
    gc.enable()
    return taken, us


def main():
    client = Client("bench")
    client.add_server(sys.argv[1], lifetime_s=300)
    sensor = client.add(Temperature(unit="Cel", value=20.5, min_measured=0.0, max_measured=99.0))
    mark = client.add(Mark())
    while True:
        due = client.step()
        if mark.wanted:
            mark.wanted = False
            fewer, _ = timed(tell, client, sensor, _COUNT)
            more, us = timed(tell, client, sensor, 2 * _COUNT)
            sock = client.registrations[0].transport.sock
            _, plain = timed(write, sock, client.builder.buf, 26)
            print(fewer, more, us, plain)
        else:
            client.wait(due)


main()
